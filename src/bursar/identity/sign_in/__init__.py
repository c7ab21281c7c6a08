"""Signing in: who somebody is, proven by an issuer or by a mailbox, and for how long that is believed.

Owns: the tables `identity`, `platform_operator`, `membership`, `sign_in_session`, `sign_in_attempt`, `sign_in_rate`,
`one_time_link`, `invitation`, `sign_in_mail`; the settings `[[sign_in]]`; the routes `/auth/…`, `/api/session` and
invitations.

Does not own: what somebody may do (`identity.access`), the delivery of mails (`notices.personal_mail`).

Invariants:

- An identity is (issuer, subject), never an e-mail address. Without a provider, a mailbox is proven by a link that was
  sent to it, and it stands for a user only as long as the user has this address.
- A provider's tokens are read once and stored nowhere; nothing here can act on anybody's behalf elsewhere.
- What opens a door (session, state, link, invitation) is kept as a hash, or encrypted where it has to be read again.
- A link is used once, by a POST: a mail scanner that follows it uses nothing up.
- A change by cookie needs the session's own CSRF token, and comes from our own pages.
"""
