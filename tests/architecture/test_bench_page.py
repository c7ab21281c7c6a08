"""`make bench` writes the page of benchmarks: section by section, and those that were not run stay."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from bench.__main__ import HEAD, NAMES, sections, titled, write
from bench._plot import bars


def test_every_bench_has_its_place_on_the_page() -> None:
    folder = Path(__file__).parents[2] / "bench"
    runnable = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert set(NAMES) == runnable - {"bare_proxy"}


def test_sections_that_were_not_run_stay_as_they_are() -> None:
    first = write(
        "", {"ledger": titled("ledger", "| a |\n", "2 cores"), "limits": titled("limits", "## L\n\nx\n", "2")}
    )
    assert first.startswith(HEAD)
    again = write(first, {"limits": titled("limits", "## L\n\ny\n", "4 cores")})
    assert sections(again)["ledger"] == sections(first)["ledger"]
    assert sections(again)["limits"] == "## L\n\n4 cores\n\ny\n"
    assert again.index("bench: limits") < again.index("bench: ledger")
    assert "## Ledger: reserve and settle on one hot pool\n\n2 cores\n\n| a |" in again


def test_a_plot_has_a_bar_and_a_figure_for_each_value() -> None:
    chart = ElementTree.fromstring(bars("A < B", "/s", ("JSON", "streams"), {"one & two": [1000.0, 10.0], "b": [1, 2]}))
    texts = [element.text for element in chart.iter() if element.tag.endswith("text")]
    assert {"1,000 /s", "10 /s", "one & two", "JSON"} <= set(texts)
    assert sum(1 for element in chart.iter() if element.tag.endswith("rect")) == 1 + 2 + 4
