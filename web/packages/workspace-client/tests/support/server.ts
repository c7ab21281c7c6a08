/** A server in a test's hands: it answers as it was told, in this order, and remembers what it was asked. */

export interface Asked {
  readonly method: string;
  /** Below the thread's address. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
  readonly init: RequestInit;
}

type Reply = (asked: Asked) => Response | Promise<Response>;

export const URL_OF_THREAD = 'https://bursar.example/api/mandates/m/threads/t';

export class ScriptedServer {
  readonly asked: Asked[] = [];
  readonly #script: { line: string; reply: Reply }[] = [];

  /** The next request must be this one (`POST /runs`). */
  on(line: string, reply: Response | Reply): this {
    this.#script.push({ line, reply: typeof reply === 'function' ? reply : () => reply });
    return this;
  }

  get lines(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path}`);
  }

  /** How many answers nobody has asked for. */
  get left(): number {
    return this.#script.length;
  }

  last(): Asked {
    const asked = this.asked.at(-1);
    if (asked === undefined) throw new Error('nothing was asked');
    return asked;
  }

  fetch: typeof fetch = async (input, init = {}) => {
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : null;
    const path = String(input).replace(URL_OF_THREAD, '');
    const asked: Asked = { method: init.method ?? 'GET', path, headers: new Headers(init.headers), body, init };
    this.asked.push(asked);
    const next = this.#script.shift();
    if (next?.line !== `${asked.method} ${path}`) {
      throw new Error(`expected ${next?.line ?? 'nothing'}, was asked for ${asked.method} ${path}`);
    }
    const response = await next.reply(asked);
    if (init.signal?.aborted) throw new DOMException('aborted', 'AbortError');
    return response;
  };
}

/** The network is away. */
export const LOST: Reply = () => Promise.reject(new TypeError('fetch failed'));

/** Nothing comes, until whoever asked lets go. */
export const SILENT: Reply = ({ init }) =>
  new Promise((_, reject) => {
    init.signal?.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });

/** A stream that a test writes. */
export class Stream {
  /** Whether nobody reads it any more. */
  isLetGo = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  reply: Reply = ({ init }) => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.isLetGo = true;
      },
    });
    init.signal?.addEventListener('abort', () => {
      this.isLetGo = true;
      this.#controller?.error(new DOMException('aborted', 'AbortError'));
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };

  /** Bytes, or events with the numbers from `id` on. */
  write(bytes: Uint8Array): this {
    this.#controller?.enqueue(bytes);
    return this;
  }

  events(id: number, ...events: readonly object[]): this {
    return this.write(new TextEncoder().encode(sse(id, ...events)));
  }

  close(): void {
    this.#controller?.close();
  }

  breakOff(): void {
    this.#controller?.error(new TypeError('terminated'));
  }
}

export function sse(id: number, ...events: readonly object[]): string {
  return events.map((event, place) => `id: ${id + place}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

/** A stream that is there at once, from beginning to end. */
export function streamed(text: string | Uint8Array<ArrayBuffer>): Reply {
  return () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
}

export function problem(status: number, code: string, more: object = {}, headers: Record<string, string> = {}): Reply {
  const body = JSON.stringify({ type: `urn:bursar:problem:${code}`, title: code, status, detail: code, code, ...more });
  return () => new Response(body, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
}

export function json(value: object): Reply {
  return () => Response.json(value);
}

/** Lets everything happen that waits for no clock, until it is so. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn += 1) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${condition}`);
}

/** Lets everything happen that waits for no clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
