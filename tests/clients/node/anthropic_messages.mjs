import Anthropic from "@anthropic-ai/sdk";

const model = "demo-1";
const weather = { name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } };

const connect = (task) => new Anthropic({ baseURL: task.base_url, apiKey: task.key });
const request = (task) => ({ model, max_tokens: 8000, messages: [{ role: "user", content: task.prompt }] });

export const read = (error) => ({
  status: error.status ?? null,
  code: error.type,
  billing: error.error?.error?.billing,
});

export async function whole(task, facts) {
  const answer = await connect(task).messages.create(request(task));
  facts.text = answer.content[0].text;
  facts.output_tokens = answer.usage.output_tokens;
}

export async function stream(task, facts) {
  for await (const event of await connect(task).messages.create({ ...request(task), stream: true })) {
    if (event.type === "content_block_delta") facts.text += event.delta.text;
    if (event.type === "message_delta") facts.output_tokens = event.usage.output_tokens;
  }
}

export async function tool(task, facts) {
  const answer = await connect(task).messages.create({ ...request(task), tools: [weather] });
  const call = answer.content.find((block) => block.type === "tool_use");
  facts.tool = call.name;
  facts.arguments = call.input;
}
