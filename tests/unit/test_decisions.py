"""What `execute_trades` does next: pure, so every rule is one small story."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from math import isnan
from typing import TYPE_CHECKING

import msgspec
import pytest

from journal.records import Phase
from state import ActiveTrade, Price
from strategy.base import Entry, Exit, Gate, Position, Reason, Snapshot
from strategy.scaffold import Scaffold
from trader.decisions import (
    DELISTING,
    SOLD_ALONE,
    SOLD_BY_HAND,
    Action,
    Begin,
    Buy,
    Drop,
    Failed,
    Raise,
    Sell,
    View,
    decide,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from strategy.base import Strategy

NOW = datetime(2026, 11, 2, 12, 0, 30, tzinfo=UTC)
REASON = Reason(code="test", ko="시험", en="test")
PARAMETERS = object()
"""Those of the strategy: each of its answers rests on them."""


class Asked(Scaffold):
    """A strategy that always answers the same, and remembers what it was asked, and about what it holds."""

    def __init__(self, *, buy: bool, sell: bool) -> None:
        self.buy, self.sell = buy, sell
        self.asked: list[Snapshot] = []
        self.held: list[Position] = []

    def enter(self, snapshot: Snapshot, parameters: object) -> Entry:
        """Buy, or do not."""
        assert parameters is PARAMETERS
        self.asked.append(snapshot)
        return Entry(buy=self.buy, reason=REASON)

    def exit(self, position: Position, snapshot: Snapshot, parameters: object) -> Exit:
        """Sell, or do not."""
        assert parameters is PARAMETERS
        self.held.append(position)
        self.asked.append(snapshot)
        return Exit(sell=self.sell, reason=REASON)


def strategy(*, buy: bool = True, sell: bool = False) -> Asked:
    """Return it with its answers."""
    return Asked(buy=buy, sell=sell)


def price(krw: int = 100, *, age_s: float = 0.0) -> Price:
    """Return a price of a given age."""
    return Price(price=Decimal(krw), as_of=NOW - timedelta(seconds=age_s))


def snapshot(*, gate: Gate | None = None, age_s: float = 30.0) -> Snapshot:
    """Return what the last scan said of KRW-AAA."""
    return Snapshot(
        market="KRW-AAA",
        candle_closed_at=NOW - timedelta(seconds=age_s),
        numbers={"ema": 1.5},
        failed_gate=gate,
        price=Decimal(99),
        price_as_of=NOW,
    )


def trade(phase: str) -> ActiveTrade:
    """Return a trade of KRW-AAA in a phase, holding one coin unless it is entering."""
    position = Position(
        market="KRW-AAA",
        entry_price=Decimal(90),
        volume=Decimal(1),
        opened_at=NOW,
        stop_price=Decimal(80),
        highest_price=Decimal(100),
    )
    return ActiveTrade(
        market="KRW-AAA",
        started_at=NOW,
        phase=Phase(phase),
        position=None if phase in {Phase.ENTERING, Phase.BUYING} else position,
    )


def actions(
    of: Strategy,
    *,
    known: Price | None,
    active: ActiveTrade | None = None,
    scanned: Snapshot | None = None,
    may: bool = True,
    closing: str | None = None,
    sure: bool = True,
    sell_all: bool = False,
    sold_alone: Collection[str] = (),
) -> list[Action]:
    """Return what is decided about KRW-AAA."""
    view = View(
        now=NOW,
        trading={"KRW-AAA": known},
        active={} if active is None else {"KRW-AAA": active},
        snapshots={} if scanned is None else {"KRW-AAA": scanned},
        price_max_age=timedelta(seconds=10),
        candle_max_age=timedelta(minutes=4),
        may_buy=may,
        may_sell=may,
        closing={"KRW-AAA"} if closing else (),
        ending={"KRW-AAA"} if closing and sure else (),
        sell_all=sell_all,
        sold_alone=sold_alone,
    )
    return list(decide(view, of, PARAMETERS))


def test_a_drawn_market_that_nobody_trades_begins_a_trade() -> None:
    """A market of `trading_dict` without an active trade is started."""
    assert actions(strategy(), known=None) == [Begin("KRW-AAA")]


def test_a_target_with_a_fresh_price_is_bought_at_that_price() -> None:
    """The strategy is asked with the price of now, not with that of the scan."""
    of = strategy()
    known = price(123, age_s=1)
    (action,) = actions(of, known=known, active=trade(Phase.ENTERING), scanned=snapshot())
    assert isinstance(action, Buy)
    assert (action.snapshot.price, action.snapshot.price_as_of) == (Decimal(123), known.as_of)
    assert action.snapshot.numbers == {"ema": 1.5}


@pytest.mark.failure("C5")
def test_a_stale_price_buys_nothing() -> None:
    """A price older than its limit decides nothing; the trade waits."""
    of = strategy()
    assert actions(of, known=price(age_s=11), active=trade(Phase.ENTERING), scanned=snapshot()) == []
    assert of.asked == []


def test_an_unknown_price_buys_nothing() -> None:
    """A market just drawn has no price yet; the trade waits."""
    assert actions(strategy(), known=None, active=trade(Phase.ENTERING), scanned=snapshot()) == []


def test_what_is_just_as_old_as_it_may_be_still_decides() -> None:
    """A price of ten seconds and a candle of four minutes are fresh; a moment later they are not."""
    entering = actions(strategy(), known=price(age_s=10), active=trade(Phase.ENTERING), scanned=snapshot(age_s=240))
    assert [type(action) for action in entering] == [Buy]
    assert actions(strategy(), known=price(age_s=10.001), active=trade(Phase.ENTERING), scanned=snapshot()) == []
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING), scanned=snapshot(age_s=240.001)) == []
    of = strategy()
    actions(of, known=price(age_s=10), active=trade(Phase.HOLDING), scanned=snapshot(age_s=240))
    actions(of, known=price(age_s=10), active=trade(Phase.HOLDING), scanned=snapshot(age_s=240.001))
    assert [isnan(asked.numbers["ema"]) for asked in of.asked] == [False, True]


@pytest.mark.failure("C8")
def test_stale_candles_buy_nothing() -> None:
    """Indicators of candles that should have been replaced long ago decide nothing."""
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING), scanned=snapshot(age_s=300)) == []


def test_a_market_that_is_no_target_any_more_is_dropped() -> None:
    """A trade that has bought nothing ends when its market fails a gate, so its place is free again."""
    gate = Gate(code="btc_gate", ko="비트코인 추세", en="BTC trend")
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING), scanned=snapshot(gate=gate)) == [
        Drop("KRW-AAA")
    ]
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING)) == [Drop("KRW-AAA")]


def test_a_market_with_an_order_in_hand_is_left_alone() -> None:
    """Nothing is decided while a buy or a sell is under way."""
    for phase in (Phase.BUYING, Phase.SELLING):
        of = strategy(sell=True)
        assert actions(of, known=price(), active=trade(phase), scanned=snapshot()) == []
        assert of.asked == []


def test_a_position_is_sold_when_the_strategy_says_so() -> None:
    """Holding asks `exit`, also when the market has stopped being a target."""
    gate = Gate(code="trend", ko="추세", en="trend")
    (action,) = actions(strategy(sell=True), known=price(), active=trade(Phase.HOLDING), scanned=snapshot(gate=gate))
    assert isinstance(action, Sell)


@pytest.mark.failure("F11")
def test_a_position_is_not_judged_by_a_stale_price() -> None:
    """Not even the stop: a price nobody knows to be true sells nothing."""
    of = strategy(sell=True)
    assert actions(of, known=price(age_s=11), active=trade(Phase.HOLDING), scanned=snapshot()) == []


@pytest.mark.failure("C11")
def test_stale_indicators_read_nan_while_the_price_still_guards_the_stop() -> None:
    """A position outlives a failed scan: only its stop is judged until the indicators are fresh again."""
    of = strategy()
    actions(of, known=price(95), active=trade(Phase.HOLDING), scanned=snapshot(age_s=300))
    (asked,) = of.asked
    assert asked.price == Decimal(95)
    assert isnan(asked.numbers["ema"])


def test_an_exit_is_decided_on_the_indicators_of_the_scan_and_the_price_of_now() -> None:
    """The scan may be minutes old, and the price it saw with it."""
    of, known = strategy(), price(95, age_s=1)
    actions(of, known=known, active=trade(Phase.HOLDING), scanned=snapshot())
    assert of.asked == [msgspec.structs.replace(snapshot(), price=Decimal(95), price_as_of=known.as_of)]


def test_a_new_highest_price_is_remembered() -> None:
    """Only a price above the highest so far is news."""
    assert actions(strategy(), known=price(101), active=trade(Phase.HOLDING), scanned=snapshot()) == [
        Raise("KRW-AAA", price(101))
    ]
    assert actions(strategy(), known=price(100), active=trade(Phase.HOLDING), scanned=snapshot()) == []


def test_an_exit_knows_the_highest_price_that_was_reached_just_now() -> None:
    """A trailing stop follows the price at once, not from the next round on."""
    of = strategy()
    for krw in (99, 101):
        actions(of, known=price(krw), active=trade(Phase.HOLDING), scanned=snapshot())
    assert [position.highest_price for position in of.held] == [100, 101]


def test_what_may_not_be_sent_is_not_begun() -> None:
    """A halt keeps entries and exits as they are; the highest price is still remembered."""
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING), scanned=snapshot(), may=False) == []
    halted = actions(strategy(sell=True), known=price(101), active=trade(Phase.HOLDING), scanned=snapshot(), may=False)
    assert halted == [Raise("KRW-AAA", price(101))]


@pytest.mark.failure("H5")
def test_a_strategy_that_fails_in_one_market_decides_in_the_others() -> None:
    """Its failure is an action like any other: told, and nothing else."""

    class Broken(Scaffold):
        """Fails in one market."""

        def enter(self, snapshot: Snapshot, _: object) -> Entry:
            """Buy, or break."""
            if snapshot.market == "KRW-A":
                raise ZeroDivisionError("of the user's own")
            return Entry(buy=True, reason=Reason(code="x", ko="x", en="x"))

    markets = ("KRW-A", "KRW-B")
    view_of_both = View(
        now=NOW,
        trading=dict.fromkeys(markets, price()),
        active={market: ActiveTrade(market=market, started_at=NOW, phase=Phase.ENTERING) for market in markets},
        snapshots={market: msgspec.structs.replace(snapshot(), market=market) for market in markets},
        price_max_age=timedelta(seconds=10),
        candle_max_age=timedelta(hours=5),
    )
    failed, bought = decide(view_of_both, Broken(), None)
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ZeroDivisionError)
    assert isinstance(bought, Buy)
    assert bought.market == "KRW-B"


@pytest.mark.failure("H7")
@pytest.mark.parametrize("closing", [None, "delisting"])
def test_a_person_who_sells_all_is_not_asked_whether_the_strategy_agrees(closing: str | None) -> None:
    """What is held is sold for that reason; not at a stale price, while halted, or while an order is in hand."""
    of = strategy(sell=False)
    wanted = partial(actions, of, scanned=snapshot(), closing=closing, sell_all=True)
    assert wanted(known=price(), active=trade(Phase.HOLDING)) == [Sell("KRW-AAA", SOLD_BY_HAND)]
    assert wanted(known=price(), active=trade(Phase.HOLDING), may=False) == []
    assert wanted(known=price(age_s=11), active=trade(Phase.HOLDING)) == []
    for phase in (Phase.BUYING, Phase.SELLING):
        assert wanted(known=price(), active=trade(phase)) == []


def test_a_trade_that_a_person_has_sold_is_sold_and_no_other_of_its_market() -> None:
    """The order is of the trade: one that began later in the same market goes on."""
    held = replace(trade(Phase.HOLDING), trade_id="t1")
    wanted = partial(actions, strategy(sell=False), known=price(), scanned=snapshot(), active=held)
    assert wanted(sold_alone={"t1"}) == [Sell("KRW-AAA", SOLD_ALONE)]
    assert wanted(sold_alone={"t1"}, may=False) == []
    assert wanted(sold_alone={"t0"}) == []


@pytest.mark.failure("C1")
def test_a_market_whose_end_is_announced_is_left_and_not_entered() -> None:
    """A target is dropped, a position is sold once it is sure, whatever the strategy thinks, and none while halted."""
    ends = "delisting"
    unsure = partial(actions, strategy(sell=False), known=price(), scanned=snapshot(), closing=ends, sure=False)
    assert unsure(active=trade(Phase.HOLDING)) == []
    assert unsure(active=trade(Phase.ENTERING)) == [Drop("KRW-AAA")]
    assert actions(strategy(), known=price(), active=trade(Phase.ENTERING), scanned=snapshot(), closing=ends) == [
        Drop("KRW-AAA")
    ]
    (sold,) = actions(
        strategy(sell=False), known=price(), active=trade(Phase.HOLDING), scanned=snapshot(), closing=ends
    )
    assert sold == Sell("KRW-AAA", DELISTING)
    assert actions(strategy(), known=price(), active=trade(Phase.HOLDING), closing=ends, may=False) == []
