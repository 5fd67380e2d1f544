"""What a person sees while the daemon runs: a picture on a terminal, one heartbeat line a minute without one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from cli.common.picture import Picture, Position
from config.redaction import Redaction
from notifier.words import readable
from views.events import told
from views.status import Seen, status
from views.why import NothingKnown, funnel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from datetime import datetime

    from state import ActiveTrade, Price
    from trader.app import App
    from views.status import Held

REFRESH_S = 0.5
HEARTBEAT_S = 60.0
EVENTS_SHOWN = 8
EVENTS_READ = 200
"""So many events of the journal are looked through for those a person should know."""
WARNINGS_KEPT, WARNINGS_SHOWN = 100, 2
HEARD = ("update_prices", "update_wallet_realtime")
"""The loops that hear the exchange all the time."""


def follow(*, real_seconds: float) -> Callable[[App], Coroutine[None, None, None]]:
    """Return what shows the daemon; `real_seconds` is how many seconds of loop time pass in one second."""
    if sys.stdout.isatty():
        return lambda app: show(app, REFRESH_S * min(real_seconds, 3600.0))
    return lambda app: beat(app, HEARTBEAT_S * min(real_seconds, 3600.0))


async def beat(app: App, period: float) -> None:
    """Log one line with counts every `period` seconds of loop time."""
    while True:
        await asyncio.sleep(period)
        counts = app.journal.counts()
        app.tell(
            "alive",
            targets=len(await app.state.target_dict.snapshot()),
            markets=len(await app.state.listings.snapshot()),
            trading=len(await app.state.trading_dict.snapshot()),
            open=counts.open_trades,
            buys=counts.buys,
            sells=counts.sells,
            state=app.control.state.name,
            dead=",".join(app.health.dead()) or "-",
        )


async def show(app: App, period: float) -> None:
    """Keep a picture on a screen of its own, and leave the warnings behind that came meanwhile."""
    eye = Eye(app)
    with warnings_kept() as eye.logged, Live(console=Console(), auto_refresh=False, screen=True) as live:
        while True:
            live.update(await eye.look(), refresh=True)
            await asyncio.sleep(period)


class Keeper(logging.Handler):
    """Keeps the last lines of the log for the picture, instead of writing through it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=WARNINGS_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(self.format(record))


@contextlib.contextmanager
def warnings_kept() -> Iterator[deque[str]]:
    """Yield the warnings that come while the picture stands, and write them to the terminal after it; files go on."""
    root = logging.getLogger()
    writers = [one for one in root.handlers if isinstance(one, logging.StreamHandler) and one.stream is sys.stderr]
    keeper = Keeper()
    for writer in writers:
        keeper.setFormatter(writer.formatter)
        keeper.filters = writer.filters
        root.removeHandler(writer)
    root.addHandler(keeper)
    try:
        yield keeper.lines
    finally:
        root.removeHandler(keeper)
        for writer in writers:
            root.addHandler(writer)
        for line in keeper.lines:
            print(line, file=sys.stderr)  # noqa: T201 - the log itself, late


@dataclass(slots=True)
class Eye:
    """Looks at a running daemon; keeps what does not change between two looks."""

    app: App
    logged: deque[str] = field(default_factory=deque)
    _events: tuple[int, tuple[tuple[datetime, str], ...]] = (-1, ())
    _in_the_way: tuple[datetime | None, str | None] = (None, None)

    async def look(self) -> Picture:
        """Return what is so now."""
        app, now = self.app, self.app.clock()
        hide = Redaction.of(app.config)
        prices = {market: known for market, known in (await app.state.trading_dict.snapshot()).items() if known}
        krw = (await app.state.wallet_dict.snapshot()).get("KRW")
        seen = Seen(
            at=now,
            prices={market: known.price for market, known in prices.items()},
            places=app.config.trading.max_open_trades,
            won=krw.available if krw else None,
            won_at=krw.as_of if krw else None,
        )
        found = status(app.journal, now, seen)
        trades = await app.state.active_trade.snapshot()
        return Picture(
            language=app.config.language,
            colors=app.config.colors,
            mode=app.mode,
            at=now,
            state=app.control.state,
            silent_s=app.health.quiet_s(*HEARD),
            warnings=tuple(hide(line) for line in warnings(app)),
            status=found,
            positions=tuple([await self._position(trade, found.held, prices, now) for trade in trades.values()]),
            targets=tuple(sorted(await app.state.target_dict.snapshot())),
            markets=len(await app.state.listings.snapshot()),
            fees=app.journal.fees(),
            rates=app.upbit.rates(),
            in_the_way=self._what_stands_in_the_way(now) if len(trades) < (found.places or 0) else None,
            happened=self._happened(hide),
            logged=tuple(self.logged)[-WARNINGS_SHOWN:],
        )

    async def _position(
        self, trade: ActiveTrade, held: tuple[Held, ...], prices: Mapping[str, Price], now: datetime
    ) -> Position:
        bought = (one for one in held if one.market == trade.market and one.entry is not None)
        known = prices.get(trade.market)
        return Position(
            name=await self.app.name_of(trade.market),
            market=trade.market,
            phase=trade.phase,
            held=next(bought, None),
            age_s=(now - known.as_of).total_seconds() if known else None,
        )

    def _what_stands_in_the_way(self, now: datetime) -> str | None:
        """Return why nothing is bought, from the last look at all markets."""
        look = self.app.journal.looked_last()
        if look != self._in_the_way[0]:
            try:
                sentence = funnel(self.app.journal, now).sentence(self.app.config.language)
            except NothingKnown:
                sentence = None
            self._in_the_way = (look, sentence)
        return self._in_the_way[1]

    def _happened(self, hide: Redaction) -> tuple[tuple[datetime, str], ...]:
        """Return the newest events in sentences, oldest first."""
        journal, language = self.app.journal, self.app.config.language
        last = journal.last_event()
        if last != self._events[0]:
            events = journal.happened(last - EVENTS_READ, EVENTS_READ)
            sentences = ((event.at, told(journal, event)) for event in events)
            words = [(at, hide(readable(one.say(language)))) for at, one in sentences if one is not None]
            self._events = (last, tuple(words[-EVENTS_SHOWN:]))
        return self._events[1]


def warnings(app: App) -> list[str]:
    """Return what needs a person, in words: why trading is halted, and why no message arrives."""
    language = app.config.language
    lines = [readable(getattr(halt, language)) for halt in app.control.reasons]
    if app.discord is not None and app.discord.trouble is not None:
        lines.append(app.discord.trouble.say(language))
    return lines
