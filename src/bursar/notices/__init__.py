"""The notices room: who is told that money has run out, when, how often, and how that ended.

Owns: the tables `alert` (what is wrong with an account, and whether it may be told now), `refused_user`, `notice` (the
outbox, one row per recipient) and `recipient_state` (addresses that are dead); the rules of telling (`rules`, pure),
the rider that applies them in the denial's own transaction, the worker that delivers, the channels, the mails.

Does not own: the refusal itself (`ledger`), what the refused person reads (`billing`), the settings that say who the
finance contacts are (`billing_settings`).

Invariants:

1. Nothing in this room can fail a user's request: the rider rides in a savepoint, delivery is another task.
2. At most one notice is delivered per mandate, kind, account, recipient and cooldown, over all workers.
3. At most one undelivered row per mandate, kind, account and recipient (a unique index says so, too).
4. A shortage that the cooldown kept silent is told when the cooldown ends, if it still lasts.
5. No transaction and no lock is held while talking to a mail server.
6. Locks are taken in the order accounts, alerts, notices, each sorted.
"""
