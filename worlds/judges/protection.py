"""Whether what was bought is protected: it is known, it has a stop that is minded, and nothing keeps it from a sale."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from worlds.judges.books import SIGNS, ZERO
from worlds.judges.names import is_ours

if TYPE_CHECKING:
    from sandbox.exchange.orders import Order
    from worlds.judges.checker import Checker

WITHIN_S = 60.0
LOOK_S = 2.0
WORTH_KRW = Decimal(6_000)
"""A little more than the least an order may be: what is worth less cannot be sold."""
STOPPED = "SELECT stop_price FROM trade WHERE market = ? AND phase IN ('holding', 'leaving') AND stop_price IS NOT NULL"
EXITS_HALTED = "SELECT 1 FROM halt WHERE ended_ms IS NULL AND level = 'HALTED'"
USED_UP = """
SELECT DISTINCT intent.id FROM intent JOIN attempt USING (id)
WHERE intent.market = ? AND intent.state = 'UNKNOWN' AND attempt.outcome = 'DuplicatedIdentifier'
"""
FILLS = "SELECT intent.side, fill.volume FROM fill JOIN intent USING (id) WHERE intent.market = ?"


class Protection:
    """Looks again and again, and says what is unprotected for too long."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._since: dict[str, float] = {}

    async def watch(self) -> None:
        """Look until cancelled, while all answers are true."""
        loop = asyncio.get_running_loop()
        while True:
            self.look(loop.time(), 0.0)
            await asyncio.sleep(LOOK_S)

    def look(self, now_s: float, true_since: float | None) -> None:
        """Look once. `true_since`: since when nothing fails and a daemon trades; None while something does."""
        for market in self._checker.exchange.markets:
            why = self.why_not(market) if true_since is not None else None
            if why is None or true_since is None:
                self._since.pop(market, None)
            elif now_s - max(self._since.setdefault(market, now_s), true_since) > WITHIN_S:
                self._checker.story.breach("I12 bought and not protected", market=market, why=why)
                self._since[market] = float("inf")

    def held(self) -> list[str]:
        """Return the markets of which more is held than cannot be sold."""
        return [market for market in self._checker.exchange.markets if self._worth(market) >= WORTH_KRW]

    def _worth(self, market: str) -> Decimal:
        """Return what the bot holds of a market and could sell: not what its owner has locked in an order."""
        left = self._checker.coins.left(market)
        if left <= 0:
            return ZERO
        free, _ = self._checker.exchange.accounts.of(market[4:])
        sales = (one for one in self._checker.exchange.open_orders() if is_our_sale(one, market))
        volume = min(left, free + sum((one.remaining_volume or ZERO for one in sales), ZERO))
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
        stops = books.rows(STOPPED, market)
        if not stops:
            return "there is no stop"
        if books.rows(EXITS_HALTED):
            return "exits are halted"
        asks = self._checker.exchange.venue.book(market).asks
        below = asks and asks[0].price < Decimal(stops[0]["stop_price"])
        return "its price is below its stop" if below and not self._waits_for_a_person(market) else None

    def _waits_for_a_person(self, market: str) -> bool:
        """Return whether a sale's name is used up and shows no order: nobody else can say that it never was."""
        books = self._checker.books
        used_up = {row["id"] for row in books.rows(USED_UP, market)} if books is not None else set()
        return bool(used_up - {order.asked.identifier for order in self._checker.ours()})


def is_our_sale(order: Order, market: str) -> bool:
    """Return whether an order of the bot offers coins of a market."""
    return order.asked.side == "ask" and order.asked.market == market and is_ours(order)
