"""One daemon's parts for tests: a real `App`, of which a test brings what it is about and nothing else."""

from __future__ import annotations

import inspect
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast
from unittest.mock import Mock

from config.settings import Config
from journal.journal import Journal
from notifier.messages import Messages
from strategy.scaffold import Scaffold
from trader.app import App
from trader.candles.candle_store import CandleStore
from trader.candles.kept import KeptCandles
from trader.control import Control
from trader.health import Health
from upbit.rest import Upbit
from upbit.stream import CandleStream, TickerStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from notifier.discord import Discord
    from state import State
    from strategy.base import Strategy
    from trader.books.memory import Comparison, Discovery, Shortage
    from trader.guards.watchdog import Watchdog

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
T = TypeVar("T")


class Given(TypedDict, total=False):
    """The parts a test may bring, as `App` has them."""

    config: Config
    upbit: Upbit
    tickers: TickerStream
    candle_stream: CandleStream
    journal: Journal
    control: Control
    messages: Messages
    strategy: Strategy
    parameters: object  # of the strategy
    candles: CandleStore
    kept_candles: KeptCandles
    health: Health
    clock: Callable[[], datetime]
    discord: Discord | None
    account: str
    fingerprint: str
    mode: str
    watchdog: Watchdog | None
    state: State
    stop: asyncio.Event
    comparison: Comparison
    discovery: Discovery
    shortage: Shortage


class Parts(App):
    """An `App` that keeps what it was told for a test to look at, and logs nothing."""

    tell: Mock
    wake_notifier: Mock

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tell, self.wake_notifier = Mock(), Mock()

    @property
    def said(self) -> list[str]:
        """Which kinds of events were told, in their order."""
        return [call.args[0] for call in self.tell.mock_calls]


class Mocked(Parts):
    """Parts that note what is asked of them, and answer as a test says."""

    upbit: Mock
    tickers: Mock
    candle_stream: Mock
    kept_candles: Mock
    journal: Mock
    control: Mock
    messages: Mock
    health: Mock
    strategy: Mock


P = TypeVar("P", bound=Parts)
MOCKED: dict[str, type] = {
    "upbit": Upbit,
    "tickers": TickerStream,
    "candle_stream": CandleStream,
    "kept_candles": KeptCandles,
    "journal": Journal,
    "control": Control,
    "messages": Messages,
    "health": Health,
}


def make_app(**given: Unpack[Given]) -> Parts:
    """Return a daemon's parts: those that are given, and for the rest the settings' defaults and mocks."""
    return assemble(Parts, **given)


def make_mocked(**given: Unpack[Given]) -> Mocked:
    """Return the same for a test that says what its mocks answer, and looks at what they were asked."""
    return assemble(Mocked, **given)


def assemble(kind: type[P], **given: Unpack[Given]) -> P:
    """Return parts of some kind, which may add what a test wants at hand."""
    parts: dict[str, Any] = {
        "config": Config(),
        "clock": lambda: NOW,
        "rng": random.Random(0),
        "seed": 0,
        "discord": None,
        "account": "abcd",
        "fingerprint": "abcd" * 4,
        "mode": "sandbox",
        "parameters": "parameters",
        "strategy": only(Scaffold, name="s", enter=Mock()),
        "candles": only(CandleStore, unit=timedelta(minutes=1), history=1, series=dict),
    }
    parts |= {name: mock(part) for name, part in MOCKED.items()}
    parts.update(given)
    return kind(**parts)


def mock(kind: type, **answers: object) -> Mock:
    """Return a mock that has what a class has, and nothing that was only its name once."""
    return Mock(spec=sorted(names_of(kind)), **answers)


def only(kind: type[T], **parts: object) -> T:
    """Return what stands for a `kind` and has these parts of it alone: whatever else is asked of it fails.

    Raises:
        AttributeError: a part that the class does not have, or no longer.
    """
    plain: type = kind
    if strange := parts.keys() - names_of(plain):
        raise AttributeError(f"{plain.__name__} has no {', '.join(sorted(strange))}")
    made = type(f"Only{plain.__name__}", (), {"__slots__": tuple(parts)})()
    for name, part in parts.items():
        setattr(made, name, part)
    return cast("T", made)


@cache
def names_of(kind: type) -> frozenset[str]:
    """Return the names of what an object of a class has: methods, fields, and what its `__init__` sets."""
    inits = [part for base in kind.__mro__ for name, part in vars(base).items() if "__init__" in name]
    fields = [inspect.get_annotations(base) for base in kind.__mro__]
    return frozenset(dir(kind)).union(*fields, *(init.__code__.co_names for init in inits if hasattr(init, "__code__")))
