"""What can be checked of the deployment files without a container engine: it was not run here, docs say so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from bursar.foundation.addresses import embedded_dsn
from bursar.foundation.database import open_database
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_cluster import SUPERUSER
from bursar.foundation.metrics import FAMILIES
from bursar.foundation.metrics_exposition import _SAMPLED
from bursar.foundation.settings import SETTINGS, load_settings
from tests.support.cluster import UNSAFE_BUT_FAST, new_data_directory, remove_data_directory

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGES = sorted((ROOT / "docs" / "operations").glob("*.md"))
VARIABLES = {setting.variable for setting in SETTINGS}
FOREIGN = {"BURSAR_DATABASE_PASSWORD"}
"""The compose file's own: it becomes a part of BURSAR_DATABASE_URL."""


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


@pytest.mark.parametrize("path", [*sorted(DEPLOY.iterdir()), *PAGES], ids=lambda path: str(path.name))
def test_every_variable_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\bBURSAR_[A-Z_]*[A-Z]\b", path.read_text()))
    assert named - VARIABLES - FOREIGN == set()


def test_compose_has_a_healthy_database_before_bursar() -> None:
    services = compose()["services"]
    assert services.keys() == {"bursar", "postgresql", "mail"}
    assert services["bursar"]["depends_on"]["postgresql"]["condition"] == "service_healthy"
    assert "healthcheck" in services["postgresql"]
    for service in services.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    named = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert compose()["volumes"].keys() == {name for name in named if not name.startswith(".")}


def test_compose_asks_for_every_secret_and_its_example_names_them() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    example = dict(
        line.split("=", 1) for line in (DEPLOY / "compose.env.example").read_text().splitlines() if "=" in line
    )
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == {"POSTGRES_PASSWORD", "BURSAR_DATABASE_PASSWORD", "BURSAR_SECRET_KEY"}
    assert required <= example.keys()
    assert not any(example[name] for name in required), "an example with a secret gets used as it is"
    assert example.keys() - set(re.findall(r"\$\{(\w+)", text)) == set()


def test_compose_settings_are_accepted() -> None:
    """With every variable as the example has it, and secrets as somebody would make them."""
    values = {"BURSAR_DATABASE_PASSWORD": "a" * 64, "BURSAR_SECRET_KEY": "b" * 64}

    def filled(match: re.Match[str]) -> str:
        return values.get(match[1]) or (match[3] if match[2] == "-" else "")

    environment = compose()["services"]["bursar"]["environment"]
    environ = {name: re.sub(r"\$\{(\w+):([-?])([^}]*)\}", filled, value) for name, value in environment.items()}
    settings = load_settings(environ)
    assert settings.workers == 2
    assert settings.root_key is None
    assert settings.upstreams == ()


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    instructions = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    names = [name for name, *_ in instructions]
    assert names.count("FROM") == 2
    last = names[len(names) - names[::-1].index("FROM") :]
    assert {"USER", "HEALTHCHECK", "ENTRYPOINT", "EXPOSE", "VOLUME"} <= set(last)
    (user,) = [rest for name, rest in instructions if name == "USER"]
    assert not user.startswith(("root", "0"))
    copied = [rest.split()[:-1] for name, rest in instructions if name == "COPY" and "--from" not in rest]
    for source in (name for names in copied for name in names):
        assert (ROOT / source).exists(), source
        assert f"!{source.removeprefix('./')}" in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_is_understood_by_systemd(tmp_path: Path) -> None:
    unit = tmp_path / "bursar.service"
    unit.write_text(
        (DEPLOY / "bursar.service").read_text().replace("/opt/bursar/bin/bursar", shutil.which("true") or "")
    )
    environment = {**os.environ, "SYSTEMD_COLORS": "0"}
    found = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, env=environment, check=False
    )
    assert found.stderr == ""
    security = ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", str(unit)]
    rated = subprocess.run(security, capture_output=True, text=True, env=environment, check=False)
    assert rated.returncode == 0, rated.stdout[-300:]


@pytest.fixture
def fresh_server() -> Iterator[EmbeddedPostgres]:
    """A server on which nobody has done anything yet."""
    directory = new_data_directory()
    server = EmbeddedPostgres(directory, extra_settings=UNSAFE_BUT_FAST)
    server.start()
    yield server
    server.stop()
    remove_data_directory(directory)


async def test_the_first_start_of_postgresql_makes_what_bursar_needs(
    fresh_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The script's own SQL, on a real server; Bursar then migrates and works as a login that is no superuser."""
    script = (DEPLOY / "postgresql-init.sh").read_text()
    statements = script.split("<<'SQL'\n")[1].split("SQL\n")[0].replace(":'password'", "'s3cret'")
    with psycopg.connect(embedded_dsn(fresh_server.address, user=SUPERUSER, database="postgres"), autocommit=True) as c:
        for statement in statements.split(";\n")[:-1]:
            c.execute(statement.encode())
        rights = c.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'bursar'"
        ).fetchone()
    assert rights == (False, False, False)
    environ = {"BURSAR_SECRET_KEY": "b" * 64, "BURSAR_DATA_DIR": str(tmp_path)}
    url = embedded_dsn(fresh_server.address, user="bursar", database="bursar")
    settings = replace(load_settings(environ), database_url=url)
    async with open_database(settings) as database:
        assert await database.ledger_pool.fetchval("SELECT current_user::text") == "bursar_ledger"
        assert await database.app_pool.fetchval("SELECT count(*) FROM mandate") == 0


def test_a_shell_understands_the_script() -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / "postgresql-init.sh")], check=True)
    assert os.access(DEPLOY / "postgresql-init.sh", os.X_OK)


# --- pages -----------------------------------------------------------------------------------------------------------


def test_the_page_on_metrics_names_them_all() -> None:
    page = (ROOT / "docs" / "operations" / "metrics.md").read_text()
    named = set(re.findall(r"^\| `(bursar_\w+)` \|", page, re.MULTILINE))
    suffixed = {f"{family.name}_total" if family.kind == "counter" else family.name for family in FAMILIES.values()}
    sampled = {f"bursar_{column}" for column in _SAMPLED}
    assert named == suffixed | sampled | {"bursar_database_up", "bursar_build_info"}


def test_pages_link_to_what_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_says_that_containers_were_not_run() -> None:
    assert "have not been built or run" in (ROOT / "docs" / "operations" / "deploying.md").read_text()
