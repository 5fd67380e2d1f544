# ruff: noqa: ARG002 - a script answers without looking at most of what it is given
"""A strategy whose every move is written in the volumes of the candles, and candles written as plain rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.history.candles import Candles
from backtest.units import to_ms
from strategy.base import Cause, Entry, Gate, Reason, Strategy
from strategy.gates import STOP, choose, stopped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backtest.engine.prepare import Prepared
    from strategy.base import Moments, Numbers, Position, Selection, Snapshot, Window

UNIT = timedelta(minutes=240)
START = datetime(2024, 1, 1, tzinfo=UTC)
BUY, SELL, QUIET = 7e7, 9e7, 1e7
"""Volumes that mean something at the close of a candle; every one is enough turnover for the best slippage class."""

Row = tuple[float, float, float, float, float]


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """How far the stop lies, where a profit is taken, how far below its highest price it is sold; 0: nowhere."""

    stop: float = 0.0
    target: float = 0.0
    trail: float = 0.0
    rest: int = 0


class Scripted(Strategy):
    """Buys at the close of a candle of volume `BUY`, sells at one of volume `SELL`."""

    name: ClassVar[str] = "scripted"
    ko: ClassVar[str] = "각본"
    en: ClassVar[str] = "scripted"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (Gate(code="buy", ko="-", en="-"),)
    exits: ClassVar[tuple[Cause, ...]] = (
        STOP,
        Cause(code="trail", ko="-", en="-", at_once=True),
        Cause(code="target", ko="-", en="-", at_once=True),
        Cause(code="signal", ko="-", en="-"),
    )

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Nothing needs warming up."""
        return 1

    def cooldown(self, parameters: Parameters) -> int:
        """As many candles as the script says."""
        return parameters.rest

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """The volume says it all."""
        return {"volume": window.volume}

    def select(self, window: Window, numbers: Numbers, at: int | slice, parameters: Parameters) -> Selection:
        """Targets have the volume that says buy."""
        return choose(numbers, at, ("volume",), (numbers["volume"][:, at] == BUY,))

    def enter(self, snapshot: Snapshot, parameters: Parameters) -> Entry:
        """Buy at once."""
        reason = Reason(code="scripted", ko="-", en="-")
        return Entry(buy=True, reason=reason, stop_distance=parameters.stop or None)

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Stop, trailing stop, target, signal."""
        trailed = moments.price <= moments.highest - (parameters.trail or np.inf)
        above = moments.price >= (parameters.target or np.inf)
        return stopped(position, moments), trailed, above, moments.numbers["volume"] == SELL


def flat(price: float, volume: float = QUIET) -> Row:
    """Return a candle that stands still."""
    return price, price, price, price, volume


def candles(rows: Sequence[Row | None], start: datetime = START, unit: timedelta = UNIT) -> Candles:
    """Return candles one after the other; None: nothing traded."""
    known = [(at, row) for at, row in enumerate(rows) if row is not None]
    columns = np.array([row for _, row in known], dtype=np.float64).T
    return Candles(
        opened_at_ms=np.array([to_ms(start + at * unit) for at, _ in known], dtype=np.int64),
        turnover=np.full(len(known), np.nan),
        **dict(zip(("open", "high", "low", "close", "volume"), columns, strict=True)),
    )


def ready(history: Mapping[str, Sequence[Row | None]], **parameters: object) -> Prepared:
    """Prepare the script over a history whose first candle may only be looked at."""
    books = {market: candles(rows) for market, rows in history.items()}
    end = START + max(len(rows) for rows in history.values()) * UNIT
    panel = build_panel(books, UNIT, START, end, warm_up=0)
    return prepare(panel, Scripted(), msgspec.structs.replace(Parameters(), **parameters))
