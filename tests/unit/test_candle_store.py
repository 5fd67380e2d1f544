"""Candles that the stream tells, REST fills in and checks, and a restart still knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec
import numpy as np
import pytest

from trader.candles import candle_store
from trader.candles.candle_store import CandleStore
from trader.candles.series import part_of
from upbit.errors import OutcomeUnknown
from upbit.models import Candle, StreamCandle, Ticker
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MARKETS = ["KRW-A", "KRW-B", "KRW-C", "KRW-D"]
HISTORY = 30


def at(minutes: float) -> datetime:
    """Return a moment, minutes after the start."""
    return START + minutes * MINUTE


def fields_of(market: str, minute: int) -> dict[str, Any]:
    """Return the candle that a market has in a minute: a price and a volume of its own."""
    price = Decimal(100 * (1 + MARKETS.index(market)) + minute % 7)
    opened = f"{at(minute):%Y-%m-%dT%H:%M:%S}"
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return {"market": market, "opened_at_utc": opened, "volume": Decimal(1 + minute), "turnover": price, **prices}


def told(market: str, minute: int, **changes: Decimal) -> StreamCandle:
    """Return the last frame about a candle."""
    return StreamCandle(kind="candle.1m", **(fields_of(market, minute) | changes))


class Exchange(Upbit):
    """Every market trades in every minute."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.counts: list[int] = []  # how many candles were asked for
        self.ahead = 0  # so many candles are told that are not over
        self.silent: set[str] = set()  # markets that have no candle
        self.failing: set[str] = set()
        self.lies: list[dict[str, Decimal]] = []  # what the answers to come say otherwise, one each

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to `count` candles that opened before `to`, newest first."""
        assert to is not None
        self.asked.append(market)
        self.counts.append(count)
        if market in self.failing:
            raise OutcomeUnknown(market)
        last = 0 if market in self.silent else (to - START) // unit + self.ahead
        lie = self.lies.pop(0) if self.lies else {}
        return [Candle(**(fields_of(market, minute) | lie)) for minute in range(last - 1, last - 1 - count, -1) if last]

    def traded(self, minutes: float) -> dict[str, Ticker]:
        """Return the last trades, that long after the start."""
        traded_ms = round(at(minutes).timestamp() * 1000)
        price = {market: fields_of(market, int(minutes))["close"] for market in MARKETS}
        return {
            market: Ticker(market=market, price=price[market], traded_at_ms=traded_ms, turnover_24h=Decimal(1))
            for market in MARKETS
        }


async def loaded(minute: int = 100) -> tuple[CandleStore, Exchange]:
    """Return a store that knows everything until a minute, and begins to listen."""
    exchange = Exchange()
    store = CandleStore(upbit=exchange, unit=MINUTE, history=HISTORY)
    assert await store.refresh(MARKETS, at(minute), exchange.traded(minute + 0.5), budget_s=10) == []
    assert (exchange.asked, exchange.counts) == (MARKETS, [HISTORY] * len(MARKETS))
    exchange.asked.clear()
    connect(store)
    return store, exchange


def connect(store: CandleStore) -> None:
    """Let a connection begin."""
    store.on_state("connecting")
    store.on_state("open")


def tell(store: CandleStore, minute: int, markets: Sequence[str] = MARKETS) -> None:
    """Let the stream tell the candle of a minute."""
    for market in markets:
        store.put(told(market, minute))


def true(store: CandleStore, minute: int, markets: Sequence[str] = MARKETS) -> bool:
    """Return whether a store's candles are what the exchange has until a minute, number by number."""
    return all(
        store.series()[market].opened_at_ms[-1] == at(minute - 1).timestamp() * 1000
        and all(
            np.array_equal(
                getattr(store.series()[market], name),
                [float(fields_of(market, one)[name]) for one in range(minute - HISTORY, minute)],
            )
            for name in ("open", "high", "low", "close", "volume")
        )
        for market in markets
    )


async def test_whoever_listens_asks_for_nothing() -> None:
    """Minute after minute the candles are known a moment after their end, and are what REST would say."""
    store, exchange = await loaded()
    for minute in range(100, 140):
        tell(store, minute)
        tell(store, minute + 1, MARKETS[:1])  # the stream goes on
        assert await store.missing(MARKETS, at(minute + 1), exchange.traded(minute + 1.01)) == []
        assert true(store, minute + 1)
    assert exchange.asked == []


async def test_a_market_that_did_not_trade_needs_no_candle() -> None:
    """Its last trade was before; what one says who has told of trades since is not believed."""
    store, exchange = await loaded()
    quiet = exchange.traded(99.5)
    assert await store.missing(MARKETS, at(101), exchange.traded(100)) == MARKETS
    assert await store.missing(MARKETS, at(101), quiet) == []
    tell(store, 101, MARKETS[:1])
    assert await store.missing(MARKETS, at(102), quiet) == MARKETS[:1]
    assert store.as_of("KRW-B") == at(102)


@pytest.mark.failure("C4")
async def test_a_stream_that_ends_or_stops_is_replaced_by_questions() -> None:
    """Connected and silent, or not connected: what traded is asked for, and the candles are whole."""
    for connected in (True, False):
        store, exchange = await loaded()
        tell(store, 100, MARKETS[:2])
        if not connected:
            store.on_state("closed")
        tickers = exchange.traded(101.2)
        assert await store.missing(MARKETS, at(101), tickers) == MARKETS
        assert await store.refresh(MARKETS, at(101), tickers, budget_s=10) == []
        assert exchange.asked == MARKETS
        assert true(store, 101)
        assert await store.check(at(101), sample=4) == []
        assert exchange.asked == MARKETS  # what REST has told needs no comparison with REST


@pytest.mark.failure("C6")
async def test_after_a_new_connection_only_gaps_are_asked_for() -> None:
    """One that begins with the candle the last one ended with left none; one that begins with a later one did."""
    store, exchange = await loaded()
    tell(store, 100)
    connect(store)
    tell(store, 100, MARKETS[:2])
    tell(store, 101, MARKETS)
    tickers = exchange.traded(101.2)
    assert await store.missing(MARKETS, at(101), tickers) == MARKETS[2:]
    assert await store.refresh(MARKETS, at(101), tickers, budget_s=10) == []
    assert exchange.asked == MARKETS[2:]
    tell(store, 102)
    assert await store.missing(MARKETS, at(102), exchange.traded(102.01)) == []
    assert true(store, 102)


@pytest.mark.failure("C5")
async def test_a_market_that_the_stream_has_forgotten_is_asked_for() -> None:
    """Its last trade is of another candle or price than it was told: lost frames are noticed without a word."""
    store, exchange = await loaded()
    tell(store, 99, MARKETS[:1])
    tell(store, 100, MARKETS[1:3])
    store.put(told("KRW-D", 100, close=Decimal(400), low=Decimal(400)))
    assert await store.missing(MARKETS, at(101), exchange.traded(100.99)) == ["KRW-A", "KRW-D"]
    store, exchange = await loaded()
    tell(store, 100)
    late = exchange.traded(101.99)
    same_price = {
        market: msgspec.structs.replace(ticker, price=fields_of(market, 100)["close"])
        for market, ticker in late.items()
    }
    assert await store.missing(MARKETS, at(102), same_price) == MARKETS


async def test_a_market_is_vouched_for_by_its_own_living_connection_alone() -> None:
    """What others were told says that the stream goes on: not for a market that this connection has not begun with."""
    for begun, ended, gone_on in ((True, False, True), (False, False, True), (True, True, True), (True, False, False)):
        store, exchange = await loaded()
        tell(store, 100)
        tell(store, 101, MARKETS[:1])
        connect(store)
        if begun:
            tell(store, 100, MARKETS[1:])
        if gone_on:
            tell(store, 101, MARKETS[:1])
        if ended:
            store.on_state("closed")
        believed = begun and gone_on and not ended
        assert await store.missing(MARKETS[1:], at(101), exchange.traded(101.01)) == ([] if believed else MARKETS[1:])


async def test_a_candle_that_is_told_late_is_put_right_and_counted() -> None:
    """More volume than was known counts; what was true before does not come back."""
    store, exchange = await loaded()
    store_frame = told("KRW-A", 100, volume=Decimal(1))
    store.put(store_frame)
    tell(store, 101, MARKETS)
    assert await store.missing(["KRW-A"], at(101), exchange.traded(101.01)) == []
    assert not true(store, 101, ["KRW-A"])
    tell(store, 100, ["KRW-A"])
    assert true(store, 101, ["KRW-A"])
    assert store.late == 1
    store.put(store_frame)
    tell(store, 100, ["KRW-A"])
    tell(store, 100 - HISTORY - 5, ["KRW-A"])
    assert true(store, 101, ["KRW-A"])
    assert store.late == 1


async def test_a_candle_of_a_minute_without_a_trade_can_still_be_told() -> None:
    """That it had none was not true; each that is told late is counted, and kept on disk from there on."""
    store, exchange = await loaded()
    assert await store.missing(MARKETS, at(101), exchange.traded(99.5)) == []
    tell(store, 100, ["KRW-A"])
    store.unkept()
    tell(store, 100, ["KRW-B"])  # that it had not traded was not true
    assert true(store, 101, ["KRW-B"])
    assert store.late == 2
    ((changed,), everything) = store.unkept()
    assert (changed.market, changed.from_ms, len(changed.arrays.close)) == ("KRW-B", at(100).timestamp() * 1000, 1)
    assert [(part.from_ms, len(part.arrays.close)) for part in everything.values()] == [(0, HISTORY)] * 4


async def test_a_correction_before_the_end_of_what_is_kept_is_kept_too() -> None:
    """From the earliest candle on that the file has otherwise."""
    store, exchange = await loaded()
    store.unkept()
    store.put(told("KRW-A", 95, volume=Decimal(1000)))
    tell(store, 100)
    tell(store, 101, MARKETS[1:])
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == []
    changed, _ = store.unkept()
    assert [len(part.arrays.close) for part in changed] == [6, 1, 1, 1]


async def test_a_candle_that_is_not_over_is_none() -> None:
    """Whoever answers with one, at first or later."""
    exchange = Exchange()
    exchange.ahead = 1
    store = CandleStore(upbit=exchange, unit=MINUTE, history=HISTORY + 1)
    for minute in (100, 102):
        assert await store.refresh(MARKETS, at(minute), exchange.traded(minute + 0.5), budget_s=10) == []
        assert {arrays.opened_at_ms[-1] for arrays in store.series().values()} == {at(minute - 1).timestamp() * 1000}


async def test_a_long_history_is_asked_for_page_by_page() -> None:
    """As many as are missing, and no page more."""
    exchange = Exchange()
    store = CandleStore(upbit=exchange, unit=MINUTE, history=250)
    assert await store.refresh(["KRW-A"], at(500), exchange.traded(500.5), budget_s=10) == []
    assert exchange.counts == [200, 50]
    assert len(store.series()["KRW-A"].close) == 250


async def test_markets_that_cannot_be_asked_cost_no_other_one() -> None:
    """They are missing; that none could be asked is a failure. A market without candles is known, too."""
    store, exchange = await loaded()
    exchange.failing, exchange.silent = {"KRW-B"}, {"KRW-C"}
    assert await store.refresh(MARKETS, at(101), exchange.traded(101.2), budget_s=10) == ["KRW-B"]
    assert store.as_of("KRW-C") == at(101)
    with pytest.raises(OutcomeUnknown, match="KRW-B"):
        await store.refresh(MARKETS, at(101), exchange.traded(101.2), budget_s=10)


async def test_a_candle_that_nobody_settles_is_not_kept_for_ever() -> None:
    """Whoever tells an hour of candles that are never asked for is begun with anew."""
    store, _ = await loaded()
    for minute in range(100, 400):
        tell(store, minute, ["KRW-A"])
    assert len(store._heard["KRW-A"].candles) <= 51


async def test_some_markets_are_compared_with_rest_in_turn() -> None:
    """Those of which it was asked longest ago; once all were, nothing is left to compare until the next close."""
    store, exchange = await loaded()
    tell(store, 100)
    tell(store, 101)
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == []
    assert [await store.check(at(101), sample=2) for _ in range(3)] == [[], [], []]
    assert exchange.asked == MARKETS


@pytest.mark.failure("C18")
async def test_what_differs_from_rest_is_put_right_when_two_answers_agree() -> None:
    """Another number, a candle too few and one too many are; of an answer that nothing confirms nothing comes."""
    store, exchange = await loaded()
    for minute, market, changes in ((100, "KRW-A", {"volume": Decimal(1)}), (100, "KRW-B", {})):
        store.put(told(market, minute, **changes))
    tell(store, 101)
    settled = ["KRW-A", "KRW-B"]
    assert await store.missing(settled, at(101), exchange.traded(101.01)) == []
    exchange.lies = [{}, {"volume": Decimal(7)}]
    assert await store.check(at(101), sample=1) == []
    assert not true(store, 101, ["KRW-A"])
    assert await store.check(at(101), sample=2) == ["KRW-A"]
    assert true(store, 101, settled)
    assert exchange.asked == ["KRW-A"] * 4 + ["KRW-B"]


@pytest.mark.failure("C18")
async def test_a_stream_that_most_of_a_sample_contradicts_is_not_believed() -> None:
    """All that rests on its word alone is asked for again, and what it tells counts only after a while."""
    store, exchange = await loaded()
    for market in MARKETS:
        store.put(told(market, 100, volume=Decimal(1)))
    tell(store, 101)
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == []
    assert await store.check(at(101), sample=3) == MARKETS[:3]
    assert await store.missing(MARKETS, at(101), {}) == ["KRW-D"]
    assert await store.refresh(MARKETS, at(101), exchange.traded(101.01), budget_s=10) == []
    assert true(store, 101)
    last = 111  # ten minutes later
    for minute in range(101, last + 1):
        tell(store, minute)
        tell(store, minute + 1, MARKETS[:1])
        tickers = exchange.traded(minute + 1.01)
        believed = minute + 1 >= last
        assert (await store.missing(MARKETS, at(minute + 1), tickers) == []) is believed
        assert await store.refresh(MARKETS, at(minute + 1), tickers, budget_s=10) == []
    assert true(store, last + 1)


@pytest.mark.parametrize(("lying", "sample", "believed"), [(2, 4, True), (3, 4, False), (2, 2, True), (3, 3, False)])
async def test_half_of_a_sample_or_two_markets_say_nothing_about_the_stream(
    lying: int, sample: int, *, believed: bool
) -> None:
    """More than half of three or more do."""
    store, exchange = await loaded()
    for number, market in enumerate(MARKETS):
        store.put(told(market, 100, volume=Decimal(1) if number < lying else Decimal(101)))
    tell(store, 101)
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == []
    assert await store.check(at(101), sample=sample) == MARKETS[: min(lying, sample)]
    assert (store._deaf_until < at(101)) is believed


@pytest.mark.failure("C18")
async def test_an_answer_about_what_is_new_vouches_for_nothing_older() -> None:
    """A candle that only the stream told is compared all the same after REST was asked about a later gap."""
    store, exchange = await loaded()
    for minute, volume in ((100, Decimal(1)), (101, Decimal(102)), (102, Decimal(103))):
        store.put(told("KRW-A", minute, volume=volume))
    assert await store.missing(["KRW-A"], at(102), exchange.traded(102.01)) == []
    assert await store.refresh(["KRW-A"], at(104), exchange.traded(104.01), budget_s=10) == []
    assert not true(store, 104, ["KRW-A"])
    assert await store.check(at(104), sample=1) == ["KRW-A"]
    assert true(store, 104, ["KRW-A"])


async def test_a_candle_between_the_two_oldest_is_taken_in_and_one_before_them_is_no_news() -> None:
    """A market that trades seldom has gaps; whatever is older than all that is kept was there once."""
    store, _ = await loaded()
    known = store._stretches["KRW-A"]
    gap = np.arange(HISTORY) != 1
    known.arrays = part_of(known.arrays, gap)
    tell(store, 100 - HISTORY + 1, ["KRW-A"])
    assert true(store, 100, ["KRW-A"])
    known.arrays = part_of(known.arrays, slice(1, None))
    tell(store, 100 - HISTORY, ["KRW-A"])
    assert known.arrays.opened_at_ms[0] == at(100 - HISTORY + 1).timestamp() * 1000
    assert store.late == 1


async def test_what_the_stream_tells_while_others_are_asked_for_costs_no_question() -> None:
    """Nor does it keep anybody from asking for the rest."""
    store, exchange = await loaded()
    tell(store, 100, MARKETS[1:3])
    ask = exchange.candles

    async def candles(market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None) -> list[Candle]:
        for one in MARKETS[1:3]:
            tell(store, 101, [one])
        return await ask(market, unit, count=count, to=to)

    with patch.object(exchange, "candles", candles), patch.object(candle_store, "ASK_AT_ONCE", 1):
        assert await store.refresh(MARKETS, at(101), exchange.traded(101.01), budget_s=10) == []
    assert exchange.asked == ["KRW-A", "KRW-D"]
    assert true(store, 101)


async def test_what_the_last_trade_proves_while_others_are_asked_for_costs_no_question() -> None:
    """A candle that ends with it is whole."""
    store, exchange = await loaded()
    ask, tickers = exchange.candles, exchange.traded(100.9)

    async def candles(market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None) -> list[Candle]:
        tell(store, 100, ["KRW-B"])
        return await ask(market, unit, count=count, to=to)

    with patch.object(exchange, "candles", candles), patch.object(candle_store, "ASK_AT_ONCE", 1):
        assert await store.refresh(MARKETS[:2], at(101), tickers, budget_s=10) == []
    assert exchange.asked == ["KRW-A"]


@pytest.mark.parametrize(("away", "asked"), [(9, [10]), (10, [10]), (11, [10, 10, 10, 10])])
async def test_who_was_away_for_longer_than_a_page_reaches_back_loads_everything_anew(
    away: int, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that begins where the known ends leaves no gap."""
    store, exchange = await loaded()
    monkeypatch.setattr(candle_store, "PAGE", 10)
    exchange.counts.clear()
    assert await store.refresh(["KRW-A"], at(100 + away), {}, budget_s=10) == []
    assert exchange.counts == asked
    assert true(store, 100 + away, ["KRW-A"])


async def test_a_market_that_seldom_trades_is_loaded_until_it_has_enough_candles() -> None:
    """However far back they reach; a gap behind what is known is none of a page, and costs nothing more."""
    store, exchange = await loaded()
    ask = exchange.candles

    async def candles(market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None) -> list[Candle]:
        found = await ask(market, unit, count=count, to=to)
        return [one for one in found if one.opened_at not in {at(99), at(100)}]

    exchange.counts.clear()
    with patch.object(exchange, "candles", candles):
        assert await store.refresh(["KRW-A"], at(102), {}, budget_s=10) == []
        assert exchange.counts == [3]
        store.forget(())
        assert await store.refresh(["KRW-A"], at(102), {}, budget_s=10) == []
    assert exchange.counts == [3, HISTORY]  # thirty minutes back there is nothing more to want


async def test_a_market_that_is_delisted_while_it_is_compared_does_not_differ() -> None:
    """Nothing is held against the stream for it."""
    store, exchange = await loaded()
    tell(store, 100)
    tell(store, 101)
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == []
    ask = exchange.candles

    async def candles(market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None) -> list[Candle]:
        store.forget(())
        return await ask(market, unit, count=count, to=to)

    with patch.object(exchange, "candles", candles):
        assert await store.check(at(101), sample=1) == []


async def test_what_was_put_right_is_kept_on_disk_as_far_back_as_it_was_compared() -> None:
    """All of the page: which of its candles differed is not looked at."""
    store, exchange = await loaded()
    store.put(told("KRW-A", 100, volume=Decimal(1)))
    tell(store, 101)
    assert await store.missing(["KRW-A"], at(101), exchange.traded(101.01)) == []
    store.unkept()
    assert await store.check(at(101), sample=1) == ["KRW-A"]
    ((changed,), _) = store.unkept()
    assert (len(changed.arrays.close), changed.from_ms) == (HISTORY, at(101 - HISTORY).timestamp() * 1000)


async def test_what_is_listed_no_more_is_forgotten() -> None:
    """Its candles and what was heard of it; when it is listed again it is loaded anew."""
    store, exchange = await loaded()
    tell(store, 100)
    store.forget(MARKETS[:3])
    assert sorted(store.series()) == MARKETS[:3]
    tell(store, 101)
    assert await store.missing(MARKETS, at(101), exchange.traded(101.01)) == ["KRW-D"]
