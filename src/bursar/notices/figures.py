"""What a notice says, as figures: kept with the row, so that it is known later what was told. Pure.

No names: who somebody is, is looked up when a mail is written, and is forgotten when that person is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from bursar.notices.rules import Alert


@dataclass(frozen=True, slots=True)
class Figures:
    """Amounts are nanos of the mandate's currency; `calls` and `users` count since the shortage began."""

    since: datetime
    calls: int
    users: int
    required_nanos: int
    available_nanos: int
    user_id: UUID | None
    key_id: UUID | None
    more: Mapping[str, Any] = field(default_factory=dict)
    """What one kind says beside: when money will end, which limit it is. Plain JSON."""

    @classmethod
    def of(cls, alert: Alert, users: int, more: Mapping[str, Any] | None = None) -> Self:
        """Raises `ValueError` for an alert without a shortage."""
        if alert.since is None:
            raise ValueError("no shortage, nothing to tell")
        return cls(
            since=alert.since,
            calls=alert.refused_calls,
            users=users,
            required_nanos=alert.required_nanos,
            available_nanos=alert.available_nanos,
            user_id=alert.last_user_id,
            key_id=alert.last_key_id,
            more=more or {},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "since": self.since.isoformat(),
            "calls": self.calls,
            "users": self.users,
            "requiredNanos": self.required_nanos,
            "availableNanos": self.available_nanos,
            "userId": None if self.user_id is None else str(self.user_id),
            "keyId": None if self.key_id is None else str(self.key_id),
            **({"more": dict(self.more)} if self.more else {}),
        }

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        user_id, key_id = payload.get("userId"), payload.get("keyId")
        return cls(
            since=datetime.fromisoformat(payload["since"]),
            calls=payload["calls"],
            users=payload["users"],
            required_nanos=payload["requiredNanos"],
            available_nanos=payload["availableNanos"],
            user_id=None if user_id is None else UUID(user_id),
            key_id=None if key_id is None else UUID(key_id),
            more=payload.get("more") or {},
        )
