"""What is asked of Upbit, and heard from it, so that orders can meet its market on paper: public data, without keys.

All requests share one budget, which leaves room for others on this address (`upbit.limits`). What many clients ask at
the same time is asked once, and what was answered a moment ago is not asked again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from failure import Failure
from paper.wire import decode
from sandbox.market.sources.live import BOOKS, FEEDS, TRADES, LiveSource, UpstreamAnswer, read_listings
from upbit.errors import ExchangeError, RateLimited
from upbit.network import DIRECT
from upbit.stream import Stream
from upbit.transport import Transport, open_session

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
    from datetime import datetime

    from sandbox.wire import Json
    from upbit.network import Network
    from upbit.sockets.common import Message

    Asked = tuple[str, tuple[tuple[str, str], ...]]

log = logging.getLogger("paper")

T = TypeVar("T")

LISTINGS = ("market", "/v1/market/all", (("is_details", "true"),))
FRESH_S = {"market": 5.0, "orderbook": 0.2}
"""How long an answer is thought to be one of now, by group; a price step changes with the price."""
USUALLY_FRESH_S = 0.5
MOST_KEPT = 512
BETWEEN_CONNECTS_S, LINGER_S = 0.5, 60.0
LOOK_EVERY_S, LIST_EVERY = 15.0, 4
"""How often feeds are looked after, and every how manieth time also what is listed."""
SILENT_S = 30.0
"""A feed that has told nothing for so long is asked whether there was something to tell."""
UNREACHABLE = HTTPStatus.SERVICE_UNAVAILABLE


class NoUpstream(Failure):
    """The exchange whose market is to be traded cannot be asked."""

    def __init__(self, base_url: str, why: str) -> None:
        super().__init__(
            f"{base_url}의 공개 시세를 읽을 수 없어 모의 거래를 시작하지 못했습니다 ({why}). "
            "인터넷 연결을 확인하고 다시 시작하세요.",
            f"The public market of {base_url} cannot be read, so there is nothing to trade on paper ({why}). "
            "Check the connection to the internet, and start again.",
        )


class Quotation(Transport):
    """Asks without keys, once: whoever wants to know asks again."""

    async def fetch(self, group: str, path: str, fields: Sequence[tuple[str, str]]) -> bytes:
        """Return the body of an answer as it came, once it is known to be JSON."""
        raw = await self._request(group, "GET", path, msgspec.Raw, params=list(fields), signed=False, urgent=False)
        return bytes(raw)


class Turns:
    """Lets one after another begin: Upbit allows five connects a second, for all on an address."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._next = 0.0

    async def take(self) -> None:
        """Wait for one's turn."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._next - loop.time())
            self._next = loop.time() + BETWEEN_CONNECTS_S


class Feed(Stream["Json"]):
    """One kind of frames, of a set of markets that changes; numbers are exact."""

    bundled_s = 0.0  # the moment at which a book comes decides what it fills

    def __init__(self, url: str, kind: str, turns: Turns, rng: random.Random, network: Network) -> None:
        super().__init__(url, partial(read, kind), rng, network)
        self.kind = kind
        self._turns = turns

    async def _converse(self, on_frame: Callable[[Json], None], tell: Callable[[str], None]) -> None:
        await self._turns.take()
        await super()._converse(on_frame, tell)

    def wanted(self, markets: frozenset[str]) -> None:
        """Follow exactly these markets from now on."""
        self._subscribe(
            [{"type": self.kind, "codes": [self._code(market) for market in sorted(markets)]}] if markets else None
        )

    def _code(self, market: str) -> str:
        return f"{market}.30" if self.kind == BOOKS else market


def read(kind: str, frame: Message) -> Json:
    """Return a frame of a kind.

    Raises:
        msgspec.ValidationError: it is none.
    """
    told = decode(frame)
    if not isinstance(told, dict) or told.get("type") != kind or not isinstance(told.get("code"), str):
        raise msgspec.ValidationError("not a frame of what was asked for")
    return told


class Upstream:
    """Asks and listens for one `LiveSource`."""

    def __init__(
        self, quotation: Quotation, tasks: asyncio.TaskGroup, *, socket_url: str, rng: random.Random, network: Network
    ) -> None:
        self._quotation = quotation
        self._tasks = tasks
        self._socket_url = socket_url
        self._rng = rng
        self._network = network
        self._feeds: dict[str, Feed] = {}
        self._wanted_at: dict[str, float] = {}  # kind: when somebody last wanted it
        self._turns = Turns()
        self._source: LiveSource | None = None
        self._asking: dict[Asked, asyncio.Task[UpstreamAnswer]] = {}
        self._answers: OrderedDict[Asked, tuple[float, UpstreamAnswer]] = (
            OrderedDict()
        )  # with until when they are of now
        self._looking: dict[str, asyncio.Task[None]] = {}  # by market
        self._running: set[asyncio.Task[Any]] = set()
        self._closing = False

    def serve(self, source: LiveSource) -> None:
        """Hand over to a source what is heard."""
        self._source = source
        self._begin(self.tend(), "paper upstream")

    @property
    def source(self) -> LiveSource:
        """Return who is served."""
        assert self._source is not None
        return self._source

    def _begin(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        task = self._tasks.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def close(self) -> None:
        """End everything that was begun; that feeds end now is no news."""
        self._closing = True
        for task in self._running:
            task.cancel()

    # -- asked

    async def answer(self, group: str, path: str, fields: Sequence[tuple[str, str]]) -> UpstreamAnswer:
        """Ask, unless the answer is known, or asked for at this moment; never raises."""
        asked, now = (path, tuple(fields)), asyncio.get_running_loop().time()
        kept = self._answers.get(asked)
        if kept is not None and kept[0] > now:
            return kept[1]
        task = self._asking.get(asked)
        if task is None:
            task = self._asking[asked] = self._begin(self._ask(group, asked), f"ask {path}")
            task.add_done_callback(lambda _: self._asking.pop(asked, None))
        return await asyncio.shield(task)

    async def _ask(self, group: str, asked: Asked) -> UpstreamAnswer:
        path, fields = asked
        try:
            told = UpstreamAnswer(HTTPStatus.OK, await self._quotation.fetch(group, path, fields))
        except ExchangeError as error:
            log.warning("paper_not_answered path=%s why=%s", path, brief(error))
            return refusal(error)
        until = asyncio.get_running_loop().time() + FRESH_S.get(group, USUALLY_FRESH_S)
        self._answers[asked] = (until, told)
        self._answers.move_to_end(asked)
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)
        return told

    async def listings(self) -> None:
        """Read what is listed, and hand it over."""
        told = await self.answer(*LISTINGS)
        if told.status == HTTPStatus.OK:
            self.source.relist(read_listings(decode(told.body)))

    async def look(self, market: str) -> None:
        """Read a book, and hand it over."""
        self.look_soon((market,))
        await asyncio.shield(self._looking[market])

    def look_soon(self, markets: Collection[str]) -> None:
        """The same without waiting for it; one that is being read is not read twice."""
        for market in markets:
            if market not in self._looking:
                self._looking[market] = self._begin(self._look(market), f"look {market}")

    async def _look(self, market: str) -> None:
        asked_ms = self.source.floor.now_ms()
        try:
            body = await self._quotation.fetch("orderbook", "/v1/orderbook", [("markets", market)])
        except ExchangeError as error:
            log.warning("paper_book_not_read market=%s why=%s", market, brief(error))
            return
        finally:
            del self._looking[market]
        rows = decode(body)
        row = next((row for row in rows if isinstance(row, dict)), None) if isinstance(rows, list) else None
        if row is not None and row.get("market") == market:
            self.source.looked(market, row, asked_ms)

    # -- heard

    def listen(self, kind: str, markets: frozenset[str]) -> None:
        """Follow exactly these markets; a feed that nobody wants any more goes on for a while, for who comes back."""
        feed, now = self._feeds.get(kind), asyncio.get_running_loop().time()
        if markets:
            self._wanted_at[kind] = now
            if feed is None:
                feed = self._feeds[kind] = Feed(self._socket_url, kind, self._turns, self._rng, self._network)
                self._begin(self._follow(feed), f"feed {kind}")
            feed.wanted(markets)
        elif feed is not None and now - self._wanted_at[kind] >= LINGER_S:
            feed.wanted(markets)

    async def _follow(self, feed: Feed) -> None:
        def on_state(state: str) -> None:
            if state == "open":
                self.source.opened(feed.kind)
            elif state == "closed" and not self._closing:
                self.source.closed(feed.kind)

        await feed.run(lambda frame: self.source.hear(feed.kind, frame), on_state)

    def reconnect(self, kind: str) -> None:
        """Begin a feed anew."""
        if kind in self._feeds:
            self._feeds[kind].reconnect()

    # -- tended

    async def tend(self) -> None:
        """Look for other listings and for feeds that have fallen silent, until cancelled."""
        for looks in itertools.count(1):
            await asyncio.sleep(LOOK_EVERY_S)
            if looks % LIST_EVERY == 0:
                await self.listings()
            await self._break_silence()

    async def _break_silence(self) -> None:
        """Begin a feed anew that has told nothing while there was something to tell."""
        now = asyncio.get_running_loop().time()
        heard = {kind: feed.last_frame for kind, feed in self._feeds.items() if kind in FEEDS}
        silent = {kind: now - last for kind, last in heard.items() if last is not None and now - last > SILENT_S}
        if TRADES in silent and not self.source.missed(await self._tickers()):
            return
        for kind, seconds in silent.items():
            log.warning("paper_feed_silent kind=%s seconds=%.0f", kind, seconds)
            self.source.closed(kind, round(1000 * seconds))
            self.reconnect(kind)

    async def _tickers(self) -> list[object]:
        told = await self.answer("ticker", "/v1/ticker/all", (("quote_currencies", "KRW"),))
        rows = decode(told.body) if told.status == HTTPStatus.OK else []
        return rows if isinstance(rows, list) else []


def brief(error: ExchangeError) -> str:
    """Return what a person needs of a failure: a page of HTML says no more than its status."""
    return f"HTTP {error.status}" if error.message.startswith("<") else str(error)


def refusal(error: ExchangeError) -> UpstreamAnswer:
    """Return what a client is told instead of an answer: a refusal as it came, or that nobody answers."""
    status = error.status if error.status and error.status != HTTPStatus.OK else UNREACHABLE
    rest = error.retry_after if isinstance(error, RateLimited) else None
    said = error.name or ("upstream_unavailable" if rest is None else str(status))
    name = int(said) if said.isdigit() else said  # of the quotation side they are numbers
    return UpstreamAnswer(status, msgspec.json.encode({"error": {"name": name, "message": error.message}}), rest)


@asynccontextmanager
async def open_live(
    base_url: str, clock: Callable[[], datetime], *, rng: random.Random, network: Network = DIRECT, latency_ms: int
) -> AsyncIterator[LiveSource]:
    """Open the market of an exchange, as it is now.

    Raises:
        NoUpstream: when it cannot be read.
    """
    async with open_session(network, url=base_url) as session:
        quotation = Quotation(session, base_url=base_url)
        try:
            listings = read_listings(decode(await quotation.fetch(*LISTINGS)))
        except ExchangeError as error:
            raise NoUpstream(base_url, brief(error)) from error
        if not listings:
            raise NoUpstream(base_url, "no KRW market")
        async with asyncio.TaskGroup() as tasks:
            socket_url = base_url.replace("http", "ws", 1) + "/websocket/v1"
            upstream = Upstream(quotation, tasks, socket_url=socket_url, rng=rng, network=network)
            start_ms = round(clock().timestamp() * 1000)
            source = LiveSource(upstream, listings, start_ms=start_ms, latency_ms=latency_ms)
            upstream.serve(source)
            try:
                yield source
            finally:
                upstream.close()
