"""Build the daemon from its settings and run its five coroutines until it is told to stop.

`run` and `demo` both call `serve`; they differ in the base URL, the clock and the loop, never in what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from config.redaction import Redaction
from config.settings import most_spent
from config.version import VERSION
from journal import JOURNAL_FILE
from journal.journal import Journal
from notifier.discord import Discord
from notifier.messages import Messages
from strategy import registry
from trader.app import App
from trader.books.breach import on_failure
from trader.books.owner import claim_mode
from trader.books.reconcile import reconcile_periodically
from trader.candles.candle_store import CandleStore
from trader.candles.kept import CANDLES_FILE, KeptCandles
from trader.control import Control
from trader.executor import execute_trades
from trader.guards.account import heed, watch_account
from trader.guards.equity import watch_equity
from trader.guards.heartbeat import watch_health
from trader.guards.host import watch_clock, watch_files, watch_loop
from trader.guards.requests import watch_control
from trader.guards.year_end import watch_year_end
from trader.health import Health
from trader.indicators import update_indicators_periodically
from trader.loops import lasting
from trader.network import network_of
from trader.orders.gate import Gate
from trader.prices import update_prices
from trader.restore import recover
from trader.targets import update_trading_dict
from trader.wallet import update_wallet_realtime
from upbit.limits import CAREFUL, RateLimiter
from upbit.rest import Upbit
from upbit.stream import CandleStream, TickerStream
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    import aiohttp

    from config.settings import Config
    from strategy.base import Strategy
    from trader.guards.watchdog import Watchdog
    from upbit.network import Network

log = logging.getLogger("daemon")

Work = Callable[[App], Coroutine[None, None, None]]

GRACE_S = 8.0
"""Seconds the orders in hand get to finish after a stop; what does not is found again at the next start."""


async def deliver_messages(app: App) -> None:
    """Deliver what waits for a person, until cancelled."""
    if app.discord is not None:
        await app.discord.run()


COROUTINES: tuple[tuple[str, Work], ...] = (
    ("update_indicators_periodically", update_indicators_periodically),
    ("update_trading_dict", update_trading_dict),
    ("update_prices", update_prices),
    ("update_wallet_realtime", update_wallet_realtime),
    ("execute_trades", execute_trades),
)
"""The five coroutines that trade. They end by themselves after the stop, and have `GRACE_S` for it."""
WATCHERS: tuple[tuple[str, Work], ...] = (
    ("health", watch_health),
    ("account", watch_account),
    ("equity", watch_equity),
    ("control", watch_control),
    ("clock", watch_clock),
    ("loop", watch_loop),
    ("reconcile", reconcile_periodically),
    ("files", watch_files),
    ("year_end", watch_year_end),
    ("discord", deliver_messages),
)
"""What looks after them. They are cancelled once the five have ended."""


def mode_of(config: Config) -> str:
    """Return whether orders go to the real exchange."""
    return config.mode


def fingerprint_of(access_key: str) -> str:
    """Return what the journal keeps of an access key: enough to tell another, nothing to use it."""
    return hashlib.sha256(access_key.encode()).hexdigest()[:16]


@contextlib.asynccontextmanager
async def build(config: Config, clock: Callable[[], datetime], stop: asyncio.Event) -> AsyncIterator[App]:
    """Make every part of the daemon, and close those that hold something open.

    Raises:
        JournalError: when the data folder cannot be used.
        WrongModeError: when its journal is of the other mode.
        StrategyError: when the strategy or a parameter of it does not exist.
    """
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    access_key, secret_key = keys_of(config)
    seed = config.trading.seed if config.trading.seed is not None else random.SystemRandom().getrandbits(32)
    with Journal.open(config.data_dir / JOURNAL_FILE, clock, Redaction.of(config)) as journal:
        claim_mode(journal, mode_of(config))
        network = network_of(config)
        say_how(network, config)
        hook = config.webhook_url.reveal() if config.webhook_url else ""
        async with (
            open_session(network, url=config.base_url) as session,
            open_session(network, url=hook) as webhook_session,
        ):
            discord = make_discord(config, webhook_session, journal)
            control = Control(journal, make_messages(config), clock)
            gate = Gate(config, control, journal, clock)
            limiter = RateLimiter({} if (config.data_dir / CANDLES_FILE).exists() else CAREFUL)  # few, or all candles
            keys = {"access_key": access_key, "secret_key": secret_key}
            upbit = Upbit(session, base_url=config.base_url, **keys, limiter=limiter, gate=gate)
            candles = make_candles(config, upbit, strategy, parameters)
            kept = keep_candles(config, candles, clock())
            tickers, candle_stream = make_streams(config, network, seed, partial(latest, clock, upbit))
            yield App(
                config=config,
                upbit=upbit,
                tickers=tickers,
                candle_stream=candle_stream,
                journal=journal,
                control=control,
                messages=make_messages(config),
                strategy=strategy,
                parameters=parameters,
                candles=candles,
                kept_candles=kept,
                health=Health(asyncio.get_running_loop().time),
                clock=clock,
                rng=random.Random(seed),
                seed=seed,
                discord=discord,
                account=fingerprint_of(access_key)[:4],
                fingerprint=fingerprint_of(access_key),
                mode=mode_of(config),
                stop=stop,
            )


def make_streams(
    config: Config, network: Network, seed: int, now: Callable[[], datetime]
) -> tuple[TickerStream, CandleStream]:
    """Make the streams of prices and candles; they believe nothing that is later than `now`."""
    url, unit = config.websocket_url, config.strategy.unit
    return (
        TickerStream(url, rng=random.Random(seed), network=network, latest=now),
        CandleStream(url, unit, rng=random.Random(f"{seed} candles"), network=network, latest=now),
    )


def latest(clock: Callable[[], datetime], upbit: Upbit) -> datetime:
    """Return the later of our time and the exchange's."""
    return max(clock(), upbit.exchange_time() or clock())


def say_how(network: Network, config: Config) -> None:
    """Log once that a proxy or an authority of one's own is used: who reads the log should not have to guess."""
    if proxy := network.proxy_for(config.base_url):
        log.info("through a proxy host=%s", urlsplit(proxy).hostname)
    if network.ca_file is not None:
        log.info("believing an authority of one's own file=%s", network.ca_file)


def keys_of(config: Config) -> tuple[str, str]:
    """Return both keys as text; the caller has checked that they are there."""
    access, secret = config.access_key, config.secret_key
    if access is None or secret is None:
        raise ValueError("a daemon needs both keys")
    return access.reveal(), secret.reveal()


def make_messages(config: Config) -> Messages:
    """Return the writer of messages."""
    return Messages(language=config.language, mode=mode_of(config), colors=config.colors)


def make_candles(config: Config, upbit: Upbit, strategy: Strategy, parameters: Any) -> CandleStore:
    """Return an empty store for the candles the strategy decides on."""
    return CandleStore(
        upbit=upbit, unit=config.strategy.unit, history=strategy.history(parameters, config.strategy.unit)
    )


def keep_candles(config: Config, candles: CandleStore, now: datetime) -> KeptCandles:
    """Give the store what was kept of the candles, and return where they are kept."""
    path = config.data_dir / CANDLES_FILE
    kept = KeptCandles(path, source=config.base_url, unit=candles.unit, history=candles.history)
    candles.restore(kept.read(), now)
    return kept


def make_discord(config: Config, session: aiohttp.ClientSession, journal: Journal) -> Discord | None:
    """Return the deliverer of messages; None without a webhook, which is said once."""
    if config.webhook_url is None:
        log.warning("no WEBHOOK_URL: trading without messages")
        return None
    url, rng = config.webhook_url.reveal(), random.Random(0)
    return Discord(session, url, journal, rng=rng, language=config.language)


async def serve(
    app: App,
    *,
    beside: Sequence[Work] = (),
    watchdog: Watchdog | None = None,
) -> None:
    """Recover, then run the five coroutines until `app.stop`; `beside` runs with them (the terminal, the page).

    Whatever fails in one of them is told and begun anew; nothing but the stop ends the process.
    """
    app.watchdog = watchdog
    heed(app)
    app.health.on_breach = partial(on_failure, app)
    await recover(app)
    announce_start(app)
    await run_all(app, beside)
    await announce_stop(app)


async def run_all(app: App, beside: Sequence[Work]) -> None:
    """Run everything that runs until the stop, under one roof."""
    async with asyncio.TaskGroup() as tasks:
        failed = partial(on_failure, app)

        def start(name: str, work: Work) -> asyncio.Task[None]:
            return tasks.create_task(lasting(name, partial(work, app), app.stop, failed), name=name)

        loops = [start(*row) for row in COROUTINES]
        others = [start(*row) for row in WATCHERS if row[0] not in absent(app)]
        others += [tasks.create_task(quietly(work(app)), name="beside") for work in beside]  # may end as they like
        await app.stop.wait()
        _, late = await asyncio.wait(loops, timeout=GRACE_S)
        for task in [*late, *others]:
            task.cancel()


async def quietly(work: Coroutine[None, None, None]) -> None:
    """Do what trading does not need; that it failed is logged, and ends nothing."""
    try:
        await work
    except Exception:
        log.exception("the terminal, the page or the chat failed")


def absent(app: App) -> set[str]:
    """Return which watchers have nothing to watch: no webhook, or nobody who looks at the loop from outside."""
    parts = {"files": app.watchdog, "discord": app.discord}
    return {name for name, part in parts.items() if part is None}


def announce_start(app: App) -> None:
    """Say what may be spent at most, with which seed and strategy."""
    most = most_spent(app.config)
    app.tell("started", version=VERSION, mode=app.mode, strategy=app.strategy.name, seed=app.seed, most_spent_krw=most)
    note = app.messages.started(
        strategy=app.strategy, unit=app.candles.unit, most_spent_krw=most, seed=app.seed, at=app.clock()
    )
    app.journal.add_notes([note])


async def announce_stop(app: App) -> None:
    """Say that trading has stopped and what is still held; give the messages a last chance to leave."""
    open_trades = app.journal.open_trades()
    app.tell("stopped", open_trades=len(open_trades))
    note = app.messages.stopped(open_trades=open_trades, totals=app.journal.totals(), at=app.clock())
    app.journal.add_notes([note])
    if app.discord is not None:
        await app.discord.flush(GRACE_S)
