"""docs/roles.md, made from the table that every route asks (`access`). `make docs` writes it; a test holds it true."""

from __future__ import annotations

from typing import Final

from bursar.identity.access import BY_SESSION, MAY, OF_PEOPLE, PUBLIC, RANKS, READS_BILLING, Action, Reach

_SIGNS: Final[dict[Reach | None, str]] = {"all": "yes", "own": "own", None: "–"}
_MARKS: Final = {"◦": READS_BILLING, "△": PUBLIC, "▫": BY_SESSION, "▪": OF_PEOPLE}
_HEAD: Final = """\
# Who may do what

This page is made from the table that every route of the management API asks (`make docs`).

- **operator**: whoever runs the installation, by the root key or signed in as an operator. Operators work in every
  mandate; only they make money and say what a mandate owes.
- **owner**, **finance**, **member**: what a person is in a mandate, signed in or by an admin key that names them. An
  admin key that names nobody is as good as an owner.
- **service**: an application's key. It sets money aside for its own work and manages nothing else.

*own* means: as far as it is one's own (wallet, keys, usage). A user key never reaches the management API. What belongs
to another mandate does not exist, whoever asks: 404, the same as for what never was.

What is marked with △ asks for no key and no session. What is marked with ▫ is about the browser's session, so that no
key opens it; with ▪, about a person: a key that names nobody does not open it, and an operator may where they are a
user themselves.

An admin key can be narrowed to reading about money (`readOnlyBilling`); then it may do what is marked with ◦ and
nothing else.
"""


def roles_document() -> str:
    lines = [_HEAD, f"| | {' | '.join(RANKS)} |", f"|---|{'---|' * len(RANKS)}"]
    for action in Action:
        signs = " | ".join(_SIGNS[MAY[action].get(rank)] for rank in RANKS)
        marks = "".join(f" {mark}" for mark, actions in _MARKS.items() if action in actions)
        lines.append(f"| {action.value}{marks} | {signs} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(roles_document(), end="")
