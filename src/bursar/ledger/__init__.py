"""The ledger: accounts, holds, transfers and spending limits of every mandate.

Owns: what an amount of money may do (`decide`, `apply`), the engine that does it for many callers in one commit, the
tables `account`, `hold`, `transfer`, `spending_limit`, `limit_counter` and `idempotency`, the reaper and `verify`.
Does not own: prices, who may do what, what a refusal says to people, mails.

Invariants, checked after every step of the tests and by `bursar verify`:

1. Debits equal credits, per mandate and currency.
2. An account's columns equal the fold of its transfers and open holds; a limit's those of its legs.
3. No reserve was ever accepted with less available than it took; a demand that fits is never rejected.
4. A hold resolves exactly once, with at most one charge, and at most one late adjustment after an expiry.
5. The same command again changes nothing and answers the same.
"""
