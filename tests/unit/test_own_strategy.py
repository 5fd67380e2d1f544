"""A strategy of one's own: one file and one line of settings."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from config.reading import load as load_config
from strategy import registry
from strategy.base import PASSED
from tests.unit.test_strategies import wandering

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "strategies.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the strategies of a folder be found as if they lay beside ours."""
    import strategy  # noqa: PLC0415 - its search path is what the fixture changes

    monkeypatch.setattr(strategy, "__path__", [*strategy.__path__, str(tmp_path)])
    for name in [name for name in sys.modules if name.startswith("strategy.mine")]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def blocks(language: str) -> list[str]:
    """Return the examples of the document."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_example_of_the_document_trades_with_the_settings_beside_it(folder: Path) -> None:
    """It is found by its name, takes its parameter, selects some candles, and sells below its cross."""
    (example,), (settings,) = blocks("python"), blocks("toml")
    (folder / "golden_cross.py").write_text(example, encoding="utf-8")
    (folder / "config.toml").write_text(settings, encoding="utf-8")
    config = load_config({}, path=folder / "config.toml", overrides=[])
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    assert (strategy.name, parameters.short) == ("golden_cross", 20)
    seen = wandering()
    numbers = strategy.compute(seen, parameters)
    targets = strategy.select(seen, numbers, slice(0, 900), parameters).gate == PASSED
    assert targets.any()
    np.testing.assert_array_equal(targets, (numbers["short"] > numbers["long"]) & (numbers["candles"] > 200))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def broken(:", "SyntaxError"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("class Half:\n    name = 'mine'\n\nSTRATEGY = Half()", "compute"),
    ],
    ids=["not Python", "imports what is not there", "lacks functions"],
)
def test_a_file_that_cannot_be_used_is_told_in_one_sentence(folder: Path, code: str, words: str) -> None:
    """The file and the cause, in both languages."""
    (folder / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(registry.StrategyError) as caught:
        registry.load("mine", {})
    for sentence in (caught.value.ko, caught.value.en):
        assert sentence.startswith("strategy/mine.py")
        assert words in sentence


@pytest.mark.parametrize("name", ["base", "gates", "../main", "os.path"])
def test_what_is_no_strategy_is_not_taken_for_one(name: str) -> None:
    """Neither our own other files nor anything outside the folder."""
    with pytest.raises(registry.StrategyError, match="there is no strategy"):
        registry.load(name, {})
