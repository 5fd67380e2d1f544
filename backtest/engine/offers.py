"""What a purchase comes to, whoever makes it: price, stop and end rest on the market and the candle alone.

So each is asked for once and remembered for all seeds, whose accounts meet the same purchases over and over.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from backtest.engine.leaving import Leaving, ask_leaving, claims_too_much, plain_leaving
from backtest.engine.rules import OPEN
from strategy.base import Position, Snapshot
from strategy.portfolio import exact, stop_price

if TYPE_CHECKING:
    from backtest.engine.prepare import Prepared
    from backtest.engine.rules import Rules

ZERO = Decimal(0)
MOST_KEPT = 50_000
"""Purchases that are remembered, some 25 MB; more are asked for again each time."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase at the open of a candle."""

    market: str
    row: int
    column: int
    reference: float  # KRW, before slippage
    price: float  # KRW, what is paid
    stop_fraction: Decimal = ZERO  # how far the stop lies below the reference; 0 without one
    stop: Decimal | None = None
    leaving: Leaving | None = None  # how it ends, where that is looked up; None: the data end before, or it is asked


class Unasked:
    """Stands for a purchase that nobody has asked for."""


UNASKED = Unasked()


class Offers:
    """Every purchase of one strategy on one history under one set of rules, as far as it was asked for."""

    def __init__(self, ready: Prepared, rules: Rules) -> None:
        self._ready, self._rules = ready, rules
        self._taken, self._audit_at = 0, 1
        self._known: dict[tuple[int, int, int], Offer | None] = {}

    def find(self, row: int, decided: int, column: int) -> Offer | None:
        """Return the purchase at the open of `column` of what was a target at the close of `decided`.

        None while the strategy waits for a better moment.
        """
        key = (row, decided, column)
        known = self._known.get(key, UNASKED)
        if isinstance(known, Unasked):
            known = self._ask(row, decided, column)
            if len(self._known) < MOST_KEPT:
                self._known[key] = known
        return known

    def _ask(self, row: int, decided: int, column: int) -> Offer | None:
        ready, rules = self._ready, self._rules
        window = ready.panel.window
        reference = window.open.item(row, column) if rules.fill == OPEN else window.close.item(row, column - 1)
        entry = ready.strategy.enter(snapshot_of(ready, row, decided, column, reference), ready.parameters)
        if not entry.buy:
            return None
        price = reference * (1 + rules.slippage_of(window.turnover_24h.item(row, column - 1)))
        distance = entry.stop_distance
        stop = stop_price(exact(price), distance) if distance else None
        return Offer(
            market=window.markets[row],
            row=row,
            column=column,
            reference=reference,
            price=price,
            stop_fraction=exact(distance / reference) if distance else ZERO,
            stop=stop,
            leaving=plain_leaving(ready, rules, stop, row, column) if ready.plain else None,
        )

    def leaving(self, offer: Offer, volume: float) -> Leaving | None:
        """Return how a position of so many units ends; None when the data end before it.

        An end that was looked up in what the strategy said once is also asked for, ever more rarely: for the first
        purchase, the second, the fourth, the eighth, and so on.

        Raises:
            StrategyError: when the two differ: a cause claims to be `of_market` or `at_stop` and is not.
        """
        self._taken += 1
        if self._ready.plain and self._taken < self._audit_at:
            return offer.leaving
        self._audit_at = 2 * self._taken
        asked = ask_leaving(self._ready, self._rules, self._position(offer, volume), offer.row, offer.column)
        if self._ready.plain and asked != offer.leaving:
            raise claims_too_much(self._ready.strategy)
        return asked

    def _position(self, offer: Offer, volume: float) -> Position:
        average = exact(offer.price)
        return Position(
            market=offer.market,
            entry_price=average,
            volume=exact(volume),
            opened_at=self._ready.panel.opened_at(offer.column),
            stop_price=offer.stop,
            highest_price=average,
        )


def snapshot_of(ready: Prepared, row: int, decided: int, column: int, price: float) -> Snapshot:
    """Return a target of the close of `decided` as `enter` sees it at the open of `column`."""
    closed_at = ready.panel.opened_at(decided + 1)
    return Snapshot(
        market=ready.panel.window.markets[row],
        candle_closed_at=closed_at,
        numbers={name: values.item(row, decided) for name, values in ready.numbers.items()},
        failed_gate=None,
        price=exact(price),
        price_as_of=closed_at if column == decided + 1 else ready.panel.opened_at(column),
    )
