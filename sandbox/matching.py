"""How an incoming order walks a book: pure arithmetic over levels, and what our earlier takers left of each level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.ledger import EXACT, ZERO
from sandbox.orders import floor_volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from sandbox.feed import Book, Level
    from sandbox.orders import Side

Step = tuple["Decimal", "Decimal"]  # price, volume


class Depth:
    """The public book minus what our own takers already took from it.

    A level's reduction lasts until the public size at that price changes: then somebody renewed it.
    """

    def __init__(self) -> None:
        self._taken: dict[tuple[str, Side], dict[Decimal, tuple[Decimal, Decimal]]] = {}

    def against(self, side: Side, book: Book) -> list[Step]:
        """Return the levels a taker of this side meets, best first, without what is already taken."""
        levels: Sequence[Level] = book.asks if side == "bid" else book.bids
        taken = self._taken.get((book.market, side))
        if not taken:
            return [(level.price, level.size) for level in levels]
        sizes = {level.price: level.size for level in levels}
        for price in [price for price, (size, _) in taken.items() if sizes.get(price) != size]:
            del taken[price]
        steps = (
            (price, EXACT.subtract(size, taken[price][1]) if price in taken else size) for price, size in sizes.items()
        )
        return [(price, size) for price, size in steps if size > 0]

    def take(self, side: Side, book: Book, steps: Iterable[Step]) -> None:
        """Remember what a taker took from this book."""
        sizes = {level.price: level.size for level in (book.asks if side == "bid" else book.bids)}
        taken = self._taken.setdefault((book.market, side), {})
        for price, volume in steps:
            before = taken.get(price, (ZERO, ZERO))[1]
            taken[price] = (sizes[price], EXACT.add(before, volume))


def within(levels: Iterable[Step], side: Side, limit: Decimal) -> list[Step]:
    """Keep the levels no worse than a limit price."""
    return [step for step in levels if (step[0] <= limit if side == "bid" else step[0] >= limit)]


def walk_volume(levels: Iterable[Step], volume: Decimal) -> list[Step]:
    """Take a volume from the levels; less when they hold less."""
    steps: list[Step] = []
    for price, size in levels:
        step = min(size, volume)
        if step <= 0:
            break
        steps.append((price, step))
        volume = EXACT.subtract(volume, step)
    return steps


def walk_funds(levels: Iterable[Step], funds: Decimal) -> list[Step]:
    """Spend funds level by level; the volume of each is rounded down to 8 decimals, the rest is left over."""
    steps: list[Step] = []
    for price, size in levels:
        affordable = floor_volume(EXACT.divide(funds, price))
        step = min(size, affordable)
        if step > 0:
            steps.append((price, step))
            funds = EXACT.subtract(funds, EXACT.multiply(price, step))
        if affordable <= size:
            break
    return steps


def total_volume(levels: Iterable[Step]) -> Decimal:
    """Sum the sizes."""
    total = ZERO
    for _, size in levels:
        total = EXACT.add(total, size)
    return total


def total_funds(levels: Iterable[Step]) -> Decimal:
    """Sum price x size."""
    total = ZERO
    for price, size in levels:
        total = EXACT.add(total, EXACT.multiply(price, size))
    return total
