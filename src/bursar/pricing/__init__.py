"""Pricing: what a call may cost before it runs, and what it did cost after.

Owns: the catalogue of prices (the bundled `genai-prices` data, overridden and extended by configuration), the
price that is fixed at admission, upper bounds in tokens for what a request carries, the arithmetic of a hold,
exact costs.

Does not own: which fields a request has (the dialects), the money itself (the ledger), the table `price` (the
admission writes what `PriceUsed.content()` says, once per `price_id`).

Invariants:

1. Pure: no network, no database, no clock. The time of admission comes with the call. Token counting is slow for long
   texts; whoever is on an event loop calls it in a thread (`tokens.py` says how long it may keep others waiting).
2. Money is exact until the end: rates are fractions, a cost is rounded once, up, to the next nano.
3. A bound is never below the cost of anything that fits into it: with the same price, `usage` no larger field by field
   means a cost no larger than the bound.
4. What is not priced is an error that names it, never free of charge.
5. A `PriceUsed` explains a bill by itself: its content holds every figure that the cost was computed from.
"""
