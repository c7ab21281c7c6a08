import { NETWORK_LOST, responseError, type WorkspaceError } from './errors.ts';
import { parseEvent } from './events.ts';
import type { RequestHeaders, WorkspaceOptions } from './options.ts';
import { type Action, reduce } from './reducer.ts';
import { EventStreamParser, type ServerSentEvent } from './sse.ts';
import { heldSeconds, INITIAL_STATE, isBusy, type Message, type Resumption, type WorkspaceState } from './state.ts';
import { type ServerThread, stateOfThread } from './thread.ts';
import { sleep, sleepWhileOffline, Watch } from './watch.ts';

/** A thread as a store: framework-free, for `useSyncExternalStore` and everything like it. */
export interface WorkspaceStore {
  readonly getState: () => WorkspaceState;
  readonly subscribe: (listener: () => void) => () => void;
  /** Reads the thread; a run that is under way is followed, and what waits for held funds goes on. */
  readonly load: () => Promise<void>;
  /** Says something. What became of it is in the state; nothing is thrown. */
  readonly send: (text: string) => Promise<void>;
  /** Ends the run soon, or the waiting for held funds. What was written stays. */
  readonly stop: () => Promise<void>;
  /** Goes on, whatever it stopped at: after a top-up, an error, a lost connection, a new sign-in. */
  readonly resume: () => Promise<void>;
  /** Lets go of the connection and of timers. The run goes on at the server; `load` takes it up again. */
  readonly close: () => void;
}

/** A hold that stays open is somebody's long answer, or a fault: after so many attempts in a row a person decides. */
const MOST_SELF_RESUMPTIONS = 20;
const SILENCE_MILLIS = 45_000;
const LONGEST_WAIT_MILLIS = 15_000;
const ATTEMPTS = 40;
/** Refusals that go away by themselves. */
const PASSING: ReadonlySet<string> = new Set(['unavailable', 'rate_limited']);
/** Refusals of a run that was asked for twice, because the first answer got lost. */
const BEGUN_ALREADY: ReadonlySet<string> = new Set(['run_in_progress', 'run_exists']);
/** Refusals that the same message would meet again. */
const USELESS_AGAIN: ReadonlySet<string> = new Set(['problem', 'not_found']);

function defaultReconnectMillis(attempt: number): number | null {
  return attempt >= ATTEMPTS ? null : Math.min(LONGEST_WAIT_MILLIS, 500 * 2 ** attempt);
}

export function createWorkspace(options: WorkspaceOptions): WorkspaceStore {
  return new Store(options);
}

/** An answer, and how many times it was asked for. */
interface Answer {
  readonly response: Response;
  readonly watch: Watch;
  readonly attempts: number;
}

class Store implements WorkspaceStore {
  #state = INITIAL_STATE;
  readonly #listeners = new Set<() => void>();
  readonly #options: WorkspaceOptions;
  /** Fires when something else begins: whoever was at work then changes nothing any more. */
  #connection = new AbortController();
  #stopWhenConnected = false;
  #selfResumptions = 0;

  constructor(options: WorkspaceOptions) {
    this.#options = options;
  }

  getState = (): WorkspaceState => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  load = async (): Promise<void> => {
    await this.#take(this.#connect(), this.#state.retryAt);
  };

  send = async (text: string): Promise<void> => {
    if (isBusy(this.#state)) {
      this.#options.onError?.({ kind: 'run_in_progress', message: '' });
      return;
    }
    const newId = this.#options.newId ?? randomId;
    const runId = newId();
    const message: Message = { id: newId(), role: 'user', content: text, toolCalls: [], cost: null, calls: 0, runId };
    this.#selfResumptions = 0;
    const connection = this.#connect();
    this.#dispatch({ type: 'sent', message, runId });
    await this.#begin(connection, message, false);
  };

  stop = async (): Promise<void> => {
    const { runId, status, retryAt, unsent } = this.#state;
    if (retryAt !== null) {
      this.#connect();
      this.#dispatch({ type: 'waiting', retryAt: null });
    }
    if (runId === null || !isBusy(this.#state) || status === 'stopping') return;
    this.#dispatch({ type: 'stop_asked' });
    // What has not begun, or cannot be reached, cannot be stopped yet.
    if (status === 'sending' || status === 'reconnecting' || unsent !== null) this.#stopWhenConnected = true;
    else await this.#stopRun(runId);
  };

  resume = async (): Promise<void> => {
    this.#selfResumptions = 0;
    await this.#resume();
  };

  async #resume(): Promise<void> {
    const { resumption, unsent } = this.#state;
    if (resumption === null) return;
    const connection = this.#connect();
    this.#dispatch({ type: 'resumed' });
    if (resumption === 'send' && unsent !== null) await this.#begin(connection, unsent, true);
    else if (resumption === 'continue') await this.#continue(connection);
    else if (resumption === 'follow') await this.#follow(connection);
    else await this.#take(connection);
  }

  close = (): void => {
    this.#connection.abort();
    this.#dispatch({ type: 'waiting', retryAt: null });
  };

  // --- what is asked of the server -----------------------------------------------------------------------------------

  /** Begins a run with this message; once only, however often it is asked for. */
  async #begin(connection: AbortSignal, message: Message, isAgain: boolean): Promise<void> {
    if (!this.#state.isLoaded && (await this.#read(connection, 'send')) === null) return;
    const body = {
      runId: message.runId,
      messages: [{ id: message.id, role: 'user', content: message.content }],
      tools: [],
      context: [],
      state: {},
      forwardedProps: {},
    };
    const answer = await this.#ask(connection, 'send', 'POST', '/runs', body);
    if (answer === null) return;
    if (answer.response.ok) return this.#hear(answer, connection);
    const error = await this.#refusal(answer);
    const code = error.kind === 'problem' ? error.code : error.kind;
    if (connection.aborted) return;
    if ((isAgain || answer.attempts > 1) && BEGUN_ALREADY.has(code)) return this.#follow(connection, error);
    await this.#fail(connection, error, USELESS_AGAIN.has(error.kind) ? null : 'send');
  }

  async #continue(connection: AbortSignal): Promise<void> {
    const answer = await this.#ask(connection, 'continue', 'POST', `/runs/${this.#state.runId}/continue`);
    if (answer === null) return;
    if (answer.response.ok) return this.#hear(answer, connection);
    const error = await this.#refusal(answer);
    if (connection.aborted) return;
    // Somebody else, or an answer that got lost, has let it go on; or it is another run's turn.
    if (error.kind === 'run_in_progress') return this.#follow(connection);
    if (error.kind === 'problem' && error.code === 'not_resumable') return this.#take(connection);
    await this.#fail(connection, error, error.kind === 'not_found' ? 'load' : 'continue');
  }

  /** Reads the thread, and goes on from there; held funds are waited for, if they were before. */
  async #take(connection: AbortSignal, retryAt: number | null = null): Promise<void> {
    const thread = await this.#read(connection, 'load');
    if (thread !== null) await this.#goOn(connection, thread, retryAt);
  }

  async #goOn(connection: AbortSignal, thread: ServerThread, retryAt: number | null = null): Promise<void> {
    if (this.#state.unsent !== null) {
      if (isBusy(this.#state)) await this.#fail(connection, NETWORK_LOST, 'send');
    } else if (thread.run?.status === 'RUNNING') await this.#follow(connection);
    else if (retryAt !== null && heldSeconds(this.#state) !== null) {
      this.#dispatch({ type: 'waiting', retryAt });
      await this.#goOnByItself(connection);
    }
  }

  async #read(connection: AbortSignal, resumption: Resumption): Promise<ServerThread | null> {
    const answer = await this.#ask(connection, resumption, 'GET', '');
    if (answer === null) return null;
    const error = answer.response.ok ? null : await this.#refusal(answer);
    const thread = error === null ? await (answer.response.json() as Promise<ServerThread>).catch(() => null) : null;
    answer.watch.end();
    if (connection.aborted) return null;
    if (thread === null) await this.#fail(connection, error ?? NETWORK_LOST, resumption);
    else this.#dispatch({ type: 'loaded', state: stateOfThread(thread) });
    return thread;
  }

  async #stopRun(runId: string): Promise<void> {
    const connection = this.#connection.signal;
    let error: WorkspaceError = NETWORK_LOST;
    try {
      const response = await this.#fetch('POST', `/runs/${runId}/stop`, connection);
      if (response.ok) return;
      error = await responseError(response);
    } catch {
      // As good as no answer.
    }
    if (connection.aborted) return;
    this.#dispatch({ type: 'stop_failed' });
    this.#options.onError?.(error);
  }

  /** An answer, whatever it says, and however long the network is away; `null` when it is given up. */
  async #ask(
    connection: AbortSignal,
    resumption: Resumption,
    method: 'GET' | 'POST',
    path: string,
    body?: unknown,
  ): Promise<Answer | null> {
    for (let attempts = 1; ; attempts += 1) {
      const watch = this.#watch(connection);
      try {
        const response = await this.#fetch(method, path, watch.signal, {}, body);
        return { response, watch, attempts };
      } catch {
        watch.end();
      }
      if (!(await this.#pause(connection, attempts - 1, resumption))) return null;
    }
  }

  // --- what the server tells -----------------------------------------------------------------------------------------

  /** Takes up the stream after the last event that is known, again and again until the run has ended. */
  async #follow(connection: AbortSignal, ifMissing?: WorkspaceError): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const before = this.#state.lastEventId;
      const answer = await this.#events(connection, before);
      let isWhole = false;
      if (answer?.response.ok) isWhole = await this.#consume(answer, connection);
      else if (answer !== null) {
        const error = await this.#refusal(answer);
        if (connection.aborted) return;
        if (error.kind === 'not_found' && ifMissing !== undefined) return this.#fail(connection, ifMissing, 'send');
        if (!PASSING.has(error.kind)) return this.#fail(connection, error, resumptionAfter(error));
      }
      if (connection.aborted) return;
      if (isWhole && !isBusy(this.#state)) return this.#goOnByItself(connection);
      const isNew = this.#state.lastEventId > before;
      // It stands still, and not where we think.
      if (isWhole && !isNew && attempt > 0) return this.#take(connection);
      if (isNew) attempt = 0;
      if (!(await this.#pause(connection, attempt, 'follow'))) return;
    }
  }

  async #events(connection: AbortSignal, after: number): Promise<Answer | null> {
    const watch = this.#watch(connection);
    const headers = { 'last-event-id': String(after) };
    try {
      const response = await this.#fetch('GET', `/runs/${this.#state.runId}/events`, watch.signal, headers);
      return { response, watch, attempts: 1 };
    } catch {
      watch.end();
      return null;
    }
  }

  /** The stream that a run begins or goes on with, and what follows if it breaks. */
  async #hear(answer: Answer, connection: AbortSignal): Promise<void> {
    const isWhole = await this.#consume(answer, connection);
    if (connection.aborted) return;
    if (isWhole && !isBusy(this.#state)) return this.#goOnByItself(connection);
    await this.#follow(connection);
  }

  /** Takes in events, to the last of the stream; whether it was closed, and did not break. */
  async #consume({ response, watch }: Answer, connection: AbortSignal): Promise<boolean> {
    this.#dispatch({ type: 'connected' });
    if (this.#stopWhenConnected && this.#state.runId !== null) {
      this.#stopWhenConnected = false;
      void this.#stopRun(this.#state.runId);
    }
    const reader = response.body?.getReader();
    const parser = new EventStreamParser();
    for (;;) {
      // What came before a connection breaks is kept.
      const piece = await reader?.read().catch(() => null);
      if (piece === null || piece?.value === undefined || connection.aborted) {
        watch.end();
        return piece !== null && !connection.aborted;
      }
      watch.heard();
      this.#happened(parser.push(piece.value));
    }
  }

  /** What came together is one change. */
  #happened(told: readonly ServerSentEvent[]): void {
    const events = told.flatMap(({ id, data }): (Action & { type: 'event' })[] => {
      const event = parseEvent(data);
      return event === null ? [] : [{ type: 'event', id: numberOf(id), event }];
    });
    const { lastEventId } = this.#state;
    const wasBusy = isBusy(this.#state);
    this.#dispatch(...events);
    for (const { id, event } of events) if (id === null || id > lastEventId) this.#options.onEvent?.(event);
    if (wasBusy && !isBusy(this.#state)) this.#tellEnd();
  }

  async #refusal({ response, watch }: Answer): Promise<WorkspaceError> {
    const error = await responseError(response);
    watch.end();
    return error;
  }

  // --- how it ends ---------------------------------------------------------------------------------------------------

  async #fail(connection: AbortSignal, error: WorkspaceError, resumption: Resumption | null): Promise<void> {
    this.#dispatch({ type: 'failed', error, resumption });
    this.#tellEnd();
    await this.#goOnByItself(connection);
  }

  #tellEnd(): void {
    const isOver = this.#options.retryHeldFunds === false || this.#selfResumptions >= MOST_SELF_RESUMPTIONS;
    const seconds = isOver ? null : heldSeconds(this.#state);
    if (seconds !== null) this.#dispatch({ type: 'waiting', retryAt: Date.now() + seconds * 1000 });
    const { error } = this.#state;
    if (error !== null) this.#options.onError?.(error);
    this.#options.onEnd?.();
  }

  /** Where held funds are waited for. */
  async #goOnByItself(connection: AbortSignal): Promise<void> {
    const { retryAt } = this.#state;
    if (retryAt === null || connection.aborted) return;
    await sleep(Math.max(0, retryAt - Date.now()), connection);
    if (connection.aborted) return;
    this.#selfResumptions += 1;
    await this.#resume();
  }

  /** Before another attempt; `false`: there is none. */
  async #pause(connection: AbortSignal, attempt: number, resumption: Resumption): Promise<boolean> {
    if (connection.aborted) return false;
    const millis = (this.#options.reconnectMillis ?? defaultReconnectMillis)(attempt);
    const hasEnded = resumption === 'follow' && !isBusy(this.#state);
    if (millis === null) {
      await (hasEnded ? this.#goOnByItself(connection) : this.#fail(connection, NETWORK_LOST, resumption));
      return false;
    }
    if (!hasEnded) this.#dispatch({ type: 'disconnected' });
    await sleepWhileOffline(millis, connection);
    return !connection.aborted;
  }

  // --- means ---------------------------------------------------------------------------------------------------------

  #connect(): AbortSignal {
    this.#connection.abort();
    this.#connection = new AbortController();
    this.#stopWhenConnected = false;
    return this.#connection.signal;
  }

  #watch(connection: AbortSignal): Watch {
    return new Watch(connection, this.#options.silenceMillis ?? SILENCE_MILLIS);
  }

  async #fetch(
    method: 'GET' | 'POST',
    path: string,
    signal: AbortSignal,
    more: RequestHeaders = {},
    body?: unknown,
  ): Promise<Response> {
    const { url, headers, credentials = 'same-origin', fetch: call = fetch } = this.#options;
    const own = typeof headers === 'function' ? await headers(method) : headers;
    const init: RequestInit = { method, signal, credentials, cache: 'no-store', headers: { ...own, ...more } };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { ...init.headers, 'content-type': 'application/json' } as RequestHeaders;
    }
    return call(url + path, init);
  }

  #dispatch(...actions: readonly Action[]): void {
    const next = actions.reduce(reduce, this.#state);
    if (next === this.#state) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }
}

function resumptionAfter(error: WorkspaceError): Resumption {
  return error.kind === 'not_found' ? 'load' : 'follow';
}

function numberOf(id: string | null): number | null {
  return id !== null && /^\d+$/.test(id) ? Number(id) : null;
}

/** `crypto.randomUUID` is there in secure contexts only; a server in one's own network may be none. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
