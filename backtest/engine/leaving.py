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

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from backtest.engine.rules import OPEN, Rules
from strategy.base import Moments, Position
from strategy.registry import StrategyError

if TYPE_CHECKING:
    from decimal import Decimal

    from backtest.engine.prepare import Prepared
    from strategy.base import Bools, Floats, Strategy

SERIES_END = "series_end"
FIRST_CHUNK, LARGEST_CHUNK = 64, 16_384
ROUNDS, PRICES_A_ROUND = 6, 1025
"""Cutting an interval of prices into 1024 parts six times leaves no third float inside."""


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a position."""

    column: int  # the candle in which it is sold
    inside: bool  # at some time inside the candle; else at its open
    price: float  # reference price, KRW, before slippage
    cause: str


def claims_too_much(strategy: Strategy) -> StrategyError:
    """Return the error of a cause that looks at more than it says."""
    codes = ", ".join(cause.code for cause in strategy.exits if cause.of_market or cause.at_stop)
    return StrategyError(
        f"{strategy.name}: of_market나 at_stop으로 표시한 매도 조건({codes}) 중 하나가 다른 것도 봅니다. "
        "표시를 지우세요 (docs/strategies.md).",
        f"{strategy.name}: one of its exits marked of_market or at_stop ({codes}) looks at more than that. "
        "Remove the mark (docs/strategies.md).",
    )


def plain_leaving(ready: Prepared, rules: Rules, stop: Decimal | None, row: int, entered: int) -> Leaving | None:
    """Return how a position of a plain strategy ends, from what the strategy said about all candles at once."""
    window, end = ready.panel.window, ready.panel.ends.item(row)
    due, cause = due_of(ready, rules, row, entered, end)
    if stop is not None:
        urgent = stopped_in(ready, float(stop), row, entered, min(due + 1, end))
        if urgent is not None and (urgent.column < due or not urgent.inside):
            return urgent
    if due < end:
        price = window.open.item(row, due) if rules.fill == OPEN else window.close.item(row, due - 1)
        return Leaving(column=due, inside=False, price=price, cause=ready.strategy.exits[cause].code)
    return ended_in(ready, row, end)


def due_of(ready: Prepared, rules: Rules, row: int, entered: int, end: int) -> tuple[int, int]:
    """Return the candle at whose open a cause that waits for candles sells, and the cause; `end` when none does."""
    says = ready.sold[row].find(True, entered - 1, end - 1)
    if says < 0:
        return end, 0
    cause = first_cause(ready, row, says)
    late = says + 1 + rules.delay
    if late < end and ready.panel.real.item(row, late):
        return late, cause
    trades = ready.panel.real[row, late:end]
    wait = int(trades.argmax()) if len(trades) else 0
    return (late + wait if len(trades) and trades[wait] else end), cause


def first_cause(ready: Prepared, row: int, column: int) -> int:
    """Return the most urgent cause that says sell at a close at which one does."""
    for at, answers in ready.exits.items():
        if answers.item(row, column):
            return at
    raise AssertionError(row, column)


def stopped_in(ready: Prepared, stop: float, row: int, begin: int, until: int) -> Leaving | None:
    """Return where the protective stop sells first in the candles `begin`..`until`."""
    window = ready.panel.window
    hit = window.low[row, begin:until] <= stop
    if not hit.item(at := int(hit.argmax())):  # most lives: whether it traded then need not be asked
        return None
    hit &= ready.panel.real[row, begin:until]
    if not hit.item(at := int(hit.argmax())):
        return None
    open_ = float(window.open[row, begin + at])
    code = next(cause.code for cause in ready.strategy.exits if cause.at_stop)
    return Leaving(column=begin + at, inside=open_ > stop, price=min(open_, stop), cause=code)


def ended_in(ready: Prepared, row: int, end: int) -> Leaving | None:
    """Return the sale at the last close of a series that ends before the data do; None when it does not."""
    if end == ready.panel.real.shape[1]:
        return None
    price = float(ready.panel.window.close[row, end - 1])
    return Leaving(column=end - 1, inside=True, price=price, cause=SERIES_END)


def ask_leaving(ready: Prepared, rules: Rules, position: Position, row: int, entered: int) -> Leaving | None:
    """Return it for any strategy, by asking its causes about every candle of the position's life."""
    search = Search(ready, rules, position, row)
    begin, size, highest = entered, FIRST_CHUNK, float(position.entry_price)
    while begin < search.end:
        stop = min(begin + size, search.end)
        if (found := search.look(begin, stop, highest)) is not None:
            return found
        highest = max(highest, float(ready.panel.window.high[row, begin:stop].max()))
        begin, size = stop, min(4 * size, LARGEST_CHUNK)
    return ended_in(ready, row, search.end)


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
            price = self._open[column] if self._rules.fill == OPEN else self._close[column - 1]
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
