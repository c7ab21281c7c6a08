// node workspace_client.mjs INDEX.TS: stores of `workspace-client` in a test's hands. A line in is a command, a line out
// its answer: what the store then knows, which statuses it went through, and what it told of errors.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { createWorkspace } = await import(pathToFileURL(process.argv[2]).href);
const PATIENCE_MILLIS = 90_000;
const stores = new Map();

const commands = {
  create({ name, options }) {
    const seen = { statuses: [], errors: [] };
    const store = createWorkspace({ ...options, onError: (error) => void seen.errors.push(error) });
    store.subscribe(() => {
      const { status } = store.getState();
      if (seen.statuses.at(-1) !== status) seen.statuses.push(status);
    });
    stores.set(name, { store, seen });
  },
  // What is begun goes on by itself.
  begin({ name, does, text }) {
    void stores.get(name).store[does](text);
  },
  async until({ name, condition }) {
    const { store } = stores.get(name);
    const isSo = new Function("state", `return ${condition}`);
    await new Promise((resolve, reject) => {
      const look = () => isSo(store.getState()) && end(resolve);
      const end = (settle, value) => {
        clearTimeout(timer);
        stop();
        settle(value);
      };
      const stop = store.subscribe(look);
      const timer = setTimeout(() => end(reject, new Error(`never: ${condition}`)), PATIENCE_MILLIS);
      look();
    });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let trouble = null;
  try {
    await commands[command.command](command);
  } catch (error) {
    trouble = String(error);
  }
  const { store, seen } = stores.get(command.name);
  process.stdout.write(`${JSON.stringify({ trouble, state: store.getState(), ...seen })}\n`);
}
for (const { store } of stores.values()) store.close();
