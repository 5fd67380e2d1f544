"""The WebSocket side: connections, what they ask for, and the frames they are sent."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.auth import ApiKey, read_token
from sandbox.keys import VIEW_ACCOUNT, VIEW_ORDERS
from sandbox.refusals import ApiError
from sandbox.stream import frames
from sandbox.stream.audience import send
from sandbox.stream.session import Session
from sandbox.stream.subscription import (
    CATEGORIES,
    INFO_TYPES,
    PRIVATE_TYPES,
    PUBLIC_TYPES,
    Message,
    StreamError,
)
from sandbox.wire import http_date, to_json, to_ms

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sandbox.auth import TokenCheck
    from sandbox.exchange.orders import Fill, Order
    from sandbox.exchange.pockets import Pocket
    from sandbox.limits import Limits
    from sandbox.stream.audience import Audience
    from sandbox.stream.public import Public
    from sandbox.stream.subscription import Subscription
    from sandbox.wire import Json

logger = logging.getLogger(__name__)

PUBLIC_PATH = "/websocket/v1"
PRIVATE_PATH = "/websocket/v1/private"
INFO_PATH = "/websocket/v1/info"
PATHS = {PUBLIC_PATH: PUBLIC_TYPES, PRIVATE_PATH: PRIVATE_TYPES, INFO_PATH: INFO_TYPES}
NOTICES = "https://upbit.com/service_center/notice?id="
SCOPES = {"myOrder": VIEW_ORDERS, "myAsset": VIEW_ACCOUNT}
APART_S = 0.01
"""Loop seconds between two events of one order: on the wire they never arrive together."""


class Stream:
    """Serves the WebSocket paths and pushes what happens to the sessions that asked for it."""

    def __init__(
        self,
        public: Public,
        audience: Audience,
        markets: Collection[str],
        *,
        gate: TokenCheck,
        limits: Limits,
        clock: Callable[[], datetime],
        rng: random.Random,
        later: Callable[[float, Callable[[], None]], None],
        on_violation: Callable[[str], None],
        on_internal_error: Callable[[], None],
    ) -> None:
        self.audience = audience
        self.on_open: Callable[[Session, str], None] = lambda _session, _path: None
        self._public = public
        self._markets = markets
        self._gate = gate
        self._limits = limits
        self._clock = clock
        self._rng = rng
        self._later = later  # after seconds of the loop
        self._told: dict[str, deque[Callable[[], None]]] = {}  # by uuid of an order: its events that wait
        self._pausing: set[str] = set()  # orders of which an event was told a moment ago
        self._on_violation = on_violation
        self._on_internal_error = on_internal_error

    # -- connections

    async def serve(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        """Serve one connection from its upgrade to its end."""
        now = self._clock()
        group, caller = self._who(request)
        try:
            self._limits.spend(group, caller, to_ms(now))
        except ApiError as error:
            self._on_violation(str(error.name))
            headers = {"Remaining-Req": self._limits.header(group, caller, to_ms(now))}
            body = to_json(error.body())
            return web.Response(body=body, status=error.status, headers=headers, content_type="application/json")
        socket = web.WebSocketResponse(autoping=False)
        socket.headers["Remaining-Req"] = self._limits.header(group, caller, to_ms(now))
        socket.headers["Date"] = http_date(now)
        try:
            await socket.prepare(request)
        except ConnectionError:
            return web.Response()  # the client left before it was answered: there is nobody to tell
        session = Session(
            socket,
            request,
            types=PATHS[path],
            now_ms=self._now_ms,
            on_message=self._on_message,
            on_violation=self._on_violation,
        )
        self.on_open(session, path)
        try:
            await self._run(session, request, private=path != PUBLIC_PATH)
        except Exception:
            logger.exception("A session of the sandbox failed path=%s", path)
            self._on_internal_error()
            session.drop()
        return socket

    def _who(self, request: web.BaseRequest) -> tuple[str, str]:
        """Return the group and the caller a handshake counts for: the pocket of a token, or else the address."""
        if "Origin" in request.headers:
            return "origin", request.remote or ""
        try:
            key = self._gate.keys.get(read_token(request.headers.get("Authorization")).access_key)
        except ApiError:
            key = None
        return "websocket", f"stream of {key.pocket if key else request.remote}"

    async def _run(self, session: Session, request: web.BaseRequest, *, private: bool) -> None:
        key: ApiKey | None = None
        if private:
            try:
                token = read_token(request.headers.get("Authorization"))
                key = self._gate.check(token, (), ip=request.remote or "", now=self._clock())
            except ApiError:
                await session.refuse(StreamError("INVALID_AUTH"))
                return
        self.audience.add(session, key)
        try:
            await session.run()
        finally:
            self.audience.remove(session)
            self._public.changed()

    async def close(self) -> None:
        """Close every connection."""
        for session in list(self.audience.sessions):
            await session.close()

    def _now_ms(self) -> int:
        return to_ms(self._clock())

    # -- requests

    async def _on_message(self, session: Session, message: Message) -> None:
        if message.subscriptions is None:
            shown = [subscription.listed() for subscription in session.subscriptions]
            answer: Json = {"method": "LIST_SUBSCRIPTIONS", "result": shown, "ticket": message.ticket}
            session.send(frames.encode(answer, frames.SUBSCRIPTIONS, session.format))
            return
        key = self.audience.sessions[session]
        for subscription in message.subscriptions:
            scope = SCOPES.get(subscription.type)
            if scope and (key is None or scope not in key.permissions):
                raise StreamError("INVALID_AUTH")
        session.subscriptions = tuple(map(self._possible, message.subscriptions))
        self.audience.changed()
        await self._send_snapshots(session)

    def _possible(self, subscription: Subscription) -> Subscription:
        """Leave out markets that have no book of the grouping asked for: nothing is sent about them."""
        if not subscription.level:
            return subscription
        wanted = {
            market: depth
            for market, depth in subscription.wanted.items()
            if market in self._markets and depth.grouping in self._public.groupings(market)
        }
        return replace(subscription, wanted=wanted)

    async def _send_snapshots(self, session: Session) -> None:
        """Send a snapshot of each market, one at a time so that a large request delays nobody else."""
        owed = {
            (subscription.type, market): depth
            for subscription in session.subscriptions
            if subscription.snapshot
            for market, depth in subscription.wanted.items()
            if market in self._markets
        }
        session.owed = set(owed)
        self._public.changed()
        for (kind, market), depth in owed.items():
            told = self._public.snapshot(kind, market, depth, self._now_ms())
            if told is not None and (kind, market) in session.owed:
                session.owed.discard((kind, market))
                for frame, names in told:
                    session.send(frames.encode(frame, names, session.format))
            await asyncio.sleep(0)

    # -- private events

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Push a `myOrder` event, at some distance from the one before: a client is to see every one of them."""
        wanted = [(session, 0) for session in self.audience.of_pocket("myOrder", order.pocket, order.asked.market)]
        if not wanted:
            return
        frame = frames.order_frame(order, event, fill, self._now_ms())
        self._told.setdefault(order.uuid, deque()).append(lambda: send(wanted, frames.MY_ORDER, lambda _: frame))
        if order.uuid not in self._pausing:
            self._tell_next(order.uuid)

    def _tell_next(self, order: str) -> None:
        """Push the next event of an order, and let some time pass before the one after it."""
        self._pausing.discard(order)
        waiting = self._told[order]
        if not waiting:
            del self._told[order]
            return
        waiting.popleft()()
        self._pausing.add(order)
        self._later(APART_S, lambda: self._tell_next(order))

    def on_assets(self, pocket: Pocket, currencies: Collection[str]) -> None:
        """Push a `myAsset` event."""
        wanted = [(session, 0) for session in self.audience.of_pocket("myAsset", pocket.id)]
        if wanted:
            balances = {name: pocket.accounts.of(name) for name in sorted(currencies)}
            frame = frames.asset_frame(self._new_uuid(), balances, self._now_ms())
            send(wanted, frames.MY_ASSET, lambda _: frame)

    def announce(self, title: str, category: str, body: str | None = None) -> None:
        """Publish a notice, as the exchange does before maintenance or a delisting."""
        if category not in CATEGORIES:
            raise ValueError(f"unknown category {category!r}: one of {', '.join(sorted(CATEGORIES))}")
        now_ms, name = self._now_ms(), self._new_uuid()
        told = frames.Announcement(
            uuid=name, title=title, category=category, url=NOTICES + name, body=body, listed_ms=now_ms
        )
        wanted = [
            (session, int(subscription.include_body))
            for session, subscription in self.audience.of("announcement")
            if category in subscription.categories
        ]
        send(wanted, frames.ANNOUNCEMENT, lambda body_too: frames.announcement_frame(told, now_ms, body_too=body_too))

    def _new_uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
