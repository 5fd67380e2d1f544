"""Each world in a forked process of its own: what was killed in it vanishes with it, and both processors work."""

from __future__ import annotations

import os
import selectors
import sys
import traceback
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

J = TypeVar("J")


class Pool:
    """At most `workers` children at a time; each hands back some bytes, or nothing when it broke."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, tuple[int, object, list[bytes]]] = {}  # read end: process, job, parts

    def fork(self, job: object) -> int | None:
        """Fork a child when a place is free. In the child, return where it writes its answer; in the parent None."""
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            os.close(read)
            return write
        os.close(write)
        self._running[read] = child, job, []
        self._selector.register(read, selectors.EVENT_READ)
        return None

    def full(self) -> bool:
        """Return whether every place is taken."""
        return len(self._running) >= self._workers

    def busy(self) -> bool:
        """Return whether a child is at work."""
        return bool(self._running)

    def collect(self) -> Iterator[tuple[object, bytes]]:
        """Wait for some children to end, and yield each job with its answer."""
        for key, _ in self._selector.select():
            child, job, parts = self._running[key.fd]
            part = os.read(key.fd, 65_536)
            if part:
                parts.append(part)
                continue
            self._selector.unregister(key.fd)
            os.close(key.fd)
            os.waitpid(child, 0)
            del self._running[key.fd]
            yield job, b"".join(parts)


def answer(write: int, content: bytes) -> None:
    """Hand back the answer of a child and end it, without any clean-up."""
    try:
        while content:
            content = content[os.write(write, content) :]
        sys.stdout.flush()
        sys.stderr.flush()
    finally:  # whatever happens, a child never goes on as if it were its parent
        os._exit(0)


def map_forked(jobs: Iterable[J], work: Callable[[J], bytes], workers: int) -> Iterator[tuple[J, bytes]]:
    """Yield every job with what `work` made of it in a child, as they end; empty bytes when the child broke."""
    pool = Pool(workers)
    waiting = iter(jobs)
    more = True
    while more or pool.busy():
        while more and not pool.full():
            try:
                job = next(waiting)
            except StopIteration:
                more = False
                break
            write = pool.fork(job)
            if write is not None:
                in_child(write, work, job)
        if pool.busy():
            yield from pool.collect()  # type: ignore[misc]  # the jobs it holds are ours


def in_child(write: int, work: Callable[[J], bytes], job: J) -> None:
    """Do the work of a child and end."""
    try:
        content = work(job)
    except BaseException:  # noqa: BLE001 - told, and the parent sees that there is no answer
        traceback.print_exc()
        content = b""
    answer(write, content)
