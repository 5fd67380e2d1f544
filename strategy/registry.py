"""Find a strategy by the name in the settings, and check its parameters.

One's own strategy is a file beside these: `strategy/NAME.py` with an object `STRATEGY` (docs/strategies.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from contextlib import suppress
from decimal import Decimal
from difflib import get_close_matches
from importlib.abc import InspectLoader
from typing import TYPE_CHECKING, Any

import msgspec

from failure import CONFIGURATION, Failure
from strategy.btc_only import BtcOnly
from strategy.parameters import bounds
from strategy.quiet_breakout import QuietBreakout
from strategy.quiet_trend import QuietTrend
from strategy.rare_dip import RareDip
from strategy.trial import try_out, unwritten
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
    if name in known:
        return known[name], convert(known[name], parameters)
    strategy = load_own(name)
    if strategy is None:
        possible = [*known, *own_names()]
        guess = nearest(name, possible)
        raise StrategyError(
            f"strategy.name: '{name}'라는 전략은 없습니다. 혹시 '{guess}'인가요? 가능한 값: {', '.join(possible)}",
            f"strategy.name: there is no strategy '{name}'. Did you mean '{guess}'? Possible: {', '.join(possible)}",
        )
    converted = convert(strategy, parameters)
    if fault := try_out(strategy, converted):
        raise StrategyError(
            f"strategy/{name}.py {fault.ko} (docs/strategies.md)", f"strategy/{name}.py {fault.en} (docs/strategies.md)"
        )
    return strategy, converted


def own_names() -> list[str]:
    """Return the names of the strategies of one's own: files beside ours that hold a `STRATEGY`; none is imported."""
    found = []
    for module in pkgutil.iter_modules(importlib.import_module("strategy").__path__):
        with suppress(ImportError, OSError, SyntaxError, UnicodeDecodeError):
            if re.search(r"^STRATEGY\b", source_of(f"strategy.{module.name}"), flags=re.MULTILINE):
                found.append(module.name)
    return found


def source_of(module: str) -> str:
    """Return the text of a module without importing it."""
    loader = getattr(importlib.util.find_spec(module), "loader", None)
    return (loader.get_source(module) if isinstance(loader, InspectLoader) else None) or ""


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
    if found is None:
        return None
    missing = lacking(found)
    if missing:
        raise StrategyError(
            f"strategy/{name}.py: STRATEGY에 빠진 것이 있습니다: {', '.join(missing)} (docs/strategies.md)",
            f"strategy/{name}.py: STRATEGY lacks {', '.join(missing)} (docs/strategies.md)",
        )
    if found.name != name:
        raise StrategyError(
            f"strategy/{name}.py: STRATEGY의 이름이 '{found.name}'입니다. 파일 이름과 같게 '{name}'으로 바꾸세요.",
            f"strategy/{name}.py: STRATEGY is called '{found.name}'. Call it '{name}', as its file is.",
        )
    return found  # type: ignore[no-any-return] # it has been looked at


def lacking(strategy: object) -> list[str]:
    """Return what a strategy must have and this one has not; `exit` comes with the base class."""
    absent = [member for member in MEMBERS if not hasattr(strategy, member)]
    return absent + [name for name in unwritten(strategy) if name not in absent]


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
