"""The parts of one running daemon, made by the command line and handed to every coroutine."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from state import State

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from config.settings import Config
    from journal.journal import Journal
    from journal.records import Halt
    from notifier.discord import Discord
    from notifier.messages import Messages
    from strategy.base import Strategy
    from trader.candles import CandleStore
    from trader.control import Control
    from trader.health import Health
    from upbit.models import Market, Order
    from upbit.rest import Upbit
    from upbit.stream import TickerStream

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
    journal: Journal
    control: Control
    messages: Messages
    strategy: Strategy
    parameters: Any  # of the strategy
    candles: CandleStore
    health: Health
    clock: Callable[[], datetime]  # UTC
    rng: random.Random  # seeded: draws only
    seed: int  # of `rng`, for the log
    discord: Discord | None  # None: nobody wants messages
    account: str  # four characters that stand for the account in identifiers
    fingerprint: str  # of the access key in use
    mode: str  # "live" or "sandbox"
    state: State = field(default_factory=State)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    prices_changed: asyncio.Event = field(default_factory=asyncio.Event)
    listings: dict[str, Market] = field(default_factory=dict)  # written by `update_indicators_periodically`
    closing: dict[str, str] = field(default_factory=dict)  # market: its state or its announced end; by `update_prices`
    resting: dict[str, datetime] = field(default_factory=dict)  # market: when a refused entry may be tried again
    compare_now: asyncio.Event = field(default_factory=asyncio.Event)  # wakes the next comparison with the exchange
    comparisons: int = 0  # how often all orders were compared since the start
    reconciled: bool = False  # whether the journal was compared with the exchange since the start
    compared_s: float | None = None  # loop time at which the last whole comparison began
    thorough_at: datetime | None = None  # when a whole day of orders was last compared with the journal
    fetched: dict[str, Order] = field(
        default_factory=dict
    )  # by uuid: unknown ones, until all of their market are there
    missing: dict[str, Decimal] = field(default_factory=dict)  # trade: units that were not there at the last look
    balances_s: float | None = None  # loop time of that look
    puzzled: dict[str, str] = field(default_factory=dict)  # market: what its strategy failed with, as told last
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

    def wake_notifier(self) -> None:
        """Say that there may be messages to deliver; never waits."""
        if self.discord is not None:
            self.discord.wake()

    def korean_name(self, market: str) -> str:
        """Return the market's Korean name, or its code while the list of markets is unknown."""
        listing = self.listings.get(market)
        return listing.korean_name if listing else market
