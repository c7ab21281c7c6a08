"""Foundation: what every room stands on, and nothing about money but its representation.

Owns settings (one frozen object; `settings`), PostgreSQL (embedded or external, roles, pools, migrations; `database`,
`embedded`, `provision`, `migrate`), problem details (`problems`), logs without secrets (`logs`), secrets and signed
links (`secrets`), the clock, identifiers and amounts (`clock`, `ids`, `money`).

Does not own: any rule of the business, any table's meaning (a room owns the tables that its migration lays down).

Invariants:
1. Everything that stops a start is one exception with one line that names the setting: `SettingsError`,
   `DatabaseSetupError`, `EmbeddedPostgresError`, `SecretsError`.
2. No permission of a directory that exists is ever loosened.
3. Requests run as `bursar_app` or `bursar_ledger`; the owner only migrates, the embedded superuser only creates
   roles and the database.
4. No session state outlives a transaction: a pooled connection is as new.
5. Secrets appear in no `repr`, no log line and no error.
"""
