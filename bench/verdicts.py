"""Measure whether `why` tells every verdict as it was decided, what it costs, and how fast the journal grows.

A day of made-up markets is judged minute by minute as the daemon judges it and written into a journal. Then every
market-minute is asked for as `why --json --at` prints it, and its verdict is computed again from the printed numbers
alone. The day is laid out fourteen times, and the program itself is asked. Fails where a bound of `BOUNDS` is broken.

    python bench/verdicts.py
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import random
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from journal.journal import Journal  # noqa: E402 - all of these: run by path
from journal.reader import open_reader  # noqa: E402
from sandbox.market.sources.generator import Generator  # noqa: E402
from strategy.grid import CandleArrays, build_window  # noqa: E402
from strategy.registry import load  # noqa: E402
from trader.indicators import EXCLUDED, NOT_LOADED, judge_all, said  # noqa: E402
from upbit.models import Ticker  # noqa: E402
from views.why import judge, look_at  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.market.feed import Candle
    from strategy.base import Gate
    from views.why import WhyMarket

BEGIN = datetime(2026, 11, 29, 15, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE_MS, DAY_MS = 60_000, 86_400_000
MINUTES = 1440
DAYS = 14
BOUNDS = {1: 15.0, 240: 3.0}
"""MB a day, by minutes of a candle."""
WHY_S = 0.3
"""Processor seconds of one `why`."""
MISSES = 1 / 60
"""Of all minutes, those in which the candles of some market are not there yet."""
FATES = 3
"""Of as many kinds must the verdicts be, or nothing was shown."""
ASKED = 12
"""How often the program itself is asked."""
HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}
"""What a printed relation means, said here once more: what is checked must not check itself."""


@dataclass
class Life:
    """One market: its candles, and of every minute the last price and the turnover of the 24 hours before it."""

    market: str
    candles: CandleArrays
    prices: list[Decimal]
    turnover: list[Decimal]


def live(source: Generator, market: str, unit: int, count: int) -> Life:
    """Return a market's life of the day, with candles of `unit` minutes from long before it."""
    end_ms = round((BEGIN + DAY).timestamp() * 1000)
    minutes = source.history(market, 60, end_ms, 2 * MINUTES)[::-1]
    candles = source.history(market, 60 * unit, end_ms, count + MINUTES // unit)[::-1]
    prices, turnover = by_minute(minutes, end_ms)
    return Life(market, arrays(candles), prices, turnover)


def by_minute(minutes: Sequence[Candle], end_ms: int) -> tuple[list[Decimal], list[Decimal]]:
    """Return of every minute of the day the last price, and the turnover of the 24 hours before it."""
    made = {candle.opened_ms: candle for candle in minutes}
    first_ms = end_ms - 2 * DAY_MS
    price, paid = minutes[0].open, [Decimal(0)]
    prices = []
    for at in range(2 * MINUTES):
        candle = made.get(first_ms + at * MINUTE_MS)
        price = candle.close if candle else price
        paid.append(paid[-1] + (candle.turnover if candle else 0))
        prices.append(price)
    return prices[MINUTES:], [paid[at + MINUTES] - paid[at] for at in range(1, MINUTES + 1)]


def arrays(candles: Sequence[Candle]) -> CandleArrays:
    """Return candles as a strategy takes them."""
    told = {
        name: np.array([float(getattr(candle, name)) for candle in candles])
        for name in ("open", "high", "low", "close", "volume")
    }
    return CandleArrays(opened_at_ms=np.array([candle.opened_ms for candle in candles], dtype=np.int64), **told)


def written(journal: Journal, lives: Sequence[Life], unit: int) -> Iterator[dict[str, str | None]]:
    """Judge every minute of the day and write it down; yield what was decided of each market."""
    strategy, parameters = load("quiet_trend", {})
    rng, length = random.Random(1), timedelta(minutes=unit)
    series = {life.market: life.candles for life in lives}
    won = Decimal(1_000_000)
    for at in range(MINUTES):
        now = BEGIN + timedelta(minutes=at + 1)
        closed_at = datetime.fromtimestamp(now.timestamp() // (60 * unit) * 60 * unit, UTC)
        missing = rng.choice(lives[1:]).market if rng.random() < MISSES else ""  # bitcoin comes first
        barred: dict[str, Gate] = {lives[-1].market: EXCLUDED}
        barred |= {missing: NOT_LOADED} if missing else {}
        tickers = {
            life.market: Ticker(
                market=life.market, price=life.prices[at], traded_at_ms=0, turnover_24h=life.turnover[at]
            )
            for life in lives
        }
        build = partial(
            build_window,
            length,
            closed_at,
            strategy.history(parameters, length),
            {market: one for market, one in series.items() if market != missing},
        )
        snapshots, scan = judge_all(strategy, parameters, build, tickers=tickers, barred=barred, as_of=now)
        won -= rng.choice((0, 0, 0, 0, 4_321))
        known = {"places": 5, "taken": at // 300, "rest_s": 360, "won": str(won), "won_at": now.isoformat()}
        journal.record_scan(now, strategy.name, closed_at, replace(scan, facts=known))
        decided = {market: one.failed_gate.code if one.failed_gate else None for market, one in snapshots.items()}
        yield decided | {market: gate["code"] for market, gate in said(barred).items()}


def printed(found: WhyMarket) -> dict[str, Any]:
    """Return what `why --json` prints, read back."""
    read: dict[str, Any] = json.loads(
        msgspec.json.encode({one.name: getattr(found, one.name) for one in fields(found)})
    )
    return read


def computed(told: dict[str, Any]) -> str | None:
    """Return the gate that fails first by the printed numbers; None for a target."""
    barred = [one["code"] for one in told["obstacles"] if one["code"] in {"excluded", "not_loaded"}]
    shut = (gate["code"] for gate in told["gates"] if not is_open(gate))
    return barred[0] if barred else next(shut, None)


def is_open(gate: dict[str, Any]) -> bool:
    """Return whether a printed gate lets a market pass; one with an unknown number does not."""
    value, threshold = gate["value"], gate["threshold"]
    return None not in {value, threshold} and HOLDS[gate["relation"]](value, threshold)


def wrong_of(path: Path, decided: Sequence[dict[str, str | None]]) -> tuple[int, int]:
    """Return how many market-minutes there are, and of how many another verdict is told or computed than decided."""
    asked = wrong = 0
    with open_reader(path) as journal, journal.at_one_moment():
        for at, verdicts in enumerate(decided):
            moment = BEGIN + timedelta(minutes=at + 1, seconds=30)
            look, scan = look_at(journal, moment)
            assert sorted(verdicts) == scan.everywhere()
            for market, verdict in verdicts.items():
                told = printed(judge(journal, look, scan, market, moment))
                asked += 1
                wrong += not told["verdict"] == computed(told) == verdict
    return asked, wrong


def lay_out(path: Path) -> None:
    """Put thirteen days like this one before it."""
    with Journal.open(path, lambda: BEGIN + DAY) as journal:
        for day in range(1, DAYS):
            shift = day * DAY_MS
            journal._db.execute(  # noqa: SLF001 - no daemon writes two weeks in a second
                "INSERT INTO scan (minute_ms, strategy, closed_ms, verdicts, prev_ms, form) "
                "SELECT minute_ms - ?, strategy, closed_ms - ?, verdicts, prev_ms - ?, form FROM scan "
                "WHERE minute_ms > ?",
                (shift, shift, shift, round(BEGIN.timestamp() * 1000)),
            )


def asked_program(folder: Path, decided: Sequence[dict[str, str | None]]) -> tuple[float, int]:
    """Return how many processor seconds the slowest `why` took, and how many said another verdict than was decided."""
    rng, slowest, wrong = random.Random(2), 0.0, 0
    environment = {"PATH": os.environ["PATH"], "BOT_DATA_DIR": str(folder), "BOT_LANGUAGE": "en"}
    for nth in range(ASKED):
        at = rng.randrange(MINUTES)
        market = rng.choice(sorted(decided[at])) if nth % 3 else ""
        moment = BEGIN + timedelta(minutes=at + 1) - rng.randrange(DAYS) * DAY
        words = [sys.executable, "main.py", "why", *([market] if market else []), "--json", "--at", moment.isoformat()]
        before = processor_s()
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, check=True)  # noqa: S603 - ours
        slowest = max(slowest, processor_s() - before)
        wrong += bool(market) and json.loads(done.stdout)["verdict"] != decided[at][market]
    return slowest, wrong


def processor_s() -> float:
    """Return the processor seconds of all programs that were run and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def size_mb(path: Path) -> float:
    """Return the size of a journal without anything that waits beside it, in MB."""
    with Journal.open(path, lambda: BEGIN) as journal:
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001 - as above
    return path.stat().st_size / 1e6


def measure(unit: int, markets: int) -> bool:
    """Measure candles of one unit, print a line, and return whether every bound holds."""
    source = Generator(5, markets, round((BEGIN + DAY).timestamp() * 1000))
    strategy, parameters = load("quiet_trend", {})
    count = strategy.history(parameters, timedelta(minutes=unit))
    lives = [live(source, listing.market, unit, count) for listing in source.listings]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite3"
        before = size_mb(path)
        with Journal.open(path, lambda: BEGIN) as journal:
            decided = list(written(journal, lives, unit))
        grown = size_mb(path) - before
        asked, wrong = wrong_of(path, decided)
        lay_out(path)
        slowest, wrong_too = asked_program(Path(folder), decided)
        fates = len({verdict for verdicts in decided for verdict in verdicts.values()})
        print(
            f"{unit:>4} min candles: {asked:,} market-minutes of {fates} fates, {wrong} told wrongly; "
            f"{grown:.2f} MB a day (at most {BOUNDS[unit]:.0f}); `why` in {DAYS} days ({size_mb(path):.0f} MB): "
            f"{slowest:.3f} s of processor at most (below {WHY_S}), {wrong_too} of {ASKED} wrong"
        )
    return not wrong and not wrong_too and fates >= FATES and grown <= BOUNDS[unit] and slowest < WHY_S


def main() -> int:
    """Measure both units; return 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=289)
    options = parser.parse_args()
    held = {unit: measure(unit, options.markets) for unit in BOUNDS}
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
