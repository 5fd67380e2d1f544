"""Whether what was bought is protected: it is known, it has a stop, and nothing keeps it from being sold."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.judges.books import SIGNS, ZERO

if TYPE_CHECKING:
    from sandbox.exchange.orders import Order
    from worlds.judges.checker import Checker

WITHIN_S = 60.0
LOOK_S = 2.0
WORTH_KRW = Decimal(6_000)
"""A little more than the least an order may be: what is worth less cannot be sold."""
STOPPED = "SELECT 1 FROM trade WHERE market = ? AND phase IN ('holding', 'leaving') AND stop_price IS NOT NULL"
EXITS_HALTED = "SELECT 1 FROM halt WHERE ended_ms IS NULL AND level = 'HALTED'"
FILLS = "SELECT intent.side, fill.volume FROM fill JOIN intent USING (id) WHERE intent.market = ?"


class Protection:
    """Looks again and again, and says what is unprotected for too long."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._since: dict[str, float] = {}

    async def watch(self) -> None:
        """Look until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            for market in self._checker.exchange.markets:
                why = self.why_not(market)
                if why is None:
                    self._since.pop(market, None)
                elif now - self._since.setdefault(market, now) > WITHIN_S:
                    self._checker.story.breach("I12 bought and not protected", market=market, why=why)
                    self._since[market] = float("inf")
            await asyncio.sleep(LOOK_S)

    def held(self) -> list[str]:
        """Return the markets of which more is held than cannot be sold."""
        return [market for market in self._checker.exchange.markets if self._worth(market) >= WORTH_KRW]

    def _worth(self, market: str) -> Decimal:
        """Return what the bot holds of a market and could sell: not what its owner has locked in an order."""
        free, _ = self._checker.exchange.accounts.of(market[4:])
        ours = (one.remaining_volume or ZERO for one in self._checker.ours() if is_open_sale(one, market))
        volume = min(self._checker.left(market), free + sum(ours, ZERO))
        bids = self._checker.exchange.venue.book(market).bids
        return volume * bids[0].price if bids and volume > 0 else ZERO

    def why_not(self, market: str) -> str | None:
        """Return why what is held of a market is unprotected; None when nothing is, or it is protected."""
        books = self._checker.books
        if self._worth(market) < WORTH_KRW or books is None:  # without a journal no daemon runs: a person is at work
            return None
        known = sum((SIGNS[row["side"]] * Decimal(row["volume"]) for row in books.rows(FILLS, market)), ZERO)
        if known != self._checker.position(market):
            return "the journal knows another volume"
        if not books.rows(STOPPED, market):
            return "there is no stop"
        return "exits are halted" if books.rows(EXITS_HALTED) else None


def is_open_sale(order: Order, market: str) -> bool:
    """Return whether an order offers coins of a market and still holds them locked."""
    return order.open and order.asked.side == "ask" and order.asked.market == market
