"""`workspace-client` as anybody gets it: packed, installed beside nothing of ours, and used by a strict compiler."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

from hatch_build import npm_command, npm_environment
from tests.support.web import WEB, need_modules, run_npm

CONSUMER: Final = """
import { billingText, createWorkspace, type WorkspaceError } from 'bursar-workspace-client';
import { useWorkspace } from 'bursar-workspace-client/react';

const url = 'http://127.0.0.1:9/api/mandates/m/threads/t';
function told(error: WorkspaceError | null): string {
  // @ts-expect-error: which error it is, is not known yet.
  error?.billing;
  return error?.kind === 'insufficient_balance' ? billingText(error.billing, 'de') : (error?.kind ?? '');
}
export function Thread(): string {
  const { messages, error, send } = useWorkspace({ url, onError: told });
  // @ts-expect-error: a message is a text.
  void send({ text: 'Hello' });
  return messages.map((message) => message.content).join() + told(error);
}
const store = createWorkspace({ url, headers: { authorization: 'Bearer bur_x' }, reconnectMillis: () => null });
await store.send('Hello');
console.log(told(store.getState().error));
"""
STRICT: Final = {
    "target": "ES2022",
    "lib": ["ES2022", "DOM"],
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "verbatimModuleSyntax": True,
    "skipLibCheck": False,
    "types": [],
}


def node(*arguments: str | Path, cwd: Path) -> str:
    command = [npm_command()[0], *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=npm_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(900)
def test_it_is_packed_with_its_types_and_works_alone(tmp_path: Path) -> None:
    need_modules()
    packed = run_npm(
        "pack", "--workspace", "bursar-workspace-client", "--pack-destination", str(tmp_path), timeout_seconds=300
    )
    assert packed.returncode == 0, packed.stdout
    (archive,) = tmp_path.glob("*.tgz")
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "package.json").write_text(json.dumps({"name": "consumer", "private": True, "type": "module"}))
    (consumer / "thread.ts").write_text(CONSUMER)
    npm = npm_command()[1]
    node(npm, "install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", archive, cwd=consumer)
    installed = consumer / "node_modules" / "bursar-workspace-client"
    assert {path.name for path in installed.iterdir()} == {"dist", "src", "README.md", "package.json"}
    # React is whoever uses the hook's own.
    for name in ("react", "@types"):
        (consumer / "node_modules" / name).symlink_to(WEB / "node_modules" / name)
    for module, resolution in (("NodeNext", "NodeNext"), ("ESNext", "Bundler")):
        options = {**STRICT, "module": module, "moduleResolution": resolution}
        (consumer / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["thread.ts"]}))
        node(WEB / "node_modules" / "typescript" / "bin" / "tsc", "-p", ".", cwd=consumer)
    assert node("thread.js", cwd=consumer) == "network\n"
