"""The command line: serving, administration, verifying the books, replaying a trace.

Owns: how people give orders at a terminal and what they see there. Does not own: any rule; every command calls the
same functions as the management routes. Tables for people, `--json` for programs; a mistake is a line and exit code 2.
"""

from __future__ import annotations


def main() -> None:
    """The `bursar` command."""
    from bursar.cli.commands import app

    app(prog_name="bursar")
