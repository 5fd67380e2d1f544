"""What a search may change: one axis for each parameter of a strategy."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from backtest.problems import UsageProblem
from strategy.parameters import bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from strategy.base import Strategy

FIXED = frozenset({"min_candles", "cooldown_candles", "min_turnover_krw"})
"""Not searched unless asked for: they say what may be traded at all, not when."""
PARTS_OF_AN_AXIS = 10
"""A neighbour lies a tenth of its axis away, where no step is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """The values of one parameter that a search may take, both ends included."""

    name: str
    low: float
    high: float
    step: float | None = None
    whole: bool = False  # only whole numbers

    @property
    def neighbour(self) -> float:
        """How far the next value lies that is worth a look."""
        tenth = (self.high - self.low) / PARTS_OF_AN_AXIS
        return self.step or (max(1.0, round(tenth)) if self.whole else tenth)

    def value(self, number: float) -> float | int:
        """Return a number as the parameter wants it, not outside the axis."""
        inside = min(max(number, self.low), self.high)
        return round(inside) if self.whole else inside


def space_of(strategy: Strategy, texts: Iterable[str]) -> tuple[Axis, ...]:
    """Return the axes that were asked for as `name=low:high[:step]`; without any, half to twice of every default.

    Raises:
        UsageProblem: for an unknown parameter, a text of another form, or values out of the parameter's bounds.
    """
    limits, defaults = bounds(strategy.parameter_class), strategy.parameter_class()
    asked = tuple(read_axis(strategy, text, limits, defaults) for text in texts)
    if asked:
        return asked
    return tuple(
        axis(name, max(low, value / 2), min(high, value * 2), None, defaults)
        for name, (low, high) in limits.items()
        if name not in FIXED and (value := getattr(defaults, name)) > 0
    )


def axis(name: str, low: float, high: float, step: float | None, defaults: Any) -> Axis:
    """Return an axis of the kind its parameter has."""
    whole = isinstance(getattr(defaults, name), int)
    if whole:
        low, high = float(round(low)), float(round(high))
    return Axis(name=name, low=low, high=high, step=step, whole=whole)


def read_axis(strategy: Strategy, text: str, limits: Mapping[str, tuple[float, float]], defaults: Any) -> Axis:
    """Read one axis."""
    name, _, values = text.partition("=")
    if name not in limits:
        known = ", ".join(limits)
        raise UsageProblem(
            f"--space {text}: {strategy.name} 전략에 {name} 매개변수가 없습니다. 가능한 값: {known}",
            f"--space {text}: {strategy.name} has no parameter {name}. Possible: {known}",
        )
    numbers = [number(part) for part in values.split(":")]
    if len(numbers) not in {2, 3} or None in numbers:
        raise UsageProblem(
            f"--space {text}: 이름=최소:최대[:간격] 형식이어야 합니다. 예: fast=5:20:5",
            f"--space {text}: must be name=low:high[:step], for example fast=5:20:5",
        )
    low, high, *rest = (one for one in numbers if one is not None)
    step = rest[0] if rest else None
    least, most = limits[name]
    if not least <= low < high <= most or (step is not None and not 0 < step <= high - low):
        raise UsageProblem(
            f"--space {text}: 최소 < 최대이고 {least:g} ~ {most:g} 범위 안이어야 합니다.",
            f"--space {text}: low must be below high, and both within {least:g} ~ {most:g}.",
        )
    return axis(name, low, high, step, defaults)


def number(text: str) -> float | None:
    """Return the finite number a text says; None when it says none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
