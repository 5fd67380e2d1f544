"""What an account of a backtest has, does and leaves behind: its money, its positions, its trades."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections import Counter, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backtest.engine.leaving import Leaving
from backtest.engine.offers import Offer, Offers
from strategy.portfolio import Caps, start_of_day

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from datetime import datetime

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

    offer: Offer
    volume: float
    cost: float
    fee: float
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
    offers: Offers  # what purchases come to; shared by all seeds
    held: dict[str, Holding] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    resting: deque[tuple[int, str]] = field(default_factory=deque)  # first column to be drawn in again, and market
    spent: dict[datetime, Decimal] = field(default_factory=dict)  # won of buys with fees, by day in Korea; where capped
    leaving: list[tuple[int, bool, int, str]] = field(default_factory=list)  # heap: column, inside, order, market
    trades: dict[int, Trade] = field(default_factory=dict)  # that have ended, by the order of their purchases
    refused: Counter[str] = field(default_factory=Counter)
    bought: int = 0
    fee_rate: Decimal = field(init=False)
    caps: Caps = field(init=False)
    rows: dict[str, int | slice] = field(init=False)  # of each market: several side by side where its history has holes
    taken: Bools = field(init=False)  # (series,): whether the market of a row is held, waits, or rests
    cooldown: int = field(init=False)  # for how many candles a market rests after its trade

    def __post_init__(self) -> None:
        rules, ready = self.rules, self.ready
        self.fee_rate = Decimal(repr(rules.fee_rate))
        self.caps = Caps(order_krw=rules.max_order_krw, market_krw=rules.max_market_krw, day_krw=rules.max_day_krw)
        markets = ready.panel.window.markets
        self.rows = {market: rows_of(market, markets) for market in set(markets)}
        self.taken = np.zeros(len(markets), dtype=np.bool_)
        self.cooldown = ready.strategy.cooldown(ready.parameters)

    def hold(self, holding: Holding) -> None:
        """Pay for a position, keep it, and note when it ends."""
        self.cash -= holding.cost
        market = holding.offer.market
        self.held[market] = holding
        self.bought += 1
        holding.order = self.bought
        if self.caps.day_krw is not None:
            day = self.day_of(holding.offer.column)
            self.spent[day] = self.spent.get(day, ZERO) + Decimal(repr(holding.cost))
        if (end := holding.leaving) is not None:
            heapq.heappush(self.leaving, (end.column, end.inside, self.bought, market))

    def let_go(self, market: str) -> None:
        """Wait for a market no longer, because it was bought or will not be."""
        del self.waiting[market]
        if market not in self.held:
            self.taken[self.rows[market]] = False

    def give_up(self, market: str, ended: int) -> Holding:
        """Return a position that is held no longer; its market rests from the opening of the column `ended` on."""
        self.resting.append((ended + self.cooldown, market))
        return self.held.pop(market)

    def wake(self, column: int) -> None:
        """Let markets be drawn again whose rest is over when a candle opens."""
        while self.resting and self.resting[0][0] <= column:
            self.taken[self.rows[self.resting.popleft()[1]]] = False

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
            worth += close.item(one.offer.row, column) * one.volume
        return self.cash + worth


def rows_of(market: str, markets: Sequence[str]) -> int | slice:
    """Return where a market stands among sorted ones: one row, which is quicker to reach, or a slice."""
    begin, end = bisect_left(markets, market), bisect_right(markets, market)
    return begin if end - begin == 1 else slice(begin, end)


def finish(holding: Holding, price: float | None, proceeds: float, fee: float, slipped: float) -> Trade:
    """Return the record of a position that was sold, or of one that is held to the end of the data."""
    end, offer = holding.leaving if price is not None else None, holding.offer
    return Trade(
        market=offer.market,
        row=offer.row,
        entered=offer.column,
        left=end.column if end else None,
        inside=bool(end and end.inside),
        entry_price=offer.price,
        exit_price=price,
        volume=holding.volume,
        cost_krw=holding.cost,
        proceeds_krw=proceeds,
        fees_krw=holding.fee + fee,
        slippage_krw=(offer.price - offer.reference) * holding.volume + slipped,
        cause=end.cause if end else None,
    )
