"""What most strategies share, so that one's own is a few lines: numbers, a wish, and nothing else that must be written.

A strategy overrides what it does otherwise. The shipped ones name their gates and exits; the shortest one says which
numbers it looks at (`numbers`) and when it wants a market (`wants`): then it is held as long as it is wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from strategy import indicators
from strategy.base import Cause, Entry, Gate, Reason, Strategy
from strategy.gates import HISTORY, SETTLED, STOP, TURNOVER, choose, shown_numbers, stopped
from strategy.parameters import Count, Multiple, Won

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from strategy.base import Moments, Numbers, Position, Selection, Snapshot, Window

SIGNAL = Gate(code="signal", ko="신호 없음", en="no signal")
SIGNAL_END = Cause(code="signal_end", ko="신호 종료", en="the signal is over", of_market=True)
LEAST_HISTORY = 600
"""Candles of a window, where no parameter asks for more."""
ATR_PERIOD = 14


class Common(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a strategy that has no parameters of its own; one's own class may extend it."""

    stop_atr: Multiple = 5.0  # distance of the stop below the entry, in average ranges; 0: no stop
    min_turnover_krw: Won = 2e8  # least 24 h turnover, KRW
    min_candles: Count = 200  # least candles a market must have had
    cooldown_candles: Count = 6  # candles a market rests after an exit


class Scaffold(Strategy):
    """A strategy that buys what it wants and sells it when that is over, or at the stop.

    Without a name of its own it is called as its file is.
    """

    name: ClassVar[str] = ""
    ko: ClassVar[str] = ""
    en: ClassVar[str] = ""
    parameter_class: ClassVar[type[Any]] = Common
    gates: ClassVar[tuple[Gate, ...]] = (HISTORY, TURNOVER, SIGNAL)
    exits: ClassVar[tuple[Cause, ...]] = (STOP, SIGNAL_END)
    why: ClassVar[tuple[str, str]] = ("", "")
    """Why it buys, in Korean and English; its name where nothing is said."""
    shown: ClassVar[tuple[str, ...]] = ()
    """Names of the numbers the reason of a purchase quotes."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.name or cls.__module__.rpartition(".")[2]
        cls.ko, cls.en = (said or cls.name.replace("_", " ") for said in (cls.ko, cls.en))

    def history(self, parameters: Any, unit: timedelta) -> int:
        """Return three times the longest length that is set, at least `LEAST_HISTORY` candles."""
        del unit  # all lengths are candles
        lengths = [value for value in msgspec.to_builtins(parameters).values() if isinstance(value, int)]
        return max(LEAST_HISTORY, *(SETTLED * length for length in lengths))

    def cooldown(self, parameters: Any) -> int:
        """Return for how many candles a market rests after an exit."""
        return int(parameters.cooldown_candles)

    def numbers(self, window: Window, parameters: Any) -> Numbers:
        """Compute the numbers it decides on, for all markets and candles at once."""
        raise NotImplementedError

    def wants(self, now: Mapping[str, Any], parameters: Any) -> Any:
        """Say which markets it wants to hold, from their numbers at one candle or at many."""
        raise NotImplementedError

    def compute(self, window: Window, parameters: Any) -> Numbers:
        """Compute its own numbers, and those of the gates and the stop that all share."""
        return {
            **self.numbers(window, parameters),
            "atr": indicators.atr(window.high, window.low, window.close, ATR_PERIOD),
            "turnover_24h": window.turnover_24h,
            "candles": indicators.age(window.close),
        }

    def tests(self, now: Mapping[str, Any], parameters: Any) -> tuple[Any, ...]:
        """Say what each gate asks, in the order of `gates`."""
        return (
            HISTORY.asks(now["candles"], ">=", parameters.min_candles),
            TURNOVER.asks(now["turnover_24h"], ">=", parameters.min_turnover_krw),
            SIGNAL.asks(self.wants(now, parameters), "==", True),
        )

    def select(self, window: Window, numbers: Numbers, at: int | slice, parameters: Any) -> Selection:
        """Say for every market which condition of a target it fails first."""
        del window  # every number it holds is in `numbers`
        now = {name: values[:, at] for name, values in numbers.items()}
        return choose(numbers, at, tuple(numbers), self.tests(now, parameters))

    def enter(self, snapshot: Snapshot, parameters: Any) -> Entry:
        """Buy a target at once: the state is the signal, not an event in it."""
        ko, en = self.why
        shown = shown_numbers(snapshot.numbers, *self.shown)
        reason = Reason(code=self.name, ko=ko or self.ko, en=en or self.en, numbers=shown)
        width = getattr(parameters, "stop_atr", 0.0)
        stop = width * snapshot.numbers["atr"] if width else None
        return Entry(buy=snapshot.failed_gate is None, reason=reason, stop_distance=stop)

    def sells(self, position: Position, moments: Moments, parameters: Any) -> tuple[Any, ...]:
        """Sell at the stop, or when a market is wanted no longer."""
        return stopped(position, moments), self.leaves(moments.numbers, parameters)

    def leaves(self, now: Mapping[str, Any], parameters: Any) -> Any:
        """Say that a market is wanted no longer; False where one of the numbers is not known."""
        known = np.logical_and.reduce([np.isfinite(value) for name, value in now.items() if name != "turnover_24h"])
        return known & np.logical_not(self.wants(now, parameters))
