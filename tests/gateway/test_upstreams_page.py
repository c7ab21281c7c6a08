"""The examples of docs/upstreams.md, read as the configuration files that they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bursar.foundation.settings import load_settings
from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.upstreams import EvenLots
from bursar.gateway.wiring import Configuration

PAGE = Path(__file__).parents[2] / "docs" / "upstreams.md"
SNIPPETS = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
ENVIRON = {"AZURE_OPENAI_KEY": "azure-secret", "OPENAI_API_KEY": "sk-x", "VLLM_API_KEY": "vllm-secret"}

EXAMPLES = {
    # model        snippet, where it goes, what it is called there, a header that is sent along, its upstreams
    "gpt-4o-mini": (
        0,
        "https://my-resource.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        "my-mini-deployment",
        (b"api-key", b"azure-secret"),
        ["azure-west", "openai"],
    ),
    "Qwen/Qwen3-8B": (
        1,
        "http://127.0.0.1:8000/v1/chat/completions",
        "Qwen/Qwen3-8B",
        (b"authorization", b"Bearer vllm-secret"),
        ["vllm"],
    ),
    "llama-local": (2, "http://127.0.0.1:11434/v1/chat/completions", "llama3.2:3b", None, ["ollama"]),
}


def test_there_are_no_other_examples() -> None:
    assert len(SNIPPETS) == len(EXAMPLES)


@pytest.mark.parametrize("model", EXAMPLES)
def test_an_example_is_a_configuration_that_serves_its_model_at_a_price(model: str, tmp_path: Path) -> None:
    index, url, name_there, header, upstreams = EXAMPLES[model]
    path = tmp_path / "bursar.toml"
    path.write_text(SNIPPETS[index])
    configuration = Configuration.from_settings(load_settings(ENVIRON, config_path=path))
    routes = configuration.upstreams.routes(CHAT_COMPLETIONS, model, EvenLots())
    assert [route.upstream.name for route in routes] == upstreams
    assert str(routes[0].target.url) == url
    assert routes[0].upstream.model_name(model) == name_there
    names = [name for name, _ in routes[0].headers]
    assert (header in routes[0].headers) if header else (b"authorization" not in names)
    now = datetime.now(UTC)
    for route in routes:
        priced = configuration.catalogue.price(
            model, route.upstream.settings.base_url, now, currency="CHF", markup_percent=None
        )
        assert priced.price.content()
