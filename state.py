"""The shared dicts of the five coroutines, each inside its own lock.

    dict            key: value                        written by
    target_dict     market: Snapshot of a target      indicators.publish, host.start_over
    snapshot_dict   market: Snapshot of every market  indicators.publish, host.start_over
    trading_dict    market: Price, None until known   targets.sample, prices.share, positions.let_go,
                                                      positions.stand_back, restore.put_back, host.start_over
    wallet_dict     currency: Balance                 wallet.poll, host.start_over
    active_trade    market: ActiveTrade               executor.begin, executor.raise_highest, positions.reserve,
                                                      positions.note_trade_id, positions.hold_again,
                                                      positions.let_go, positions.stand_back, restore.put_back
    closing         market: Closing, opens or ends    prices.share_closing
    resting         market: until when it is left     positions.leave_alone
    listings        market: Market as Upbit lists it  indicators.list_markets

`tests/unit/test_shared_dicts.py` compares this table with the code. Two locks are taken in the order of this table.
Nothing awaits while it holds one.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from decimal import Decimal

    from journal.records import Phase
    from strategy.base import Position, Snapshot
    from upbit.models import Market

K = TypeVar("K")
V = TypeVar("V")

SURE_AFTER = timedelta(seconds=60)
"""For so long the end of a market must be told before what is held of it is sold."""


class Guarded(Generic[K, V]):
    """A dict and its lock in one object: nobody can take one without the other."""

    def __init__(self) -> None:
        self._items: dict[K, V] = {}
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[dict[K, V]]:
        """Lend the dict for a short read-modify-write. Await nothing inside."""
        async with self._lock:
            yield self._items

    async def snapshot(self) -> Mapping[K, V]:
        """Return a read-only copy: what was true at one moment."""
        async with self._lock:
            return MappingProxyType(self._items.copy())

    async def replace(self, items: Mapping[K, V]) -> None:
        """Put `items` in the place of everything that was there."""
        async with self._lock:
            self._items.clear()
            self._items.update(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A last trade price and when it was known to be true."""

    price: Decimal  # KRW
    as_of: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the account holds of one currency."""

    available: Decimal  # free to use
    locked: Decimal  # held by open orders
    as_of: datetime  # UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """That a market opens or ends, as it is told."""

    why: str  # its state, or its announced end
    since: datetime  # UTC: the first of the frames that told so, without one that told otherwise
    told_at: datetime  # the last of them

    @property
    def is_sure(self) -> bool:
        """Whether it was told for long enough to leave the market on it; one frame bars entries alone."""
        return self.told_at - self.since >= SURE_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTrade:
    """A market that is being traded. In the phases buying and selling an order is in hand."""

    market: str
    started_at: datetime  # UTC
    phase: Phase  # ENTERING, BUYING, HOLDING or SELLING
    trade_id: str = ""  # its name in the journal, once an order was decided
    position: Position | None = None  # once something was bought


@dataclass(slots=True)
class State:
    """Everything the five coroutines share. `main` makes one; so does each test."""

    target_dict: Guarded[str, Snapshot] = field(default_factory=Guarded)
    snapshot_dict: Guarded[str, Snapshot] = field(default_factory=Guarded)
    trading_dict: Guarded[str, Price | None] = field(default_factory=Guarded)
    wallet_dict: Guarded[str, Balance] = field(default_factory=Guarded)
    active_trade: Guarded[str, ActiveTrade] = field(default_factory=Guarded)
    closing: Guarded[str, Closing] = field(default_factory=Guarded)
    resting: Guarded[str, datetime] = field(default_factory=Guarded)
    listings: Guarded[str, Market] = field(default_factory=Guarded)
