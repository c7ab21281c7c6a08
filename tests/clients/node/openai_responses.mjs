import OpenAI from "openai";

const model = "demo-1";
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const weather = { type: "function", name: "weather", parameters, strict: true };

const connect = (task) => new OpenAI({ baseURL: `${task.base_url}/v1`, apiKey: task.key });

export const read = (error) => ({ status: error.status ?? null, code: error.code, billing: error.error?.billing });

export async function whole(task, facts) {
  const answer = await connect(task).responses.create({ model, input: task.prompt });
  facts.text = answer.output_text;
  facts.output_tokens = answer.usage.output_tokens;
}

export async function stream(task, facts) {
  for await (const event of await connect(task).responses.create({ model, input: task.prompt, stream: true })) {
    if (event.type === "response.output_text.delta") facts.text += event.delta;
    if (event.type === "response.completed") facts.output_tokens = event.response.usage.output_tokens;
    if (event.type === "response.failed") {
      const { code, message, billing } = event.response.error;
      Object.assign(facts, { by: "delivered", error: event.type, code, message, billing });
    }
  }
}

export async function tool(task, facts) {
  const answer = await connect(task).responses.create({ model, input: task.prompt, tools: [weather] });
  const call = answer.output.find((item) => item.type === "function_call");
  facts.tool = call.name;
  facts.arguments = JSON.parse(call.arguments);
}
