"""An Upbit in a box: REST, WebSocket and a Discord for webhooks and bots on one port, on the running event loop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol, Self

from aiohttp import web

from sandbox.auth import ApiKey, TokenCheck
from sandbox.discord import PREFIX as WEBHOOKS
from sandbox.discord import Discord
from sandbox.discord_gateway import API as CHAT
from sandbox.discord_gateway import GATEWAY, Guild
from sandbox.exchange.desk import Exchange
from sandbox.faults.admin import PREFIX as ADMIN
from sandbox.faults.admin import Admin
from sandbox.faults.calls import named
from sandbox.faults.engine import Faults
from sandbox.faults.exchange_faults import FragileExchange, SkewedClock
from sandbox.faults.source import FaultySource
from sandbox.faults.wrong_answers import WEBHOOK, WEBSOCKET, send
from sandbox.floor import LiveFloor
from sandbox.http import HttpServer, read_body, refused
from sandbox.keys import KEY_LIFE, KeyOptions, PocketOptions
from sandbox.limits import Limits
from sandbox.listener import Listener
from sandbox.market.markets import Markets
from sandbox.market.sources.live import LiveSource
from sandbox.refusals import ApiError
from sandbox.rest.api import Api, Response
from sandbox.rest.call import Call
from sandbox.rest.exchange import ExchangeRest
from sandbox.rest.quotation import Quotation
from sandbox.stream.audience import Audience
from sandbox.stream.public import BOOK_GRID_MS, OwnMarket
from sandbox.stream.relayed import Relayed
from sandbox.stream.stream import PATHS, Stream
from sandbox.timers import Timers
from sandbox.wire import from_ms, to_ms
from tape.reading import is_tape

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from sandbox.exchange.records import AnyRecord
    from sandbox.faults.plan import FaultPlan
    from sandbox.keys import PocketId
    from sandbox.market.feed import Source

PUMP_MS = 50  # market time between two looks at the public trades, at least
PUMP_SECONDS = 0.005  # loop time between them, at least: at high speed the pump must not eat the loop
QUIET_MS = 1_000  # how long the pump sleeps when no trade is due


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """What a sandbox is made of. `speed` is market seconds per loop second, as its clock runs."""

    seed: int = 1
    markets: int = 40
    krw: Decimal = Decimal(1_000_000)
    replay: Path | None = None
    speed: float = 1.0
    access_key: str = "sandbox-access-key"
    secret_key: str = field(default="sandbox-secret-key-0123456789abcdefghijkl", repr=False)
    host: str = "127.0.0.1"
    port: int = 0
    start: datetime | None = None
    faults: FaultPlan | None = None  # what goes wrong, from the opening on
    admin: bool = False  # whether faults can be changed over HTTP, from this machine
    pockets: tuple[PocketOptions, ...] = ()  # besides the first one, which is that of `access_key` and `krw`


@dataclass(frozen=True, slots=True)
class Opened:
    """A market source, with the market time at which its story begins and ends (None: never), aware UTC."""

    source: Source
    start: datetime  # a generated market begins now, in the middle of its first minute

    @property
    def end(self) -> datetime | None:
        """When the records end."""
        return None if self.source.end_ms is None else from_ms(self.source.end_ms)


def open_source(options: SandboxOptions, now: datetime) -> Opened:
    """Open the records to replay, or a generated market that begins at `options.start` or `now`.

    Raises `ReplayError` or `TapeError` when the records cannot be used.
    """
    if options.replay is not None and is_tape(options.replay):
        from sandbox.market.sources.tape import TapeMarket  # noqa: PLC0415  # only the source in use is loaded

        tape = TapeMarket(options.replay)
        return Opened(tape, from_ms(tape.start_ms))
    if options.replay is not None:
        from sandbox.market.sources.replay import Replay  # noqa: PLC0415  # same

        replay = Replay(options.replay, options.seed)
        return Opened(replay, from_ms(replay.start_ms))
    from sandbox.market.sources.generator import Generator  # noqa: PLC0415  # same

    start = options.start or now
    return Opened(Generator(options.seed, options.markets, to_ms(start)), start)


class Past(Protocol):
    """What happened before, and who keeps what happens from now on."""

    @property
    def past(self) -> Sequence[AnyRecord]:
        """Return what happened before; nothing: it is new."""

    def restore(self, exchange: Exchange) -> None:
        """Let an exchange be what happened before."""


class Sandbox:
    """A running exchange: `async with Sandbox(options, clock) as box`. Market time is `clock()`, aware UTC."""

    def __init__(
        self,
        options: SandboxOptions,
        clock: Callable[[], datetime],
        source: Opened | None = None,
        past: Past | None = None,
    ) -> None:
        """With a `past` it goes on as what that says, and only a new one is given what the options say."""
        self.options = options
        self.discord = Discord()
        self.guild = Guild(self._now_ms)
        self.limits = Limits()
        self._clock = SkewedClock(clock)
        self._timers = Timers(options.speed, self._on_internal_error)
        feed = (source or open_source(options, clock())).source
        fragile = options.admin or options.faults is not None
        faulty = FaultySource(feed)
        self.markets = Markets(faulty if fragile else feed)
        pockets = (_first_pocket(options), *options.pockets)
        self.gate = TokenCheck([_issue(key, pocket.id, clock()) for pocket in pockets for key in pocket.keys])
        self.live = feed if isinstance(feed, LiveSource) else None
        rng, stream_rng = (  # reproducible ids, not secrets; in a market that goes on, none that was there before
            random.SystemRandom() if self.live else random.Random(f"{options.seed} {name}")
            for name in ("exchange", "stream")
        )
        self.exchange = Exchange(
            self.markets, self.markets.listed, rng=rng, now_ms=self._now_ms, later=self._timers.later
        )
        self._api = Api(
            Quotation(self.markets, self.exchange.book, self._now_ms),
            ExchangeRest(self.exchange, self.gate, self._now_ms),
            self.gate,
            self.limits,
            self._clock,
        )
        audience = Audience()
        self._own = OwnMarket(self.markets, self.exchange, audience)
        relayed = Relayed(self.live, audience) if self.live else None
        self._stream = Stream(
            relayed or self._own,
            audience,
            self.markets.listed,
            gate=self.gate,
            limits=self.limits,
            clock=self._clock,
            rng=stream_rng,
            later=lambda seconds, call: self._timers.later(0, call, at_least=seconds),
            on_violation=self._on_violation,
            on_internal_error=self._on_internal_error,
        )
        self.exchange.listeners.append(self._stream)
        self.markets.on_own_trade = lambda trade: self._own.on_trades([trade], self._now_ms())
        self._listener: Listener | None = None
        self._url = ""
        self.faults = self._make_faults(faulty) if fragile else None
        self._floor = None
        if self.live is not None and relayed is not None:
            self._floor = LiveFloor(self.live, self.markets, self.exchange, relayed, self._now_ms)
        self._admin = Admin(self.faults, self.violations) if options.admin and self.faults else None
        self._open_pockets(pockets, past)

    def _open_pockets(self, pockets: Sequence[PocketOptions], past: Past | None) -> None:
        """Open every pocket as the past left it; without one it is given its money."""
        for pocket in pockets:
            self.exchange.open_pocket(pocket.id)
        if past is not None:
            past.restore(self.exchange)
        if past is not None and past.past:
            return
        for pocket in pockets:
            for currency, amount in pocket.balances.items():
                self.exchange.deposit(currency, amount, pocket.id)

    def _make_faults(self, source: FaultySource) -> Faults:
        fragile = FragileExchange(
            exchange=self.exchange,
            gate=self.gate,
            markets=self.markets,
            source=source,
            clock=self._clock,
            later=self._timers.later,
            sleep=self._timers.sleep,
            listen=self._listen,
            announce=self._stream.announce,
            discord=self.discord,
        )
        faults = Faults(fragile, seed=self.options.seed, answer=self._answer, group=self._group)
        self._stream.on_open = faults.frames.watch
        self.exchange.listeners.append(faults)
        return faults

    def _listen(self, wanted: bool) -> None:  # noqa: FBT001  # the name of the method says what it is
        if self._listener is not None:
            self._listener.listen(wanted)

    # -- what a test or the demo looks at

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end."""
        return self._url

    @property
    def violations(self) -> Counter[str]:
        """Rules clients broke, by error name; empty for a client that behaves."""
        return self._api.violations

    @property
    def internal_errors(self) -> int:
        """How often the sandbox itself failed."""
        return self._api.internal_errors

    @property
    def orders_received(self) -> int:
        """How many `POST /v1/orders` arrived, whatever became of them."""
        return self._api.orders_received

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return (available, locked) of every currency ever held."""
        return self.exchange.accounts.all()

    def announce(self, title: str, category: str, body: str | None = None) -> None:
        """Publish a notice of one of Upbit's categories to whom it concerns; `body` is Markdown."""
        self._stream.announce(title, category, body)

    # -- life

    async def __aenter__(self) -> Self:
        runner = web.ServerRunner(HttpServer(self._handle, self._on_internal_error), shutdown_timeout=1.0)
        await runner.setup()
        listener = Listener(runner, self.options.host, self.options.port, self._on_internal_error)
        try:
            host, port = await listener.open()
        except OSError:
            await runner.cleanup()
            raise
        self._listener = listener
        self._url = f"http://{host}:{port}"
        if self._floor is None:
            self._pump()
        else:
            self._floor.tend(self._timers)
        if self.faults is not None and self.options.faults is not None:
            self.faults.start(self.options.faults)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timers.close()
        await self._stream.close()
        if self._listener is not None:
            await self._listener.close()

    # -- time

    def _now_ms(self) -> int:
        return to_ms(self._clock())

    def catch_up(self) -> None:
        """Bring the public market to the present: every answer and frame shows the same moment."""
        if self.live is not None:
            return  # it comes by itself
        now_ms = self._now_ms()
        trades = self.markets.advance(now_ms)
        if trades:
            self.exchange.on_trades(trades)
            self._own.on_trades(trades, now_ms)
        self._own.tick(now_ms)

    def _pump(self) -> None:
        wait_ms = QUIET_MS
        try:
            self.catch_up()
            next_ms = self.markets.next_ms()
            if next_ms is not None:
                wait_ms = min(next_ms - self._now_ms(), QUIET_MS)
            if self._own.watches_books:
                wait_ms = min(wait_ms, BOOK_GRID_MS)
        finally:  # one bad step must not stop the market; the timer reports it
            self._timers.later(max(wait_ms, PUMP_MS), self._pump, at_least=PUMP_SECONDS)

    # -- requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        try:
            body = await read_body(request)
        except ApiError as error:
            self._on_violation(str(error.name))
            return refused(error.status, error)
        call = Call(
            method=request.method, path=path, query=query, headers=request.headers, ip=request.remote or "", body=body
        )
        if self._admin is not None and path.startswith(ADMIN):
            return send(self._admin.answer(call))
        if self.faults is not None and self.faults.calls.dice:
            return await self.faults.calls.serve(request, call, lambda: self._serve(request, call))
        return await self._serve(request, call)

    async def _serve(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        if call.path in PATHS:
            return await self._stream.serve(request, call.path)
        if call.path == GATEWAY:
            return await self.guild.serve(request)
        if self.live is not None:
            if self._api.is_public(call):
                return send(await self._api.relay(call, self.live.upstream.answer))
            if call.method == "POST" and isinstance(market := named(call).get("market"), str):
                await self.live.look(market)
        return send(self._answer(call))

    def _answer(self, call: Call) -> Response:
        """Carry out a request of the present moment."""
        if call.path.startswith(WEBHOOKS):
            refusal, headers = self.discord.pace(asyncio.get_running_loop().time())
            kind = call.headers.get("Content-Type", "")
            status, body = refusal or self.discord.receive(call.method, call.path, call.query, call.body, kind)
            return Response(status, body, headers)
        if call.path.startswith(CHAT):
            (status, body), headers = self.guild.answer(call.method, call.path, call.headers, call.body)
            return Response(status, body, headers)
        self.catch_up()
        return self._api.answer(call)

    def _group(self, call: Call) -> str:
        if call.path in PATHS:
            return WEBSOCKET
        return WEBHOOK if call.path.startswith((WEBHOOKS, CHAT, GATEWAY)) else self._api.group(call)

    def _on_violation(self, name: str) -> None:
        self.violations[name] += 1

    def _on_internal_error(self) -> None:
        self._api.internal_errors += 1


def _first_pocket(options: SandboxOptions) -> PocketOptions:
    key = KeyOptions(access_key=options.access_key, secret_key=options.secret_key)
    return PocketOptions(balances={"KRW": options.krw}, keys=(key,))


def _issue(key: KeyOptions, pocket: PocketId, now: datetime) -> ApiKey:
    return ApiKey(
        access_key=key.access_key,
        secret_key=key.secret_key,
        permissions=key.permissions,
        ips=key.ips,
        expires_at=key.expires_at or now + KEY_LIFE,
        pocket=pocket,
    )
