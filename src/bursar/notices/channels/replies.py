"""What a mail server's refusal means: later, never, or that there is no such address. Pure.

RFC 5321 (4.2): 4yz may pass later, 5yz will not. RFC 3463 says in a second code what is wrong: X.1 the address, X.2 the
mailbox, X.7 a policy. Only what speaks of the address itself makes it dead; a policy is about us.
"""

from __future__ import annotations

import re
from typing import Final

from bursar.notices.channels.letters import Outcome, Verdict

_ENHANCED: Final = re.compile(r"(?:^|\s)(5\.\d{1,3}\.\d{1,3})\b")
_DEAD: Final = re.compile(r"5\.1\.\d+|5\.2\.1|5\.0\.0")
_SPEAKS_OF_SENDER: Final = frozenset({"5.1.7", "5.1.8"})
_DEAD_WITHOUT_ENHANCED: Final = frozenset({550, 551, 553})


def recipient_refused(code: int, message: str) -> Outcome:
    """The answer to RCPT."""
    detail = f"{code} {' '.join(message.split())[:500]}"
    if code < 500:
        return Outcome(Verdict.LATER, detail)
    found = _ENHANCED.search(message)
    if found is None:
        dead = code in _DEAD_WITHOUT_ENHANCED
    else:
        dead = _DEAD.fullmatch(found[1]) is not None and found[1] not in _SPEAKS_OF_SENDER
    return Outcome(Verdict.REFUSED, detail, dead_address=dead)


def data_refused(code: int, message: str) -> Outcome:
    """The answer to the message itself."""
    return Outcome(Verdict.LATER if code < 500 else Verdict.FAILED, f"{code} {' '.join(message.split())[:500]}")
