"""What a strategy is: the values it sees, the three questions it answers, and the words of its answers.

A strategy is one file with a frozen parameter class and one `Strategy` object. The daemon, the backtester and the
simulation call the same functions; nobody else decides anything. Rules are written for arrays: the daemon asks about
one moment, the backtester about thousands in one call, and both run the same line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from strategy.relations import RELATIONS

if TYPE_CHECKING:
    from datetime import timedelta

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PASSED = -1
"""Value in `Selection.gate` of a market that failed no gate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Closed candles of all markets on one time grid, oldest first.

    All arrays have shape ``(markets, candles)``. A candle in which nothing traded carries the close before it as
    open, high, low and close, with volume 0. Before a market's first candle the values are NaN.
    """

    markets: tuple[str, ...]
    unit: timedelta  # length of one candle
    closed_at: datetime  # UTC end of the last candle: nothing later is known
    open: Floats  # KRW
    high: Floats  # KRW
    low: Floats  # KRW
    close: Floats  # KRW
    volume: Floats  # units of base currency
    turnover_24h: Floats  # KRW traded in the 24 h up to the end of each candle; NaN where unknown

    def __post_init__(self) -> None:
        shape = (len(self.markets), self.close.shape[-1])
        for name in ("open", "high", "low", "close", "volume", "turnover_24h"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, not {getattr(self, name).shape}")


Numbers = dict[str, Floats]
"""Named arrays, each ``(markets, candles)``: everything a strategy decides on, computed once for a whole window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of a target, in words a person can read."""

    code: str  # stable, e.g. "btc_gate": journal and tests use it
    ko: str
    en: str

    def asks(self, value: Any, relation: str, threshold: Any) -> Condition:
        """Return that this gate is open where `value relation threshold` holds."""
        return Condition(gate=self, value=value, relation=relation, threshold=threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A gate with what it looks at: floats, or arrays of one shape. Whether it is open follows, and so does how far."""

    gate: Gate | None  # None: a bare answer of one's own strategy, which the gate at its place in `gates` gave
    value: Any
    relation: str  # a key of `RELATIONS`
    threshold: Any

    def holds(self) -> Any:
        """Return whether the gate is open, a bool or an array of them."""
        return RELATIONS[self.relation](self.value, self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What `select` says about every market: arrays ``(markets,)`` at one candle, ``(markets, candles)`` at a slice."""

    gate: npt.NDArray[np.int8]  # index into `gates` of the first gate that failed, `PASSED` for a target
    numbers: Mapping[str, Floats]  # the numbers the gates looked at, by name
    tests: tuple[Condition, ...] = ()  # what was asked, gate by gate; empty where nobody says

    def passed(self) -> Bools:
        """Return which markets are targets, in the shape of `gate`."""
        return np.equal(self.gate, PASSED)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One market as `enter` and `exit` see it: the numbers of its last closed candle and a price of now."""

    market: str
    candle_closed_at: datetime  # UTC
    numbers: Mapping[str, float]  # this market's column of `Numbers` at the last closed candle
    failed_gate: Gate | None  # None: the market is a target
    price: Decimal  # last trade price, KRW
    price_as_of: datetime  # UTC, when the price was known to be true


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What we hold in one market, and on which terms it was entered."""

    market: str
    entry_price: Decimal  # average fill price, KRW
    volume: Decimal  # units of base currency
    opened_at: datetime  # UTC
    stop_price: Decimal | None  # protective stop, KRW; None: no stop
    highest_price: Decimal  # highest price seen since the entry, KRW


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is decided, for people and for the journal."""

    code: str  # stable, e.g. "stop", "trend_end", "gate_closed"
    ko: str
    en: str
    numbers: Mapping[str, float] = msgspec.field(default_factory=dict)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `enter`: buy now or not, why, and how far below the entry the protective stop lies."""

    buy: bool
    reason: Reason
    stop_distance: float | None = None  # KRW per unit below the average entry price; None: no stop


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `exit`: sell now or not, and why."""

    sell: bool
    reason: Reason


HOLD = Exit(sell=False, reason=Reason(code="hold", ko="보유 유지", en="nothing says sell"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause of a sale, in words a person can read."""

    code: str  # stable, e.g. "stop": journal and tests use it
    ko: str
    en: str
    shown: tuple[str, ...] = ()  # names of the numbers a reason quotes; "price" and "stop" are known besides
    at_once: bool = False  # it looks at the price of now, so it does not wait for a candle to close
    of_market: bool = False  # it rests on `Moments.numbers` alone: a backtest then asks once for all candles
    at_stop: bool = False  # it sells exactly where the price is at `Position.stop_price` or below

    def reason(self, position: Position, snapshot: Snapshot) -> Reason:
        """Return why a position is sold, with the numbers that say so."""
        stop = nan if position.stop_price is None else float(position.stop_price)
        here = {"price": float(snapshot.price), "stop": stop}
        numbers = {name: here[name] if name in here else snapshot.numbers[name] for name in self.shown}
        return Reason(code=self.code, ko=self.ko, en=self.en, numbers=numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What sales are decided on: one moment as floats, or many in a row as arrays of one shape."""

    numbers: Mapping[str, Any]  # the market's numbers at the last candle that had closed; NaN where unknown
    price: Any  # KRW
    highest: Any  # highest price since the entry as far as it was known, KRW
    at_s: Any  # epoch seconds of the price


class Strategy(Protocol):
    """Pure functions over arrays. `parameters` is an instance of its `parameter_class`."""

    name: ClassVar[str]  # as in config.toml, e.g. "quiet_trend"
    ko: ClassVar[str]
    en: ClassVar[str]
    parameter_class: ClassVar[
        type[Any]
    ]  # msgspec.Struct, frozen, forbid_unknown_fields, kw_only; defaults are what we ship
    gates: ClassVar[tuple[Gate, ...]]
    exits: ClassVar[tuple[Cause, ...]]  # the most urgent first

    def refuses(self, parameters: Any, unit: timedelta) -> tuple[str, str] | None:
        """Return why it cannot trade on candles of `unit`, in Korean and English; None where it can."""
        del parameters, unit
        return None

    def history(self, parameters: Any, unit: timedelta) -> int:
        """Return how many closed candles of `unit` the window should hold so that every number is settled."""

    def cooldown(self, parameters: Any) -> int:
        """Return for how many candles a market rests after an exit."""

    def compute(self, window: Window, parameters: Any) -> Numbers:
        """Compute every number the decisions need, for all markets and candles at once; causal, NaN in warm-up."""

    def select(self, window: Window, numbers: Numbers, at: int | slice, parameters: Any) -> Selection:
        """Say for every market whether it is a target at the close of candle `at` (an index, -1 is the last).

        A slice asks about many candles at once; every answer then has a second axis, and rests only on the numbers
        of its own candle.
        """

    def enter(self, snapshot: Snapshot, parameters: Any) -> Entry:
        """Buy this target now or not."""

    def sells(self, position: Position, moments: Moments, parameters: Any) -> tuple[Any, ...]:
        """Say for each of `exits` whether it sells the position: a bool, or an array of them for many moments."""

    def exit(self, position: Position, snapshot: Snapshot, parameters: Any) -> Exit:
        """Sell this position now or not: the first of `exits` that says so."""
        moments = Moments(
            numbers=snapshot.numbers,
            price=float(snapshot.price),
            highest=float(position.highest_price),
            at_s=snapshot.price_as_of.timestamp(),
        )
        for cause, sell in zip(self.exits, self.sells(position, moments, parameters), strict=True):
            if sell:
                return Exit(sell=True, reason=cause.reason(position, snapshot))
        return HOLD
