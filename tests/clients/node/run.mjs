// node run.mjs: reads one task per line, does what it says with the client it names, answers with the facts as one line
// of JSON. The names in both are those of tests/clients/facts.py.
import { createInterface } from "node:readline";

console.log = console.info = console.error;

async function run({ client: name, ...task }) {
  const client = await import(`./${name}.mjs`);
  const facts = { text: "" };
  try {
    await client[task.operation](task, facts);
    facts.ended = true;
  } catch (error) {
    Object.assign(facts, { by: "raised", error: error.constructor.name, message: error.message }, client.read(error));
  }
  return facts;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + "\n");
}
