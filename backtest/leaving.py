"""How a position ends: the strategy's own exits, asked about every candle of its life in a few calls.

A life depends on nothing but its market, so it is known as soon as it begins. Inside a candle nobody knows in which
order its prices came, so the worst is assumed:

- A cause that waits for a candle to close sells at the open of the next candle that traded, `Rules.delay` candles late.
- A cause that looks at the price of now (the protective stop) is asked at the open, then at the low, then at the high
  of each candle, in this order. At the open it sells at the open, however far beyond the stop that is. Inside the
  candle it sells at the price at which it first says so on the way. It is never late.
- The first candle is the one it was bought in: what says sell there already sells at once, as the daemon would.
- In a candle without trades nothing is sold. The highest price is that of the candles before.
- When a series ends before the others, the market stood still for days: the position is sold at its last close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from strategy.base import Moments

if TYPE_CHECKING:
    from backtest.prepare import Prepared
    from backtest.rules import Rules
    from strategy.base import Bools, Floats, Position

SERIES_END = "series_end"
FIRST_CHUNK, LARGEST_CHUNK = 64, 16_384
ROUNDS, PRICES_A_ROUND = 6, 1025
"""Cutting an interval of prices into 1024 parts six times leaves no third float inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """The end of a position."""

    column: int  # the candle in which it is sold
    inside: bool  # at some time inside the candle; else at its open
    price: float  # reference price, KRW, before slippage
    cause: str


def find_leaving(ready: Prepared, rules: Rules, position: Position, row: int, entered: int) -> Leaving | None:
    """Return how a position that was bought at the open of candle `entered` ends; None when the data end before it."""
    search = Search(ready, rules, position, row)
    begin, size, highest = entered, FIRST_CHUNK, float(position.entry_price)
    while begin < search.end:
        stop = min(begin + size, search.end)
        if (found := search.look(begin, stop, highest)) is not None:
            return found
        highest = max(highest, float(ready.panel.window.high[row, begin:stop].max()))
        begin, size = stop, min(4 * size, LARGEST_CHUNK)
    if search.end == ready.panel.real.shape[1]:
        return None
    last = search.end - 1
    return Leaving(column=last, inside=True, price=float(ready.panel.window.close[row, last]), cause=SERIES_END)


class Search:
    """Looks through a position's life, stretch by stretch."""

    def __init__(self, ready: Prepared, rules: Rules, position: Position, row: int) -> None:
        window = ready.panel.window
        self.end = int(ready.panel.ends[row])
        self._ready, self._rules, self._position = ready, rules, position
        self._open, self._high, self._low = window.open[row], window.high[row], window.low[row]
        self._close, self._real = window.close[row], ready.panel.real[row]
        self._numbers = {name: values[row] for name, values in ready.numbers.items()}
        self._due: tuple[int, int] | None = None  # (column, cause) of a sale that waits for its candle

    def look(self, begin: int, stop: int, highest: float) -> Leaving | None:
        """Search the candles `begin`..`stop`; None when the position lives on."""
        known = np.maximum.accumulate(np.concatenate([[highest], self._high[begin : stop - 1]]))
        at_open = self._ask(begin, stop, self._open[begin:stop], known)
        self._note_due(begin, at_open)
        until = stop if self._due is None else min(stop, self._due[0] + 1)
        urgent = self._look_inside(begin, until, known[: until - begin], at_open[:, : until - begin])
        if urgent is not None and (self._due is None or self._comes_first(urgent, self._due[0])):
            return urgent
        if self._due is not None and self._due[0] < stop:
            column, cause = self._due
            price = self._open[column] if self._rules.fill == "open" else self._close[column - 1]
            return Leaving(column=column, inside=False, price=float(price), cause=self._code(cause))
        return None

    @staticmethod
    def _comes_first(urgent: Leaving, due: int) -> bool:
        return urgent.column < due or (urgent.column == due and not urgent.inside)

    def _code(self, cause: int) -> str:
        return self._ready.strategy.exits[cause].code

    def _ask(self, begin: int, stop: int, price: Floats, highest: Floats) -> Bools:
        """Ask every cause at one price of each candle, or of one candle at many; shape ``(causes, prices)``."""
        panel = self._ready.panel
        moments = Moments(
            numbers={name: values[begin - 1 : stop - 1] for name, values in self._numbers.items()},
            price=price,
            highest=highest,
            at_s=(panel.first_ms + np.arange(begin, stop) * panel.unit_ms) / 1000,
        )
        answers = self._ready.strategy.sells(self._position, moments, self._ready.parameters)
        result = np.empty((len(answers), len(price)), dtype=np.bool_)
        for at, answer in enumerate(answers):
            result[at] = answer
        return result

    def _note_due(self, begin: int, at_open: Bools) -> None:
        """Find the first candle at whose open a cause that waits for candles says sell, and when that fills."""
        patient = [at for at, cause in enumerate(self._ready.strategy.exits) if not cause.at_once]
        if self._due is not None or not patient:
            return
        says = at_open[patient]
        candles = says.any(axis=0)
        if not candles.any():
            return
        first = int(candles.argmax())
        cause = patient[int(says[:, first].argmax())]
        trades = self._real[begin + first + self._rules.delay : self.end]
        if trades.any():
            self._due = (begin + first + self._rules.delay + int(trades.argmax()), cause)
        else:
            self._due = (self.end, cause)  # it never trades again: the end of the series comes first

    def _look_inside(self, begin: int, stop: int, highest: Floats, at_open: Bools) -> Leaving | None:
        """Find the first sale of a cause that looks at the price of now."""
        urgent = [at for at, cause in enumerate(self._ready.strategy.exits) if cause.at_once]
        if not urgent:
            return None
        traded = self._real[begin:stop]
        open_, low, high = self._open[begin:stop], self._low[begin:stop], self._high[begin:stop]
        asked = (
            at_open[urgent],
            self._ask(begin, stop, low, highest)[urgent],
            self._ask(begin, stop, high, highest)[urgent],
        )
        hit = (asked[0] | asked[1] | asked[2]).any(axis=0) & traded
        if not hit.any():
            return None
        at = int(hit.argmax())
        where = next(number for number, says in enumerate(asked) if says[:, at].any())
        cause = urgent[int(asked[where][:, at].argmax())]
        price, edge = float(open_[at]), float((open_, low, high)[where][at])
        if where:
            price = self._trigger(begin + at, cause, price, edge, float(highest[at]))
        return Leaving(column=begin + at, inside=bool(where), price=price, cause=self._code(cause))

    def _trigger(self, column: int, cause: int, silent: float, says: float, highest: float) -> float:
        """Return the first price on the way from `silent` to `says` at which a cause sells."""
        for _ in range(ROUNDS):
            prices = np.linspace(silent, says, PRICES_A_ROUND)
            sells = self._ask(column, column + 1, prices, np.array([highest]))[cause]
            sells[-1] = True
            at = max(1, int(sells.argmax()))
            silent, says = float(prices[at - 1]), float(prices[at])
        return says
