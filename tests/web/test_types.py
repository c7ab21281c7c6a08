"""The types by which the pages call the API are those of the API as it is."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from bursar.api_document import api_document
from hatch_build import npm_command, npm_environment
from tests.support.web import WEB, need_modules

GENERATED = WEB / "src" / "shared" / "api" / "schema.ts"


@pytest.mark.timeout(600)
def test_the_generated_types_agree_with_the_api(tmp_path: Path) -> None:
    need_modules()
    (tmp_path / "openapi.json").write_text(json.dumps(api_document()))
    script = json.loads((WEB / "package.json").read_text())["scripts"]["types"]
    program, document, output, written, *options = shlex.split(script)
    assert (program, document, output) == ("openapi-typescript", "openapi.json", "--output")
    assert WEB / written == GENERATED
    node, _ = npm_command()
    cli = WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
    command = [node, str(cli), "openapi.json", "--output", "schema.ts", *options]
    subprocess.run(command, cwd=tmp_path, env=npm_environment(), capture_output=True, timeout=300, check=True)
    assert (tmp_path / "schema.ts").read_text() == GENERATED.read_text(), "the API has changed: make docs"
