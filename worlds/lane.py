"""One lane of `make sigkill`: an exchange lives on while daemon after daemon dies on the same data folder.

What has to happen before a point can be reached is in the `_...` methods; `sigkill.needs` says which of them.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cli.daemon import JOURNAL_FILE
from worlds.arena import MAX_OPEN_TRADES, ORDER_KRW
from worlds.books import OPEN_TRADES, Glances
from worlds.child import Exchange, Program
from worlds.plan import ACCESS_KEY, PARAMETERS, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TRADING_WITHIN_S = 10.0
STARTS_WITHIN_S = 60.0
REACHED_WITHIN_S = 60.0
RESTS_WITHIN_S = 150.0
"""Of which a minute and more may go by until coins are missed twice that were taken before the last kill."""
STOPS_WITHIN_S = 30.0
VERB_WITHIN_S = 30.0
ANY_MOMENT = "any_moment"
"""A kill from outside, wherever the daemon is."""
RESTLESS, PATIENT = 0.02, 20.0
"""Distance of the stop in average ranges: sold within seconds, or held until the market breaks down."""
SETTINGS = """language = "en"
[strategy]
unit = 1
[strategy.parameters]
{parameters}
[trading]
order_krw = {order_krw}
max_open_trades = {max_open_trades}
[risk]
max_order_krw = {order_krw}
max_day_krw = 1000000000
max_day_loss = 1
max_drawdown = 1
exclude = ["KRW-BTC"]
"""
NO_MORE_BUYS = f"risk.max_day_krw={ORDER_KRW}"
OLDER = """
BEGIN IMMEDIATE;
DROP TABLE flow;
ALTER TABLE attempt DROP COLUMN kind;
ALTER TABLE attempt DROP COLUMN request;
ALTER TABLE trade DROP COLUMN profit;
DELETE FROM meta WHERE key = 'realised';
PRAGMA user_version = 2;
COMMIT;
"""
"""Turns a journal back into one of format 2. What a fence was is lost by it, and every flow: there must be none."""
LOST_BY_AGING = (
    "SELECT 1 FROM flow UNION SELECT 1 FROM attempt JOIN intent USING (id) "
    "WHERE kind = 'fence' AND intent.state IN ('SENT', 'UNKNOWN', 'ACCEPTED')"
)
EXECUTED = "SELECT DISTINCT id FROM fill JOIN intent USING (id) WHERE state = 'FINAL'"
SETTLED_S = 6.0
"""So long after its last fill a position is compared with the account (`trader/balances.py`)."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One kill that is meant."""

    point: str
    need: str  # what must happen so that it is reached: a method of `Lane` without its underscore
    nth: int = 1


@dataclass(frozen=True, kw_only=True)
class Start:
    """How long one process took until it traded, seconds."""

    wall: float
    cpu: float
    stretch: float  # how much longer than the processor was busy with it loading the program took

    @property
    def own(self) -> float:
        """Return what it would have taken on a machine with nothing else to do."""
        return self.wall / self.stretch


@dataclass
class Tally:
    """What one lane did; read by others while it grows."""

    kills: list[str] = field(default_factory=list)  # points
    missed: list[str] = field(default_factory=list)  # points that were not reached in time
    broken: list[str] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    orders: int = 0
    fills: int = 0


class Lane:
    """Kills daemons, and judges at the end."""

    def __init__(self, seed: int, folder: Path, tally: Tally, *, patient: bool) -> None:
        self._tally = tally
        self._data = folder / "data"
        self._data.mkdir(mode=0o700)
        self._journal = self._data / JOURNAL_FILE
        self._journal.touch(mode=0o600)
        self._log = folder / "log"
        self._copy = folder / "copy"
        self._exchange = Exchange(seed, self._journal)
        self._programs: list[Program] = []
        self._books = Glances(self._journal)
        settings = folder / "config.toml"
        settings.write_text(settings_text(PATIENT if patient else RESTLESS), encoding="utf-8")
        self._environment = environment_of(self._exchange.url, self._data, settings)

    def close(self) -> None:
        """End everything that still runs, whatever went wrong."""
        for program in self._programs:
            program.kill()
        self._exchange.kill()

    def shoot(self, shot: Shot) -> bool:
        """Bring a daemon to a point, where it dies; return whether it did."""
        before = len(self._tally.kills)
        do: Callable[[Shot], None] = getattr(self, f"_{shot.need}")
        do(shot)
        return shot.point in self._tally.kills[before:]

    # -- processes

    def _program(self, *arguments: str, shot: Shot | None = None) -> Program:
        point, nth = (shot.point, shot.nth) if shot else (None, 1)
        program = Program(*arguments, environment=self._environment, log=self._log, point=point, nth=nth)
        self._programs = [one for one in self._programs if one.process.poll() is None] + [program]
        return program

    def _start(self, shot: Shot | None = None, *arguments: str) -> Program:
        """Start a daemon and wait until it trades; a victim may die before."""
        daemon = self._program("run", *arguments, shot=shot)
        told = daemon.trading(STARTS_WITHIN_S)
        if told is not None:
            start = Start(**told)
            self._tally.starts.append(start)
            if start.own > TRADING_WITHIN_S:
                self._break(f"I19 trading after {start.own:.1f} s of its own time ({start.wall:.1f} s)")
        elif daemon.wait(1.0) != -signal.SIGKILL or shot is None:
            self._break(f"a daemon did not come up: exit code {daemon.process.returncode}, {self._last_words()}")
        return daemon

    def _run(self, *verb: str) -> int | None:
        """Run a verb to its end, and return its exit code."""
        program = self._program(*verb)
        code = program.wait(VERB_WITHIN_S)
        program.kill()
        return code

    def _break(self, what: str) -> None:
        self._tally.broken.append(what)

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def _reach(self, victim: Program, shot: Shot, within: float = REACHED_WITHIN_S) -> None:
        """Wait until a victim is dead."""
        code = victim.wait(within)
        victim.kill()
        if code == -signal.SIGKILL:
            self._tally.kills.append(shot.point)
            return
        self._tally.missed.append(shot.point)
        if code is not None:
            self._break(f"ended by itself on its way to {shot.point}: exit code {code}, {self._last_words()}")

    def _kill_anywhere(self, daemon: Program) -> None:
        if daemon.process.poll() is not None:
            self._break(f"ended by itself: exit code {daemon.process.returncode}, {self._last_words()}")
            return
        daemon.kill()
        self._tally.kills.append(ANY_MOMENT)

    # -- what a point needs

    def _nothing(self, shot: Shot) -> None:
        """Reach a point that every daemon passes."""
        self._reach(self._start(shot), shot)

    def _doubt(self, shot: Shot) -> None:
        """Lose the answers to orders that were taken."""
        self._exchange.tell("lie", "lost_answer", 3)
        self._nothing(shot)
        self._usual_lies()

    def _missing(self, shot: Shot) -> None:
        """Answer orders that never arrive, again and again, until they are fenced."""
        self._exchange.tell("lie", "never", 40)
        self._nothing(shot)
        self._usual_lies()

    def _usual_lies(self) -> None:
        self._exchange.tell("honest")
        self._exchange.tell("lies")

    def _stop(self, shot: Shot) -> None:
        """Ask the daemon to stop while it trades."""
        victim = self._start(shot)
        time.sleep(1.0)
        victim.process.send_signal(signal.SIGTERM)
        self._reach(victim, shot)

    def _old(self, shot: Shot) -> None:
        """Start on a journal of an older format, with some trades in it: a lane's first, as its exchange is honest."""
        self._exchange.tell("honest")
        daemon = self._start()
        self._until(lambda: bool(self._executed()) and not self._books.live(), REACHED_WITHIN_S)
        self._kill_anywhere(daemon)
        with contextlib.closing(sqlite3.connect(self._journal)) as journal:
            if journal.execute(LOST_BY_AGING).fetchone() is not None:
                self._break("this journal cannot be one of an older format")
            journal.executescript(OLDER)
        self._nothing(shot)
        self._exchange.tell("lies")

    def _backup(self, shot: Shot) -> None:
        """Kill `backup` beside a daemon: what bears the name of the copy is whole, and the next one succeeds."""
        daemon = self._start()
        self._copy.unlink(missing_ok=True)
        self._reach(self._program("backup", str(self._copy), shot=shot), shot, VERB_WITHIN_S)
        self._look_at_copy()
        self._copy.unlink(missing_ok=True)
        if self._run("backup", str(self._copy)) != 0:
            self._break(f"no backup after one that was killed: {self._last_words()}")
        self._look_at_copy()
        self._kill_anywhere(daemon)

    def _look_at_copy(self) -> None:
        if self._copy.exists():
            with contextlib.closing(sqlite3.connect(f"file:{self._copy}?mode=ro", uri=True)) as copy:
                if copy.execute("PRAGMA quick_check").fetchone() != ("ok",) or not copy.execute(
                    "SELECT count(*) FROM event"
                ).fetchone() > (0,):
                    self._break("half a backup bears the name of a whole one")

    def _restored(self, shot: Shot) -> None:
        """Trade on, then put a copy of before in place: the daemon finds orders that its journal does not know."""
        self._exchange.tell("honest")
        with contextlib.closing(sqlite3.connect(":memory:")) as before:
            copy_database(self._journal, before)
            known = {row["id"] for row in self._books.rows("SELECT id FROM intent")}
            daemon = self._start()
            self._until(lambda: len(self._executed() - known) > 1, REACHED_WITHIN_S)
            self._kill_anywhere(daemon)
            self._exchange.tell("lost", self._journal)
            with contextlib.closing(sqlite3.connect(self._journal)) as journal:
                before.backup(journal)
        self._reach(self._start(shot), shot)
        self._resume()
        self._exchange.tell("lies")

    def _executed(self) -> set[str]:
        return {row["id"] for row in self._books.rows(EXECUTED)}

    def _resume(self) -> None:
        """Look, as a person does, and let buying go on."""
        daemon = self._start()
        time.sleep(1.0)
        if self._run("resume") != 0:
            self._break(f"resume failed: {self._last_words()}")
        self._kill_anywhere(daemon)

    def _taken(self, shot: Shot) -> None:
        """Take coins out of the account: that is believed when it was seen twice, a minute apart."""
        if not self._exchange.tell("take"):
            daemon = self._start()
            self._until(lambda: len(self._books.rows(OPEN_TRADES)) >= MAX_OPEN_TRADES, REACHED_WITHIN_S)
            self._until(lambda: not self._books.live(), REACHED_WITHIN_S)
            self._kill_anywhere(daemon)
            self._exchange.tell("take")
            time.sleep(SETTLED_S)
        self._reach(self._start(shot), shot, 90.0)

    # -- the end

    def rest(self) -> None:
        """Let the last daemon sell everything, stop it, and compare the books."""
        self._exchange.tell("honest")
        last = self._start(None, "--set", NO_MORE_BUYS)
        self._exchange.tell("shock", 0.3)
        if not self._until(self._is_at_rest, RESTS_WITHIN_S):
            self._break(f"not at rest after {RESTS_WITHIN_S:.0f} s: {self._last_words()}")
        last.process.send_signal(signal.SIGTERM)
        if last.wait(STOPS_WITHIN_S) != 0:
            self._break(f"the last daemon did not stop cleanly: {last.process.returncode}, {self._last_words()}")
        last.kill()
        verdict = self._exchange.tell("judge", self._journal)
        self._tally.broken += verdict["broken"]
        self._tally.orders, self._tally.fills = verdict["orders"], verdict["fills"]

    def _is_at_rest(self) -> bool:
        pending = self._books.rows("SELECT 1 FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return not pending and not self._books.live() and not self._books.rows(OPEN_TRADES)

    def _until(self, holds: Callable[[], bool], within: float) -> bool:
        """Wait until something holds; return whether it does."""
        deadline = time.monotonic() + within
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.1)
        return holds()


def settings_text(stop_atr: float) -> str:
    """Return a config.toml for a daemon that trades all the time."""
    parameters = {**PARAMETERS, "stop_atr": stop_atr}
    lines = "\n".join(f"{name} = {value}" for name, value in parameters.items())
    return SETTINGS.format(parameters=lines, order_krw=ORDER_KRW, max_open_trades=MAX_OPEN_TRADES)


def environment_of(url: str, data: Path, settings: Path) -> Mapping[str, str]:
    """Return what a user would set."""
    return {
        "ACCESS_KEY": ACCESS_KEY,
        "SECRET_KEY": SECRET_KEY,
        "WEBHOOK_URL": f"{url}/api/webhooks/1/victim",
        "UPBIT_BASE_URL": url,
        "BOT_DATA_DIR": str(data),
        "BOT_CONFIG": str(settings),
    }


def copy_database(path: Path, copy: sqlite3.Connection) -> None:
    """Copy a journal that nobody uses."""
    with contextlib.closing(sqlite3.connect(path)) as journal:
        journal.backup(copy)


def run_lane(seed: int, shots: Sequence[Shot], tally: Tally, *, patient: bool) -> None:
    """Kill at every shot, once more at those that were missed, then let everything be sold, and judge."""
    with tempfile.TemporaryDirectory(prefix="sigkill-") as name:
        lane = Lane(seed, Path(name), tally, patient=patient)
        try:
            for shot in [shot for shot in shots if not lane.shoot(shot)]:
                lane.shoot(shot)
            lane.rest()
        finally:
            lane.close()
