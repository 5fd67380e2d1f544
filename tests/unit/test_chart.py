"""The chart of a market: its candles with their gaps, the strategy's own lines, what stopped it when, its trades."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from strategy.rare_dip import Parameters as DipParameters
from strategy.rare_dip import RareDip
from strategy.volatility_breakout import Parameters as BreakoutParameters
from strategy.volatility_breakout import VolatilityBreakout
from tests.helpers.charts import UNIT, kept, look_back
from tests.helpers.journals import NOW, Book, buy, sell
from views.chart import SHOWN, TARGET, Kept, chart, levels, window_of
from views.why import NothingKnown, why_market

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strategy.base import Strategy

STARTS = {"KRW-BTC": 1.4e8, "KRW-XRP": 3000.0}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Yield a journal whose time is set by hand."""
    found = Book(tmp_path / "journal.sqlite3")
    with found.journal:
        yield found


@pytest.fixture(scope="module")
def known() -> Kept:
    """Return what a daemon keeps of two markets."""
    return kept(NOW, STARTS)


def test_a_candle_stands_where_it_was_traded_and_a_gap_stays_a_gap(book: Book, known: Kept) -> None:
    """The newest ones, each at its time; where nothing was traded there is none, though lines go on."""
    found = chart(book.journal, known, "KRW-XRP")
    arrays = known.series["KRW-XRP"]
    times = [round(found.opened(at).timestamp() * 1000) for at in range(SHOWN)]
    traded = dict(zip(arrays.opened_at_ms.tolist(), arrays.close.tolist(), strict=True))
    assert [one and one.close for one in found.candles] == [traded.get(time) for time in times]
    gaps = [at for at, one in enumerate(found.candles) if one is None]
    assert 0 < len(gaps) < SHOWN / 4
    assert found.opened(SHOWN) == NOW
    assert all(found.lines["ema_fast"][at] is not None for at in gaps)


def test_the_lines_are_the_numbers_the_strategy_decides_on(book: Book, known: Kept) -> None:
    """Its averages, as it computes them; no range, no count, and no price of another market."""
    found = chart(book.journal, known, "KRW-XRP")
    assert set(found.lines) == {"ema_fast", "ema_slow"}
    numbers = known.strategy.compute(window_of(known, "KRW-XRP"), known.parameters)
    assert list(found.lines["ema_slow"]) == numbers["ema_slow"][1, -SHOWN:].tolist()
    assert set(chart(book.journal, known, "KRW-BTC").lines) == {"ema_fast", "ema_slow", "btc_ema"}


@pytest.mark.parametrize(
    ("strategy", "parameters", "wanted"),
    [
        (RareDip(), DipParameters(), {"band_lower", "band_middle"}),
        (VolatilityBreakout(), BreakoutParameters(), {"trigger", "day_open", "days_average"}),
    ],
)
def test_whatever_rises_with_all_prices_is_a_line(
    strategy: Strategy, parameters: object, wanted: set[str], known: Kept
) -> None:
    """Bands and levels of other strategies are found without being named; a strength is none."""
    other = replace(known, strategy=strategy, parameters=parameters)
    assert wanted <= set(levels(other, window_of(other, "KRW-XRP"), "KRW-XRP"))
    assert "rsi" not in levels(other, window_of(other, "KRW-XRP"), "KRW-XRP")


def test_the_strip_says_what_why_says_of_the_same_moment(book: Book, known: Kept) -> None:
    """Gate by gate of the journal's looks; before the first look nothing is said."""
    look_back(book.journal, known, NOW, 30)
    for market in STARTS:
        found = chart(book.journal, known, market)
        assert found.said[: SHOWN - 30] == (None,) * (SHOWN - 30)
        told = [why_market(book.journal, market, found.opened(at + 1)) for at in range(SHOWN - 30, SHOWN)]
        said = [one for one in found.said if one is not None]
        assert [one.code or None for one in said] == [one.verdict for one in told]
        for one, whole in zip(said, told, strict=True):
            names = {gate.code: gate.name for gate in whole.gates}
            assert one.name == names.get(one.code, TARGET)


def test_the_first_look_after_a_close_speaks_for_its_candle(book: Book, known: Kept) -> None:
    """Later minutes of the same candle, over hours, change nothing."""
    look_back(book.journal, known, NOW, 3)
    before = chart(book.journal, known, "KRW-XRP")
    look = book.journal.scan_at(NOW)
    assert look is not None
    assert look.scan is not None
    barred = replace(look.scan, barred={"KRW-XRP": {"code": "warning", "ko": "투자유의 종목", "en": "warning"}})
    for minute in range(1, 130):
        book.journal.record_scan(NOW + timedelta(minutes=minute), "s", look.closed_at, barred)
    assert chart(book.journal, known, "KRW-XRP") == before


def test_a_gate_beside_the_prices_shows_value_and_threshold(book: Book, known: Kept) -> None:
    """Turnover, swing and bitcoin have a place of their own; what compares prices of the market is on the chart."""
    look_back(book.journal, known, NOW, 5)
    found = chart(book.journal, known, "KRW-XRP")
    assert [one.name.en for one in found.asked] == [
        "too few candles",
        "bitcoin is below its long average",
        "24 h turnover is too low",
        "it swings too much",
    ]
    turnover = found.asked[2]
    assert turnover.relation == ">="
    assert turnover.values[: SHOWN - 5] == (None,) * (SHOWN - 5)
    assert turnover.values[SHOWN - 5 :] == (2e8, 1e8, 4e8, 3e8, 2e8)
    assert set(turnover.thresholds[SHOWN - 5 :]) == {2e8}
    assert len(chart(book.journal, known, "KRW-BTC").asked) == 3  # bitcoin's gate compares its own prices


def test_a_barred_market_and_one_that_was_not_listed_yet(book: Book, known: Kept) -> None:
    """What bars it is told like a gate; of a market the look did not know nothing is said."""
    look_back(book.journal, known, NOW, 1)
    look = book.journal.scan_at(NOW)
    assert look is not None
    assert look.scan is not None
    barred = replace(look.scan, barred={"KRW-XRP": {"code": "warning", "ko": "투자유의 종목", "en": "warned of"}})
    book.journal.record_scan(NOW, "s", look.closed_at, barred)
    said = chart(book.journal, known, "KRW-XRP").said[-1]
    assert said is not None
    assert (said.code, said.name.en) == ("warning", "warned of")
    without = replace(known, series={**known.series, "KRW-NEW": known.series["KRW-XRP"]})
    assert chart(book.journal, without, "KRW-NEW").said[-1] is None
    assert chart(book.journal, without, "KRW-NEW").asked == ()


def test_trades_stand_at_their_candles(book: Book, known: Kept) -> None:
    """One that has ended, one that is held, and none of another market; what ended before the first is not shown."""
    book.now = NOW - 2000 * UNIT
    buy(book, "old", "b0", market="KRW-XRP")
    sell(book, "old", "s0", "2", market="KRW-XRP")
    book.journal.close_trade("old", closed_at=book.now + UNIT, dust=Decimal(0))
    book.now = NOW - 10 * UNIT
    buy(book, "t1", "b1", market="KRW-XRP")
    sell(book, "t1", "s1", "2", market="KRW-XRP")
    book.journal.close_trade("t1", closed_at=NOW - 4 * UNIT, dust=Decimal(0))
    book.now = NOW + timedelta(minutes=1)
    buy(book, "t2", "b2", market="KRW-XRP")
    buy(book, "t3", "b3", market="KRW-BTC")
    found = chart(book.journal, known, "KRW-XRP").stays
    assert [(one.id, one.begin, one.end, one.entry, one.exit) for one in found] == [
        ("t1", SHOWN - 10, SHOWN - 4, Decimal(100), Decimal(120)),
        ("t2", SHOWN, None, Decimal(100), None),
    ]


def test_a_market_without_candles_is_told_what_to_do(book: Book, known: Kept) -> None:
    """A name nobody trades, or a daemon that has just started."""
    with pytest.raises(NothingKnown, match="KRW-NONE"):
        chart(book.journal, known, "KRW-NONE")


def test_looks_at_one_market_are_those_at_all(book: Book, known: Kept) -> None:
    """Read alone and in a row, or each with everybody: the same numbers; what cannot be told is left out."""
    look_back(book.journal, known, NOW, 90)
    begin = NOW - 89 * UNIT
    alone = list(book.journal.looks_at("KRW-XRP", begin))
    assert len(alone) == 90
    for look in alone:
        whole = book.journal.scan_at(look.minute)
        assert whole is not None
        assert whole.scan is not None
        assert look.scan is not None
        at = whole.scan.markets.index("KRW-XRP")
        assert list(look.scan.markets) == ["KRW-XRP"]
        assert look.scan.prices == [whole.scan.prices[at]]
        assert [list(gate.values) for gate in look.scan.gates] == [[gate.values[at]] for gate in whole.scan.gates]
    assert book.journal.looked() == (begin, NOW)
