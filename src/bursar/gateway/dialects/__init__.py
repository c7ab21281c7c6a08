"""The dialects: what an API's requests, answers, streams and errors look like. One file each, pure.

Owns: reading a request (model, limits, bounds per field), writing the clamp, reading usage and visible output, the
shape of refusals and errors. `seam.py` says what a dialect is: a frozen table of pure functions.
Does not own: prices, money, who is calling, how bytes travel.

Invariants:

1. A request field passes only if the dialect's table knows it, or an operator lets it pass by name (`unpriced_fields`);
   what can cost money has a bound.
2. Bytes that need no change are not changed; a change touches one top-level member and leaves the bytes of the others.
3. Whatever an upstream sends is read without raising: what makes no sense is reported as absent or absurd.
"""
