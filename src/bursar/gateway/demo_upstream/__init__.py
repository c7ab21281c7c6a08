"""The demo upstream: a real HTTP server that speaks the APIs of OpenAI and Anthropic, in its own process.

It owns deterministic answers that admit to be no AI, and the directives by which a prompt controls length, delay,
reported usage and (only with `--faults`) every way in which an upstream can fail. It knows nothing of Bursar's
money. Start it with `python -m bursar.gateway.demo_upstream --port 0 --print-port`, or from Python with
`running_demo_upstream()`.

Invariants: one word is one token; the same request gets the same text; a length limit is obeyed (unless a
fault says otherwise); nothing but 127.0.0.1 is listened on unless told.
"""

from bursar.gateway.demo_upstream.process import running_demo_upstream

__all__ = ["running_demo_upstream"]
