"""Who is drawn: targets that do not rest, for the places that are free, each written down with the draw."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock, call

import pytest

from config.settings import Config, TradingSettings
from journal.records import Phase
from journal.scans import Draw
from simulation.loop import PacedLoop
from state import ActiveTrade
from strategy.base import Snapshot
from strategy.scaffold import Scaffold
from tests.helpers.parts import NOW, make_mocked, only
from trader.targets import sample, update_trading_dict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tests.helpers.parts import Mocked


async def daemon(*targets: str, places: int = 2, exits: Mapping[str, datetime] | None = None) -> Mocked:
    """Return a daemon on minute candles, rests of six, with some targets, that once left some markets."""
    strategy = only(Scaffold, name="s", cooldown=Mock(return_value=6))
    app = make_mocked(config=Config(trading=TradingSettings(max_open_trades=places)), strategy=strategy)
    app.journal.last_exits.return_value = exits or {}
    snapshots = {
        market: Snapshot(
            market=market,
            candle_closed_at=NOW,
            numbers={},
            failed_gate=None,
            price=Decimal(1),
            price_as_of=NOW,
        )
        for market in targets
    }
    await app.state.target_dict.replace(snapshots)
    return app


async def drawn(app: Mocked) -> set[str]:
    """Draw once, and return what is traded then."""
    await sample(app)
    return set(await app.state.trading_dict.snapshot())


async def test_free_places_are_filled_and_the_draw_is_written_down() -> None:
    """With how many there were to draw from, and for how many places; a price is not known yet."""
    app = await daemon("KRW-A", "KRW-B", "KRW-C")
    markets = await drawn(app)
    assert len(markets) == 2
    assert markets < {"KRW-A", "KRW-B", "KRW-C"}
    assert set((await app.state.trading_dict.snapshot()).values()) == {None}
    (noted,) = app.journal.record_draw.mock_calls
    assert noted == call(Draw(at=NOW, candidates=3, free=2, markets=noted.args[0].markets))
    assert set(noted.args[0].markets) == markets
    assert app.tell.mock_calls == [call("drawn", markets=",".join(noted.args[0].markets), candidates=3, free=2)]


async def test_what_is_traded_or_held_takes_its_place_and_is_not_drawn_again() -> None:
    """Also what only one of the two dicts knows; a full house draws nothing and says nothing."""
    app = await daemon("KRW-A", "KRW-B", "KRW-C", places=3)
    await app.state.trading_dict.replace({"KRW-A": None})
    await app.state.active_trade.replace({"KRW-B": ActiveTrade(market="KRW-B", started_at=NOW, phase=Phase.HOLDING)})
    assert await drawn(app) == {"KRW-A", "KRW-C"}
    app.tell.reset_mock()
    assert await drawn(app) == {"KRW-A", "KRW-C"}
    assert app.tell.mock_calls == []
    assert len(app.journal.record_draw.mock_calls) == 1


async def test_only_as_many_are_drawn_as_places_are_free() -> None:
    """However many targets there are."""
    app = await daemon("KRW-A", "KRW-B", "KRW-C", "KRW-D", places=2)
    await app.state.trading_dict.replace({"KRW-A": None})
    assert len(await drawn(app)) == 2
    assert app.journal.record_draw.call_args.args[0].free == 1


def test_a_draw_comes_every_three_seconds_and_is_a_sign_of_life() -> None:
    """Also one that draws nobody."""

    async def story() -> None:
        app, loop = await daemon(), asyncio.get_running_loop()
        loop.call_later(7, app.stop.set)
        await update_trading_dict(app)
        assert loop.time() == 7.0
        assert app.health.alive.mock_calls == [call("update_trading_dict")] * 3

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


@pytest.mark.parametrize(("seconds", "found"), [(-1, {"KRW-A"}), (0, {"KRW-A"}), (1, set())])
async def test_a_market_that_is_left_alone_rests_until_its_time(seconds: int, found: set[str]) -> None:
    """To the second."""
    app = await daemon("KRW-A")
    await app.state.resting.replace({"KRW-A": NOW + timedelta(seconds=seconds)})
    assert await drawn(app) == found


@pytest.mark.parametrize(("minutes", "found"), [(5, set()), (6, {"KRW-A"}), (7, {"KRW-A"})])
async def test_a_market_that_was_left_rests_as_many_candles_as_the_strategy_says(minutes: int, found: set[str]) -> None:
    """Of the length that the strategy looks at."""
    app = await daemon("KRW-A", exits={"KRW-A": NOW - timedelta(minutes=minutes)})
    assert await drawn(app) == found
    assert app.strategy.cooldown.mock_calls == [call("parameters")]
