"""The installation's operators at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bursar.cli.opening import as_uuid, opened, settings_of
from bursar.cli.output import run, show, show_one
from bursar.identity.sign_in.operators import Operator, add_operator, list_operators, remove_operator

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Embedded database, local mail, secret key.")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with the sign-in providers.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

operator_app = typer.Typer(help="People who operate this installation by signing in.", no_args_is_help=True)


@operator_app.command("list")
def operator_list(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Everybody who operates this installation; whoever has the root key does, too."""

    async def work() -> list[dict[str, Any]]:
        async with opened(settings_of(data_dir)) as database:
            rows: list[dict[str, Any]] = []
            cursor: str | None = None
            while True:
                page = await list_operators(database, cursor=cursor)
                rows += map(_row, page.items)
                cursor = page.next_cursor
                if cursor is None:
                    return rows

    show(run(work), as_json=as_json)


@operator_app.command("add")
def operator_add(
    issuer: Annotated[str, typer.Argument(help="As the issuer's ID tokens have it, such as https://….")],
    subject: Annotated[str, typer.Argument(help="What the issuer calls the person (sub).")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Make an operator of whoever signs in as this subject of this issuer."""

    async def work() -> dict[str, Any]:
        async with opened(settings_of(data_dir)) as database:
            return _row(await add_operator(database, issuer=issuer, subject=subject))

    show_one(run(work), as_json=as_json)


@operator_app.command("link")
def operator_link(data_dir: DataDir = None, config: Config = None) -> None:
    """Print a link that makes an operator of whoever uses it: once, within the day (without a provider, the hour)."""
    from bursar.foundation.secrets import Secrets, secret_keys
    from bursar.identity.sign_in.desk import operator_link as new_link

    async def work() -> str:
        settings = settings_of(data_dir, config)
        secrets = Secrets(secret_keys(settings.secret_keys, settings.data_dir))
        async with opened(settings) as database:
            return await new_link(
                database, secrets, has_providers=bool(settings.sign_in), public_url=settings.public_url
            )

    print(run(work))


@operator_app.command("remove")
def operator_remove(
    operator_id: Annotated[str, typer.Argument(help="As `bursar operator list` shows it.")], data_dir: DataDir = None
) -> None:
    """End what an operator may do, from their next request on."""

    async def work() -> None:
        async with opened(settings_of(data_dir)) as database:
            await remove_operator(database, as_uuid(operator_id, "operator"))

    run(work)
    print("removed")


def _row(operator: Operator) -> dict[str, Any]:
    return {
        "id": str(operator.identity_id),
        "name": operator.display_name,
        "issuer": operator.issuer,
        "subject": operator.subject,
        "grantedBy": operator.granted_by,
        "addedAt": operator.added_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
