"""What an account of a backtest has, does and leaves behind: its money, its positions, its trades."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backtest.engine.leaving import Leaving
from strategy.portfolio import Caps, start_of_day

if TYPE_CHECKING:
    import random
    from datetime import datetime, timedelta

    from backtest.engine.prepare import Prepared
    from backtest.engine.rules import Rules
    from strategy.base import Bools


ZERO = Decimal(0)


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One position from its purchase to its end. Won as floats; columns are those of the panel."""

    market: str
    row: int
    entered: int  # column at whose open it was bought
    left: int | None  # column in which it was sold; None: it is still held when the data end
    inside: bool  # whether it was sold inside that column's candle, not at its open
    entry_price: float  # KRW, with slippage
    exit_price: float | None
    volume: float  # units of base currency
    cost_krw: float  # paid, fee included
    proceeds_krw: float  # received, fee taken off; 0 while held, or when too little was left to sell
    fees_krw: float
    slippage_krw: float  # how much worse than the reference prices it was bought and sold
    cause: str | None  # code of the exit

    @property
    def profit_krw(self) -> float:
        """What it earned after all costs; meaningless while it is held."""
        return self.proceeds_krw - self.cost_krw


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOutcome:
    """What one account did: one seed, one strategy, one set of rules."""

    seed: int
    rules: Rules
    trades: tuple[Trade, ...]  # in the order of their purchases; the last ones may still be held
    refused: Counter[str]  # purchases that were not made, by why


class Waiting(msgspec.Struct):
    """A market that was drawn and is not bought yet."""

    row: int
    decided: int  # column whose close it is decided on
    due: int  # first column at whose open it may be bought


class Holding(msgspec.Struct):
    """A position while it is held, and the end it will come to."""

    market: str
    row: int
    entered: int
    price: float
    volume: float
    cost: float
    fee: float
    slipped: float
    leaving: Leaving | None
    order: int = 0  # how many were bought before it, itself included


@dataclass(slots=True, kw_only=True)
class Account:
    """Money and positions at one moment."""

    ready: Prepared
    rules: Rules
    seed: int
    cash: float
    rng: random.Random
    held: dict[str, Holding] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    ended: dict[str, datetime] = field(default_factory=dict)
    spent: dict[datetime, Decimal] = field(default_factory=dict)  # won of buys with fees, by day in Korea; where capped
    leaving: list[tuple[int, bool, int, str]] = field(default_factory=list)  # heap: column, inside, order, market
    trades: dict[int, Trade] = field(default_factory=dict)  # that have ended, by the order of their purchases
    refused: Counter[str] = field(default_factory=Counter)
    bought: int = 0
    fee_rate: Decimal = field(init=False)
    caps: Caps = field(init=False)
    rows: dict[str, slice] = field(init=False)  # of each market: several where its history has holes, side by side
    taken: Bools = field(init=False)  # (series,): whether the market of a row is held or waits
    _asked: tuple[int, datetime] = field(init=False)
    cooldown: timedelta = field(init=False)  # how long a market rests after its trade

    def __post_init__(self) -> None:
        rules, ready = self.rules, self.ready
        self.fee_rate = Decimal(repr(rules.fee_rate))
        self.caps = Caps(order_krw=rules.max_order_krw, market_krw=rules.max_market_krw, day_krw=rules.max_day_krw)
        markets = ready.panel.window.markets
        self.rows = {
            market: slice(bisect_left(markets, market), bisect_right(markets, market)) for market in set(markets)
        }
        self.taken = np.zeros(len(markets), dtype=np.bool_)
        self._asked = (0, ready.panel.opened_at(0))
        self.cooldown = ready.strategy.cooldown(ready.parameters) * ready.panel.window.unit

    def opened_at(self, column: int) -> datetime:
        """Return when a candle opens, UTC; the same one is asked for several times in a row."""
        if column != self._asked[0]:
            self._asked = (column, self.ready.panel.opened_at(column))
        return self._asked[1]

    def hold(self, holding: Holding) -> None:
        """Pay for a position, keep it, and note when it ends."""
        self.cash -= holding.cost
        self.held[holding.market] = holding
        self.bought += 1
        holding.order = self.bought
        if self.caps.day_krw is not None:
            day = self.day_of(holding.entered)
            self.spent[day] = self.spent.get(day, ZERO) + Decimal(repr(holding.cost))
        if (end := holding.leaving) is not None:
            heapq.heappush(self.leaving, (end.column, end.inside, self.bought, holding.market))

    def let_go(self, market: str) -> None:
        """Wait for a market no longer, because it was bought or will not be."""
        del self.waiting[market]
        self.taken[self.rows[market]] = market in self.held

    def give_up(self, market: str) -> Holding:
        """Return a position that is held no longer."""
        self.taken[self.rows[market]] = False
        return self.held.pop(market)

    def day_of(self, column: int) -> datetime:
        """Return when the day in Korea of a candle began, UTC."""
        return start_of_day(self.ready.panel.opened_at(column))

    def spent_on_day_of(self, column: int) -> Decimal:
        """Return the won of all buys of the day of a candle so far; nothing where no cap asks."""
        return ZERO if self.caps.day_krw is None else self.spent.get(self.day_of(column), ZERO)

    def free(self) -> int:
        """Return how many more trades may begin."""
        return self.rules.slots - len(self.held) - len(self.waiting)

    def equity(self, column: int) -> float:
        """Return the worth of everything at the close of a candle."""
        close = self.ready.panel.window.close
        worth = 0.0
        for one in self.held.values():
            worth += close.item(one.row, column) * one.volume
        return self.cash + worth


def finish(holding: Holding, price: float | None, proceeds: float, fee: float, slipped: float) -> Trade:
    """Return the record of a position that was sold, or of one that is held to the end of the data."""
    end = holding.leaving if price is not None else None
    return Trade(
        market=holding.market,
        row=holding.row,
        entered=holding.entered,
        left=end.column if end else None,
        inside=bool(end and end.inside),
        entry_price=holding.price,
        exit_price=price,
        volume=holding.volume,
        cost_krw=holding.cost,
        proceeds_krw=proceeds,
        fees_krw=holding.fee + fee,
        slippage_krw=holding.slipped + slipped,
        cause=end.cause if end else None,
    )
