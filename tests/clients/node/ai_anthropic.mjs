import { createAnthropic } from "@ai-sdk/anthropic";
import { clientOf } from "./ai_sdk.mjs";

const connect = (task) => createAnthropic({ baseURL: `${task.base_url}/v1`, apiKey: task.key })("demo-1");

// Of an error in the stream this provider keeps only type and message: the billing object is in the raw event before it.
export const { whole, stream, tool } = clientOf(connect, { includeRawChunks: true });
export { read } from "./ai_sdk.mjs";
