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
from decimal import Decimal
from math import floor
from typing import TYPE_CHECKING, NamedTuple

from backtest.engine.account import Account, AccountOutcome, Holding, Waiting, finish
from backtest.engine.leaving import Leaving
from backtest.engine.offers import Offer, Offers
from backtest.engine.rules import EQUITY
from strategy.portfolio import MIN_TOTAL, broken_cap, can_leave, exact, order_total, pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtest.engine.prepare import Prepared
    from backtest.engine.rules import Rules

ZERO = Decimal(0)
PLACE = "place"
DUST_KRW = float(MIN_TOTAL)
VOLUMES_A_UNIT = 1e8
"""Upbit's volumes have eight decimals."""


def simulate(
    ready: Prepared, rules: Rules, seed: int, *, offers: Offers | None = None, places: Sequence[Place] = ()
) -> AccountOutcome:
    """Run one account from the first tradable candle to the last. The same seed gives the same trades.

    Args:
        ready: the strategy and what it says about every candle.
        rules: what is assumed.
        seed: of the draws.
        offers: what other seeds of the same strategy and rules have asked for; none yet when not given.
        places: taken from the beginning on, by positions of before: they are no trades of this account.
    """
    offers = offers or Offers(ready, rules)
    account = Account(ready=ready, rules=rules, seed=seed, cash=rules.krw, rng=random.Random(seed), offers=offers)
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
    row, column = rows if isinstance(rows, int) else rows.stop - 1, max(1, account.ready.panel.first)
    ends = None if place.until is None else Leaving(column=place.until, inside=True, price=0.0, cause=PLACE)
    offer = Offer(market=place.market, row=row, column=column, reference=0.0, price=0.0)
    account.hold(Holding(offer=offer, volume=0.0, cost=0.0, fee=0.0, leaving=ends))
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
        self._ready = ready
        self.all_held = False
        """Whether every target is held already: until one appears or something is sold, there is nobody to draw."""

    @property
    def _called(self) -> bytes:
        return self._ready.appeared if self.all_held else self._ready.called

    def is_call(self, column: int) -> bool:
        """Return whether the close before a candle has a target that may not be held."""
        return bool(self._called[column - 1])

    def next_after(self, account: Account, column: int) -> int:
        """Return the next candle at which anything can happen; beyond the last one when nothing can."""
        if account.waiting:
            return column + 1
        called = self._called
        end = max(account.leaving[0][0] if account.leaving else len(called), column + 1)
        found = called.find(True, column, end) if account.free() > 0 else -1
        return end if found < 0 else found + 1


def draw_targets(account: Account, column: int) -> bool:
    """Fill free places with targets of the close before `column`, drawn at random; False when all are held."""
    account.wake(column)
    markets = account.ready.panel.window.markets
    awake = (account.ready.passed[:, column - 1] > account.taken).nonzero()[0].tolist()
    for row in pick(account.rng, awake, account.free()) if awake else ():
        account.waiting[markets[row]] = Waiting(row, column - 1, column + account.rules.delay)
        account.taken[account.rows[markets[row]]] = True
    return bool(awake or account.resting)


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
        if real.item(waiting.row, column) and buy(account, waiting, column):
            account.let_go(market)


def buy(account: Account, waiting: Waiting, column: int) -> bool:
    """Buy at the open of a candle; False while the strategy waits for a better moment."""
    offer = account.offers.find(waiting.row, waiting.decided, column)
    if offer is None:
        return False
    total = size(account, column, offer.stop_fraction)
    if isinstance(total, str):
        account.refused[total] += 1
        return True
    price = offer.price
    volume = floor(float(total) / price * VOLUMES_A_UNIT) / VOLUMES_A_UNIT
    fee = volume * price * account.rules.fee_rate
    leaving = account.offers.leaving(offer, volume)
    account.hold(Holding(offer=offer, volume=volume, cost=volume * price + fee, fee=fee, leaving=leaving))
    return True


def size(account: Account, column: int, stop_fraction: Decimal) -> Decimal | str:
    """Return the won of a purchase, or the code of why there is none."""
    rules = account.rules
    # won below the whole one are never ordered, and no decimal that stands for a float lies beyond a whole number of it
    wished = Decimal(floor(account.equity(column - 1) / rules.slots)) if rules.sizing == EQUITY else rules.order_krw
    total = order_total(wished, exact(account.cash), account.fee_rate, MIN_TOTAL)
    if total is None:
        return "no_money"
    if not can_leave(total, stop_fraction, MIN_TOTAL):
        return "cannot_leave"
    return broken_cap(account.caps, total, in_market=ZERO, spent_today=account.spent_on_day_of(column)) or total


def sell_due(account: Account, until: tuple[int, bool]) -> None:
    """Sell every position whose end has come."""
    turnover = account.ready.panel.window.turnover_24h
    while account.leaving and account.leaving[0][:2] <= until:
        column, inside, order, market = heapq.heappop(account.leaving)
        holding = account.give_up(market, column + inside)
        assert holding.leaving is not None
        reference = holding.leaving.price
        price = reference * (1 - account.rules.slippage_of(turnover.item(holding.offer.row, column - 1)))
        notional = price * holding.volume
        if notional < DUST_KRW:  # dust: Upbit takes no order of so little
            notional = 0.0
        fee = notional * account.rules.fee_rate
        account.cash += notional - fee
        account.trades[order] = finish(holding, price, notional - fee, fee, (reference - price) * holding.volume)
