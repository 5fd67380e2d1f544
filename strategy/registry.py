"""Find a strategy by the name in the settings, and check its parameters."""

from __future__ import annotations

from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import msgspec

from strategy.btc_only import BtcOnly
from strategy.parameters import bounds
from strategy.quiet_breakout import QuietBreakout
from strategy.quiet_trend import QuietTrend
from strategy.rare_dip import RareDip

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from strategy.base import Strategy

STRATEGIES: tuple[Strategy, ...] = (QuietTrend(), QuietBreakout(), RareDip(), BtcOnly())


class StrategyError(Exception):
    """A strategy or one of its parameters cannot be used; `ko` and `en` say which and what is possible."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.ko = ko
        self.en = en


def load(name: str, parameters: Mapping[str, object]) -> tuple[Strategy, Any]:
    """Return the strategy of that name and its parameters.

    Raises:
        StrategyError: for an unknown name or parameter, with the nearest right one, or a value out of its range.
    """
    known = {strategy.name: strategy for strategy in STRATEGIES}
    if name not in known:
        guess = nearest(name, known)
        raise StrategyError(
            f"strategy.name: '{name}'라는 전략은 없습니다. 혹시 '{guess}'인가요? 가능한 값: {', '.join(known)}",
            f"strategy.name: there is no strategy '{name}'. Did you mean '{guess}'? Possible: {', '.join(known)}",
        )
    strategy = known[name]
    return strategy, convert(strategy, parameters)


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
