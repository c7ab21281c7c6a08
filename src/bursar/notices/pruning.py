"""What of the notices is taken away by age: rows of the outbox that have ended, alerts whose shortage is over, inboxes.

The chores are carried out by `ledger.pruning.Pruning`. An undelivered notice, a shortage that lasts, and a slot of
which a row is still undelivered stay, however old they are.
"""

from __future__ import annotations

from typing import Final

from bursar.ledger.pruning import Chore, chore

_MANDATES_WITH_NOTICES: Final = """
    SELECT m.mandate_id FROM mandate m
     WHERE m.mandate_id > $1 AND EXISTS (
           SELECT FROM notice n WHERE n.mandate_id = m.mandate_id AND n.notice_id < first_id_at($2)
              AND n.state <> 'QUEUED' AND n.updated_at < $2)
     ORDER BY m.mandate_id LIMIT $3"""

_MANDATES_WITH_ALERTS: Final = """
    SELECT m.mandate_id FROM mandate m
     WHERE m.mandate_id > $1 AND (
           EXISTS (SELECT FROM alert a WHERE a.mandate_id = m.mandate_id AND a.resolved_at < $2)
        OR EXISTS (SELECT FROM refused_user u WHERE u.mandate_id = m.mandate_id AND u.since < $2))
     ORDER BY m.mandate_id LIMIT $3"""


_MANDATES_WITH_INBOXES: Final = """
    SELECT m.mandate_id FROM mandate m
     WHERE m.mandate_id > $1
       AND EXISTS (SELECT FROM inbox_item i WHERE i.mandate_id = m.mandate_id AND i.created_at < $2)
     ORDER BY m.mandate_id LIMIT $3"""


_MANDATES_WITH_REFUSALS: Final = """
    SELECT m.mandate_id FROM mandate m
     WHERE m.mandate_id > $1
       AND EXISTS (SELECT FROM refusal_hour r WHERE r.mandate_id = m.mandate_id AND r.hour < $2)
     ORDER BY m.mandate_id LIMIT $3"""


def notice_chores(keep_days: int) -> tuple[Chore, ...]:
    """Notices that have ended, alerts with the users they counted, inboxes, refusals by the hour: `keep_days` after.

    Raises `ValueError` below 35 days.
    """
    return (
        chore("notices", keep_days, _MANDATES_WITH_NOTICES, "SELECT prune_notices($1, $2, $3)"),
        chore("alerts", keep_days, _MANDATES_WITH_ALERTS, "SELECT prune_alerts($1, $2, $3)"),
        chore("inboxes", keep_days, _MANDATES_WITH_INBOXES, "SELECT prune_inboxes($1, $2, $3)"),
        chore("refusals", keep_days, _MANDATES_WITH_REFUSALS, "SELECT prune_refusals($1, $2, $3)"),
    )
