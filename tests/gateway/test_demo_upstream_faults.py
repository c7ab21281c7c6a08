"""Every fault that the demo upstream can show, as a client on the wire meets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest

from bursar.gateway.demo_upstream import running_demo_upstream
from bursar.gateway.upstream_http import FaultReason, FaultStage, Target, UpstreamAnswer, UpstreamClient, UpstreamFault
from tests.support.demo_upstream import shared_demo_upstream


class Wire:
    """Asks the demo upstream and shows the bytes."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = UpstreamClient()

    async def ask(
        self, content: str, *, stream: bool = False, timeout_seconds: float = 5, **more: Any
    ) -> UpstreamAnswer:
        body = {"model": "demo-1", "stream": stream, "messages": [{"role": "user", "content": content}], **more}
        target = Target.parse(self.base_url + "/chat/completions")
        return await self.client.send(
            target, [(b"x-test", b"yes")], orjson.dumps(body), timeout_seconds=timeout_seconds
        )

    async def get(self, path: str) -> Any:
        target = Target.parse(self.base_url.removesuffix("/v1") + path)
        answer = await self.client.send(target, (), b"", method=b"GET")
        body = await answer.read()
        answer.close()
        return orjson.loads(body)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with shared_demo_upstream(faults=True) as url:
        yield url


@pytest.fixture
async def wire(base_url: str) -> AsyncIterator[Wire]:
    connected = Wire(base_url)
    yield connected
    await connected.client.aclose()


def events(body: bytes) -> list[bytes]:
    return [line.removeprefix(b"data: ") for line in body.split(b"\n\n") if line]


async def read_until_fault(answer: UpstreamAnswer) -> tuple[bytes, UpstreamFault]:
    got = b""
    try:
        while chunk := await answer.next_chunk():
            got += chunk
    except UpstreamFault as fault:
        return got, fault
    finally:
        answer.close()
    raise AssertionError("the answer was whole")


@pytest.mark.parametrize("stream", [False, True])
async def test_reset_before_the_first_byte(wire: Wire, stream: bool) -> None:
    with pytest.raises(UpstreamFault) as caught:
        await wire.ask("[[fault=reset]]", stream=stream)
    assert (caught.value.stage, caught.value.reason) == (FaultStage.HEAD, FaultReason.RESET)


async def test_hang_before_and_within_the_answer(wire: Wire) -> None:
    with pytest.raises(UpstreamFault) as caught:
        await wire.ask("[[fault=hang]]", timeout_seconds=0.1)
    assert caught.value.reason is FaultReason.TIMEOUT
    got, fault = await read_until_fault(
        await wire.ask("[[tokens=9 fault=hang_after=3]]", stream=True, timeout_seconds=0.2)
    )
    assert (len(events(got)), fault.reason) == (4, FaultReason.TIMEOUT)


async def test_truncated_stream_and_body(wire: Wire) -> None:
    got, fault = await read_until_fault(await wire.ask("[[tokens=9 fault=truncate_after=5]]", stream=True))
    assert (len(events(got)), fault.stage) == (6, FaultStage.BODY)
    got, fault = await read_until_fault(await wire.ask("[[tokens=9 fault=truncate_after=5]]"))
    assert (len(got), fault.stage) == (5, FaultStage.BODY)


@pytest.mark.parametrize(
    ("fault", "last"),
    [("end_after=2", b'"content":" am"'), ("error_after=2", b'"error":{'), ("broken_json=2", b'{"broken": ')],
)
async def test_streams_that_end_early(wire: Wire, fault: str, last: bytes) -> None:
    answer = await wire.ask(f"[[tokens=9 fault={fault}]]", stream=True)
    got = events(await answer.read())
    answer.close()
    assert last in got[-1]
    assert b"[DONE]" not in got


@pytest.mark.parametrize(("fault", "status"), [("500", 500), ("429", 429), ("503", 503), ("insufficient_quota", 429)])
async def test_error_statuses(wire: Wire, fault: str, status: int) -> None:
    answer = await wire.ask(f"[[fault={fault}]]")
    error = orjson.loads(await answer.read())["error"]
    answer.close()
    assert answer.status == status
    assert (b"retry-after" in dict(answer.headers)) == (fault in ("429", "503"))
    assert (error["code"] == "insufficient_quota") == (fault == "insufficient_quota")


@pytest.mark.parametrize(("fault", "status"), [("empty", 200), ("redirect", 307), ("broken_json", 200), ("gzip", 200)])
async def test_bodies_of_no_use(wire: Wire, fault: str, status: int) -> None:
    answer = await wire.ask(f"[[fault={fault}]]")
    body = await answer.read()
    answer.close()
    assert answer.status == status
    if fault != "redirect":
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(body)


@pytest.mark.parametrize(
    ("fault", "completion_tokens"),
    [("no_usage", None), ("usage_negative", -1), ("usage_zero", 0), ("usage_low", 1), ("usage_huge", 2_000_000_000)],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_absurd_usage(wire: Wire, fault: str, completion_tokens: int | None, stream: bool) -> None:
    answer = await wire.ask(f"[[tokens=4 fault={fault}]]", stream=stream, stream_options={"include_usage": True})
    body = await answer.read()
    answer.close()
    parts = [orjson.loads(part) for part in events(body) if part != b"[DONE]"] if stream else [orjson.loads(body)]
    usages = [part["usage"] for part in parts if part.get("usage")]
    assert [usage["completion_tokens"] for usage in usages] == (
        [] if completion_tokens is None else [completion_tokens]
    )


async def test_more_output_than_allowed(wire: Wire) -> None:
    answer = await wire.ask("[[tokens=50 fault=ignore_limit]]", max_tokens=5)
    assert orjson.loads(await answer.read())["usage"]["completion_tokens"] == 50
    answer.close()


async def test_faults_are_asleep_unless_started_with_them() -> None:
    async with running_demo_upstream() as base_url:
        wire = Wire(base_url)
        answer = await wire.ask("[[tokens=2 fault=500]]")
        assert answer.status == 200
        assert await answer.read()
        answer.close()
        await wire.client.aclose()


async def test_shows_what_it_received_and_who_left(wire: Wire) -> None:
    before = await wire.get("/demo/stats")
    answer = await wire.ask("[[tokens=99 chunk_delay_ms=10]]", stream=True)
    await answer.next_chunk()
    assert (await wire.get("/demo/stats"))["running"] == 1
    answer.close()
    stats = {}
    for _ in range(100):
        stats = await wire.get("/demo/stats")
        if not stats["running"]:
            break
        await asyncio.sleep(0.02)
    assert stats == {"calls": before["calls"] + 1, "running": 0, "left": before["left"] + 1}
    last = await wire.get("/demo/last")
    assert last["headers"]["x-test"] == "yes"
    assert "chunk_delay_ms" in last["body"]
