"""What `execute_trades` looks at, and what becomes of each decision."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, call

import pytest

from journal.records import Phase
from simulation.loop import PacedLoop
from state import ActiveTrade, Closing, Price
from strategy.base import Position
from tests.helpers.handmade import NOW, recorded, written_by_hand
from tests.helpers.parts import only
from tests.helpers.trading import ENTRY, MARKET, SNAPSHOT, leaving
from trader import executor
from trader.control import SELL_ALL
from trader.decisions import Begin, Buy, Drop, Failed, Raise, Sell, View
from upbit.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.parts import Mocked
    from trader.app import App
    from trader.decisions import Action

OTHER = "KRW-BBB"
PRICE = Price(price=Decimal(1200), as_of=NOW)
POSITION = Position(
    market=MARKET,
    entry_price=Decimal(1000),
    volume=Decimal(3),
    opened_at=NOW,
    stop_price=Decimal(900),
    highest_price=Decimal(1000),
)


def trade(phase: Phase, market: str = MARKET) -> ActiveTrade:
    """Return a trade in some phase."""
    return ActiveTrade(market=market, started_at=NOW, phase=phase, trade_id="t")


@pytest.mark.parametrize(
    ("may_buy", "compared_ago_s", "buys"), [(True, 300.0, True), (True, 301.0, False), (False, 0.0, False)]
)
async def test_a_view_shows_everything_as_it_is_at_one_moment(
    may_buy: bool,  # noqa: FBT001 - a parameter
    compared_ago_s: float,
    buys: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is bought while the last comparison with the exchange is old; candles may come three minutes late."""
    sure = Closing(why="announced", since=NOW - timedelta(minutes=1), told_at=NOW)
    unsure = Closing(why="announced", since=NOW, told_at=NOW)
    await daemon.state.trading_dict.replace({MARKET: PRICE})
    await daemon.state.active_trade.replace({MARKET: trade(Phase.HOLDING)})
    await daemon.state.snapshot_dict.replace({MARKET: SNAPSHOT})
    await daemon.state.closing.replace({MARKET: unsure, OTHER: sure})
    daemon.control.may_buy.return_value, daemon.control.may_sell.return_value = may_buy, False
    daemon.control.stands.side_effect = lambda code: code == SELL_ALL
    daemon.journal.ordered_sales.return_value = {"t"}
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: only(asyncio.BaseEventLoop, time=lambda: 1000.0))
    daemon.comparison.began_s = 1000.0 - compared_ago_s
    assert await executor.look(daemon) == View(
        now=NOW,
        trading={MARKET: PRICE},
        active={MARKET: trade(Phase.HOLDING)},
        snapshots={MARKET: SNAPSHOT},
        price_max_age=timedelta(seconds=daemon.config.risk.price_max_age_s),
        candle_max_age=timedelta(minutes=4),
        may_buy=buys,
        may_sell=False,
        sell_all=True,
        sold_alone={"t"},
        closing={MARKET: unsure, OTHER: sure},
        ending=[OTHER],
    )


async def taken(daemon: Mocked, monkeypatch: pytest.MonkeyPatch, *actions: Action) -> list[tuple[Any, ...]]:
    """Take a step in which these are decided; return the order flows that it started."""
    flows = recorded(monkeypatch, executor, "buy", "sell")

    def decide(view: View, strategy: object, parameters: object) -> Iterator[Action]:
        assert (view.now, strategy, parameters) == (NOW, daemon.strategy, "parameters")
        yield from actions

    monkeypatch.setattr(executor, "decide", decide)
    async with asyncio.TaskGroup() as orders:
        await executor.step(daemon, orders)
    return flows


async def test_a_trade_begins_in_its_market_once(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there stays as it is."""
    await daemon.state.active_trade.replace({OTHER: trade(Phase.HOLDING, OTHER)})
    await taken(daemon, monkeypatch, Begin(MARKET), Begin(OTHER))
    assert await daemon.state.active_trade.snapshot() == {
        OTHER: trade(Phase.HOLDING, OTHER),
        MARKET: ActiveTrade(market=MARKET, started_at=NOW, phase=Phase.ENTERING),
    }


@pytest.mark.parametrize("closing", [True, False])
async def test_a_market_that_is_no_target_is_let_go_and_rests_where_it_opens_or_closes(
    closing: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be drawn again at once there: for an hour it is not."""
    await daemon.state.active_trade.replace({MARKET: trade(Phase.ENTERING)})
    await daemon.state.trading_dict.replace({MARKET: PRICE})
    if closing:
        await daemon.state.closing.replace({MARKET: Closing(why="its end", since=NOW, told_at=NOW)})
    await taken(daemon, monkeypatch, Drop(MARKET))
    assert not await daemon.state.active_trade.snapshot()
    assert not await daemon.state.trading_dict.snapshot()
    until = NOW + timedelta(hours=1)
    assert await daemon.state.resting.snapshot() == ({MARKET: until} if closing else {})
    rests = [one.args[0] for one in daemon.journal.record_rest.mock_calls]
    assert [(one.market, one.until, one.why) for one in rests] == ([(MARKET, until, "closing")] if closing else [])


@pytest.mark.parametrize(
    ("action", "was", "flow"),
    [
        (Buy(MARKET, SNAPSHOT, ENTRY), Phase.ENTERING, ("buy", SNAPSHOT, ENTRY)),
        (Buy(MARKET, SNAPSHOT, ENTRY), Phase.BUYING, None),
        (Sell(MARKET, leaving()), Phase.HOLDING, ("sell", MARKET, leaving())),
        (Sell(MARKET, leaving()), Phase.SELLING, None),
    ],
    ids=["buy", "bought already", "sell", "sold already"],
)
async def test_an_order_flow_starts_for_whoever_reserves_the_market(
    action: Action,
    was: Phase,
    flow: tuple[Any, ...] | None,
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two flows of one market are never under way."""
    await daemon.state.active_trade.replace({MARKET: trade(was)})
    assert await taken(daemon, monkeypatch, action) == ([] if flow is None else [flow])
    assert (await daemon.state.active_trade.snapshot())[MARKET].phase is (
        Phase.BUYING if isinstance(action, Buy) else Phase.SELLING
    )


@pytest.mark.parametrize(("price", "written"), [("1001", True), ("1000.99", False), ("1300", True), ("999", False)])
async def test_a_highest_price_is_written_down_when_it_has_risen_by_a_thousandth(
    price: str,
    written: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trailing stop follows it over a restart; the disk is spared what hardly moves it."""
    held = replace(trade(Phase.HOLDING), position=POSITION)
    await daemon.state.active_trade.replace({MARKET: held})
    await taken(daemon, monkeypatch, Raise(MARKET, Price(price=Decimal(price), as_of=NOW)))
    raised = replace(held, position=replace(POSITION, highest_price=Decimal(price)))
    assert (await daemon.state.active_trade.snapshot())[MARKET] == (raised if written else held)
    assert daemon.journal.raise_highest.mock_calls == ([call("t", Decimal(price))] if written else [])


async def test_who_holds_nothing_yet_has_no_highest_price(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written of it."""
    await daemon.state.active_trade.replace({MARKET: trade(Phase.HOLDING)})
    await taken(daemon, monkeypatch, Raise(MARKET, PRICE))
    assert daemon.journal.raise_highest.mock_calls == []


async def test_a_strategy_that_fails_is_told_of_its_market(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With its cause in the log, once while it stays the same; a person's message has its own hour."""
    failed = Failed(MARKET, KeyError("rsi"))
    await taken(daemon, monkeypatch, failed, failed, Failed(OTHER, KeyError("rsi")), Failed(MARKET, KeyError("ma")))
    logged = [record for record in caplog.records if record.name == "trader.executor"]
    assert [record.getMessage() for record in logged] == [
        f"strategy failed market={market}" for market in (MARKET, OTHER, MARKET)
    ]
    assert all(record.levelno == logging.ERROR and record.exc_info is not None for record in logged)
    told = [one.args[0] for one in daemon.messages.strategy_failed.mock_calls]
    assert told == [MARKET, MARKET, OTHER, MARKET]
    assert daemon.journal.add_notes.mock_calls[0] == call([daemon.messages.strategy_failed.return_value])


def test_orders_in_hand_are_carried_on_and_a_price_brings_the_next_step_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a restart found them; the loop ends with the stop, when the orders in hand have ended."""
    steps: list[float] = []
    carried: list[str] = []

    async def story() -> None:
        loop, daemon = asyncio.get_running_loop(), written_by_hand()
        phases = {"KRW-A": Phase.BUYING, "KRW-B": Phase.SELLING, "KRW-C": Phase.HOLDING, "KRW-D": Phase.ENTERING}
        await daemon.state.active_trade.replace({market: trade(phase, market) for market, phase in phases.items()})

        async def carry_on(_: App, market: str) -> None:
            await asyncio.sleep(3)
            carried.append(market)

        async def step(_: App, orders: asyncio.TaskGroup) -> None:
            assert orders is not None
            steps.append(loop.time())

        monkeypatch.setattr(executor, "carry_on", carry_on)
        monkeypatch.setattr(executor, "step", step)
        loop.call_later(0.25, daemon.prices_changed.set)
        loop.call_later(1.5, daemon.stop.set)
        await executor.execute_trades(daemon)
        assert loop.time() == 3.0
        assert daemon.health.alive.mock_calls[0] == call("execute_trades")

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert steps == [0.0, 0.25, 1.25]
    assert carried == ["KRW-A", "KRW-B"]


def test_an_order_in_hand_that_fails_freezes_its_market_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on, and what broke is told of the market it broke in."""
    frozen = Mock()

    async def story() -> None:
        daemon = written_by_hand()
        await daemon.state.active_trade.replace({MARKET: trade(Phase.BUYING)})

        async def carry_on(_: App, market: str) -> None:
            raise OutcomeUnknown(market)

        async def nothing(*_: object) -> None:
            pass

        monkeypatch.setattr(executor, "carry_on", carry_on)
        monkeypatch.setattr(executor, "step", nothing)
        monkeypatch.setattr("trader.books.breach.on_failure", frozen)
        monkeypatch.setattr("trader.books.breach.come_back", nothing)
        asyncio.get_running_loop().call_later(1.5, daemon.stop.set)
        await executor.execute_trades(daemon)

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert [one.args[1] for one in frozen.mock_calls] == [MARKET]
