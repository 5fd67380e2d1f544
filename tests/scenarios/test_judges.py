"""The judges of a world look: each broken rule here is accused by the promise about it, and the real rules by none.

What is broken is not an order's protocol (`test_mutants.py`) but what surrounds it: caps, breakers, stops, dust, what
the owner took, and that the daemon lives. Each is broken in a short world that reaches it.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from strategy import portfolio
from tests.scenarios.test_mutants import replaced
from trader import daemon, decisions
from trader.books import balances
from trader.decisions import Sell
from trader.guards import equity
from trader.orders import evidence
from trader.trades import positions, selling
from worlds.flows import fall, held
from worlds.phases import run_world
from worlds.plan import LATE, WorldOutcome, WorldPlan
from worlds.pool import map_forked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from journal.records import Trade
    from state import Price
    from strategy.base import Exit, Position, Strategy
    from trader.app import App
    from trader.decisions import Action, View
    from worlds.world import World

HALF_AN_HOUR = timedelta(minutes=30)
CALM = WorldPlan(seed=1, hours=0.3, markets=4, harshness=0.0, kills_an_hour=0.0, person=False)


async def nothing(*_: object) -> None:
    """Do nothing."""


# -- what is broken


def the_day_has_no_cap() -> None:
    """What was spent today is not counted."""
    real = portfolio.broken_cap
    replaced(
        "trader.orders.risk.broken_cap",
        lambda caps, total, **spent: real(caps, total, **(spent | {"spent_today": Decimal(0)})),
    )


def the_day_begins_early() -> None:
    """Half an hour before midnight."""
    real = portfolio.start_of_day
    for room in ("trades.buying", "orders.gate"):
        replaced(f"trader.{room}.start_of_day", lambda now: real(now + HALF_AN_HOUR) - HALF_AN_HOUR)


def a_market_has_no_cap() -> None:
    """An order may be as large as orders are."""
    real = portfolio.broken_cap
    replaced(
        "trader.orders.risk.broken_cap",
        lambda caps, total, **spent: real(replace(caps, market_krw=None), total, **spent),
    )


def an_order_has_no_cap() -> None:
    """Twice as much is spent as was said."""
    real = portfolio.order_total
    replaced("trader.orders.risk.order_total", lambda wish, *rest: real(2 * wish, *rest))
    real_cap = portfolio.broken_cap
    replaced(
        "trader.orders.risk.broken_cap",
        lambda caps, total, **spent: real_cap(replace(caps, order_krw=None), total, **spent),
    )
    replaced("trader.orders.gate.Gate._over_caps", lambda *_: None)


def breaker_never_trips(code: str) -> Callable[[], None]:
    """Return what lets one breaker measure and do nothing."""
    real = equity.losses_over

    def break_it() -> None:
        replaced("trader.guards.equity.losses_over", lambda *facts: [one for one in real(*facts) if one.code != code])

    return break_it


def what_is_bought_gets_no_stop() -> None:
    """Neither at once nor when the account is compared."""
    replaced("trader.trades.buying.stop_price", lambda *_: None)
    replaced("trader.books.reconcile.give_stop", nothing)


def a_stop_is_not_minded() -> None:
    """It is written down and never sells."""
    real = decisions.decide_exit

    def without_stop(
        view: View, position: Position, price: Price, strategy: Strategy, parameters: object
    ) -> Iterator[Action]:
        for action in real(view, position, price, strategy, parameters):
            if not (isinstance(action, Sell) and action.exit.reason.code == "stop"):
                yield action

    replaced("trader.decisions.decide_exit", without_stop)


def a_sale_waits_for_minutes() -> None:
    """It is decided, and something is waited for before it is sent."""
    real = selling.begin_sale

    async def late(app: App, market: str, answer: Exit) -> bool:
        await asyncio.sleep(180)
        return await real(app, market, answer)

    replaced("trader.trades.lifecycle.begin_sale", late)


def fills_are_believed_after_minutes() -> None:
    """What was bought is known when it has been shown for two minutes."""
    replaced("trader.orders.evidence.SECOND_LOOK_S", 120.0)
    assert evidence.SECOND_LOOK_S == 120.0


def what_can_be_sold_is_called_dust() -> None:
    """Whatever is worth less than ten thousand won is left in the account."""
    replaced("trader.orders.sale.MIN_TOTAL", Decimal(10_000))


def a_rest_is_forgotten() -> None:
    """A trade that ends with a rest ends with none."""
    real = positions.end

    async def without_rest(app: App, trade: Trade, *, dust: Decimal, reason: dict[str, object] | None = None) -> None:
        await real(app, trade, dust=dust * 0, reason=reason)

    replaced("trader.trades.selling.end", without_rest)


def what_was_taken_is_sold_when_it_comes_back() -> None:
    """Balances are never compared."""
    replaced("trader.books.reconcile.compare_balances", nothing)


def twice_as_much_is_written_off() -> None:
    """Of what the owner took."""
    real = balances.surely_gone
    replaced("trader.books.balances.surely_gone", lambda short, last: 2 * real(short, last))

    async def believe(_: object, __: object, ours: Decimal) -> Decimal:
        return ours

    replaced("trader.books.balances.surely_missing", believe)


def a_failing_start_fails() -> None:
    """What tells that the exchange does not answer raises something nobody expects."""

    async def tell(*_: object, **__: object) -> None:
        raise KeyError("planted")

    replaced("trader.admission.tell", tell)


def a_failing_task_ends_the_daemon() -> None:
    """Nothing stands between a task and the process, and how a wallet that is not answered fails has a mistake."""

    async def once(_: str, work: Callable[[], Awaitable[None]], *__: object) -> None:
        await work()

    async def every_failure(*_: object, **__: object) -> None:
        await asyncio.sleep(300)
        raise KeyError("planted")

    replaced("trader.daemon.lasting", once)
    replaced("trader.wallet.keep_going", every_failure)


def a_task_stops_the_daemon() -> None:
    """It thinks that it was told to stop."""

    async def stop(app: App) -> None:
        await asyncio.sleep(300)
        app.stop.set()

    replaced("trader.daemon.WATCHERS", (*daemon.WATCHERS, ("stopper", stop)))


# -- the worlds


async def fall_soon(world: World) -> None:
    """Prices fall below every stop once something is held, and stay there."""
    await held(world)
    fall(world, 0.1)


async def lose_again_and_again(world: World) -> None:
    """Prices fall by a few percent every time something is held."""
    while True:
        await held(world)
        await asyncio.sleep(5)
        fall(world, 0.02)
        await asyncio.sleep(90)


async def take_and_bring_more(world: World) -> None:
    """The owner takes all there is, and brings more when that was to be noticed; then prices fall.

    Who brings back the same, to the last digit, cannot be told from an account that was shown wrongly.
    """
    await held(world)
    await asyncio.sleep(30)
    (market, *_) = [market for market in world.box.exchange.markets if world.checker.coins.left(market) > 0]
    coin, volume = market[4:], world.checker.coins.left(market)
    world.box.exchange.deposit(coin, -volume)
    world.checker.owner_acted(market)
    await asyncio.sleep(300)
    world.box.exchange.deposit(coin, 2 * volume)
    fall(world, 0.1)


async def take_a_part(world: World) -> None:
    """The owner takes a third of what is held, and of what is held when that is sold."""
    while True:
        await held(world)
        for market in world.box.exchange.markets:
            third = (world.checker.coins.left(market) / 3).quantize(Decimal("0.00000001"))
            if third > 0:
                world.box.exchange.deposit(market[4:], -third)
                world.checker.owner_acted(market)
        await asyncio.sleep(200)


async def leave_a_rest(world: World) -> None:
    """The owner takes so much of what is held that the rest cannot be sold."""
    while True:
        await held(world)
        for market in world.box.exchange.markets:
            most = (world.checker.coins.left(market) * Decimal("0.7")).quantize(Decimal("0.00000001"))
            if most > 0:
                world.box.exchange.deposit(market[4:], -most)
                world.checker.owner_acted(market)
        await asyncio.sleep(200)


async def cut_off_at_starts(world: World) -> None:
    """The daemon is killed, and cannot reach the exchange when it starts again."""
    await held(world)
    world.machine.cut_off(120)
    world.machine.kill()


@dataclass(frozen=True)
class Case:
    """A broken rule, the promise that accuses it with what words, and the world that reaches it."""

    mutate: Callable[[], None]
    accused: str
    plan: WorldPlan = CALM
    act: Callable[[World], Coroutine[Any, Any, None]] = nothing
    idle: bool = False  # nothing can be bought in it by the real rules


SMALL = replace(CALM, order_krw=Decimal(8_000))
CASES = {
    "the day has no cap": Case(the_day_has_no_cap, "I9 more than a day", replace(CALM, max_day_krw=Decimal(120_000))),
    "the day begins early": Case(
        the_day_begins_early,
        "I9 more than a day",
        replace(CALM, began=LATE + timedelta(minutes=20), max_day_krw=Decimal(120_000)),
    ),
    "a market has no cap": Case(
        a_market_has_no_cap, "I9 more than a market", replace(CALM, max_market_krw=Decimal(40_000)), idle=True
    ),
    "an order has no cap": Case(an_order_has_no_cap, "I9 more than an order"),
    "a day's loss stops nothing": Case(
        breaker_never_trips("day_loss"),
        "I27 a buy beyond a loss",
        replace(CALM, max_day_loss=Decimal("0.01")),
        lose_again_and_again,
    ),
    "a fall stops nothing": Case(
        breaker_never_trips("drawdown"),
        "I27 a buy beyond a loss",
        replace(CALM, hours=0.6, max_drawdown=Decimal("0.05")),
        lose_again_and_again,
    ),
    "no stop": Case(what_is_bought_gets_no_stop, "I12 bought and not protected"),
    "a stop is not minded": Case(a_stop_is_not_minded, "I12 bought and not protected", act=fall_soon),
    "a sale waits": Case(a_sale_waits_for_minutes, "I12 bought and not protected", act=fall_soon),
    "fills are believed late": Case(fills_are_believed_after_minutes, "I12 bought and not protected"),
    "called dust": Case(what_can_be_sold_is_called_dust, "I28 called dust", SMALL),
    "a rest is forgotten": Case(a_rest_is_forgotten, "I28 dust forgotten", SMALL, leave_a_rest),
    "what came back is sold": Case(
        what_was_taken_is_sold_when_it_comes_back, "I8 sells what it did not buy", act=take_and_bring_more
    ),
    "twice as much is written off": Case(twice_as_much_is_written_off, "I20 more written off", act=take_a_part),
    "a start fails": Case(a_failing_start_fails, "I22 the daemon gave up at its start", act=cut_off_at_starts),
    "a task fails": Case(a_failing_task_ends_the_daemon, "I22 the daemon gave up"),
    "a task stops the daemon": Case(a_task_stops_the_daemon, "I22 the daemon ended without being told"),
}


def live(case: Case, mutate: Callable[[], None]) -> WorldOutcome:
    """Run the world of a case in a process of its own."""

    def prepare(world: World) -> None:
        world.loop.create_task(case.act(world))
        mutate()

    def work(_: None) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return msgspec.json.encode(run_world(case.plan, Path(folder), prepare)[0])

    ((_, content),) = map_forked([None], work, workers=1)
    return msgspec.json.decode(content, type=WorldOutcome)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_broken_rule_is_accused_by_the_promise_about_it(name: str) -> None:
    """In the world that reaches it."""
    broken = live(CASES[name], CASES[name].mutate).broken
    assert [one for one in broken if one.startswith(CASES[name].accused)], broken


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_real_rules_are_accused_of_nothing_there(name: str) -> None:
    """The control: the same world, and nothing is broken."""
    outcome = live(CASES[name], lambda: None)
    assert outcome.broken == []
    assert (outcome.fills > 0) is not CASES[name].idle
