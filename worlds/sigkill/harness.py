"""What one series of `make sigkill` works with: an exchange that lives on, and programs that die on one data folder."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from journal import JOURNAL_FILE
from worlds.judges.books import OPEN_TRADES, ReopenedBooks
from worlds.plan import ACCESS_KEY, PARAMETERS, SECRET_KEY
from worlds.sigkill.child import ExchangeProcess, Program
from worlds.sigkill.exchange import MAX_DAY_KRW, MAX_OPEN_TRADES, ORDER_KRW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TRADING_WITHIN_S = 10.0
STARTS_WITHIN_S = 60.0
REACHED_WITHIN_S = 60.0
VERB_WITHIN_S = 30.0
RESTS_WITHIN_S = 150.0
"""Of which a minute and more may go by until coins are missed twice that were taken before the last kill."""
STOPS_WITHIN_S = 30.0
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
max_market_krw = {market_krw}
max_day_krw = {day_krw}
max_day_loss = 1
max_drawdown = 1
exclude = ["KRW-BTC"]
"""
NO_MORE_BUYS = f"risk.max_day_krw={ORDER_KRW}"
EXECUTED = "SELECT DISTINCT id FROM fill JOIN intent USING (id) WHERE state = 'FINAL'"


@dataclass(frozen=True, kw_only=True)
class PlannedKill:
    """One kill that is meant."""

    point: str
    preparation: str  # what must happen so that it is reached: a name in `worlds/sigkill/preparations.py`
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
    """What one series did; read by others while it grows."""

    kills: list[str] = field(default_factory=list)  # points
    missed: list[str] = field(default_factory=list)  # points that were not reached in time
    broken: list[str] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    orders: int = 0
    fills: int = 0


class Harness:
    """Starts and kills programs, and judges at the end."""

    def __init__(self, seed: int, folder: Path, tally: Tally, *, patient: bool) -> None:
        self._tally = tally
        self.data = folder / "data"
        self.data.mkdir(mode=0o700)
        self.journal = self.data / JOURNAL_FILE
        self.journal.touch(mode=0o600)
        self._log = folder / "log"
        self.copy = folder / "copy"
        self.exchange = ExchangeProcess(seed, self.journal)
        self._programs: list[Program] = []
        self.books = ReopenedBooks(self.journal)
        settings = folder / "config.toml"
        settings.write_text(settings_text(PATIENT if patient else RESTLESS), encoding="utf-8")
        self._environment = environment_of(self.exchange.url, self.data, settings)

    def close(self) -> None:
        """End everything that still runs, whatever went wrong."""
        for program in self._programs:
            program.kill()
        self.exchange.kill()

    def died_at(self, point: str, since: int) -> bool:
        """Return whether a program died at a point after the first `since` kills."""
        return point in self._tally.kills[since:]

    def kills(self) -> int:
        """Return how many programs were killed so far."""
        return len(self._tally.kills)

    # -- processes

    def program(self, *arguments: str, planned: PlannedKill | None = None) -> Program:
        """Start the program with these arguments; with a planned kill, as its victim."""
        point, nth = (planned.point, planned.nth) if planned else (None, 1)
        program = Program(*arguments, environment=self._environment, log=self._log, point=point, nth=nth)
        self._programs = [one for one in self._programs if one.process.poll() is None] + [program]
        return program

    def start(self, planned: PlannedKill | None = None, *arguments: str) -> Program:
        """Start a daemon and wait until it trades; a victim may die before."""
        daemon = self.program("run", *arguments, planned=planned)
        told = daemon.trading(STARTS_WITHIN_S)
        if told is not None:
            start = Start(**told)
            self._tally.starts.append(start)
            if start.own > TRADING_WITHIN_S:
                self.break_promise(f"I19 trading after {start.own:.1f} s of its own time ({start.wall:.1f} s)")
        elif daemon.wait(1.0) != -signal.SIGKILL or planned is None:
            self.break_promise(f"I19 did not come up: exit code {daemon.process.returncode}, {self.last_words()}")
        return daemon

    def run(self, *verb: str) -> int | None:
        """Run a verb to its end, and return its exit code."""
        program = self.program(*verb)
        code = program.wait(VERB_WITHIN_S)
        program.kill()
        return code

    def break_promise(self, what: str) -> None:
        """Write down a promise that was broken."""
        self._tally.broken.append(what)

    def last_words(self) -> str:
        """Return the end of what the programs printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def reach(self, victim: Program, planned: PlannedKill, within: float = REACHED_WITHIN_S) -> None:
        """Wait until a victim is dead."""
        code = victim.wait(within)
        victim.kill()
        if code == -signal.SIGKILL:
            self._tally.kills.append(planned.point)
            return
        self._tally.missed.append(planned.point)
        if code is not None:
            self.break_promise(f"I22 ended by itself before {planned.point}: exit code {code}, {self.last_words()}")

    def kill_anywhere(self, daemon: Program) -> None:
        """End a daemon wherever it is."""
        if daemon.process.poll() is not None:
            self.break_promise(f"I22 ended by itself: exit code {daemon.process.returncode}, {self.last_words()}")
            return
        daemon.kill()
        self._tally.kills.append(ANY_MOMENT)

    # -- the end

    def rest(self) -> None:
        """Let the last daemon sell everything, stop it, and compare the books."""
        self.exchange.tell("honest")
        last = self.start(None, "--set", NO_MORE_BUYS)
        self.exchange.tell("shock", 0.3)
        if not self.until(self._is_at_rest, RESTS_WITHIN_S):
            self.break_promise(f"I19 not at rest after {RESTS_WITHIN_S:.0f} s: {self.last_words()}")
        last.process.send_signal(signal.SIGTERM)
        if last.wait(STOPS_WITHIN_S) != 0:
            self.break_promise(f"I22 the last did not stop cleanly: {last.process.returncode}, {self.last_words()}")
        last.kill()
        verdict = self.exchange.tell("judge", self.journal)
        self._tally.broken += verdict["broken"]
        self._tally.orders, self._tally.fills = verdict["orders"], verdict["fills"]

    def _is_at_rest(self) -> bool:
        pending = self.books.rows("SELECT 1 FROM outbox WHERE sent_ms IS NULL AND failed IS NULL")
        return not pending and not self.books.live() and not self.books.rows(OPEN_TRADES)

    def until(self, holds: Callable[[], bool], within: float) -> bool:
        """Wait until something holds; return whether it does."""
        deadline = time.monotonic() + within
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.1)
        return holds()


def settings_text(stop_atr: float) -> str:
    """Return a config.toml for a daemon that trades all the time."""
    parameters = {**PARAMETERS, "stop_atr": stop_atr}
    lines = "\n".join(f"{name} = {value}" for name, value in parameters.items())
    return SETTINGS.format(
        parameters=lines,
        order_krw=ORDER_KRW,
        market_krw=2 * ORDER_KRW,
        day_krw=MAX_DAY_KRW,
        max_open_trades=MAX_OPEN_TRADES,
    )


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
