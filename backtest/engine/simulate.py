"""What an account would have done: the portfolio rules of the daemon over the decisions of a strategy.

The clock is the candle. At the open of a candle everything is known up to the close before it, and this happens in
this order: sales that are due free their places, free places are filled by drawing from the targets of that close,
and who was drawn is bought. Stops inside the candle come after it; their places are filled at the next open.

The decisions are the daemon's own: `select`, `enter` and the exits are the strategy's, the draw, the sizes and the
place of the stop are those of `strategy/portfolio.py`.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from math import floor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from backtest.engine.account import Account, AccountOutcome, Holding, Waiting, finish
from backtest.engine.leaving import Leaving, Life
from backtest.engine.rules import EQUITY, OPEN
from strategy.base import Snapshot
from strategy.portfolio import MIN_TOTAL, broken_cap, can_leave, is_resting, order_total, pick, stop_price

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from backtest.engine.prepare import Prepared
    from backtest.engine.rules import Rules
    from strategy.base import Bools, Numbers

ZERO = Decimal(0)
PLACE = "place"
DUST_KRW = float(MIN_TOTAL)
VOLUMES_A_UNIT = 1e8
"""Upbit's volumes have eight decimals."""
AUDIT = 100
"""At each such purchase, the first included, an end that was looked up is asked for too: a mark may be wrong."""


def simulate(ready: Prepared, rules: Rules, seed: int, *, places: Sequence[Place] = ()) -> AccountOutcome:
    """Run one account from the first tradable candle to the last. The same seed gives the same trades.

    `places` are taken from the beginning on, by positions of before: they are no trades of this account.
    """
    account = Account(ready=ready, rules=rules, seed=seed, cash=rules.krw, rng=random.Random(seed))
    for place in places:
        take_place(account, place)
    calls = Calls(ready)
    column, count = max(1, ready.panel.first), ready.panel.real.shape[1]
    while column < count:
        step(account, calls, column)
        column = calls.next_after(account, column)
    for order in range(1, len(places) + 1):
        account.trades.pop(order, None)
    mine = [one for one in account.held.values() if one.order > len(places)]
    still_held = {one.order: finish(one, None, 0.0, 0.0, 0.0) for one in mine}
    trades = tuple(trade for _, trade in sorted((account.trades | still_held).items()))
    return AccountOutcome(seed=seed, rules=rules, trades=trades, refused=account.refused)


class Place(NamedTuple):
    """A position of before: its market is not bought, and one may be held less, until it ends."""

    market: str
    until: int | None  # column in which it is sold; None: it is still held when the data end


def take_place(account: Account, place: Place) -> None:
    """Hold a position of before, worth nothing."""
    rows = account.rows[place.market]
    row, column = rows.stop - 1, max(1, account.ready.panel.first)
    ends = None if place.until is None else Leaving(column=place.until, inside=True, price=0.0, cause=PLACE)
    holding = Holding(
        market=place.market,
        row=row,
        entered=column,
        price=0.0,
        volume=0.0,
        cost=0.0,
        fee=0.0,
        slipped=0.0,
        leaving=ends,
    )
    account.hold(holding)
    account.taken[rows] = True


def step(account: Account, calls: Calls, column: int) -> None:
    """Do what is due at one candle: sell at its open, draw, buy, sell inside it."""
    if account.leaving and account.leaving[0][0] <= column:
        sell_due(account, (column, False))
        calls.all_held = False
    if calls.is_call(column) and account.free() > 0:
        calls.all_held = not draw_targets(account, column)
    if account.waiting:
        buy_waiting(account, column)
        calls.all_held = False
    if account.leaving and account.leaving[0][0] <= column:
        sell_due(account, (column, True))
        calls.all_held = False


class Calls:
    """At which candles somebody may be drawn, so that the others are stepped over."""

    def __init__(self, ready: Prepared) -> None:
        self._passed = ready.passed
        self._some: Bools = np.asarray(ready.passed.any(axis=0))
        self.all_held = False
        """Whether every target is held already: until one appears or something is sold, there is nobody to draw."""

    @cached_property
    def _new(self) -> Bools:
        """Whether a close has a target that the close before it had not, (candles,)."""
        before = np.zeros((len(self._passed), 1), dtype=np.bool_)
        return np.asarray((self._passed > np.hstack([before, self._passed[:, :-1]])).any(axis=0))

    def is_call(self, column: int) -> bool:
        """Return whether the close before a candle has a target that may not be held."""
        return bool(self._new[column - 1] if self.all_held else self._some[column - 1])

    def next_after(self, account: Account, column: int) -> int:
        """Return the next candle at which anything can happen; beyond the last one when nothing can."""
        if account.waiting:
            return column + 1
        end = account.leaving[0][0] if account.leaving else len(self._some)
        if account.free() <= 0:
            return max(end, column + 1)
        calls = self._new if self.all_held else self._some
        if column < end and calls.item(column):
            return column + 1
        called = calls[column:end]
        first = int(called.argmax()) if len(called) else 0
        return column + 1 + first if len(called) and called[first] else max(end, column + 1)


def draw_targets(account: Account, column: int) -> bool:
    """Fill free places with targets of the close before `column`, drawn at random; False when all are held."""
    markets = account.ready.panel.window.markets
    rows = (account.ready.passed[:, column - 1] > account.taken).nonzero()[0].tolist()
    if not rows:
        return False
    if account.ended:
        now, cooldown = account.opened_at(column), account.cooldown
        account.ended = {market: at for market, at in account.ended.items() if is_resting(at, now, cooldown)}
    awake = [row for row in rows if markets[row] not in account.ended] if account.ended else rows
    for row in pick(account.rng, awake, account.free()):
        account.waiting[markets[row]] = Waiting(row, column - 1, column + account.rules.delay)
        account.taken[account.rows[markets[row]]] = True
    return True


def buy_waiting(account: Account, column: int) -> None:
    """Buy what was drawn and is due, where something trades; let go of what is no target any more."""
    real = account.ready.panel.real
    for market, waiting in list(account.waiting.items()):
        if column < waiting.due:
            continue
        if column > waiting.due:  # it could not be bought when it was due: decide again, on the newest candle
            waiting.decided = column - 1
            if not account.ready.is_target(waiting.row, column - 1):
                account.let_go(market)
                continue
        if real.item(waiting.row, column) and buy(account, market, waiting, column):
            account.let_go(market)


def buy(account: Account, market: str, waiting: Waiting, column: int) -> bool:
    """Buy at the open of a candle; False while the strategy waits for a better moment."""
    ready, rules, row = account.ready, account.rules, waiting.row
    window = ready.panel.window
    reference = window.open.item(row, column) if rules.fill == OPEN else window.close.item(row, column - 1)
    entry = ready.strategy.enter(snapshot_of(account, market, waiting, column, reference), ready.parameters)
    if not entry.buy:
        return False
    price = reference * (1 + slippage(account, row, column - 1))
    total = size(account, column, entry.stop_distance / reference if entry.stop_distance else 0.0)
    if isinstance(total, str):
        account.refused[total] += 1
        return True
    volume = floor(float(total) / price * VOLUMES_A_UNIT) / VOLUMES_A_UNIT
    fee = volume * price * rules.fee_rate
    stop = stop_price(Decimal(repr(price)), entry.stop_distance) if entry.stop_distance else None
    life = Life(ready, rules, market, row, column, price, volume, stop)
    account.hold(
        Holding(
            market=market,
            row=row,
            entered=column,
            price=price,
            volume=volume,
            cost=volume * price + fee,
            fee=fee,
            slipped=(price - reference) * volume,
            leaving=life.leaving(audited=account.bought % AUDIT == 0),
        )
    )
    return True


class NumbersOf(Mapping[str, float]):
    """The numbers of one market at one candle; looked up when they are asked for, as few strategies ask for all."""

    __slots__ = ("_column", "_numbers", "_row")

    def __init__(self, numbers: Numbers, row: int, column: int) -> None:
        self._numbers, self._row, self._column = numbers, row, column

    def __getitem__(self, name: str) -> float:
        return self._numbers[name].item(self._row, self._column)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def snapshot_of(account: Account, market: str, waiting: Waiting, column: int, price: float) -> Snapshot:
    """Return a target as `enter` sees it."""
    row, decided = waiting.row, waiting.decided
    return Snapshot(
        market=market,
        candle_closed_at=account.opened_at(decided + 1),
        numbers=NumbersOf(account.ready.numbers, row, decided),
        failed_gate=None,
        price=Decimal(repr(price)),
        price_as_of=account.opened_at(column),
    )


def slippage(account: Account, row: int, column: int) -> float:
    """Return the fraction of the price that an order costs after the close of a candle."""
    return account.rules.slippage_of(account.ready.panel.window.turnover_24h.item(row, column))


def size(account: Account, column: int, stop_fraction: float) -> Decimal | str:
    """Return the won of a purchase, or the code of why there is none."""
    rules = account.rules
    wished = Decimal(repr(account.equity(column - 1) / rules.slots)) if rules.sizing == EQUITY else rules.order_krw
    total = order_total(wished, Decimal(repr(account.cash)), account.fee_rate, MIN_TOTAL)
    if total is None:
        return "no_money"
    if not can_leave(total, stop_fraction, MIN_TOTAL):
        return "cannot_leave"
    return broken_cap(account.caps, total, in_market=ZERO, spent_today=account.spent_on_day_of(column)) or total


def sell_due(account: Account, until: tuple[int, bool]) -> None:
    """Sell every position whose end has come."""
    while account.leaving and account.leaving[0][:2] <= until:
        column, inside, order, market = heapq.heappop(account.leaving)
        holding = account.give_up(market)
        assert holding.leaving is not None
        slip, reference = slippage(account, holding.row, column - 1), holding.leaving.price
        price = reference * (1 - slip)
        notional = price * holding.volume
        if notional < DUST_KRW:  # dust: Upbit takes no order of so little
            notional = 0.0
        fee = notional * account.rules.fee_rate
        account.cash += notional - fee
        account.ended[market] = account.opened_at(column + inside)
        account.trades[order] = finish(holding, price, notional - fee, fee, (reference - price) * holding.volume)
