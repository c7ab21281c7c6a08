"""Who is who: mandates, their users and keys, who may do what, and who is calling right now.

Owns: the tables `mandate`, `app_user`, `api_key`, `identity_revision` and the root key's hash; the form of a key; the
worker's cache of callers (`authenticator`); the table of roles and actions (`access`); the management routes of
mandates, users and keys.

Does not own: what a mandate pays and how much it has (`billing`, `ledger`), what a caller's call costs (`gateway`).

Invariants:

- A key is kept as a hash only and shown once.
- What the cache says was true within the last second, whatever became of a notification; every change to a mandate, a
  user or a key counts up the mandate's `identity_revision` in the same transaction.
- Nothing about another mandate is ever visible: its ids are as unknown as ids that never were.
- Somebody who left keeps an id in the journal and nothing else.
"""
