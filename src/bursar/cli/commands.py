"""The commands that run or look after an installation; those that administer it are in `administration`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bursar.cli import administration
from bursar.cli.opening import opened, settings_of
from bursar.cli.operators import operator_app
from bursar.cli.output import fail, print_json, run, show
from bursar.foundation.database import connect_database, prepared_addresses

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Embedded database, local mail, secret key.")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file: upstreams, prices, exchange rates.")]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

app = typer.Typer(
    name="bursar",
    help="A prepaid-budget gateway for AI: every call is paid before it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
root_key_app = typer.Typer(help="The operator's key.", no_args_is_help=True)
db_app = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(root_key_app, name="root-key")
app.add_typer(db_app, name="db")
administration.add_to(app)
app.add_typer(operator_app, name="operator")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    demo: Annotated[bool, typer.Option("--demo", help="Demo mandate, people and model; this machine only.")] = False,
) -> None:
    """Serve the gateway and the management API."""
    from bursar.cli.serving import serve as serve_now

    async def work() -> None:
        settings = settings_of(data_dir, config, host=host, port=port, workers=workers, demo=demo or None)
        await serve_now(settings)

    run(work)


@root_key_app.command("rotate")
def rotate_root_key(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Make a new root key and print it once; the former one ends on all workers within a second."""
    from bursar.identity.root_key import rotate_root_key as rotate

    async def work() -> str:
        settings = settings_of(data_dir)
        if settings.root_key is not None:
            fail("BURSAR_ROOT_KEY is set: change it there")
        async with opened(settings) as database:
            return await rotate(database)

    key = run(work)
    if as_json:
        print_json({"rootKey": key})
    else:
        print(key)


@db_app.command("upgrade")
def upgrade(data_dir: DataDir = None) -> None:
    """Migrate the database to this version's schema; `bursar serve` does so by itself."""

    async def work() -> None:
        async with opened(settings_of(data_dir)):
            pass

    run(work)
    print("the schema is up to date")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; readable by you alone.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write the whole database into a file, in one snapshot, while calls go on."""
    from bursar.foundation.backup import Manifest
    from bursar.foundation.backup import backup as back_up

    async def work() -> Manifest:
        async with prepared_addresses(settings_of(data_dir)) as addresses:
            return await back_up(addresses, file)

    manifest = run(work)
    if as_json:
        print_json(manifest.to_json())
    else:
        print(f"{manifest.rows:,} rows of schema {manifest.revision} in {file}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `bursar backup` wrote.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Fill an empty database from a backup, then check every invariant; exit code 1 where one is broken."""
    from bursar.foundation.backup import Manifest
    from bursar.foundation.backup import restore as restore_now
    from bursar.ledger.verify import Violation
    from bursar.ledger.verify import verify as verify_books

    async def work() -> tuple[Manifest, list[Violation]]:
        async with prepared_addresses(settings_of(data_dir)) as addresses:
            manifest = await restore_now(addresses, file)
            async with connect_database(addresses, app_pool_size=1, ledger_pool_size=2) as database:
                return manifest, await verify_books(database.ledger_pool)

    manifest, broken = run(work)
    if as_json:
        print_json({**manifest.to_json(), "violations": len(broken)})
    else:
        print(f"{manifest.rows:,} rows of schema {manifest.revision}; {_verdict(len(broken))}")
    if broken:
        raise typer.Exit(1)


def _verdict(broken: int) -> str:
    return "every invariant holds" if not broken else f"{broken} invariants are broken: see `bursar verify`"


@app.command()
def verify(
    mandate: Annotated[str | None, typer.Argument(help="Id or name; all mandates if not given.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check every invariant of the books; exit code 1 and a list where one is broken."""
    from bursar.cli.opening import mandate_meant
    from bursar.ledger.verify import Violation
    from bursar.ledger.verify import verify as verify_books

    async def work() -> list[Violation]:
        async with opened(settings_of(data_dir)) as database:
            only = (await mandate_meant(database, mandate)).mandate_id if mandate is not None else None
            return await verify_books(database.ledger_pool, only)

    broken = run(work)
    rows = [
        {"invariant": v.invariant, "mandate": str(v.mandate_id), "subject": v.subject, "detail": v.detail}
        for v in broken
    ]
    if as_json:
        print_json({"ok": not rows, "violations": rows})
    elif rows:
        show(rows, as_json=False)
    else:
        print("every invariant holds")
    if rows:
        raise typer.Exit(1)


@app.command()
def replay(
    trace: Annotated[Path, typer.Argument(help="CSV with TIMESTAMP,ContextTokens,GeneratedTokens.")],
    model: Annotated[str, typer.Option(help="Model whose price is charged.")],
    pool: Annotated[str, typer.Option(help="What the throwaway mandate's pool holds, such as 2.00.")],
    speed: Annotated[float, typer.Option(help="Times faster than the trace; 0 for as fast as it goes.")] = 1.0,
    dialect: Annotated[
        str, typer.Option(help="chat_completions, responses, messages, or embeddings (which have input only).")
    ] = "chat_completions",
    data_dir: DataDir = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run a public LLM trace through the real gateway, with the demo upstream, until the money ends."""
    from bursar.cli.replay.asking import ASKINGS
    from bursar.cli.replay.running import replay as replay_now
    from bursar.foundation.money import parse_amount

    async def work() -> None:
        os.environ.setdefault("BURSAR_LOG_LEVEL", "error")
        settings = settings_of(data_dir, config)
        pool_nanos = parse_amount(pool, field="--pool")
        if speed < 0:
            raise ValueError("--speed must not be negative")
        if dialect not in ASKINGS:
            raise ValueError(f"--dialect must be one of {', '.join(ASKINGS)}")
        report = await replay_now(settings, trace, model, pool_nanos, speed, dialect=dialect, show_progress=not as_json)
        if as_json:
            print_json(report.to_json())
        else:
            for label, value in report.rows():
                print(f"{label:38}  {value}")

    run(work)
