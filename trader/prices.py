"""`update_prices`: keep a fresh price of every market in `trading_dict`.

Prices are pushed by the public WebSocket. A market that is quiet, or a socket that is silent, is asked over REST, which
also tells the two apart: a REST answer that knows of trades the socket never sent means that the socket is dead.
"""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from state import Closing, Price
from trader.loops import every, keep_going
from upbit.errors import MarketUnavailable
from upbit.sockets.common import BUNDLED_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from state import State
    from trader.app import App
    from upbit.models import StreamTicker, Ticker
    from upbit.rest import Upbit
    from upbit.stream import Stream

log = logging.getLogger("trader.prices")

PERIOD_S = 1.0
LOOK_AFTER_S = 0.75 * BUNDLED_S
"""No two looks are closer: where each frame is read for itself, a look for each would cost more than all the rest."""
ASK_AFTER = timedelta(seconds=3)
"""A price older than this is asked over REST."""
ASK_EVERY_S = 1.0
"""REST is asked no more often, however often frames wake the loop."""
LOOK_EVERY_S = 0.25
"""Old prices, and markets that are followed from now on, are looked for no more often."""
UNLISTED_RESTS_S = 60.0
"""How long a market that Upbit does not know is not asked for again: it fails a question about others with it."""
SILENT_AFTER = timedelta(seconds=15)
"""A trade the socket has not told for this long means that the socket is dead."""


class Inbox:
    """The newest price the socket told of each market since the last look."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._newest: dict[str, StreamTicker] = {}  # of this connection
        self._fresh: dict[str, tuple[StreamTicker, datetime]] = {}  # with when it came
        self._told: dict[str, StreamTicker] = {}
        self._ordinary: set[str] = set()  # of which the last look told so, too
        self._looked_s = -math.inf  # loop time
        self.arrived = asyncio.Event()

    def put(self, ticker: StreamTicker) -> None:
        """Take a frame of the socket, unless one after it came before; called for every one, so it only keeps one."""
        market = ticker.market
        known = self._newest.get(market)
        if known is not None and not is_newer(ticker, known):
            return
        self._newest[market] = self._told[market] = ticker
        self._fresh[market] = ticker, self._app.clock()
        self.arrived.set()

    def on_state(self, state: str) -> None:
        """Begin anew with each connection, so that no frame with an absurd time outlives its own."""
        if state == "connecting":
            self._newest.clear()

    async def fill(self) -> None:
        """Wait until the last look is a while ago; then this is one."""
        loop = asyncio.get_running_loop()
        if (early_s := self._looked_s + LOOK_AFTER_S - loop.time()) > 0:
            await asyncio.sleep(early_s)
        self._looked_s = loop.time()

    def take(self) -> dict[str, Price]:
        """Return and forget what arrived."""
        fresh, self._fresh = self._fresh, {}
        if not fresh:
            return {}
        now = self._app.clock()
        ahead = now - (self._app.upbit.exchange_time() or now)
        return {
            market: Price(price=ticker.price, as_of=true_at(ticker, arrived, ahead))
            for market, (ticker, arrived) in fresh.items()
        }

    def take_closing(self) -> dict[str, str | None]:
        """Return and forget what arrived about markets that open or end; None of one that is an ordinary one again."""
        told = {market: ticker.closing for market, ticker in self._told.items()}
        self._told.clear()
        news = {market: why for market, why in told.items() if why is not None or market not in self._ordinary}
        self._ordinary = {market for market in self._ordinary | told.keys() if told.get(market) is None}
        return news


def is_newer(ticker: StreamTicker, known: StreamTicker) -> bool:
    """Return whether a frame tells what came after another of its market: they may come twice or out of order."""
    ahead_ms = ticker.traded_at_ms - known.traded_at_ms or ticker.sent_at_ms - known.sent_at_ms
    return ahead_ms > 0 or (ahead_ms == 0 and ticker.price != known.price)


def true_at(ticker: StreamTicker, arrived: datetime, ahead: timedelta) -> datetime:
    """Return when a frame was true, by our clock: as long ago as it is at the exchange, and never after it came.

    Args:
        ticker: the frame.
        arrived: when it came, by our clock.
        ahead: how far our clock is ahead of the exchange's.
    """
    return min(arrived, ticker.told_at + ahead)


class Questions:
    """When REST may be asked for prices again, and for which: no more than once a second, and not for what is gone."""

    def __init__(self) -> None:
        self._asked_s = self._looked_s = -math.inf
        self._unlisted: dict[str, float] = {}  # market: loop time until which it is left out

    def is_time(self, now_s: float) -> bool:
        """Return whether to look for old prices: not with each of a flood of new ones."""
        if now_s - self._looked_s < LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        return True

    def due(self, aging: Iterable[str], now_s: float) -> list[str]:
        """Return which of some markets to ask for now; `now_s` is loop time."""
        if now_s - self._asked_s < ASK_EVERY_S:
            return []
        wanted = sorted(market for market in aging if self._unlisted.get(market, now_s) <= now_s)
        self._asked_s = now_s if wanted else self._asked_s
        return wanted

    def unlisted(self, markets: Iterable[str], now_s: float) -> None:
        """Leave out for a while what Upbit did not know."""
        self._unlisted = {market: until for market, until in self._unlisted.items() if until > now_s}
        self._unlisted |= dict.fromkeys(markets, now_s + UNLISTED_RESTS_S)


async def update_prices(app: App) -> None:
    """Follow the prices of `trading_dict` until the daemon stops."""
    inbox, questions = Inbox(app), Questions()
    async with asyncio.TaskGroup() as tasks:
        stream = tasks.create_task(app.tickers.run(inbox.put, inbox.on_state), name="ticker stream")
        ticks = every(PERIOD_S, app.stop, wake=inbox.arrived)

        async def step() -> None:
            await inbox.fill()
            await refresh(app, inbox, questions)

        await keep_going("update_prices", ticks, step, health=app.health, stop=app.stop)
        stream.cancel()


async def refresh(app: App, inbox: Inbox, questions: Questions) -> None:
    """Apply what the socket told, then ask REST for every market whose price is getting old."""
    if told := inbox.take_closing():
        await share_closing(app.clock, app.state, told)
    if prices := inbox.take():
        await share(app, prices)
    now_s = asyncio.get_running_loop().time()
    if not questions.is_time(now_s):
        return
    trading = await app.state.trading_dict.snapshot()
    app.tickers.wanted(frozenset(trading))
    oldest = app.clock() - ASK_AFTER
    aging = (market for market, price in trading.items() if price is None or price.as_of < oldest)
    if markets := questions.due(aging, now_s):
        asked_at = app.clock()
        tickers = [ticker for ticker in await ask(app.upbit, markets, questions) if app.tickers.heard(ticker)]
        await share(app, {ticker.market: Price(price=ticker.price, as_of=asked_at) for ticker in tickers})
        followed = [ticker for ticker in tickers if trading.get(ticker.market)]  # a new one traded before it was
        reconnect_if_silent(app.clock, app.tickers, followed)


async def ask(upbit: Upbit, markets: list[str], questions: Questions) -> list[Ticker]:
    """Ask for some prices; a market that has just been delisted must not hide those of the others."""
    try:
        return await upbit.tickers(markets)
    except MarketUnavailable:  # one unknown market fails them all, and the answer does not say which
        listed = await upbit.all_tickers("KRW")
        known = {ticker.market for ticker in listed}
        gone = [market for market in markets if market not in known and not listed.is_unclear(market)]
        questions.unlisted(gone, asyncio.get_running_loop().time())
        return [ticker for ticker in listed if ticker.market in markets]


async def share(app: App, prices: dict[str, Price]) -> None:
    """Write newer prices of markets that are still traded, and wake `execute_trades`."""
    changed = False
    async with app.state.trading_dict.locked() as trading:
        for market, price in prices.items():
            if market not in trading:
                continue
            known = trading[market]
            if known is None or price.as_of > known.as_of:
                trading[market] = price
                changed |= known is None or known.price != price.price
    if changed:
        app.prices_changed.set()


async def share_closing(clock: Callable[[], datetime], state: State, told: Mapping[str, str | None]) -> None:
    """Write down which markets open or end, as the socket told it last."""
    now = clock()
    async with state.closing.locked() as closing:
        for market, why in told.items():
            if why is None:
                closing.pop(market, None)
            else:
                known = closing.get(market)
                since = known.since if known is not None and known.why == why else now
                closing[market] = Closing(why=why, since=since, told_at=now)


def reconnect_if_silent(clock: Callable[[], datetime], stream: Stream[Any], tickers: Iterable[Ticker]) -> None:
    """Reconnect a socket that is connected but has long missed a trade that REST knows of."""
    last_frame = stream.last_frame
    if last_frame is None:
        return
    silence = timedelta(seconds=asyncio.get_running_loop().time() - last_frame)
    traded_since = [t.market for t in tickers if clock() - t.traded_at < silence - SILENT_AFTER]
    if silence > 2 * SILENT_AFTER and traded_since:
        kind, seconds = type(stream).__name__, silence.total_seconds()
        log.warning("stream silent stream=%s seconds=%.0f traded=%d", kind, seconds, len(traded_since))
        stream.reconnect()
