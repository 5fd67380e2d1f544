"""What `execute_trades` does next, decided purely from one view of the shared dicts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import msgspec

from journal.records import Phase
from strategy.base import Entry, Exit, Reason, Snapshot
from strategy.gates import STOP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime, timedelta

    from state import ActiveTrade, Price
    from strategy.base import Position, Strategy

DELISTING = Exit(
    sell=True, reason=Reason(code="delisting", ko="거래 지원 종료 예정", en="the market's end is announced")
)
"""Whatever the strategy thinks: who waits for the last day sells with everybody else."""
STOP_REASON = Reason(code=STOP.code, ko=STOP.ko, en=STOP.en)
SOLD_BY_HAND = Exit(sell=True, reason=Reason(code="sell_all", ko="사용자가 모두 팔라고 함", en="a person sells all"))
SOLD_ALONE = Exit(sell=True, reason=Reason(code="sell", ko="사용자가 팔라고 함", en="a person sells it"))
"""Whatever anybody thinks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The shared dicts at one moment, and how old what they say may be."""

    now: datetime
    trading: Mapping[str, Price | None]
    active: Mapping[str, ActiveTrade]
    snapshots: Mapping[str, Snapshot]
    price_max_age: timedelta
    candle_max_age: timedelta  # of the last closed candle an indicator decision may rest on
    may_buy: bool = True
    may_sell: bool = True
    sell_all: bool = False  # because a person wants out
    sold_alone: Collection[str] = ()  # trades that a person has ordered to be sold
    closing: Collection[str] = ()  # markets that open, end, or whose end is announced: nothing is bought there
    ending: Collection[str] = ()  # those of them of which that is sure: what is held there is sold


@dataclass(frozen=True, slots=True)
class Begin:
    """A trade starts in a market that is not being traded yet."""

    market: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A trade that bought nothing ends: the market is no target any more."""

    market: str


@dataclass(frozen=True, slots=True)
class Buy:
    """The strategy wants to buy now."""

    market: str
    snapshot: Snapshot
    entry: Entry


@dataclass(frozen=True, slots=True)
class Sell:
    """The strategy wants to sell what the trade holds."""

    market: str
    exit: Exit


@dataclass(frozen=True, slots=True)
class Raise:
    """The price is the highest since the entry."""

    market: str
    price: Price


@dataclass(frozen=True, slots=True)
class Failed:
    """The strategy could not decide about a market; the others go on."""

    market: str
    error: Exception


Action = Begin | Drop | Buy | Sell | Raise | Failed


def decide(view: View, strategy: Strategy, parameters: Any) -> Iterator[Action]:
    """Yield what to do now, market by market; a market with an order in hand is left alone."""
    for market, price in view.trading.items():
        try:
            yield from decide_market(view, market, price, strategy, parameters)
        except Exception as error:  # noqa: BLE001 - a strategy is code of the user's; its failure is told
            yield Failed(market, error)
            yield from stop_without_strategy(view, market, price)


def decide_market(
    view: View, market: str, price: Price | None, strategy: Strategy, parameters: Any
) -> Iterator[Action]:
    """Yield what to do now in one market."""
    trade = view.active.get(market)
    if trade is None:
        yield Begin(market)
    elif trade.phase is Phase.ENTERING:
        yield from decide_entry(view, market, price, strategy, parameters)
    elif trade.phase is Phase.HOLDING and trade.position is not None and price is not None and is_fresh(view, price):
        yield from decide_exit(view, trade.position, price, strategy, parameters)


def stop_without_strategy(view: View, market: str, price: Price | None) -> Iterator[Action]:
    """Sell at the stop of a position although its strategy could not decide: a stop needs no strategy."""
    trade = view.active.get(market)
    if trade is None or trade.phase is not Phase.HOLDING or trade.position is None or not is_fresh(view, price):
        return
    stop = trade.position.stop_price
    if price is not None and stop is not None and price.price <= stop and view.may_sell:
        yield Sell(market, Exit(sell=True, reason=STOP_REASON))


def is_fresh(view: View, price: Price | None) -> bool:
    """Return whether a price may decide anything."""
    return price is not None and view.now - price.as_of <= view.price_max_age


def decide_entry(view: View, market: str, price: Price | None, strategy: Strategy, parameters: Any) -> Iterator[Action]:
    """Buy a target when the strategy says so; let go of a market that is none."""
    snapshot = view.snapshots.get(market)
    if snapshot is None or snapshot.failed_gate is not None or market in view.closing:
        yield Drop(market)
        return
    if price is None or not is_fresh(view, price) or view.now - snapshot.candle_closed_at > view.candle_max_age:
        return
    current = msgspec.structs.replace(snapshot, price=price.price, price_as_of=price.as_of)
    entry = strategy.enter(current, parameters)
    if entry.buy and view.may_buy:
        yield Buy(market, current, entry)


def decide_exit(view: View, position: Position, price: Price, strategy: Strategy, parameters: Any) -> Iterator[Action]:
    """Sell a position when the strategy says so. Without fresh indicators only its stop can decide."""
    if price.price > position.highest_price:
        position = replace(position, highest_price=price.price)
        yield Raise(position.market, price)
    answer = forced_exit(view, position.market)
    if answer is None:
        answer = strategy.exit(position, snapshot_for_exit(view, position.market, price), parameters)
    if answer.sell and view.may_sell:
        yield Sell(position.market, answer)


def forced_exit(view: View, market: str) -> Exit | None:
    """Return why a position is sold without asking the strategy; None when it is asked."""
    if view.sell_all:
        return SOLD_BY_HAND
    if view.active[market].trade_id in view.sold_alone:
        return SOLD_ALONE
    return DELISTING if market in view.ending else None


def snapshot_for_exit(view: View, market: str, price: Price) -> Snapshot:
    """Return what an exit is decided on; indicators that are unknown or too old read NaN."""
    known = view.snapshots.get(market)
    if known is not None and view.now - known.candle_closed_at <= view.candle_max_age:
        return msgspec.structs.replace(known, price=price.price, price_as_of=price.as_of)
    return Snapshot(
        market=market,
        candle_closed_at=view.now,
        numbers=defaultdict(lambda: nan),
        failed_gate=None,
        price=price.price,
        price_as_of=price.as_of,
    )
