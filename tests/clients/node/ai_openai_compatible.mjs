import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { clientOf } from "./ai_sdk.mjs";

const connect = (task) =>
  createOpenAICompatible({
    name: "bursar",
    baseURL: `${task.base_url}/v1`,
    apiKey: task.key,
    includeUsage: true,
  })("demo-1");

export const { whole, stream, tool } = clientOf(connect);
export { read } from "./ai_sdk.mjs";
