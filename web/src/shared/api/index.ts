export { answer, api, ownHeaders, type Tagged, taggedAnswer } from './client.ts';
export { ApiProblem, problemOf } from './problem.ts';
export type * from './schema.ts';
