import type { Problem } from './schema.ts';

/** A refusal of the API (RFC 9457), or an answer that never came (`status` 0). `message` is in the reader's language. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** The field of the request that is at fault, as the API names it. */
    readonly field: string | null = null,
    readonly billing: Problem['billing'] | null = null,
  ) {
    super(message);
  }

  /** Whether the same request can be expected to go through another time. */
  get isPassing(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

export async function problemOf(response: Response): Promise<ApiProblem> {
  const body: unknown = await response.json().catch(() => null);
  if (typeof body !== 'object' || body === null) {
    return new ApiProblem(response.status, 'unreadable', response.statusText);
  }
  const { code, detail, title, field, billing } = body as Partial<Problem>;
  return new ApiProblem(response.status, code ?? 'unknown', detail ?? title ?? '', field ?? null, billing ?? null);
}
