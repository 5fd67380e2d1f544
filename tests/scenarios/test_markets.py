"""The whole daemon while its markets end, stand still, or carry a warning."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from config.reading import load
from journal.records import Phase
from state import Closing
from tests.helpers.daemon_desk import told, trading
from trader.indicators import CAUTION, EXCLUDED, WARNING, barrier
from upbit.decoding import Rows
from upbit.limits import RateLimiter
from upbit.models import Market, MarketEvent, StreamTicker

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.helpers.daemon_desk import Desk


async def held(desk: Desk) -> str:
    """Wait until something is held, and return its market."""
    while True:
        await asyncio.sleep(1)
        for market, trade in (await desk.app.state.active_trade.snapshot()).items():
            if trade.phase == Phase.HOLDING:
                return market


async def gone(desk: Desk, market: str, patience_s: int) -> bool:
    """Wait until a market is not traded any more; return whether that came in time."""
    for _ in range(patience_s):
        if market not in await desk.app.state.active_trade.snapshot():
            return True
        await asyncio.sleep(1)
    return False


@pytest.mark.failure("C1")
def test_a_market_whose_end_is_announced_is_left_within_seconds_and_not_entered_again(tmp_path: Path) -> None:
    """The stream tells a date: what is held is sold for that reason, and the market is not bought again."""

    async def story() -> None:
        async with trading(tmp_path, markets=8) as desk:
            market = await held(desk)
            listing = desk.box.markets.listed[market]
            desk.box.markets.relist(replace(listing, delisting_date=date(2026, 12, 1)))
            assert await gone(desk, market, 120)
            (trade, *_) = [t for t in desk.app.journal.closed_trades(9) if t.market == market]
            assert trade.exit_reason is not None
            assert trade.exit_reason["code"] == "delisting"
            await asyncio.sleep(1800)
            bought = [t for t in desk.app.journal.closed_trades(99) + desk.app.journal.open_trades() if t.bought]
            assert [t.market for t in bought].count(market) == 1

    told(story)


@pytest.mark.failure("C1")
@pytest.mark.parametrize(
    ("more", "closing"),
    [
        ({}, None),
        ({"market_state": "ACTIVE", "delisting_date": None}, None),
        ({"market_state": "PREVIEW"}, "PREVIEW"),
        ({"market_state": "DELISTED"}, "DELISTED"),
        ({"market_state": "SOMETHING_NEW"}, "SOMETHING_NEW"),
        ({"delisting_date": {"year": 2026, "month": 12, "day": 1}}, 'delisting {"year":2026,"month":12,"day":1}'),
        ({"delisting_date": "2026-12-01"}, 'delisting "2026-12-01"'),
    ],
)
def test_what_a_frame_says_about_its_market_is_understood_in_any_shape(
    more: dict[str, Any], closing: str | None
) -> None:
    """A date of another form is still one, and never costs the price it came with."""
    frame = {"code": "KRW-A", "trade_price": 1, "trade_timestamp": 1, "timestamp": 1, **more}
    ticker = msgspec.json.decode(msgspec.json.encode(frame), type=StreamTicker)
    assert ticker.closing == closing


def reason(now: datetime) -> Closing:
    """Return a reason to leave a market that was told for long enough."""
    return Closing(why="a reason to leave", since=now - timedelta(minutes=2), told_at=now)


@pytest.mark.failure("C2")
def test_a_market_that_is_suspended_while_held_is_told_and_left_when_it_opens(tmp_path: Path) -> None:
    """15 minutes of `market_offline`: one message with the exposure, about one try a minute, and then the sale."""

    async def story() -> None:
        async with trading(tmp_path, markets=8) as desk:
            market = await held(desk)
            desk.box.exchange.halted.add(market)
            await desk.app.state.closing.replace({market: reason(desk.app.clock())})
            desk.app.tickers.wanted(frozenset())
            before = desk.box.violations["market_offline"]
            for _ in range(90):
                await asyncio.sleep(10)
                await desk.app.state.closing.replace({market: reason(desk.app.clock())})
            tries = desk.box.violations["market_offline"] - before
            assert 8 <= tries <= 16  # bids that left a price which stands still are waited for, too
            (message,) = [text for text in desk.messages() if "is suspended, so" in text]
            assert "bought for 50,0" in message
            desk.box.exchange.halted.clear()
            for _ in range(12):
                await asyncio.sleep(10)
                await desk.app.state.closing.replace({market: reason(desk.app.clock())})
            assert market not in {trade.market for trade in desk.app.journal.open_trades()}

    told(story)


@pytest.mark.failure("C16")
def test_what_is_held_under_a_name_that_is_gone_is_told_and_kept(tmp_path: Path) -> None:
    """Renamed or delisted: nothing is sold under another name, a person hears of it, the others trade on."""

    async def story() -> None:
        async with trading(tmp_path, markets=8) as desk:
            market = await held(desk)
            app, ask = desk.app, desk.app.upbit.markets

            async def markets() -> Rows[Market]:
                return Rows(one for one in await ask() if one.market != market)

            app.upbit.markets = markets  # type: ignore[method-assign]  # the list without one name
            await asyncio.sleep(180)
            assert any("has disappeared from" in text for text in desk.messages())
            assert app.control.state.name == "ACTIVE"

    told(story)


@pytest.mark.failure("C16")
def test_a_held_market_that_is_delisted_costs_one_ticker_request_a_second_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its price is asked for in vain, and what is asked for the others is asked no more often."""
    asked: list[float] = []
    place = RateLimiter.place

    def noted(self: RateLimiter, group: str, *, urgent: bool = False) -> AbstractAsyncContextManager[None]:
        if group == "ticker":
            asked.append(asyncio.get_running_loop().time())
        return place(self, group, urgent=urgent)

    monkeypatch.setattr(RateLimiter, "place", noted)
    delisted = {"fault": "delisted", "markets": ["held"], "minutes": [5, None], "ends": 5.1, "gone": 5.2}

    async def story() -> None:
        async with trading(tmp_path, faults=[delisted]) as desk:
            await asyncio.sleep(330)
            market = next(trade.market for trade in desk.app.journal.open_trades())
            assert market not in {one.market for one in await desk.app.upbit.markets()}
            asked.clear()
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(120)
            assert market in {trade.market for trade in desk.app.journal.open_trades()}
            a_second = max(sum(first <= time < first + 1 for time in asked) for first in asked)
            seconds = asyncio.get_running_loop().time() - began
            print(f"{len(asked)} ticker requests in {seconds:.0f} s, {a_second} in one")  # noqa: T201 - the figure
            assert 0 < len(asked) <= seconds

    told(story)


@pytest.mark.failure("C3")
@pytest.mark.parametrize(
    ("overrides", "warning", "caution", "gate"),
    [
        ((), True, False, WARNING),
        ((), False, True, CAUTION),
        ((), False, False, None),
        (("trading.warning=allow",), True, False, None),
        (("trading.warning=allow",), True, True, CAUTION),
        (("trading.caution=allow",), False, True, None),
        (("trading.caution=allow",), True, True, WARNING),
    ],
)
def test_a_market_with_a_flag_is_entered_only_when_the_settings_say_so(
    overrides: tuple[str, ...], *, warning: bool, caution: bool, gate: object
) -> None:
    """Both flags bar by default; each has its own switch."""
    config = load({}, overrides=overrides)
    event = MarketEvent(warning=warning, caution={"PRICE_FLUCTUATIONS": caution})
    listing = Market(market="KRW-A", korean_name="가", event=event)
    assert barrier(config, listing) is gate


def test_a_market_that_the_settings_exclude_is_never_a_target() -> None:
    """Stable coins by default; a list of one's own takes their place."""
    listings = [Market(market=name, korean_name="가", event=MarketEvent()) for name in ("KRW-USDT", "KRW-A")]
    for overrides, barred in (((), [EXCLUDED, None]), (('risk.exclude=["KRW-A"]',), [None, EXCLUDED])):
        assert [barrier(load({}, overrides=overrides), listing) for listing in listings] == barred


@pytest.mark.failure("H8")
def test_a_start_after_weeks_buys_on_fresh_candles_only(tmp_path: Path) -> None:
    """What was open goes on, everything is fetched anew, and no missed candle is caught up on with a trade."""

    async def first() -> None:
        async with trading(tmp_path, markets=8) as desk:
            await held(desk)

    async def weeks_later() -> None:
        async with trading(tmp_path, markets=8, seed=2, after=timedelta(days=30)) as desk:
            began = desk.app.clock()
            known = {trade.id for trade in desk.app.journal.open_trades()}
            await asyncio.sleep(900)
            decided = [
                trade
                for trade in desk.app.journal.closed_trades(99) + desk.app.journal.open_trades()
                if trade.id not in known and trade.decided_at >= began
            ]
            assert decided
            for trade in decided:
                closed = trade.id.rsplit("-", 1)[1]
                assert closed >= f"{began - timedelta(minutes=2):%y%m%d%H%M}"

    told(first)
    told(weeks_later)
