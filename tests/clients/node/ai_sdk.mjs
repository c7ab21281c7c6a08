// What the AI SDK does is the same with every provider.
import { APICallError, generateText, stepCountIs, streamText, tool as defineTool } from "ai";
import { z } from "zod";

// An exception carries the body as it came. What a stream delivers is the provider's reading of the event.
const billingOf = (error) => {
  if (APICallError.isInstance(error)) return JSON.parse(error.responseBody).error.billing;
  return (error?.error ?? error)?.billing;
};

export function read(error) {
  return { status: error.statusCode ?? null, code: error.code ?? error.type, billing: billingOf(error) };
}

export function clientOf(connect, streaming = {}) {
  return {
    async whole(task, facts) {
      const answer = await generateText({ model: connect(task), prompt: task.prompt });
      facts.text = answer.text;
      facts.output_tokens = answer.usage.outputTokens;
    },

    async stream(task, facts) {
      // The SDK throws nothing while it streams: errors are parts of the stream, and go to onError.
      const answer = streamText({ model: connect(task), prompt: task.prompt, onError: () => {}, ...streaming });
      for await (const part of answer.fullStream) {
        if (part.type === "text-delta") facts.text += part.text;
        if (part.type === "finish") facts.output_tokens = part.totalUsage.outputTokens;
        if (part.type === "raw") facts.billing ??= part.rawValue.error?.billing;
        if (part.type === "error") {
          const error = part.error;
          const { billing, ...told } = { by: "delivered", error: error.constructor.name, ...read(error) };
          Object.assign(facts, told, { message: error.message, billing: billing ?? facts.billing });
        }
      }
    },

    async tool(task, facts) {
      const weather = defineTool({
        inputSchema: z.object({ city: z.string() }),
        execute: (input) => {
          facts.tool = "weather";
          facts.arguments = input;
          return "sunny";
        },
      });
      const answer = await generateText({
        model: connect(task),
        prompt: task.prompt,
        tools: { weather },
        stopWhen: stepCountIs(3),
      });
      facts.text = answer.text;
    },
  };
}
