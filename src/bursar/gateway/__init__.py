"""The gateway: takes AI calls in the providers' own dialects, has them paid before they run, and passes them on.

Owns: the dialects (`dialects/`, pure), reading event streams (`sse.py`, pure), what a call has used (`meter.py`, pure),
admission, the relay, settlements, the upstreams and the HTTP client for them, `GET /v1/models` and `GET /v1/balance`,
the table `price`; and the demo upstream, which is a provider and knows nothing of all this.
Does not own: money (`ledger`), prices (`pricing`), who is calling (`identity`), what a refusal says (`billing`).

The way of a call: `gateway.py` (one route) → `callers.py` (who, for whom, who pays) → `admission.py` (what, at what
price, a hold) → `relay.py` (upstream and back; `streams.py` event by event; `call.py` its state) → `settlements.py`.

Invariants:

1. Nothing reaches a provider without a hold: `relay` takes an `Admitted`, and only `Admission.reserve` makes one.
2. A call's hold is settled or released once, in one place: the `finally` of `relay`, whatever happened before.
3. What is delivered of a stream was paid for before it was sent on. Only whole events are sent on.
4. Bytes that need not change are passed on as they came. A client's key never goes upstream.
5. No transaction and no lock is held while an upstream is spoken to.
"""
