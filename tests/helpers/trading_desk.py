"""The daemon's own parts against a real sandbox over loopback, on a loop that skips waiting."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from config.settings import Config, Secret
from journal.records import IntentState, Phase
from sandbox.server import Opened, Sandbox, SandboxOptions
from simulation.loop import LoopClock, PacedLoop, library_clocks
from state import ActiveTrade, Balance, Price
from strategy.base import Entry, Exit, Reason, Snapshot
from tests.helpers.sandbox_desk import PRICE, START, FakeSource
from tests.helpers.values import changed
from trader.books.memory import EXPLAINED_AFTER_S
from trader.books.reconcile import reconcile
from trader.daemon import build
from trader.orders.risk import WALLET_LAG
from trader.restore import recover
from trader.trades import lifecycle
from trader.trades.positions import reserve
from upbit.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from journal.records import Intent, Trade
    from sandbox.exchange.orders import Order
    from trader.app import App

MARKET = "KRW-BTC"
ACCESS_KEY, SECRET_KEY = "desk-access-key", "desk-secret-key-0123456789abcdef01234567"
WHY = Reason(code="test", ko="시험", en="test")


@dataclass
class Desk:
    """A sandbox with its user, and the folder a daemon works in. `daemon()` starts one: as often as wished."""

    box: Sandbox
    clock: LoopClock
    folder: Path
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    settings: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def daemon(self, folder: Path | None = None) -> AsyncIterator[App]:
        """Build the parts of a daemon as `run` does, without its loops."""
        config = replace(
            Config(),
            access_key=Secret(self.access_key),
            secret_key=Secret(self.secret_key),
            base_url=self.box.url,
            data_dir=folder or self.folder,
            language="en",
            **self.settings,
        )
        async with build(config, self.clock, asyncio.Event()) as app:
            yield app

    @asynccontextmanager
    async def started(self, folder: Path | None = None) -> AsyncIterator[App]:
        """Start a daemon up to the point where it would trade: recovered and compared."""
        async with self.daemon(folder) as app:
            await recover(app)
            await reconcile(app)
            yield app

    def orders(self) -> list[Order]:
        """Return every order the exchange has, oldest first."""
        return list(self.box.exchange.orders.values())

    def free(self, currency: str) -> Decimal:
        """Return what the account can use."""
        return self.box.balances().get(currency, (Decimal(0), Decimal(0)))[0]

    def user_orders(self, **body: str) -> Order:
        """Let the user place an order in Upbit's own app."""
        return self.box.exchange.place({"market": MARKET, **body})


def told(path: Path, script: Callable[[Desk], Coroutine[Any, Any, None]], **options: object) -> None:
    """Run a story against a sandbox in which KRW-BTC trades at one price."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(START, loop)
        settings = changed(SandboxOptions(access_key=ACCESS_KEY, secret_key=SECRET_KEY), **options)
        with library_clocks(loop):
            async with Sandbox(settings, clock, Opened(FakeSource(), START)) as box:
                await script(Desk(box, clock, path / "data"))
                assert box.internal_errors == 0

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


async def buy(app: App, *, stop_distance: float | None = 1_000_000.0) -> Trade:
    """Let the strategy want KRW-BTC now, long after the start, and follow the buy to its end."""
    now = app.clock()
    app.comparison.first_s = asyncio.get_running_loop().time() - EXPLAINED_AFTER_S
    snapshot = Snapshot(
        market=MARKET,
        candle_closed_at=now.replace(second=0, microsecond=0),
        numbers={},
        failed_gate=None,
        price=Decimal(PRICE),
        price_as_of=now,
    )
    await see_the_world(app)
    active = ActiveTrade(market=MARKET, started_at=now, phase=Phase.BUYING)
    async with app.state.active_trade.locked() as trading:
        trading[MARKET] = active
    await lifecycle.buy(app, snapshot, Entry(buy=True, reason=WHY, stop_distance=stop_distance))
    trade = app.journal.open_trade_in(MARKET)
    assert trade is not None
    return trade


async def buy_given_up(app: App) -> Intent:
    """Let a buy never arrive, and the journal take it for fenced, which must not be; return it."""
    with patch.object(app.upbit, "place", side_effect=OutcomeUnknown("lost")), pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await buy(app)
    (intent,) = app.journal.live_intents()
    app.journal.see(intent.identifier, IntentState.FENCED, "fence")
    app.journal.abandon_trade(intent.trade_id, "FENCED")
    return intent


async def sell(app: App) -> None:
    """Let the strategy want to leave KRW-BTC now, and follow the sale to its end."""
    await see_the_world(app)
    assert await reserve(app.state, MARKET, Phase.HOLDING, Phase.SELLING)
    await lifecycle.sell(app, MARKET, Exit(sell=True, reason=WHY))


async def until_the_wallet_shows_it() -> None:
    """Let so much time pass that balances show what was filled last."""
    await asyncio.sleep(WALLET_LAG.total_seconds())


async def see_the_world(app: App) -> None:
    """Fill wallet and prices as the coroutines of a daemon do, a second later."""
    await asyncio.sleep(1)
    now = app.clock()
    accounts = await app.upbit.accounts()
    await app.state.wallet_dict.replace(
        {one.currency: Balance(available=one.available, locked=one.locked, as_of=now) for one in accounts}
    )
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(PRICE), as_of=now)})


async def rounds(app: App, number: int) -> None:
    """Let some minutes pass, each with a comparison."""
    for _ in range(number):
        await asyncio.sleep(60)
        await reconcile(app)
