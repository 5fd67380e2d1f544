"""A bounded run of values as compressed text: an exact year of decimals in a tenth of the memory of objects."""

from __future__ import annotations

import zlib
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
BLOCK = 128
"""Values compressed together."""


class Packed(Generic[T]):
    """The newest values of a run that only grows; at least `keep` of them, and at most one block more."""

    def __init__(self, keep: int, write: Callable[[T], str], read: Callable[[str], T]) -> None:
        """`write` makes one line of a value, and `read` the same value of the line."""
        self._write, self._read = write, read
        self._open: list[str] = []
        self._blocks: deque[bytes] = deque(maxlen=-(-keep // BLOCK))
        self._size = 0

    def __len__(self) -> int:
        """Return how many values are kept."""
        return len(self._blocks) * BLOCK + len(self._open)

    @property
    def complete(self) -> bool:
        """Whether nothing was dropped yet."""
        return len(self) == self._size

    def append(self, value: T) -> None:
        """Add the newest value."""
        self._size += 1
        self._open.append(self._write(value))
        if len(self._open) == BLOCK:
            self._blocks.append(zlib.compress("\n".join(self._open).encode(), 1))
            self._open = []

    def newest(self) -> Iterator[T]:
        """Yield the values, newest first; what is not asked for is not unpacked."""
        blocks = (zlib.decompress(block).decode().split("\n") for block in reversed(self._blocks))
        for lines in chain([self._open], blocks):
            for line in reversed(lines):
                yield self._read(line)
