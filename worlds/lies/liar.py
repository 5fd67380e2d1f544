"""Stands before every answer and every frame: lists what could be said instead, or says it, in a forked world each."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from aiohttp import web

from journal import JOURNAL_FILE
from journal.store import LOCK, Store, connect, place_of, take_lock
from sandbox.faults.lies import Lie, Memory, Refusal, lies_about, tell
from worlds.judges.books import Books
from worlds.lies.catalogue import READ
from worlds.lies.sandbox import HOOKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from worlds.pool import Pool
    from worlds.world import World

OK = 200
IN_HAND = "SELECT 1 FROM trade WHERE phase IN ('entering', 'holding', 'leaving')"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One answer or frame of a flow."""

    key: str  # method and path, or the type of a frame
    in_hand: bool  # whether a trade was open
    shape: int  # which list of lies fits


class Listed(msgspec.Struct, kw_only=True):
    """Every answer and frame of a flow, and what could be said instead."""

    points: list[Point] = []
    shapes: list[list[str]] = []
    halts: list[str] = []  # which stand at its end although nobody lied


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One lie at one point, for so long; 0 s: once."""

    point: int
    key: str
    where: tuple[str | int, ...]
    what: str
    seconds: float

    @property
    def lie(self) -> Lie:
        """Return what is said."""
        return Lie(self.where, self.what)

    def __str__(self) -> str:
        lasts = f"for {self.seconds:g} s" if self.seconds else "once"
        return f"{self.key} | {self.lie} | {lasts}"


class Liar:
    """Hears every answer of a world before its daemon does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._memory = Memory()
        self.points = 0
        self.told = 0
        self.over = False  # nothing is a point any more
        self.trial: Trial | None = None  # which is told now
        self.on_point: Callable[[str, Any], None] = lambda _key, _answer: None
        world.box.lies = True
        world.box.on_answer = self._on_answer
        world.box.on_frame = self._on_frame

    @property
    def words(self) -> Mapping[str, set[str]]:
        """Return which words stood where."""
        return self._memory.words

    def in_hand(self) -> bool:
        """Return whether a trade is open."""
        books = self._world.checker.books
        return books is not None and bool(books.rows(IN_HAND))

    def _on_answer(self, request: web.BaseRequest, answer: web.StreamResponse) -> web.StreamResponse:
        if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
            return answer
        said = self._instead(f"{request.method} {request.path}", answer.body)
        if isinstance(said, Refusal):
            headers = {"Retry-After": said.retry_after} if said.retry_after else None
            return web.Response(status=said.status, body=said.body, content_type="application/json", headers=headers)
        if said is answer.body:
            return answer
        return web.Response(status=answer.status, body=said, content_type="application/json", headers=spared(answer))

    def _on_frame(self, frame: bytes) -> Iterable[bytes]:
        said = self._instead("frame", frame)
        return (said if isinstance(said, bytes) else said.body,)

    def _instead(self, key: str, body: bytes) -> bytes | Refusal:
        try:
            answer = json.loads(body)
        except ValueError:
            return body
        if key == "frame":
            key = f"frame {answer.get('type')}" if isinstance(answer, dict) and "type" in answer else key
        if not self.over:
            self.on_point(key, answer)
            self.points += 1
        said: Any = answer
        if self.trial is not None and self.trial.key == key:
            said = tell(self.trial.lie, key, answer, self._memory, READ)
            if said != answer:
                self.told += 1
                self._world.story.tell("exchange", "lies", key=key, lie=str(self.trial.lie))
                if HOOKS in key:  # the message is there, and who sent it cannot know: it may come once more
                    self._world.story.counts["webhook_lost"] += 1
            if not self.trial.seconds:
                self.trial = None
        self._memory.take(key, answer)
        if isinstance(said, Refusal):
            return said
        return body if said == answer else json.dumps(said).encode()


def spared(answer: web.Response) -> dict[str, str]:
    """Return the headers of an answer that stay true whatever its body says."""
    return {name: value for name, value in answer.headers.items() if name not in {"Content-Type", "Content-Length"}}


class Lister:
    """Lists every point of a flow, and what could be said there."""

    def __init__(self, liar: Liar) -> None:
        self.listed = Listed()
        self._liar = liar
        self._known: dict[tuple[str, ...], int] = {}
        liar.on_point = self._on_point

    def _on_point(self, key: str, answer: Any) -> None:
        lies = lies_about(answer, READ, dict(self._liar.words))
        texts = tuple(json.dumps([lie.where, lie.what]) for lie in lies)
        if texts not in self._known:
            self._known[texts] = len(self.listed.shapes)
            self.listed.shapes.append(list(texts))
        self.listed.points.append(Point(key=key, in_hand=self._liar.in_hand(), shape=self._known[texts]))


class Forker:
    """Forks at every chosen point: the child is lied to, and its parent goes on."""

    def __init__(
        self, world: World, liar: Liar, chosen: Sequence[Trial], pool: Pool, begin: Callable[[Trial, int], None]
    ) -> None:
        self._world = world
        self._liar = liar
        self._pool = pool
        self._begin = begin
        self._chosen: dict[int, list[Trial]] = {}
        for trial in chosen:
            self._chosen.setdefault(trial.point, []).append(trial)
        self.results: list[tuple[Trial, bytes]] = []
        self._copies = 0
        liar.on_point = self._on_point

    def _on_point(self, key: str, _: Any) -> None:
        for trial in self._chosen.get(self._liar.points, ()):
            assert trial.key == key, f"point {trial.point} is {key} now, and was {trial.key}"
            while self._pool.full():
                self.collect()
            if self._fork(trial):
                return

    def _fork(self, trial: Trial) -> bool:
        """Return whether this is the child. The parent goes on once the child has let go of what they share."""
        self._copies += 1
        copy = Path.cwd().parent / f"copy{self._copies}"
        shutil.copytree(Path.cwd(), copy, ignore=shutil.ignore_patterns("*-shm"))  # while nobody writes
        moved, say_moved = os.pipe()
        write = self._pool.fork((trial, copy))
        if write is None:
            os.close(say_moved)
            os.read(moved, 1)
            os.close(moved)
            return False
        try:
            move(self._world, copy)
        except BaseException:  # noqa: BLE001 - a child never goes on as if it were its parent
            traceback.print_exc()
            os._exit(1)
        os.close(moved)
        os.close(say_moved)
        self._liar.on_point = lambda _key, _answer: None
        self._liar.trial = trial
        self._begin(trial, write)
        return True

    def collect(self) -> None:
        """Wait for some children."""
        for job, content in self._pool.collect():
            trial, copy = cast("tuple[Trial, Path]", job)
            self.results.append((trial, content))
            shutil.rmtree(copy, ignore_errors=True)

    def finish(self) -> None:
        """Wait for all of them."""
        while self._pool.busy():
            self.collect()


def move(world: World, copy: Path) -> None:
    """Give a child files of its own: it lives on in a copy of the folder, with locks and connections of its own."""
    asyncio._set_running_loop(world.loop)  # noqa: SLF001 - asyncio forgets the running loop in a fork
    left = Path.cwd()
    os.chdir(copy)
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as cheap as it gets
        with contextlib.suppress(OSError):
            place = Path(os.readlink(f"/proc/self/fd/{entry}"))  # noqa: PTH115 - what was removed is told apart
            if place.name == LOCK and left in place.parents:
                lock = take_lock(place.parent.relative_to(left))
                os.dup2(lock, int(entry), inheritable=False)  # the kernel holds a lock as long as anybody has it open
                os.close(lock)
    for store in [one for one in gc.get_objects() if isinstance(one, Store)]:
        if store._path.exists():  # noqa: SLF001 - its own world
            store._db, store._place = connect(store._path), place_of(store._path)  # noqa: SLF001 - same
    journal = world.machine.folder() / JOURNAL_FILE
    world.checker.books = Books(journal) if journal.exists() else None
