export * from './billing.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './options.ts';
export { type Action, reduce } from './reducer.ts';
export { EventStreamParser, type ServerSentEvent } from './sse.ts';
export * from './state.ts';
export * from './store.ts';
export * from './thread.ts';
