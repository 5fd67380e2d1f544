"""The parts of one running daemon, made by the command line and handed to every coroutine."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from state import State
from trader.books.memory import Comparison, Discovery, Shortage
from trader.news import News
from trader.orders import names

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime

    from config.settings import Config
    from journal.journal import Journal
    from journal.records import Halt, Note
    from notifier.discord import Discord
    from notifier.messages import Messages
    from strategy.base import Strategy
    from trader.candles.candle_store import CandleStore
    from trader.candles.kept import KeptCandles
    from trader.control import Control
    from trader.guards.watchdog import Watchdog
    from trader.health import Health
    from trader.orders.exits import Waiting
    from upbit.rest import Upbit
    from upbit.stream import CandleStream, TickerStream

log = logging.getLogger("trader")

EVENTS_KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, for the log line and the terminal."""

    at: datetime  # UTC
    kind: str
    facts: dict[str, object]

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{key}={value}" for key, value in self.facts.items())])


@dataclass(slots=True, kw_only=True)
class App:
    """Everything a coroutine may use. `state` is shared and locked; the rest has one owner each."""

    config: Config
    upbit: Upbit
    tickers: TickerStream
    candle_stream: CandleStream
    journal: Journal
    control: Control
    messages: Messages
    strategy: Strategy
    parameters: Any  # of the strategy
    candles: CandleStore
    kept_candles: KeptCandles
    health: Health
    clock: Callable[[], datetime]  # UTC
    rng: random.Random  # seeded: draws only
    seed: int  # of `rng`, for the log
    discord: Discord | None  # None: nobody wants messages
    account: str  # four characters that stand for the account in identifiers
    fingerprint: str  # of the access key in use
    mode: str  # whose money it is, as the settings say
    watchdog: Watchdog | None = None  # of the process, if it has one
    state: State = field(default_factory=State)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    prices_changed: asyncio.Event = field(default_factory=asyncio.Event)
    comparison: Comparison = field(default_factory=Comparison)
    discovery: Discovery = field(default_factory=Discovery)
    shortage: Shortage = field(default_factory=Shortage)
    news: News = field(default_factory=News)
    refusals: dict[str, set[str]] = field(default_factory=dict)  # name nobody knows: markets; by `orders/doubts.py`
    waiting: dict[str, Waiting] = field(default_factory=dict)  # trade: since when its exit waits; by trades/selling.py
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))

    def __post_init__(self) -> None:
        self.control.on_change = self._tell_control

    def _tell_control(self, kind: str, halt: Halt) -> None:
        level = logging.ERROR if kind == "halted" else logging.WARNING
        self.tell(
            kind, level=level, reason=halt.code, why=halt.en, state=self.control.state.name, evidence=halt.evidence
        )
        self.wake_notifier()

    def tell(self, kind: str, *, level: int = logging.INFO, **facts: object) -> None:
        """Log one event and keep it for the terminal."""
        event = Event(at=self.clock(), kind=kind, facts=facts)
        self.events.append(event)
        log.log(level, "%s", event)

    def inform(self, *notes: Note) -> None:
        """Write messages to a person down, and have them delivered."""
        self.journal.add_notes(list(notes))
        self.wake_notifier()

    def wake_notifier(self) -> None:
        """Say that there may be messages to deliver; never waits."""
        if self.discord is not None:
            self.discord.wake()

    @property
    def bot(self) -> str:
        """What stands for the mode and the account in every name of an order."""
        return names.bot_of(self.mode, self.account)

    async def name_of(self, market: str) -> str:
        """Return the market's name in the language of its reader, or its code while the list of markets is unknown."""
        listing = (await self.state.listings.snapshot()).get(market)
        if listing is None:
            return market
        return (listing.korean_name if self.config.language == "ko" else listing.english_name) or market
