"""What goes wrong with accepted orders: they wait, or are filled in part."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.exchange.ledger import ZERO
from sandbox.exchange.orders import floor_volume
from sandbox.faults.chance import fits, fits_market
from sandbox.faults.plan import Partial, Stuck
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sandbox.exchange.matching import Offer
    from sandbox.exchange.orders import Order
    from sandbox.faults.chance import Dice
    from sandbox.faults.plan import OrderRule


class OrderFaults:
    """The rules about orders of the plan in force. Each order is judged once by each rule."""

    def __init__(self, held: Callable[[], Iterable[str]]) -> None:
        self.dice: list[tuple[OrderRule, Dice]] = []
        self.spared: set[str] = set()  # uuids of orders that are no client's
        self._held = held
        self._sparing = False

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Leave an order alone that is placed meanwhile."""
        self._sparing = True
        try:
            yield
        finally:
            self._sparing = False

    def clear(self) -> None:
        """Forget the rules."""
        self.dice.clear()

    def delay_ms(self, order: Order) -> int:
        """Return how much later than usual an order meets the book."""
        found = self._struck(order, Stuck)
        return found[1].draw_ms(found[0].seconds) if found and isinstance(found[0], Stuck) else 0

    def offers(self, order: Order, offers: list[Offer]) -> list[Offer]:
        """Return what of the offers an order may take."""
        if order.asked.ord_type == "limit" and order.asked.time_in_force != "ioc":
            return offers
        found = self._struck(order, Partial)
        if not found or not isinstance(found[0], Partial):
            return offers
        return cut(order, offers, Decimal(repr(found[0].share)))

    def _struck(self, order: Order, kind: type[OrderRule]) -> tuple[OrderRule, Dice] | None:
        if not self.dice or self._sparing or order.uuid in self.spared:
            return None
        return next(
            (
                (rule, dice)
                for rule, dice in self.dice
                if isinstance(rule, kind)
                and fits(rule.on.sides, order.asked.side)
                and fits_market(rule.on.markets, order.asked.market, self._held)
                and dice.strikes()
            ),
            None,
        )


def cut(order: Order, offers: list[Offer], share: Decimal) -> list[Offer]:
    """Return the best offers up to a share of what an order asks for, by volume or by total."""
    by_total = order.asked.volume is None
    left = EXACT.multiply(order.remaining_funds if by_total else order.asked.volume or ZERO, share)
    kept = []
    for offer in offers:
        volume = floor_volume(min(offer.size, EXACT.divide(left, offer.price) if by_total else left))
        if volume <= 0:
            break
        kept.append(offer._replace(size=volume))
        left = EXACT.subtract(left, EXACT.multiply(volume, offer.price) if by_total else volume)
    return kept
