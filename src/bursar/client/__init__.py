"""The Python client, for applications that charge their own AI work (CONTRACT section 9).

Owns: asking a running Bursar for holds over HTTP, sending safely again what may have been lost, and giving back what
was never settled. Does not own: any rule of money; it stands beside the rooms and imports only billing's pure parts.

Invariants:

- A hold that was not settled when its `with` block ends is released, whatever ended the block.
- An exception of the block is never replaced by one of the client.
- What moves money is sent with one idempotency key, however often it is sent.
"""

from bursar.billing.billing_object import BillingObject, InsufficientBalance
from bursar.client.bursar import Bursar
from bursar.client.exchange import BursarError
from bursar.client.holds import AsyncHold, Hold, PendingHold

__all__ = ["AsyncHold", "BillingObject", "Bursar", "BursarError", "Hold", "InsufficientBalance", "PendingHold"]
