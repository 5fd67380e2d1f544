"""The prices of what is traded: the newest the stream has told, asked over REST where it is silent."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.loop import PacedLoop
from state import Closing, Price
from tests.helpers.parts import make_app, only
from trader.health import Health
from trader.prices import (
    Inbox,
    Questions,
    ask,
    is_newer,
    reconnect_if_silent,
    refresh,
    share,
    share_closing,
    update_prices,
)
from upbit.decoding import Rows
from upbit.errors import MarketUnavailable
from upbit.models import StreamTicker, Ticker
from upbit.rest import Upbit
from upbit.stream import TickerStream

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 2, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def ticker(market: str) -> Ticker:
    """Return the last trade of a market."""
    return Ticker(
        market=market,
        price=Decimal(100),
        traded_at_ms=NOW_MS,
        turnover_24h=Decimal(10**9),
    )


class Exchange(Upbit):
    """Knows two markets; a question that names a third fails as a whole, as Upbit's does."""

    def __init__(self) -> None:
        self.known = {"KRW-BTC": ticker("KRW-BTC"), "KRW-ETH": ticker("KRW-ETH")}

    async def tickers(self, markets: Iterable[str]) -> Rows[Ticker]:
        """Answer for some markets."""
        if not set(markets) <= set(self.known):
            raise MarketUnavailable("Code not found", name="404", status=404)
        return Rows(self.known[market] for market in markets)

    async def all_tickers(self, quote: str = "") -> Rows[Ticker]:
        """Answer for all."""
        assert quote == "KRW"
        return Rows(self.known.values())


async def test_a_vanished_market_does_not_hide_the_prices_of_the_others() -> None:
    """One unknown market fails a question about many; the others are found in another way, and only they."""
    app = make_app(upbit=Exchange())
    questions = Questions()
    assert [one.market for one in await ask(app.upbit, ["KRW-ETH", "KRW-GONE"], questions)] == ["KRW-ETH"]
    assert [one.market for one in await ask(app.upbit, ["KRW-BTC"], questions)] == ["KRW-BTC"]
    now_s = asyncio.get_running_loop().time()
    assert questions.due(["KRW-GONE", "KRW-BTC", "KRW-ETH"], now_s) == ["KRW-BTC", "KRW-ETH"]


def test_what_upbit_does_not_know_is_asked_for_once_a_minute_and_nothing_more_than_once_a_second() -> None:
    """However often frames of other markets wake the loop: a held market that was delisted starves nobody."""
    questions = Questions()
    questions.unlisted(["KRW-GONE"], 0.0)
    asked = {tenth / 10: questions.due(["KRW-GONE", "KRW-BTC"], tenth / 10) for tenth in range(1300)}
    told = {second: markets for second, markets in asked.items() if markets}
    assert all(later - one >= 1 for one, later in itertools.pairwise(told))
    assert len(told) == 130
    assert next(second for second, markets in told.items() if "KRW-GONE" in markets) == 60
    questions.unlisted(["KRW-GONE"], 130.0)
    assert questions.due(["KRW-GONE"], 189.0) == []
    assert questions.due(["KRW-GONE"], 190.0) == ["KRW-GONE"]


def test_old_prices_are_looked_for_four_times_a_second_and_a_look_that_finds_none_costs_no_question() -> None:
    """What was left out is so beside what is left out later."""
    questions = Questions()
    assert [questions.is_time(now_s) for now_s in (0.0, 0.125, 0.25, 0.375, 0.5)] == [True, False, True, False, True]
    assert questions.due([], 0.0) == []
    assert questions.due(["KRW-BTC"], 0.25) == ["KRW-BTC"]
    questions.unlisted(["KRW-A"], 1.0)
    questions.unlisted(["KRW-B"], 2.0)
    assert questions.due(["KRW-A", "KRW-B", "KRW-C"], 3.0) == ["KRW-C"]


@pytest.mark.parametrize(("age_s", "asked"), [(3.0, 0), (3.1, 1), (-1.0, 0)])
async def test_a_price_is_asked_for_when_it_is_older_than_three_seconds(age_s: float, asked: int) -> None:
    """As old as they may be they are not."""
    tickers = AsyncMock(return_value=Rows())
    upbit = only(Upbit, tickers=tickers)
    stream = only(TickerStream, wanted=Mock(), heard=lambda _: True, last_frame=None)
    app = make_app(upbit=upbit, tickers=stream, clock=lambda: NOW)
    told = Price(price=Decimal(1), as_of=NOW - timedelta(seconds=age_s))
    await app.state.trading_dict.replace({"KRW-BTC": told})
    await refresh(app, Inbox(app), Questions())
    assert tickers.await_count == asked


async def test_only_a_changed_price_of_what_is_traded_wakes_who_decides() -> None:
    """A younger one of the same height is kept all the same; of two of one moment the first stays."""
    app, later = make_app(), NOW + timedelta(seconds=1)
    await app.state.trading_dict.replace({"KRW-A": None, "KRW-B": Price(price=Decimal(5), as_of=NOW)})

    async def told(**prices: Price) -> bool:
        app.prices_changed.clear()
        await share(app, {f"KRW-{market}": price for market, price in prices.items()})
        return app.prices_changed.is_set()

    assert not await told(C=Price(price=Decimal(1), as_of=later), B=Price(price=Decimal(5), as_of=later))
    assert not await told(B=Price(price=Decimal(6), as_of=later))
    assert await app.state.trading_dict.snapshot() == {"KRW-A": None, "KRW-B": Price(price=Decimal(5), as_of=later)}
    last = later + timedelta(seconds=1)
    assert await told(A=Price(price=Decimal(1), as_of=later), B=Price(price=Decimal(5), as_of=last))


@pytest.mark.parametrize(
    ("silent_s", "traded_s", "reconnects"),
    [(None, 1, 0), (5, 1, 0), (30, 1, 0), (31, 15, 1), (31, 16, 0), (31, 40, 0), (44, 1, 1), (20, 1, 0)],
)
def test_a_socket_that_missed_a_trade_for_long_is_connected_anew(
    silent_s: float | None, traded_s: float, reconnects: int
) -> None:
    """Half a minute of silence, and a trade that it should have told a quarter of one ago."""
    reconnect = Mock()

    async def look() -> None:
        await asyncio.sleep(100)
        now_s = asyncio.get_running_loop().time()
        stream = only(
            TickerStream, reconnect=reconnect, last_frame=None if silent_s is None else round(now_s) - silent_s
        )
        traded = msgspec.structs.replace(ticker("KRW-BTC"), traded_at_ms=NOW_MS - round(1000 * traded_s))
        reconnect_if_silent(lambda: NOW, stream, [traded])

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(look())
    assert reconnect.call_count == reconnects


def test_a_frame_is_shared_at_once_and_each_connection_begins_anew() -> None:
    """Not at the next second; the loop is heard of under its name."""

    async def story() -> None:
        loop, states, alive = asyncio.get_running_loop(), list[Callable[[str], None]](), list[str]()

        async def run(put: Callable[[StreamTicker], None], on_state: Callable[[str], None]) -> None:
            states.append(on_state)
            await asyncio.sleep(0.5)
            put(frame(1))
            await asyncio.sleep(60)

        stream = only(TickerStream, run=run, wanted=Mock(), heard=lambda _: True, last_frame=None)
        upbit = only(Upbit, tickers=AsyncMock(return_value=Rows()), exchange_time=lambda: None)
        health = only(Health, alive=alive.append)
        app = make_app(upbit=upbit, tickers=stream, health=health, clock=lambda: NOW)
        await app.state.trading_dict.replace({"KRW-BTC": None})
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(update_prices(app))
            began = loop.time()
            async with asyncio.timeout(5):
                await app.prices_changed.wait()
            assert 0.5 <= loop.time() - began < 0.6
            states[0]("connecting")
            app.stop.set()
            await following
        assert set(alive) == {"update_prices"}

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


async def test_that_a_market_is_an_ordinary_one_is_news_once() -> None:
    """Also when others are told of in between; one that never was to end costs nothing."""
    box, _ = inbox()
    told = []
    for new in (frame(1), frame(2), frame(1, market="KRW-ETH"), frame(3), frame(4, market_state="DELISTED"), frame(5)):
        box.put(new)
        told.append(box.take_closing())
        await share_closing(box._app.clock, box._app.state, told[-1])
    market, other = {"KRW-BTC": None}, {"KRW-ETH": None}
    assert told == [market, {}, other, {}, {"KRW-BTC": "DELISTED"}, market]


@pytest.mark.parametrize(("ahead_s", "age_s"), [(0, 3600), (7, 3607), (-30, 3570)])
def test_a_price_is_as_old_as_it_is_at_the_exchange(ahead_s: int, age_s: int) -> None:
    """A frame whose own time is an hour old is an hour old, whatever our clock says of the time of day."""
    box, now = inbox(exchange_time=lambda: NOW + timedelta(hours=1, seconds=ahead_s))
    now[0] = datetime(2026, 11, 2, 3, tzinfo=UTC)
    box.put(frame(0, sent_at_ms=NOW_MS))
    assert box.take()["KRW-BTC"].as_of == now[0] - timedelta(seconds=age_s)


@pytest.mark.parametrize("followed", [True, False])
async def test_a_market_that_is_followed_from_now_on_does_not_prove_a_socket_dead(*, followed: bool) -> None:
    """It traded before the socket was asked about it; one that was followed then does."""
    reconnect, now_s = Mock(), asyncio.get_running_loop().time()
    tickers = AsyncMock(return_value=Rows([ticker("KRW-BTC")]))
    stream = only(TickerStream, wanted=Mock(), heard=lambda _: True, last_frame=round(now_s) - 100, reconnect=reconnect)
    app = make_app(upbit=only(Upbit, tickers=tickers), tickers=stream, clock=lambda: NOW)
    old = Price(price=Decimal(1), as_of=NOW - timedelta(seconds=5)) if followed else None
    await app.state.trading_dict.replace({"KRW-BTC": old})
    await refresh(app, Inbox(app), Questions())
    assert len(reconnect.mock_calls) == followed


@pytest.mark.case("L13")
async def test_an_older_trade_told_by_rest_never_replaces_what_the_socket_told() -> None:
    """Its answer is young and what it says is not."""
    stream = TickerStream("ws://127.0.0.1:1", rng=random.Random(1))
    old, new = ticker("KRW-BTC"), frame(5)

    async def tickers(_: list[str]) -> Rows[Ticker]:
        return Rows([old])

    app = make_app(upbit=only(Upbit, tickers=tickers, exchange_time=lambda: None), tickers=stream, clock=lambda: NOW)
    box, told = Inbox(app), Price(price=new.price, as_of=NOW - timedelta(seconds=5))
    assert stream._is_news(new)
    await app.state.trading_dict.replace({"KRW-BTC": told})
    await refresh(app, box, Questions())
    assert await app.state.trading_dict.snapshot() == {"KRW-BTC": told}


def frame(number: int, market: str = "KRW-BTC", **changes: object) -> StreamTicker:
    """Return the frame about the trade of a second, at a price of its own."""
    traded_at_ms = NOW_MS + 1000 * number
    told = StreamTicker(
        market=market, price=Decimal(100 + number), traded_at_ms=traded_at_ms, sent_at_ms=traded_at_ms + 5
    )
    return msgspec.structs.replace(told, **changes)


def inbox(exchange_time: Callable[[], datetime | None] = lambda: None) -> tuple[Inbox, list[datetime]]:
    """Return an inbox, and its clock."""
    now = [NOW]
    app = make_app(clock=lambda: now[0], upbit=only(Upbit, exchange_time=exchange_time))
    return Inbox(app), now


def test_looks_wait_for_more_frames_and_the_first_after_a_while_does_not() -> None:
    """However singly frames are read, they are shared less than fifty times a second."""

    async def looks() -> list[int]:
        loop, (box, _), told = asyncio.get_running_loop(), inbox(), list[int]()
        for at in (0.0, 0.001, 0.002, 0.5, 0.51, 0.54):
            await asyncio.sleep(at - loop.time())
            await box.fill()
            told.append(round(1000 * loop.time()))
        return told

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        assert runner.run(looks()) == [0, 22, 45, 500, 522, 545]


@pytest.mark.case("L13")
@pytest.mark.failure("C9")
@given(arrived=st.lists(st.integers(0, 9), min_size=1, max_size=20), looks=st.sets(st.integers(0, 19)))
def test_whatever_order_frames_come_in_the_newest_trade_is_the_price(arrived: list[int], looks: set[int]) -> None:
    """Twice, late, mixed up, and looked at in between: an older price is never told after a newer one."""
    box, _ = inbox()
    price, newest = None, -1
    for place, number in enumerate(arrived):
        box.put(frame(number))
        newest = max(newest, number)
        if place in looks:
            taken = box.take()
            price = taken["KRW-BTC"].price if taken else price
            assert price == 100 + newest
    price = box.take().get("KRW-BTC", Price(price=price or Decimal(0), as_of=NOW)).price
    assert price == 100 + newest


@pytest.mark.failure("C9")
def test_a_frame_that_comes_again_makes_no_price_younger() -> None:
    """It tells what was true then. One of another market, sent since, or at another price in the same moment is new."""
    box, now = inbox()
    box.put(frame(1))
    now[0] += timedelta(seconds=9)
    box.put(frame(1))
    assert box.take()["KRW-BTC"].as_of == NOW
    box.put(frame(1))
    box.put(frame(0))
    assert box.take() == {}
    for new in (frame(1, price=Decimal(7)), frame(1, sent_at_ms=NOW_MS + 2000), frame(0, market="KRW-ETH")):
        box.put(new)
        assert box.take() == {new.market: Price(price=new.price, as_of=new.told_at)}


@pytest.mark.parametrize(
    ("later_s", "sent_ms", "price", "newer"),
    [
        (0, 1, 101, True),
        (0, 0, 101, False),
        (0, 0, 102, True),
        (0, -1, 102, False),
        (-1, 5000, 102, False),
        (1, -5000, 101, True),
    ],
    ids=["sent later", "again", "at another price", "sent earlier", "an older trade, sent later", "a newer trade"],
)
def test_the_time_of_its_trade_decides_which_frame_is_newer(
    later_s: int,
    sent_ms: int,
    price: int,
    newer: bool,  # noqa: FBT001 - a parameter
) -> None:
    """When it was sent decides between two words on one trade, by the millisecond."""
    known = frame(1)
    told = frame(1 + later_s, sent_at_ms=known.sent_at_ms + sent_ms, price=Decimal(price))
    assert is_newer(told, known) is newer


@pytest.mark.failure("C9")
async def test_an_old_frame_ends_no_announced_end() -> None:
    """A market whose end is announced stays one, whichever frame of before comes late."""
    box, _ = inbox()
    box.put(frame(2, market_state="DELISTED"))
    box.put(frame(1))
    await share_closing(box._app.clock, box._app.state, box.take_closing())
    told = Closing(why="DELISTED", since=NOW, told_at=NOW)
    assert await box._app.state.closing.snapshot() == {"KRW-BTC": told}
    box.put(frame(3))
    await share_closing(box._app.clock, box._app.state, box.take_closing())
    assert await box._app.state.closing.snapshot() == {}


def test_a_connection_begins_with_what_it_tells() -> None:
    """A frame with an absurd time silences its market no longer than its own connection."""
    box, _ = inbox()
    box.put(frame(10**9))
    box.on_state("closed")
    box.put(frame(1))
    assert box.take()["KRW-BTC"].price == 100 + 10**9
    box.on_state("connecting")
    box.put(frame(1))
    assert box.take()["KRW-BTC"].price == 101


async def test_the_end_of_a_market_is_sure_when_it_was_told_for_a_minute() -> None:
    """One odd frame bars entries alone; one that tells otherwise begins anew."""
    box, now = inbox()

    async def tell(number: int, state: str) -> bool:
        box.put(frame(number, market_state=state))
        await share_closing(box._app.clock, box._app.state, box.take_closing())
        closing = await box._app.state.closing.snapshot()
        return "KRW-BTC" in closing and closing["KRW-BTC"].is_sure

    for number, (seconds, state, sure) in enumerate(
        [(0, "DELISTED", False), (59, "DELISTED", False), (1, "DELISTED", True), (0, "PREVIEW", False),
         (60, "PREVIEW", True), (0, "ACTIVE", False), (90, "DELISTED", False)]
    ):  # fmt: skip
        now[0] += timedelta(seconds=seconds)
        assert await tell(number, state) is sure
