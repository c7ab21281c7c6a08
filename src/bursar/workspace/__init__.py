"""The workspace: threads in which a person talks to a model, with documents and tools, paid like any other call.

Owns: threads, messages, documents, runs and their events (the tables `workspace_…`); the loop that lets a model answer
and use tools (`loop`), the tools (`tools`), the stream of AG-UI events and how it is resumed (`journal`, `following`).
Does not own: money. A run is an ordinary client of the gateway (`gateway_client`), under a token of its person that
lives for minutes and opens nothing else (`identity.internal_token`); nothing here knows how to charge.

The way of a run: `routes_runs` → `runs` (begins, continues, stops, watches over leases) → `loop` (model, tools) →
`journal` (numbers events and writes them down before anybody sees them) → `following` (to whoever listens, anywhere).

Invariants:

1. An event is sent only after it is stored: what a client has seen, any worker can continue from.
2. A finished step is never paid again: a run that parked, failed or was interrupted goes on from stored messages.
3. A run ends with exactly one `RUN_FINISHED` or `RUN_ERROR` per go, whatever happens to its worker or its client.
4. Nothing of an exception's text is in an event: codes, our own texts, and the gateway's billing object.
5. A thread is its person's alone; it goes when they leave.

`pydantic_ai` and what it brings are imported when the first run begins, not when a worker starts.
"""
