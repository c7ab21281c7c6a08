"""What the gateway tells about a call once it has ended: to metrics and traces, and nothing of what was said."""

from __future__ import annotations

from typing import Any

from tests.gateway.world import World, eventually

TRACE_PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRET = "the merger is on Friday"


async def recorded(world: World, **request: Any) -> Any:
    headers = {"authorization": f"Bearer {world.user_key}", "traceparent": TRACE_PARENT}
    body = {"model": "demo-1", "messages": [{"role": "user", "content": f"{SECRET} [[tokens=7]]"}], **request}
    before = len(world.records)
    url = f"{world.url}/v1/chat/completions"
    async with world.session.post(url, json=body, headers=headers) as response:
        await response.read()
    await eventually(lambda: len(world.records) > before)
    return world.records[-1]


async def test_a_call_says_whose_it_was_what_it_used_and_whose_trace_it_joins(world: World) -> None:
    await world.top_up("1.00")
    for stream in (False, True):
        record = await recorded(world, stream=stream)
        assert (record.dialect, record.model, record.upstream) == ("chat_completions", "demo-1", "demo")
        assert (record.status, record.streamed, record.outcome) == (200, stream, "complete")
        assert record.mandate_id == world.mandate_id
        assert record.usage.output_tokens == 7
        assert record.usage.input_tokens > 0
        assert record.trace_parent == TRACE_PARENT
        assert 0 < record.own_seconds <= record.total_seconds
        assert SECRET not in repr(record)


async def test_a_refused_call_has_a_reason_and_no_model(world: World) -> None:
    record = await recorded(world)
    assert (record.status, record.outcome) == (402, "BALANCE_EXHAUSTED")
    assert (record.model, record.upstream, record.usage) == (None, None, None)
    assert record.trace_parent == TRACE_PARENT


async def test_a_model_that_nobody_priced_is_not_named(world: World) -> None:
    """Whoever has a key could make up names without end."""
    await world.top_up("1.00")
    record = await recorded(world, model="made-up-by-a-stranger")
    assert (record.status, record.outcome) == (404, "model_not_found")
    assert record.model is None
