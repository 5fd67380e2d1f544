"""What the comparison with the exchange remembers between its rounds. Nobody but `trader/books/` writes it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from upbit.models import Order

COMPARED_WITHIN_S = 300.0
"""Nothing is bought on a comparison that is older than this: another daemon may have traded since."""
EXPLAINED_AFTER_S = 900.0
"""For so long after a start a list that does not show an order of ours is no proof that coins are somebody else's."""


@dataclass(slots=True)
class Comparison:
    """How far the journal was compared with the exchange since the start."""

    wanted: asyncio.Event = field(default_factory=asyncio.Event)  # wakes the next one
    rounds: int = 0  # how often all orders were compared
    finished: bool = False  # whether orders and balances were compared, once at least
    began_s: float | None = None  # loop time at which the last whole one began, once there were two
    first_s: float | None = None  # loop time at which the first whole one began

    def is_fresh(self, now_s: float) -> bool:
        """Return whether the last whole comparison is young enough to buy on; `now_s` is loop time."""
        return self.began_s is not None and now_s - self.began_s <= COMPARED_WITHIN_S

    def explains_all(self, now_s: float) -> bool:
        """Return whether coins that no order of ours explains are surely not ours; `now_s` is loop time."""
        return self.first_s is not None and now_s - self.first_s >= EXPLAINED_AFTER_S


@dataclass(slots=True)
class Discovery:
    """What `trader/books/discovery.py` knows of orders that the journal does not."""

    thorough_at: datetime | None = None  # when a whole day of orders was last compared
    fetched: dict[str, Order] = field(default_factory=dict)  # by uuid: until all of their market are there
    listed: set[str] = field(default_factory=set)  # uuids of what was unknown in the round before


@dataclass(slots=True)
class Shortage:
    """What `trader/books/balances.py` saw at its last look."""

    missing: dict[str, Decimal] = field(default_factory=dict)  # trade, or market of dust: units that were not there
    beside: dict[str, Decimal] = field(default_factory=dict)  # trade: units there besides ours, while none were missing
    again: set[str] = field(default_factory=set)  # trades whose coins were written off, and were all there
    looked_s: float | None = None  # loop time of that look
