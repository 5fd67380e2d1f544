"""Books with coarser prices: which groupings a KRW market offers, and what its book looks like in one."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from sandbox.market.feed import Book, Level
from sandbox.market.ticks import tick_size
from sandbox.wire import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_GROUPING = Decimal(0)
FROM_THE_STEP_ON = Decimal(1000)
"""Below this price the step itself is offered too; so powers of ten up to the price fit every documented row."""


def supported_levels(price: Decimal) -> list[Decimal]:
    """Return the groupings of a market at a price, 0 (none) first."""
    step = tick_size(price)
    levels = [Decimal(1).scaleb(power) for power in range(step.adjusted(), price.adjusted() + 1)]
    smallest = step if price < FROM_THE_STEP_ON else EXACT.add(step, tick_size(Decimal(0)))
    return [NO_GROUPING, *(level for level in levels if level >= smallest)]


def grouped(book: Book, level: Decimal) -> Book:
    """Return a book whose prices are multiples of a level: bids join the multiple below them, asks the one above."""
    if not level:
        return book
    return Book(
        book.market, book.at_ms, _joined(book.asks, level, ROUND_CEILING), _joined(book.bids, level, ROUND_FLOOR)
    )


def _joined(levels: Iterable[Level], step: Decimal, rounding: str) -> tuple[Level, ...]:
    sizes: dict[Decimal, Decimal] = {}
    for level in levels:
        price = EXACT.multiply((level.price / step).to_integral_value(rounding), step)
        sizes[price] = EXACT.add(sizes.get(price, NO_GROUPING), level.size)
    return tuple(Level(price, size) for price, size in sizes.items())
