"""How often may be tried: counted in the database, over all workers, under names that say nothing."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bursar.foundation.database import Database
from bursar.foundation.problems import Problem

_COUNT: Final = """
    INSERT INTO sign_in_rate (bucket, expires_at) VALUES ($1, now() + $2::interval)
        ON CONFLICT (bucket) DO UPDATE
       SET attempts = CASE WHEN sign_in_rate.expires_at <= now() THEN 1
                           ELSE least(sign_in_rate.attempts, 1000000) + 1 END,
           expires_at = CASE WHEN sign_in_rate.expires_at <= now() THEN EXCLUDED.expires_at
                             ELSE sign_in_rate.expires_at END
    RETURNING attempts, greatest(1, ceil(extract(epoch FROM expires_at - now())))::integer AS seconds"""


@dataclass(frozen=True, slots=True)
class Rate:
    name: str
    most: int
    span: timedelta


BY_ADDRESS: Final = Rate("ip", 100, timedelta(minutes=10))
"""Of one internet address: a whole office may stand behind it, or everybody behind a proxy that is not trusted."""
BY_MAILBOX: Final = Rate("mailbox", 5, timedelta(hours=1))
BY_MANDATE: Final = Rate("invitations", 200, timedelta(days=1))


async def count(database: Database, rate: Rate, value: str) -> None:
    """One more attempt. Raises a 429 `Problem` beyond what is allowed."""
    bucket = hashlib.sha256(f"{rate.name}\n{value}".encode("utf-8", "surrogatepass")).digest()
    async with database.as_operator() as connection:
        row = await connection.fetchrow(_COUNT, bucket, rate.span)
    assert row is not None
    if row["attempts"] > rate.most:
        raise Problem(
            429,
            "too_many_attempts",
            "Too many attempts",
            "That was tried too often: wait a while.",
            headers={"retry-after": str(row["seconds"])},
        )


def network_of(host: str | None) -> str:
    """What counts as one address: IPv6 gives each house a whole /64."""
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
