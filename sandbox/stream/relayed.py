"""The public frames of another exchange, passed on as they come."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.market.grouping import supported_levels
from sandbox.stream import frames
from sandbox.stream.public import Shown, book_frame
from sandbox.stream.subscription import PUBLIC_TYPES

if TYPE_CHECKING:
    from collections.abc import Collection

    from sandbox.market.sources.live import LiveSource
    from sandbox.stream.audience import Audience
    from sandbox.stream.subscription import Depth
    from sandbox.wire import Json

NAMES = {"ticker": frames.TICKER, "trade": frames.TRADE, "orderbook": frames.ORDERBOOK}


class Relayed:
    """Passes frames on to those that want them, and asks for what they want."""

    def __init__(self, live: LiveSource, audience: Audience) -> None:
        self._live = live
        self._audience = audience

    def groupings(self, market: str) -> Collection[Decimal]:
        """Return in which groupings of prices a book is told, KRW."""
        book = self._live.known_book(market)
        return supported_levels(book.bids[0].price) if book and book.bids else (Decimal(0),)

    def snapshot(self, kind: str, market: str, depth: Depth, now_ms: int) -> list[Shown] | None:  # noqa: ARG002 - as told
        """Return what was told last; None where nothing was yet: it comes as soon as it is told."""
        if kind not in PUBLIC_TYPES:
            return []
        frame = self._live.last(kind, market)
        return None if frame is None else [self._shown(kind, market, frame, "SNAPSHOT", depth)]

    def _shown(self, kind: str, market: str, frame: Json, stream_type: str, depth: Depth) -> Shown:
        if kind == "orderbook":
            book = self._live.book(market, 0)
            return Shown(book_frame(book, stream_type, depth), frames.ORDERBOOK)
        return Shown(frame | {"stream_type": stream_type}, NAMES.get(kind, frames.CANDLE))

    def changed(self) -> None:
        """Ask for what somebody listens to."""
        wanted: dict[str, set[str]] = {kind: set() for kind in PUBLIC_TYPES}
        for session in self._audience.sessions:
            for subscription in session.subscriptions:
                if subscription.type in wanted:
                    wanted[subscription.type].update(subscription.wanted)
        self._live.serve({kind: frozenset(markets) for kind, markets in wanted.items()})

    def on_frame(self, kind: str, market: str, frame: Json) -> None:
        """Pass a frame on; to who waits for a first one it is that."""
        names = NAMES.get(kind, frames.CANDLE)
        if frame.get("stream_type") != "SNAPSHOT":
            self._audience.push(
                kind, market, names, lambda depth: self._shown(kind, market, frame, "REALTIME", depth).frame
            )
        for session in self._audience.sessions:
            if (kind, market) in session.owed:
                session.owed.discard((kind, market))
                for subscription in session.subscriptions:
                    if subscription.type == kind and market in subscription.wanted:
                        shown = self._shown(kind, market, frame, "SNAPSHOT", subscription.wanted[market])
                        session.send(frames.encode(shown.frame, names, session.format))

    def on_lost(self, kind: str) -> None:
        """Drop who listens to what is missed from now on: it knows better than we what to do then."""
        for session in {session for session, _ in self._audience.of(kind)}:
            session.drop()
