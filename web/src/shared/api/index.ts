export { answer, api, ownHeaders } from './client.ts';
export { ApiProblem, problemOf } from './problem.ts';
export type * from './schema.ts';
