"""Who listens to what: the open WebSocket sessions, and how one event reaches those that want it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeVar

from sandbox.stream import frames
from sandbox.stream.subscription import NO_BOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sandbox.auth import ApiKey
    from sandbox.keys import PocketId
    from sandbox.stream.session import Session
    from sandbox.stream.subscription import Depth, Format, Subscription
    from sandbox.wire import Json

    Listener = tuple[Session, Subscription]

Variant = TypeVar("Variant", bound=Hashable)


class Audience:
    """The sessions with the key each came with (None: without one), indexed by what they asked for.

    The index is made when somebody first asks and forgotten when any subscription changes, so an event nobody wants
    costs one look into a dict.
    """

    def __init__(self) -> None:
        self.sessions: dict[Session, ApiKey | None] = {}
        self._by_kind: dict[str, list[Listener]] = {}
        self._by_market: dict[tuple[str, str], list[Listener]] = {}

    def add(self, session: Session, key: ApiKey | None) -> None:
        """Take in a session."""
        self.sessions[session] = key

    def remove(self, session: Session) -> None:
        """Forget a session that ended."""
        del self.sessions[session]
        self.changed()

    def changed(self) -> None:
        """Forget the index: somebody asked for something else."""
        self._by_kind.clear()
        self._by_market.clear()

    def of(self, kind: str) -> list[Listener]:
        """Return who wants realtime frames of a type, whatever the market."""
        found = self._by_kind.get(kind)
        if found is None:
            found = [
                (session, subscription)
                for session in self.sessions
                for subscription in session.subscriptions
                if subscription.type == kind and subscription.realtime
            ]
            self._by_kind[kind] = found
        return found

    def of_market(self, kind: str, market: str) -> list[Listener]:
        """Return who wants realtime frames of a type about a market; of a session that asked twice the last wish."""
        found = self._by_market.get((kind, market))
        if found is None:
            last = {listener[0]: listener for listener in self.of(kind) if listener[1].wants(market)}
            found = self._by_market[kind, market] = list(last.values())
        return found

    def of_pocket(self, kind: str, pocket: PocketId, market: str | None = None) -> Iterator[Session]:
        """Yield the sessions of a pocket that want realtime frames of a type, about a market if one is named."""
        for session, _ in self.of(kind) if market is None else self.of_market(kind, market):
            key = self.sessions[session]
            if key is not None and key.pocket == pocket:
                yield session

    def push(self, kind: str, market: str, names: Mapping[str, str], build: Callable[[Depth], Json]) -> None:
        """Send an event about a market; its frame is built, for each depth of book, only if somebody wants it."""
        wanted = (
            (session, subscription.wanted.get(market, NO_BOOK))
            for session, subscription in self.of_market(kind, market)
            if (kind, market) not in session.owed
        )
        send(wanted, names, build)


def send(wanted: Iterable[tuple[Session, Variant]], names: Mapping[str, str], build: Callable[[Variant], Json]) -> None:
    """Send a frame to sessions that each want a variant of it, built once a variant and encoded once a format."""
    built: dict[Variant, Json] = {}
    encoded: dict[tuple[Format, Variant], bytes] = {}
    for session, variant in wanted:
        frame = encoded.get((session.format, variant))
        if frame is None:
            if variant not in built:
                built[variant] = build(variant)
            frame = encoded[session.format, variant] = frames.encode(built[variant], names, session.format)
        session.send(frame)
