"""A key that is narrowed to some models uses no others, however many its mandate may use."""

from __future__ import annotations

from bursar.foundation.database import Database
from bursar.identity.key_store import create_key
from tests.gateway.world import World, open_world, upstream


async def narrow_keys(world: World) -> dict[str, str]:
    keys: dict[str, str] = {}
    for name, models in (("other", ["gpt-*"]), ("right", ["demo-*"]), ("none", [])):
        _, keys[name] = await create_key(
            world.database,
            world.mandate_id,
            kind="user",
            name=name,
            created_by="t",
            user_id=world.user_id,
            allowed_models=models,
        )
    return keys


async def test_calls(world: World) -> None:
    await world.top_up("1.00")
    keys = await narrow_keys(world)
    async with world.chat(key=keys["right"], model="demo-1") as response:
        assert response.status == 200
    for name in ("other", "none"):
        async with world.chat(key=keys[name], model="demo-1") as response:
            assert response.status == 403
            assert "This key may not use" in await response.text()


async def test_the_list_of_models(database: Database, demo_url: str) -> None:
    async with open_world(database, [upstream(demo_url, "demo-1", "gpt-4o-mini")]) as world:
        listed = {}
        for name, key in (await narrow_keys(world)).items():
            headers = {"authorization": f"Bearer {key}"}
            async with world.session.get(f"{world.url}/v1/models", headers=headers) as response:
                listed[name] = [each["id"] for each in (await response.json())["data"]]
    assert listed == {"other": ["gpt-4o-mini"], "right": ["demo-1"], "none": []}
