"""The billing room: what a refusal for lack of money says, to whom, and in which language.

Owns: the billing models and what follows from each (who pays, who may top up, whether finance hears of it), the
billing object and its exception `InsufficientBalance`, its texts in German, English, French and Italian, and the
answer over HTTP (402, or 429 for held funds) as far as it is the same in every dialect.

Does not own: the decision to refuse (`ledger`), the shape of an error in a dialect (`gateway.dialects`), the mail to
finance (`notices`), who somebody is and what role they have (`identity`).

Invariants:

- One billing object per refusal, the same on every surface.
- Nobody is shown a balance, a cap or what could be afforded who may not see the account behind it: neither as a field
  nor in a text.
- `billingUrl` is there exactly where `userAction` is `TOP_UP_SELF`.
- A text says that finance was told only where a recipient's server has accepted the mail.

Importing this package loads none of its parts; `billing_object` alone is light enough for a client.
"""
