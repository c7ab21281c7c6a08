"""Row-level security and rights, said once per table.

Three roles: the owner migrates and sees all; `bursar_ledger` works across mandates with the rights named here and no
more; `bursar_app` sees one mandate per transaction (`bursar.mandate_id`), or, for the operator's own pages, all of them
(`bursar.operator`). Row-level security is forced, so that even a query without a `WHERE` stays inside its mandate.
"""

from __future__ import annotations

from alembic import op

_MANDATE = "mandate_id = nullif(current_setting('bursar.mandate_id', true), '')::uuid"
_OPERATOR = "current_setting('bursar.operator', true) = 'on'"


def protect(table: str, *, app: str, ledger: str) -> None:
    """Force row-level security on `table` and grant each role its rights, such as `"SELECT, INSERT"` or `""`."""
    owner = op.get_bind().exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY owner_sees_all ON {table} TO {owner} USING (true) WITH CHECK (true)",
        f"CREATE POLICY ledger_sees_all ON {table} TO bursar_ledger USING (true) WITH CHECK (true)",
        f"CREATE POLICY one_mandate ON {table} TO bursar_app"
        f" USING ({_MANDATE} OR {_OPERATOR}) WITH CHECK ({_MANDATE} OR {_OPERATOR})",
    ]
    if app:
        statements.append(f"GRANT {app} ON {table} TO bursar_app")
    if ledger:
        statements.append(f"GRANT {ledger} ON {table} TO bursar_ledger")
    for statement in statements:
        op.execute(statement)


def share(table: str, *, app: str, ledger: str) -> None:
    """Grant rights on a table that belongs to no mandate (small and replicated: prices, the installation)."""
    if app:
        op.execute(f"GRANT {app} ON {table} TO bursar_app")
    if ledger:
        op.execute(f"GRANT {ledger} ON {table} TO bursar_ledger")
