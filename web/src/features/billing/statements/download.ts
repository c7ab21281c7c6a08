import { ownHeaders, problemOf } from '../../../shared/api/index.ts';

const NAMED = /filename="?([^";]+)"?/;

/**
 * Fetches a file in the reader's language and hands it to the browser to keep. Throws `ApiProblem` instead of leading
 * to a page of JSON.
 */
export async function download(address: string): Promise<void> {
  const response = await fetch(address, { headers: ownHeaders('GET'), credentials: 'same-origin' });
  if (!response.ok) throw await problemOf(response);
  const name = NAMED.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'bursar';
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has taken it over by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
