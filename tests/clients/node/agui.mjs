// node agui.mjs '{"runs": …, "thread": …, "headers": …, "prompt": …}': lets AG-UI's own client talk to an agent, tops up
// where it is told how, goes on with what parked, and prints what that client made of it as one line of JSON.
import { HttpAgent } from "@ag-ui/client";

const task = JSON.parse(process.argv[2]);
console.log = console.info = console.error;

async function go(url, messages, runId) {
  const agent = new HttpAgent({ url, threadId: task.thread, initialMessages: messages, headers: task.headers });
  const seen = { types: [], custom: [], error: null, thrown: null };
  try {
    await agent.runAgent(
      { runId },
      {
        onEvent: ({ event }) => void seen.types.push(event.type),
        onCustomEvent: ({ event }) => void seen.custom.push(event.name),
        onRunErrorEvent: ({ event }) => void (seen.error = event),
      },
    );
  } catch (error) {
    seen.thrown = error.message;
  }
  return { ...seen, messages: agent.messages };
}

const first = await go(task.runs, [{ id: "question", role: "user", content: task.prompt }], "agui-run");
const facts = { first };
if (task.topUp) {
  const paid = await fetch(task.topUp.url, task.topUp.request);
  if (paid.status !== 201) throw new Error(`the top-up was answered with ${paid.status}`);
  facts.second = await go(`${task.runs}/agui-run/continue`, first.messages, "agui-run");
}
process.stdout.write(JSON.stringify(facts) + "\n");
