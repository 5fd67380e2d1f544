"""What `status`, `resume` and `sell-all` print: in one language, in won and in Korean time."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from cli.common.printing import print_halts, print_trades
from config.settings import Config
from journal.records import Ends, Halt, Level, Phase, Trade
from notifier.formats import stamp
from notifier.labels import PHASES, STATES

NOW = datetime(2026, 11, 1, 23, 5, tzinfo=UTC)
TRADE = Trade(
    id="t1",
    market="KRW-XRP",
    strategy="s",
    unit=timedelta(minutes=240),
    decided_at=NOW,
    opened_at=NOW,
    phase=Phase.HOLDING,
    entry_reason={"ko": "조용한 상승", "en": "a calm rise"},
    stop_distance=None,
    stop_price=Decimal("2900.4"),
    bought=Decimal("1234.5"),
    cost_krw=Decimal("1234567.8"),
)
HANGUL = re.compile(r"[가-힣]")


@pytest.mark.parametrize("language", ["ko", "en"])
def test_open_trades_and_halts_are_printed_in_one_language(
    language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Won, the stop on its tick, Korean time; never half and half."""
    monkeypatch.setenv("COLUMNS", "160")
    print_trades([TRADE], replace(Config(), language=language))
    halt = Halt(code="day_loss", level=Level.HALT_BUYS, ends=Ends.PERSON, ko="까닭", en="because", since=NOW)
    print_halts([halt], language)
    said = capsys.readouterr().out
    unit = "원" if language == "ko" else " KRW"
    for word in (f"1,234,568{unit}", "1,234.5", "2,900", "2026-11-02 08:05", STATES[Level.HALT_BUYS].say(language)):
        assert word in said
    assert "UTC" not in said
    assert bool(HANGUL.search(said)) is (language == "ko")


def test_every_state_and_phase_has_its_word() -> None:
    """A new one cannot be forgotten."""
    assert set(STATES) == set(Level)
    assert set(PHASES) == set(Phase)
    assert stamp(None) == "-"
