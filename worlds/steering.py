"""What a person orders of the daemon of a world, from each front end: again until its outcome is told, and late.

A command line leaves a file, a browser posts a form over the network, a press of a button in Discord reaches the
daemon. None of them knows whether a daemon that died has heard it: each comes twice, again, and once more when all is
over. It is held to one effect and one story (I29).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp

from chat.buttons import EPOCH, Button, pressed
from chat.presses import press
from dashboard.pages.command import TYPED
from dashboard.passes import SESSION, Role, form_token
from dashboard.server import page_of
from journal.records import Command, Order
from trader.control import SELL_ALL, STOPPED
from trader.requests import deliver
from worlds.judges.books import OPEN_TRADES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from dashboard.passes import Passes
    from worlds.machine import Machine
    from worlds.stage import Stage

FRONTS = ("command line", "page", "chat")
LOOK_S, AGAIN_S, LATE_S, BROWSER_S = 0.25, 1.0, 3.0, 10.0
SESSION_LIFE = timedelta(days=1)
TAKEN = "SELECT name, outcome FROM command WHERE id = ?"
TOLD = "SELECT 1 FROM event WHERE kind = 'command' AND ref = ?"
STANDS = "SELECT 1 FROM halt WHERE code = ? AND ended_ms IS NULL"
BEGAN = "SELECT 1 FROM event WHERE kind = 'halt' AND ref = ?"
ENDED = "SELECT 1 FROM event WHERE kind = 'halt_ended' AND ref = ?"
SAID = "SELECT 1 FROM outbox WHERE kind = ? AND instr(key, ?)"
HELD = "SELECT id FROM trade WHERE phase = 'holding' ORDER BY rowid"
ENDS = "SELECT phase, exit_reason FROM trade WHERE id = ?"
SALES = "SELECT DISTINCT intent.id FROM fill JOIN intent USING (id) WHERE trade_id = ? AND side = 'ask'"


class Steering:
    """One command from one front end of a world whose daemon holds something."""

    def __init__(self, stage: Stage, machine: Machine, order: Order, front: str) -> None:
        self._stage, self._machine = stage, machine
        self._order, self._front = order, front
        self._trade = self._button = self._id = ""
        self._given = self._late = False
        self._page = self._session = ""
        self._passes: Passes | None = None
        if front == "page":
            machine.beside.append(page_of(1.0, self._opened))

    # -- what a person does

    async def give(self) -> None:
        """Give it until its outcome is told; then let it arrive once more."""
        self._trade = self._rows(HELD)[0]["id"]
        if self._order is Order.RESUME:
            self._leave(Command(id="before", name=Order.HALT_BUYS, by="cli", asked_at=self._stage.clock()))
            await until(lambda: bool(self._rows(STANDS, STOPPED)))
        question = int((self._stage.clock() - EPOCH) / timedelta(milliseconds=1)) << 22
        self._button = Button(self._order, "", self._about()).name(question)
        self._id = self._command().id if self._front == "chat" else f"{question:032x}"
        self._stage.befall("person_orders", order=self._order, front=self._front)
        self._given = True
        while self._outcome() is None:
            await self._twice()
            await asyncio.sleep(AGAIN_S)
        await until(self._is_done)
        await asyncio.sleep(LATE_S)
        self._late = True
        await self._twice()

    def is_under_way(self) -> bool:
        """Return whether it was given, and something of it is still to come."""
        return self._given and not (self._late and self._is_done())

    def is_over(self) -> bool:
        """Return whether nothing of it is to come."""
        return self._late and self._is_done()

    def _about(self) -> str:
        return {Order.RESUME: STOPPED, Order.SELL: self._trade}.get(self._order, "")

    def _command(self) -> Command:
        found = pressed(self._button, self._stage.clock())
        assert found is not None
        return found[0]

    def _outcome(self) -> str | None:
        return next((row["outcome"] for row in self._rows(TAKEN, self._id)), None)

    def _is_done(self) -> bool:
        """Return whether its outcome is told, and what it sells is sold."""
        if self._order is Order.SELL_ALL:
            return self._outcome() is not None and not self._rows(OPEN_TRADES)
        sold = self._order is not Order.SELL or self._rows(ENDS, self._trade)[0]["phase"] == "closed"
        return self._outcome() is not None and sold

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        books = self._stage.checker.books
        assert books is not None
        return books.rows(query, *values)

    # -- how it comes

    async def _twice(self) -> None:
        """Let it come twice, at the same time where that can be."""
        come = {"command line": self._by_file, "page": self._by_form, "chat": self._by_button}[self._front]
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(come())

    async def _by_file(self) -> None:
        given, now = self._command(), self._stage.clock()
        self._leave(Command(id=self._id, name=given.name, by="cli", asked_at=now, codes=given.codes))

    def _leave(self, command: Command) -> None:
        deliver(self._machine.folder(), command)

    def _opened(self, address: str, passes: Passes) -> None:
        """Take notice of where the page of a daemon is, and who opens it."""
        self._page, self._passes = address, passes

    async def _by_form(self) -> None:
        """Post the form of the page; one that is not let in any more logs in again."""
        if self._passes is None:
            return
        if not self._session or self._passes.role(SESSION, self._session) is None:
            self._session = self._passes.issue(SESSION, Role.OWNER, SESSION_LIFE)
        sent = {"token": form_token(self._session), "id": self._id, "code": self._about()}
        headers = {"Origin": self._page, "Cookie": f"session_{self._page.rpartition(':')[2]}={self._session}"}
        typed = {"typed": TYPED[self._order]} if self._order in TYPED else {}
        with suppress(aiohttp.ClientError, OSError, TimeoutError):  # its daemon died, or its machine
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(BROWSER_S)) as browser,
                browser.post(
                    f"{self._page}/command/{self._order}", data=sent | typed, headers=headers, allow_redirects=False
                ),
            ):
                pass

    async def _by_button(self) -> None:
        host, app = self._machine.host, self._machine.app
        if host is None or app is None or not host.alive or self._machine.trading_since is None:
            return  # Discord keeps no press for who is not there; a person presses again

        async def arrives() -> None:
            press(app, self._button, self._stage.clock())

        await asyncio.wait([self._stage.loop.start(host, arrives())], timeout=AGAIN_S)

    # -- what it is held to

    def judge(self) -> None:
        """I29: it was done once, is told once, and did what it says, once."""
        if not self._given:
            return
        self._count("commands", 1, TAKEN, self._id)
        self._count("events", 2, TOLD, self._id)
        if self._outcome() != "done":
            self._accuse("outcome", self._outcome())
        code = {Order.HALT_BUYS: STOPPED, Order.RESUME: STOPPED, Order.SELL_ALL: SELL_ALL}.get(self._order)
        if code is not None:
            resumed = int(self._order is Order.RESUME)
            self._count("halts", 1, BEGAN, code)
            self._count("messages of a halt", 1, SAID, "halted", f"halted:{code}:")
            self._count("ends of a halt", resumed, ENDED, code)
            self._count("messages of its end", resumed, SAID, "resumed", code)
            self._count("halts that stand", 1 - resumed, STANDS, code)
        if self._order in {Order.SELL, Order.SELL_ALL}:
            (trade,) = self._rows(ENDS, self._trade)
            if trade["phase"] != "closed":
                self._accuse("phase", trade["phase"])
            self._count("sales", 1, SALES, self._trade)

    def _count(self, of: str, due: int, query: str, *values: object) -> None:
        found = len(self._rows(query, *values))
        if found != due:
            self._accuse(of, found)

    def _accuse(self, of: str, found: object) -> None:
        facts = {"order": self._order, "front": self._front, "of": of, "found": found}
        self._stage.story.breach("I29 a command is not one effect and one story", **facts)


async def until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    while not so():  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(LOOK_S)
