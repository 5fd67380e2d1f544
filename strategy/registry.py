"""Find a strategy by the name in the settings, and check its parameters.

One's own strategy is a file beside these: `strategy/NAME.py` with an object `STRATEGY` (docs/strategies.md).
"""

from __future__ import annotations

import importlib
import importlib.util
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from failure import CONFIGURATION, Failure
from strategy.btc_only import BtcOnly
from strategy.parameters import bounds
from strategy.quiet_breakout import QuietBreakout
from strategy.quiet_trend import QuietTrend
from strategy.rare_dip import RareDip
from strategy.volatility_breakout import VolatilityBreakout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from strategy.base import Strategy

STRATEGIES: tuple[Strategy, ...] = (QuietTrend(), QuietBreakout(), RareDip(), BtcOnly(), VolatilityBreakout())


MEMBERS = (
    "name", "ko", "en", "parameter_class", "gates", "exits",
    "history", "cooldown", "compute", "select", "enter", "sells", "exit",
)  # fmt: skip
"""What every strategy has (`strategy/base.py`)."""


class StrategyError(Failure):
    """A strategy or one of its parameters cannot be used: which, and what is possible."""

    exit_code = CONFIGURATION


def load(name: str, parameters: Mapping[str, object]) -> tuple[Strategy, Any]:
    """Return the strategy of that name and its parameters.

    Raises:
        StrategyError: for an unknown name or parameter, with the nearest right one, a value out of its range, or a
            file of one's own that cannot be used.
    """
    known = {strategy.name: strategy for strategy in STRATEGIES}
    strategy = known.get(name) or load_own(name)
    if strategy is None:
        guess = nearest(name, known)
        raise StrategyError(
            f"strategy.name: '{name}'라는 전략은 없습니다. 혹시 '{guess}'인가요? 가능한 값: {', '.join(known)}",
            f"strategy.name: there is no strategy '{name}'. Did you mean '{guess}'? Possible: {', '.join(known)}",
        )
    return strategy, convert(strategy, parameters)


def load_own(name: str) -> Strategy | None:
    """Return the strategy of `strategy/NAME.py`; None when there is no such file, or it holds none.

    Raises:
        StrategyError: when the file cannot be read as Python, or its strategy lacks something.
    """
    if not name.isidentifier() or importlib.util.find_spec(f"strategy.{name}") is None:
        return None
    try:
        found = getattr(importlib.import_module(f"strategy.{name}"), "STRATEGY", None)
    except Exception as error:  # whatever a file of the user's does when it is read, the user is told in one sentence
        raise StrategyError(
            f"strategy/{name}.py: 파일을 읽는 중 오류가 났습니다: {type(error).__name__}: {error}",
            f"strategy/{name}.py: reading it failed: {type(error).__name__}: {error}",
        ) from error
    missing = [] if found is None else lacking(found)
    if missing:
        raise StrategyError(
            f"strategy/{name}.py: STRATEGY에 빠진 것이 있습니다: {', '.join(missing)} (docs/strategies.md)",
            f"strategy/{name}.py: STRATEGY lacks {', '.join(missing)} (docs/strategies.md)",
        )
    return found


def lacking(strategy: object) -> list[str]:
    """Return what a strategy must have and this one has not; `exit` comes with the base class."""
    return [member for member in MEMBERS if not hasattr(strategy, member)]


def convert(strategy: Strategy, parameters: Mapping[str, object]) -> Any:
    """Return checked parameters of a strategy."""
    fields = strategy.parameter_class.__struct_fields__
    for given in parameters:
        if given not in fields:
            guess = nearest(given, fields)
            raise StrategyError(
                f"strategy.parameters.{given}: {strategy.name} 전략에 없는 값입니다. 혹시 '{guess}'인가요?",
                f"strategy.parameters.{given}: {strategy.name} has no such parameter. Did you mean '{guess}'?",
            )
    plain = {name: float(value) if isinstance(value, Decimal) else value for name, value in parameters.items()}
    try:
        return msgspec.convert(plain, strategy.parameter_class)
    except msgspec.ValidationError as error:
        raise StrategyError(
            f"strategy.parameters: 값을 쓸 수 없습니다: {error}. 허용 범위: {ranges(strategy, parameters)}",
            f"strategy.parameters: a value cannot be used: {error}. Allowed: {ranges(strategy, parameters)}",
        ) from error


def ranges(strategy: Strategy, names: Iterable[str]) -> str:
    """Return the allowed ranges of some parameters."""
    known = bounds(strategy.parameter_class)
    return ", ".join(f"{name} {known[name][0]:g} ~ {known[name][1]:g}" for name in names if name in known)


def nearest(word: str, possible: Iterable[str]) -> str:
    """Return the possible word that looks most like the given one."""
    words = list(possible)
    return (get_close_matches(word, words, n=1, cutoff=0.0) or words)[0]
