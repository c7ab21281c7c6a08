/** A signal that fires with another one, and when nothing has been heard for a while. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #millis: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal, millis: number) {
    this.#outer = outer;
    this.#millis = millis;
    if (outer.aborted) this.#abort();
    outer.addEventListener('abort', this.#abort);
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#abort, this.#millis);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#abort);
  }

  #abort = (): void => {
    this.end();
    this.#controller.abort();
  };
}

/** Until then, or until the signal fires. */
export function sleep(millis: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, millis);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
  });
}

/** As `sleep`, but a browser that is told of a network again wakes at once. */
export async function sleepWhileOffline(millis: number, signal: AbortSignal): Promise<void> {
  const awake = new AbortController();
  const wake = () => awake.abort();
  const network = 'addEventListener' in globalThis ? globalThis : null;
  network?.addEventListener('online', wake);
  signal.addEventListener('abort', wake);
  if (signal.aborted) wake();
  await sleep(millis, awake.signal);
  signal.removeEventListener('abort', wake);
  network?.removeEventListener('online', wake);
}
