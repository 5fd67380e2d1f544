"""One sandbox plays Upbit, a second one is an exchange on paper in front of it, and a daemon trades there."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cli.demo import ledger_equal
from config.reading import load
from paper.upstream import open_live
from sandbox.faults.plan import FaultPlan
from sandbox.server import Opened, Sandbox, SandboxOptions, open_source
from sandbox.wire import from_ms
from simulation.loop import LoopClock, library_clocks
from tests.helpers.daemon_desk import KEYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from config.settings import Config
    from paper.wallet import Wallet
    from sandbox.exchange.orders import Fill, Order
    from sandbox.market.feed import Book
    from sandbox.market.sources.live import LiveSource
    from sandbox.wire import Json
    from trader.app import App

START = datetime(2026, 11, 2, tzinfo=UTC)
LATENCY_MS = 50


@dataclass(frozen=True, slots=True)
class PaperDesk:
    """Who plays Upbit, what is known of it, and the exchange in front of it."""

    upbit: Sandbox
    live: LiveSource
    box: Sandbox
    clock: LoopClock
    fills: Fills

    def check(self, app: App) -> None:
        """Insist that nothing was filled that could not have been, that both books say the same, and on manners."""
        wrong = [(why, seen) for seen in self.fills.all if (why := seen.wrong())]
        assert not wrong, (Counter(why for why, _ in wrong), wrong[:3])
        assert self.upbit.violations == Counter()
        assert self.upbit.orders_received == 0
        assert self.upbit.internal_errors == self.box.internal_errors == 0
        assert ledger_equal(app.journal.totals(), self.box.balances(), self.box.options.krw)
        self.box.exchange.verify()

    def config(self, folder: Path, *overrides: str) -> Config:
        """Return the settings of a daemon that trades here."""
        environ = {**KEYS, "UPBIT_BASE_URL": self.box.url, "BOT_DATA_DIR": str(folder), "BOT_LANGUAGE": "en"}
        return load(environ, overrides=["strategy.unit=1", "trading.seed=1", *overrides])


class Fills:
    """Every fill, and what was known when it happened."""

    def __init__(self, live: LiveSource) -> None:
        self.all: list[Seen] = []
        self._live = live
        self._looked: dict[str, int] = {}  # market: when a book was last asked for
        look = live.looked

        def looked(market: str, row: Json, asked_ms: int) -> None:
            self._looked[market] = asked_ms
            look(market, row, asked_ms)

        live.looked = looked  # type: ignore[method-assign]  # it goes on as before

    def on_order(self, order: Order, _event: str, fill: Fill | None) -> None:
        """Take note."""
        if fill is not None:
            market = order.asked.market
            book = self._live.known_book(market)
            assert book is not None
            known_ms = max(book.at_ms, self._looked.get(market, 0))
            self.all.append(Seen(order, fill, book, known_ms, self._live.flowing, self._among_us(market, fill)))

    def _among_us(self, market: str, fill: Fill) -> bool:
        """Return whether the other side was an order that rests here: it was filled just before."""
        last = self.all[-1] if self.all else None
        return last is not None and (
            last.fill.maker,
            last.order.asked.market,
            last.fill.price,
            last.fill.volume,
            last.fill.at_ms,
        ) == (True, market, fill.price, fill.volume, fill.at_ms)

    def on_assets(self, *_: object) -> None:
        """Balances are looked at in the end."""


class Seen(NamedTuple):
    """A fill, the book that was known then, until when it is known to have been true, and whether all was heard.

    `among_us`: the other side was an order of this exchange, which shows a price of its own.
    """

    order: Order
    fill: Fill
    book: Book
    known_ms: int
    flowing: bool
    among_us: bool

    def wrong(self) -> str:
        """Return what about it cannot be; nothing when all is well."""
        if not self.flowing:
            return "filled in a gap"
        if self.known_ms < self.order.created_ms + LATENCY_MS:
            return "filled by a book of before"
        levels = self.book.asks if self.order.asked.side == "bid" else self.book.bids
        if not self.fill.maker and not self.among_us and self.fill.price not in {level.price for level in levels}:
            return "filled at a price nobody showed"
        return ""


def plan(rules: Sequence[Mapping[str, Any]]) -> FaultPlan | None:
    """Return what goes wrong at the exchange that plays Upbit."""
    made = {"description": "a test", "seed": 1, "rules": list(rules)}
    return msgspec.convert(made, FaultPlan) if rules else None


@asynccontextmanager
async def played_upbit(
    *, markets: int = 8, seed: int = 1, faults: Sequence[Mapping[str, Any]] = ()
) -> AsyncIterator[tuple[Sandbox, LoopClock]]:
    """Open the exchange that plays Upbit."""
    clock = LoopClock(START, asyncio.get_running_loop())
    options = SandboxOptions(seed=seed, markets=markets, start=START, faults=plan(faults))
    with library_clocks(asyncio.get_running_loop()):
        async with Sandbox(options, clock, open_source(options, START)) as upbit:
            yield upbit, clock


@asynccontextmanager
async def on_paper(
    upbit: Sandbox, clock: LoopClock, *, krw: int = 1_000_000, wallet: Wallet | None = None
) -> AsyncIterator[PaperDesk]:
    """Open an exchange on paper in front of it."""
    options = SandboxOptions(krw=Decimal(krw), access_key=KEYS["ACCESS_KEY"], secret_key=KEYS["SECRET_KEY"])
    async with (
        open_live(upbit.url, clock, rng=random.Random(1), latency_ms=LATENCY_MS) as live,
        Sandbox(options, clock, Opened(live, from_ms(live.start_ms)), wallet) as box,
    ):
        fills = Fills(live)
        box.exchange.listeners.append(fills)
        yield PaperDesk(upbit, live, box, clock, fills)


@asynccontextmanager
async def paper_desk(
    *, markets: int = 8, seed: int = 1, faults: Sequence[Mapping[str, Any]] = (), wallet: Wallet | None = None
) -> AsyncIterator[PaperDesk]:
    """Open both exchanges."""
    async with (
        played_upbit(markets=markets, seed=seed, faults=faults) as (upbit, clock),
        on_paper(upbit, clock, wallet=wallet) as desk,
    ):
        yield desk
