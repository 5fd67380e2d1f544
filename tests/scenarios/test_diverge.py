"""The whole daemon trades, and `diverge` takes the difference to the backtester on the same candles apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from backtest.history.candles import Candles, Stored
from backtest.history.store import FOLDER, Store
from cli.common.backtested_day import day_of
from cli.diverge import FEE_RATE, as_json, diverge
from config.settings import Config
from journal import JOURNAL_FILE
from journal.reader import open_reader
from journal.records import Command
from journal.records import Order as Name
from main import main
from sandbox.exchange.orders import Order, floor_volume
from sandbox.market.ticks import tick_size
from simulation.loop import LoopClock
from strategy import registry
from tests.helpers.daemon_desk import START, opened, serving, told
from trader.commands import obey
from trader.loops import every
from views.divergence import Cause
from worlds.market import LEADER, MINUTE_MS, WaveMarket
from worlds.plan import PARAMETERS

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.server import Sandbox
    from trader.app import App
    from views.divergence import Divergence

pytestmark = pytest.mark.slow

MARKETS = 8
PLACES = 3
MINUTE = timedelta(minutes=1)
AFTER = timedelta(minutes=1, seconds=30)
LIFE = timedelta(minutes=30)
STEADY_MINUTES = 12
BOUGHT = (7, 8, 9)
"""Minutes in which the three coins of `Steps` are bought that turn in the minutes 4, 5 and 6."""
SLOPE, DAY_MINUTES = 0.0004, 1440
ORDER_KRW = Decimal(50_000)
SEED_OF_THE_OTHER = 5
DUST = Decimal("1e-6")
"""Won that the floating point of the backtester leaves."""
PART = timedelta(minutes=10)
"""After which something happens to the daemon."""
MOST = 1_000
"""Candles of a market that the backtester gets: what the strategy needs, and the day."""

Life = Callable[[Config, LoopClock], Awaitable[None]]


def candles_of(box: Sandbox, market: str) -> Candles:
    """Return the minutes of a market as the backtester wants them."""
    found = box.markets.candles(market, 60, None, MOST)[:0:-1]  # oldest first, without the one that forms
    names = ("open", "high", "low", "close", "volume", "turnover")
    columns = {name: np.array([float(getattr(one, name)) for one in found]) for name in names}
    return Candles(opened_at_ms=np.array([one.opened_ms for one in found]), **columns)


class Steps(WaveMarket):
    """A market in which the candles say all: one price a minute, no spread, and deep books.

    Bitcoin rises; each of the others falls until a minute of its own and rises from then on.
    """

    def __init__(self, *turns: int) -> None:
        super().__init__(1, len(turns), round(START.timestamp() * 1000))
        self.coins = tuple(market for market in self._bases if market != LEADER)
        self.depth_krw = 1e9
        self._turns = {LEADER: -DAY_MINUTES} | dict(zip(self.coins, turns, strict=True))

    def _price(self, market: str, at_ms: int) -> Decimal:
        raw = self._bases[market] * (1 + SLOPE * abs((at_ms - self.start_ms) // MINUTE_MS - self._turns[market]))
        step = tick_size(Decimal(repr(raw)))
        return (Decimal(repr(raw)) / step).to_integral_value() * step

    def at(self, market: str, minute: int) -> Decimal:
        """Return the price of a minute, KRW."""
        return self.price(market, self.start_ms + minute * MINUTE_MS)

    def earned(self, market: str, minute: int) -> Decimal:
        """Return what an order that is filled in a minute has earned after its fee when the day is over, KRW."""
        price = self.at(market, minute)
        volume = floor_volume(ORDER_KRW / price)
        return volume * (self.at(market, STEADY_MINUTES - 1) - price * (1 + FEE_RATE))

    def earned_by_all(self) -> Decimal:
        """Return what three orders have earned that are filled in the minutes of their candles, KRW."""
        return sum(map(self.earned, self.coins, BOUGHT), Decimal(0))


@dataclass(kw_only=True)
class Injected:
    """What is wrong on a day of `Steps`: rules of the exchange, or something about the daemon."""

    turns: tuple[int, ...] = (4, 5, 6)
    settings: tuple[str, ...] = ("trading.max_open_trades=3",)
    faults: tuple[Mapping[str, Any], ...] = ()
    sleeps: timedelta = timedelta(0)
    act: Callable[[App], object] | None = None
    seed_there: int = 1  # of the backtester's draws


@dataclass
class Found:
    """What `diverge` found, the market, and what the exchange knows of the orders."""

    day: Divergence
    market: Steps
    orders: list[Order]

    def need_only(self, cause: Cause, krw: Decimal) -> None:
        """Insist on one cause with its amount, in won and in basis points, and on nothing of any other."""
        causes = {one: self.day.krw(one) for one in Cause if abs(self.day.krw(one)) > DUST}
        assert causes == {cause: pytest.approx(krw, abs=DUST)}
        told = as_json(self.day, self.day.differences[0].at.date())
        assert msgspec.to_builtins(told)["causes"][cause]["bp"] == f"{krw / self.day.capital_krw * 10_000:.3f}"
        assert sum(self.day.krw(one) for one in Cause) == self.day.whole_krw


def steady(folder: Path, injected: Injected) -> Found:
    """Let a daemon live for a while on `Steps`, with something wrong, and compare it with the backtester."""
    found: list[Found] = []

    async def story() -> None:
        source = Steps(*injected.turns)
        async with opened(folder, *injected.settings, source=source, faults=injected.faults) as (box, read, clock):
            strategy = replace(read.strategy, parameters=PARAMETERS)
            config = replace(read, strategy=strategy, risk=replace(read.risk, exclude=(LEADER,)))
            await asyncio.sleep(injected.sleeps.total_seconds())
            await serve_for(config, clock, STEADY_MINUTES * MINUTE - injected.sleeps, injected.act)
            loaded = registry.load(config.strategy.name, config.strategy.parameters)
            history = {market: candles_of(box, market) for market in box.markets.listed}
            end = START + STEADY_MINUTES * MINUTE
            there = replace(config, trading=replace(config.trading, seed=injected.seed_there))
            day = day_of(there, loaded, history, (START + MINUTE, end), end, fee_rate=FEE_RATE)
            with open_reader(folder / JOURNAL_FILE) as journal:
                divergence = diverge(config, journal, day, (START + MINUTE, end))
            found.append(Found(divergence, source, list(box.exchange.orders.values())))

    told(story)
    return found[0]


def lived(folder: Path, life: Life, *, store: Store | None = None) -> Divergence:
    """Let a daemon live beside an exchange, and compare its journal with the candles of that exchange."""
    days: list[Divergence] = []

    async def story() -> None:
        settings = f"trading.max_open_trades={PLACES}"
        async with opened(folder, settings, markets=MARKETS, after=AFTER) as (box, config, clock):
            begin = clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
            await life(config, clock)
            until = clock().replace(second=0, microsecond=0)
            history = {market: candles_of(box, market) for market in box.markets.listed}
            if store is not None:
                for market, candles in history.items():
                    store.write(MINUTE, market, Stored(candles=candles))
            loaded = registry.load(config.strategy.name, config.strategy.parameters)
            day = day_of(config, loaded, history, (begin, until), until, fee_rate=FEE_RATE)
            with open_reader(folder / JOURNAL_FILE) as journal:
                days.append(diverge(config, journal, day, (begin, until)))

    told(story)
    (found,) = days
    shown = msgspec.to_builtins(as_json(found, found.differences[0].at.date()))
    print(json.dumps(shown["causes"]))  # noqa: T201 - the figures this is for
    assert sum(found.krw(cause) for cause in Cause) == found.whole_krw
    return found


async def serve_for(
    config: Config, clock: LoopClock, life: timedelta, act: Callable[[App], object] | None = None
) -> None:
    """Let a daemon trade for a while, and do something with it at the beginning."""
    end = clock() + life
    async with serving(config, clock) as app:
        if act is not None:
            act(app)
        async for _ in every(1.0, app.stop):
            if clock() >= end:
                return


def halt(app: App) -> None:
    """Stop all buys, as a person does."""
    obey(app.control, app.journal, Command(id="c1", name=Name.HALT_BUYS, by="cli", asked_at=app.clock()))


def test_a_day_in_which_candles_say_all_differs_by_nothing(tmp_path: Path) -> None:
    """Three purchases each, in the same minutes and at the same prices."""
    found = steady(tmp_path, Injected())
    assert [order.state for order in found.orders] == ["cancel"] * 3  # what is less than the least volume is left
    assert abs(found.day.whole_krw) <= DUST
    assert found.day.theirs_krw == pytest.approx(found.market.earned_by_all(), abs=DUST)


def test_a_candle_that_is_withheld_is_a_late_candle(tmp_path: Path) -> None:
    """Neither the stream nor REST tells of a market for two minutes: it is bought two minutes later."""
    coin, minutes = "KRW-ETH", [5, 8.5]
    withheld = (
        {"fault": "dropped", "on": {"types": ["candle.1m"], "markets": [coin]}, "minutes": minutes},
        {"fault": "answered", "on": {"paths": ["/v1/candles/*"], "markets": [coin]}, "minutes": minutes},
    )
    found = steady(tmp_path, Injected(faults=withheld))
    found.need_only(Cause.LATE_CANDLE, found.market.earned(coin, 9) - found.market.earned(coin, 7))


def test_another_draw_is_a_draw(tmp_path: Path) -> None:
    """One place, two targets of the same candle, and each side draws its own."""
    one_place = ("trading.max_open_trades=1",)
    found = steady(tmp_path, Injected(turns=(4, 4), settings=one_place, seed_there=SEED_OF_THE_OTHER))
    (bought,) = found.orders
    (left,) = set(found.market.coins) - {bought.asked.market}
    found.need_only(Cause.DRAW, found.market.earned(bought.asked.market, 7) - found.market.earned(left, 7))


def test_a_thinner_book_is_slippage(tmp_path: Path) -> None:
    """The best level holds less than an order, so the rest is filled a tick higher."""
    found = steady(tmp_path, Injected(faults=({"fault": "thin", "levels": 3, "share": 2e-5},)))
    assert {len(order.fills) for order in found.orders} == {2}
    ours = sum(
        (
            order.executed_volume * found.market.at(order.asked.market, STEADY_MINUTES - 1)
            - order.executed_funds * (1 + FEE_RATE)
            for order in found.orders
        ),
        Decimal(0),
    )
    found.need_only(Cause.SLIPPAGE, ours - found.market.earned_by_all())


def test_another_fee_is_a_fee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange takes twice as much as was assumed."""
    monkeypatch.setattr("sandbox.exchange.desk.FEE_RATE", 2 * FEE_RATE)
    found = steady(tmp_path, Injected())
    found.need_only(Cause.FEE, -FEE_RATE * sum((order.executed_funds for order in found.orders), Decimal(0)))


def test_a_start_that_comes_late_is_a_restart(tmp_path: Path) -> None:
    """The first target is bought one minute later than its candle said, and the others in time."""
    found = steady(tmp_path, Injected(sleeps=timedelta(minutes=8, seconds=10)))
    coin = found.market.coins[0]
    found.need_only(Cause.RESTART, found.market.earned(coin, 8) - found.market.earned(coin, 7))


def test_an_order_that_the_exchange_refuses_is_a_refusal(tmp_path: Path) -> None:
    """Of one market, as often as it is sent."""
    coin = "KRW-ETH"
    on = {"methods": ["POST"], "paths": ["/v1/orders"], "markets": [coin]}
    found = steady(tmp_path, Injected(faults=({"fault": "refused", "error": "market_offline", "on": on},)))
    found.need_only(Cause.REFUSAL, -found.market.earned(coin, 7))


def test_what_the_owner_forbids_is_a_persons(tmp_path: Path) -> None:
    """All buys, from the beginning."""
    found = steady(tmp_path, Injected(act=halt))
    found.need_only(Cause.PERSON, -found.market.earned_by_all())


def test_an_undisturbed_day_differs_by_prices_and_draws_alone(tmp_path: Path) -> None:
    """Both buy; nothing was late, refused, asleep or a person's, and fees are those that were assumed."""

    async def life(config: Config, clock: LoopClock) -> None:
        await serve_for(config, clock, LIFE)

    found = lived(tmp_path, life)
    assert found.ours_krw
    assert found.theirs_krw
    assert set(found.counts()) <= {Cause.SLIPPAGE, Cause.DRAW, Cause.FEE}
    assert found.krw(Cause.SLIPPAGE)
    assert abs(found.krw(Cause.FEE)) < 1


def test_what_a_daemon_that_slept_did_not_do_is_the_restarts(tmp_path: Path) -> None:
    """It does not run for ten minutes and comes back."""

    async def life(config: Config, clock: LoopClock) -> None:
        await asyncio.sleep(PART.total_seconds())
        await serve_for(config, clock, LIFE - PART)

    found = lived(tmp_path, life)
    assert found.krw(Cause.RESTART)
    assert not {Cause.LATE_CANDLE, Cause.REFUSAL, Cause.PERSON} & set(found.counts())


def test_the_verb_reads_the_journal_and_the_stored_candles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In won and basis points, as a table in Korean and as JSON; the parts add up there, too."""

    async def life(config: Config, clock: LoopClock) -> None:
        await serve_for(config, clock, PART)

    lived(tmp_path, life, store=Store(tmp_path / FOLDER))
    capsys.readouterr()
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("cli.diverge.wall_clock", lambda: START + AFTER + PART)
    words = ["diverge", "--day", "2026-11-02", "--set", "strategy.unit=1", "--set", "trading.seed=1"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    parts = [Decimal(cause["krw"]) for cause in told["causes"].values()]
    assert sum(parts) == Decimal(told["difference_krw"]) == Decimal(told["daemon_krw"]) - Decimal(told["backtest_krw"])
    assert Decimal(told["causes"]["restart"]["krw"]) != 0  # it did not run before nine in the morning
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("2026-11-02 매수분: 데몬 ")
    assert "꺼져 있던 동안" in shown
