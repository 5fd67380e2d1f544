"""What every page stands on: the daemon's parts, its journal read beside it, and what somebody has asked for."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from config.redaction import Redaction
from dashboard.passes import FOLDER, Passes, Role
from journal import JOURNAL_FILE
from journal.reader import open_reader
from views.chart import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from config.settings import Config
    from journal.queries import Queries
    from trader.app import App

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Who looks, at what, when."""

    now: datetime  # UTC
    config: Config
    role: Role
    asked: Mapping[str, str] = field(default_factory=dict)  # of the address
    names: Mapping[str, str] = field(default_factory=dict)  # of coins, by market, in the language of the settings
    kept: Kept | None = None  # candles; None where nobody needs them

    @property
    def language(self) -> str:
        """Of the settings."""
        return self.config.language

    @property
    def hide(self) -> Redaction:
        """What takes secrets out of a text."""
        return Redaction.of(self.config)

    def say(self, ko: str, en: str) -> str:
        """Return a text in the language of the settings."""
        return ko if self.language == "ko" else en


@dataclass(slots=True)
class Desk:
    """The parts of a daemon that its page uses.

    A thread of its own reads the journal, through a connection that cannot write: no viewer keeps the loop waiting.
    """

    app: App
    passes: Passes
    seconds: float = 1.0  # of loop time in one second of a person
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "dashboard"))

    @classmethod
    def of(cls, app: App, seconds: float) -> Desk:
        """Return the desk of a daemon."""
        return cls(app, Passes(folder=app.config.data_dir / FOLDER, clock=app.clock), seconds)

    async def sight(self, role: Role, asked: Mapping[str, str]) -> Sight:
        """Return what somebody sees now."""
        app, listings = self.app, await self.app.state.listings.snapshot()
        korean = app.config.language == "ko"
        told = {market: one.korean_name if korean else one.english_name for market, one in listings.items()}
        named = {market: name for market, name in told.items() if name}
        kept = Kept(
            unit=app.candles.unit,
            history=app.candles.history,
            series=app.candles.series(),
            strategy=app.strategy,
            parameters=app.parameters,
        )
        return Sight(now=app.clock(), config=app.config, role=role, asked=asked, names=named, kept=kept)

    async def read(self, question: Callable[[Queries], T]) -> T:
        """Ask the journal something, as it is at one moment.

        Raises:
            JournalError: it cannot be read.
        """
        path = self.app.config.data_dir / JOURNAL_FILE

        def ask() -> T:
            with open_reader(path) as journal, journal.at_one_moment():
                return question(journal)

        return await asyncio.get_running_loop().run_in_executor(self._thread, ask)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
