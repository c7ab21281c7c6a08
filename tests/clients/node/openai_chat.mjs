import OpenAI from "openai";

const model = "demo-1";
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

const connect = (task) => new OpenAI({ baseURL: `${task.base_url}/v1`, apiKey: task.key });
const messages = (task) => [{ role: "user", content: task.prompt }];

export const read = (error) => ({ status: error.status ?? null, code: error.code, billing: error.error?.billing });

export async function whole(task, facts) {
  const answer = await connect(task).chat.completions.create({ model, messages: messages(task) });
  facts.text = answer.choices[0].message.content;
  facts.output_tokens = answer.usage.completion_tokens;
}

export async function stream(task, facts) {
  const stream_options = { include_usage: true };
  const request = { model, messages: messages(task), stream: true, stream_options };
  for await (const chunk of await connect(task).chat.completions.create(request)) {
    facts.text += chunk.choices[0]?.delta.content ?? "";
    facts.output_tokens = chunk.usage?.completion_tokens;
  }
}

export async function tool(task, facts) {
  const answer = await connect(task).chat.completions.create({ model, messages: messages(task), tools: [weather] });
  const [call] = answer.choices[0].message.tool_calls;
  facts.tool = call.function.name;
  facts.arguments = JSON.parse(call.function.arguments);
}
