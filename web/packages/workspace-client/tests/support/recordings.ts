import { readdirSync, readFileSync } from 'node:fs';
import { EventStreamParser, INITIAL_STATE, parseEvent, reduce, type WorkspaceState } from '../../src/index.ts';
import type { Action } from '../../src/reducer.ts';

const FOLDER = new URL('../recorded/', import.meta.url);

/** What a client got of a real server, byte by byte, by name. */
export const RECORDINGS: readonly (readonly [string, Uint8Array<ArrayBuffer>])[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.sse'))
  .map((name) => [name.replace('.sse', ''), recording(name.replace('.sse', ''))]);

export function recording(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(`${name}.sse`, FOLDER)));
}

/** The events in these pieces of a stream. */
export function eventsOf(...pieces: readonly Uint8Array[]): (Action & { type: 'event' })[] {
  const parser = new EventStreamParser();
  return pieces
    .flatMap((piece) => parser.push(piece))
    .flatMap(({ id, data }) => {
      const event = parseEvent(data);
      return event === null ? [] : [{ type: 'event' as const, id: Number(id), event }];
    });
}

export function stateAfter(actions: readonly Action[], state: WorkspaceState = INITIAL_STATE): WorkspaceState {
  return actions.reduce((before, action) => deepFreeze(reduce(before, action)), state);
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
