import { type RefObject, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { WorkspaceError } from './errors.ts';
import type { WorkspaceOptions } from './options.ts';
import type { Message, Status, WorkspaceState } from './state.ts';
import { createWorkspace } from './store.ts';

export interface Workspace {
  readonly messages: readonly Message[];
  readonly status: Status;
  readonly error: WorkspaceError | null;
  readonly send: (text: string) => Promise<void>;
  readonly stop: () => Promise<void>;
  /** Goes on, whatever it stopped at; does nothing where `state.resumption` is `null`. */
  readonly resume: () => Promise<void>;
  /** Reads the thread again. */
  readonly load: () => Promise<void>;
  /** Everything else that is known: the cost so far, steps, what `resume` would do, when held funds are tried again. */
  readonly state: WorkspaceState;
}

/**
 * A thread in a component. Another `url` is another thread; other options are taken up without a new connection.
 */
export function useWorkspace(options: WorkspaceOptions): Workspace {
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const { url } = options;
  const store = useMemo(() => createWorkspace(following(latest, url)), [url]);
  useEffect(() => {
    void store.load();
    return store.close;
  }, [store]);
  const state = useSyncExternalStore(store.subscribe, store.getState, store.getState);
  const { messages, status, error } = state;
  return useMemo(
    () => ({
      messages,
      status,
      error,
      send: store.send,
      stop: store.stop,
      resume: store.resume,
      load: store.load,
      state,
    }),
    [messages, status, error, state, store],
  );
}

/** Options that are looked up when they are needed, as the latest rendering gave them. */
function following(latest: RefObject<WorkspaceOptions>, url: string): WorkspaceOptions {
  return {
    url,
    get headers() {
      return latest.current.headers;
    },
    get credentials() {
      return latest.current.credentials;
    },
    get fetch() {
      return latest.current.fetch;
    },
    get reconnectMillis() {
      return latest.current.reconnectMillis;
    },
    get silenceMillis() {
      return latest.current.silenceMillis;
    },
    get retryHeldFunds() {
      return latest.current.retryHeldFunds;
    },
    get newId() {
      return latest.current.newId;
    },
    onError: (error) => latest.current.onError?.(error),
    onEnd: () => latest.current.onEnd?.(),
    onEvent: (event) => latest.current.onEvent?.(event),
  };
}
