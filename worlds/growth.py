"""What grows: every container that hangs on an object of ours is measured, and a line is fitted to each size.

So is what only a running task knows: the locals of its coroutine and of those it waits in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence, Sized
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

SETTLED_DAYS = 3.0
"""Caches fill, histories are fetched: what happens before says nothing about growth."""
MOST_A_DAY = 0.05
"""Entries a day below which nothing is called growth: two in a month of swinging up and down."""
CERTAIN = 4.0
"""So many standard errors must a slope be above zero."""
MOST_REMEMBERED = 0.9
LARGEST_LOOKED_INTO = 5_000


def sizes(name: str, root: object, rooms: frozenset[str], seen: set[int] | None = None) -> dict[str, int]:
    """Return the entries of every container below `root`, by the path of attributes that leads to it.

    Args:
        name: what the path begins with.
        root: where to begin; of whatever package it is.
        rooms: packages whose objects are looked into below it; one that has a length is a container. What is in a
            container is added up under one path.
        seen: ids of what was measured under another name, and is not measured again; those of this are added.
    """
    return sizes_below([(f"{name}.{attribute}", value) for attribute, value in attributes(root)], rooms, seen)


def sizes_in_tasks(tasks: Iterable[asyncio.Task[Any]], rooms: frozenset[str], seen: set[int]) -> dict[str, int]:
    """Return the entries of every container below the locals of tasks, by coroutine and name; as `sizes` does."""
    return sizes_below([one for task in tasks for one in locals_of(task)], rooms, seen)


def locals_of(task: asyncio.Task[Any]) -> Iterator[tuple[str, object]]:
    """Yield names and values of what the coroutine of a task knows, and of those it waits in."""
    waits: Any = task.get_coro()
    while frame := getattr(waits, "cr_frame", None):
        yield from ((f"{waits.__qualname__}.{name}", value) for name, value in frame.f_locals.items())
        waits = waits.cr_await


def sizes_below(
    named: Iterable[tuple[str, object]], rooms: frozenset[str], seen: set[int] | None = None
) -> dict[str, int]:
    """Return the entries of every container that is one of these things or hangs below one; as `sizes` does."""
    found: dict[str, int] = {}
    seen = set() if seen is None else seen
    waiting = deque(named)
    while waiting:
        path, thing = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray):
            found[path] = found.get(path, 0) + thing.size
        elif isinstance(thing, Mapping | AbstractSet | Sequence | deque) and not isinstance(thing, str | bytes):
            found[path] = found.get(path, 0) + len(thing)
            waiting.extend((f"{path}[]", one) for one in contents(thing))
        elif type(thing).__module__.partition(".")[0] not in rooms:
            continue
        elif isinstance(thing, Sized):
            found[path] = found.get(path, 0) + len(thing)
        else:
            waiting.extend((f"{path}.{attribute}", value) for attribute, value in attributes(thing))
    return found


def contents(container: Any) -> list[object]:
    """Return what is in a container; of a very large one its size says enough."""
    if len(container) > LARGEST_LOOKED_INTO:
        return []
    return list(container.values() if isinstance(container, Mapping) else container)


def attributes(thing: object) -> list[tuple[str, object]]:
    """Return names and values of an object."""
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    named = [(name, getattr(thing, name)) for name in slots if hasattr(thing, name)]
    return [*named, *getattr(thing, "__dict__", {}).items()]


def slope(days: Sequence[float], values: Sequence[float], settled: float = SETTLED_DAYS) -> tuple[float, float]:
    """Return how much a value grows a day once it has settled, and the standard error of that.

    With fewer than three values after `settled` days all of them count.
    """
    kept = [at for at, day in enumerate(days) if day > settled]
    kept = kept if len(kept) > 2 else list(range(len(days)))  # noqa: PLR2004 - a line through two is no fit
    x, y = np.array([days[at] for at in kept]), np.array([values[at] for at in kept])
    x = x - x.mean()
    spread = float((x * x).sum())
    if not spread:
        return 0.0, 0.0
    a_day = float((x * y).sum()) / spread
    left = y - y.mean() - a_day * x
    error = float(np.sqrt((left * left).sum() / max(len(kept) - 2, 1) / spread))
    return a_day, error * float(np.sqrt((1 + remembered(left)) / (1 - remembered(left))))


def remembered(left: FloatArray) -> float:
    """Return how much of each deviation from a line is in the next one, from 0 to `MOST_REMEMBERED`.

    What lasts for days, such as which messages are the newest hundred, is measured several times: it is one sample.
    """
    squares = float((left * left).sum())
    return min(max(float((left[1:] * left[:-1]).sum()) / squares, 0.0), MOST_REMEMBERED) if squares else 0.0


def grows(days: Sequence[float], values: Sequence[float], most_a_day: float = MOST_A_DAY) -> bool:
    """Return whether a value grows: by more a day than is allowed, and not by chance."""
    a_day, error = slope(days, values)
    return a_day > most_a_day and a_day > CERTAIN * error
