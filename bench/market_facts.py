"""How close the generated market is to the real one: a day of all markets, measured | target | ratio.

    python bench/market_facts.py [--markets 289] [--hours 24] [--seed 1]

Targets are measurements of the real KRW market between 2025-08 and 2026-09. No sockets: the generator runs as fast as
it can, some minutes for a whole day.
"""

from __future__ import annotations

import argparse
import sys
import time
from array import array
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sandbox.market.sources.generator import Generator
from sandbox.market.sources.walk import DAY_PROFILE, KST_HOURS
from sandbox.market.ticks import tick_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

START_MS = 1_793_577_600_000  # 2026-11-02 00:00 UTC
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
BOOK_EVERY_MS = 20 * MINUTE_MS
WIDE_BPS, SMALL_BPS = 3.0, 1.5
TEN_BPS = 1e-3
LEVELS = 15  # of a side, as many as the recorded books have
CLOSE = 1.5
ALTS_FROM = 20

Row = tuple[str, float, float]  # what, measured, target


class Tape:
    """The trades of one market as columns."""

    def __init__(self) -> None:
        self.at, self.price, self.worth = array("q"), array("d"), array("d")

    def arrays(self) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """Return (ms, KRW per unit, KRW), in time order."""
        return np.array(self.at), np.array(self.price), np.array(self.worth)


class Sample:
    """What one run of the generator gave."""

    def __init__(self, seed: int, markets: int, hours: float) -> None:
        self.source = Generator(seed, markets, START_MS)
        self.names = [listing.market for listing in self.source.listings]
        self.seconds = hours * 3600
        self.tapes: dict[str, Tape] = defaultdict(Tape)
        self.spreads: dict[str, list[tuple[float, float]]] = defaultdict(list)  # ticks, bps
        self.depths: dict[str, list[tuple[float, float, float]]] = defaultdict(list)  # ask, bid, within 10 bps; M KRW
        for at_ms in range(START_MS + MINUTE_MS, START_MS + int(self.seconds * 1000) + 1, MINUTE_MS):
            self._take(at_ms)

    def _take(self, at_ms: int) -> None:
        for trade in self.source.advance(at_ms):
            tape, price = self.tapes[trade.market], float(trade.price)
            tape.at.append(trade.at_ms)
            tape.price.append(price)
            tape.worth.append(price * float(trade.volume))
        if (at_ms - START_MS) % BOOK_EVERY_MS == 0:
            for name in self.names:
                self._look(name, at_ms)

    def _look(self, name: str, at_ms: int) -> None:
        book = self.source.book(name, at_ms)
        ask, bid = book.asks[0], book.bids[0]
        mid = float(ask.price + bid.price) / 2
        gap = float(ask.price - bid.price)
        self.spreads[name].append((gap / float(tick_size(ask.price)), gap / mid * 1e4))
        shown = (*book.asks[:LEVELS], *book.bids[:LEVELS])
        near = (level for level in shown if abs(float(level.price) / mid - 1) <= TEN_BPS)
        within = sum(float(level.price * level.size) for level in near)
        worth = (float(level.price * level.size) / 1e6 for level in (ask, bid))
        self.depths[name].append((*worth, within / 1e6))  # type: ignore[arg-type]  # two of them


def rows(what: str, measured: Iterable[float], targets: dict[str, float]) -> Iterator[Row]:
    """Yield one row for each target, whose name takes the place of `{}`."""
    for (label, target), value in zip(targets.items(), measured, strict=True):
        yield what.format(label), float(value), target


def quantiles(values: Iterable[float], *places: float) -> list[float]:
    """Return quantiles as plain numbers."""
    return [float(value) for value in np.quantile(np.array(list(values)), places)]


def minutes_of(sample: Sample, name: str) -> tuple[Floats, Floats, Floats]:
    """Return close (carried on), range in bps and turnover of every minute; turnover 0 where nobody traded."""
    at, price, worth = sample.tapes[name].arrays()
    count = int(sample.seconds // 60)
    index = (at - START_MS - 1) // MINUTE_MS
    close, reach, turnover = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    edges = np.searchsorted(index, np.arange(count + 1))
    for minute in range(count):
        begin, end = edges[minute], edges[minute + 1]
        if begin < end:
            part = price[begin:end]
            close[minute], turnover[minute] = part[-1], worth[begin:end].sum()
            reach[minute] = (part.max() / part.min() - 1) * 1e4
    known = np.maximum.accumulate(np.where(np.isnan(close), 0, np.arange(count)))
    return close[known], reach, turnover


def returns_bps(close: Floats, step: int = 1) -> Floats:
    """Return log returns in basis points."""
    logs = np.log(close[np.isfinite(close)][::step])
    return np.asarray(np.diff(logs) * 1e4)


def flow(sample: Sample) -> Iterator[Row]:
    """How many trades there are, and how they are spread over time and markets."""
    every = np.concatenate([np.array(tape.at) for tape in sample.tapes.values()])
    yield "trades a second, all markets", len(every) / sample.seconds, 26
    a_second = np.bincount((every - START_MS) // 1000, minlength=int(sample.seconds))
    yield from rows(
        "trades in a second, {}", quantiles(a_second, 0.5, 0.9, 0.99), {"median": 20, "p90": 46, "p99": 106}
    )
    rates = [len(sample.tapes[name].at) / sample.seconds for name in sample.names]
    targets = {"p90": 0.146, "p75": 0.060, "p50": 0.026, "p25": 0.0125, "p10": 0.0086}
    yield from rows("trades/s over markets, {}", quantiles(rates, 0.9, 0.75, 0.5, 0.25, 0.1), targets)
    yield "trades/s of the busiest", max(rates), 2.17
    yield from quiet(sample, rates)


def quiet(sample: Sample, rates: list[float]) -> Iterator[Row]:
    """Minutes without a trade, by how much is traded; estimated as the targets were, by (1 - busy seconds)^60."""
    estimates = []
    for name in sample.names:
        busy = len(np.unique((np.array(sample.tapes[name].at) - START_MS) // 1000)) / sample.seconds
        estimates.append((1 - busy) ** 60)
    for rate, target in ((0.15, 0.01), (0.06, 0.18), (0.026, 0.43), (0.0125, 0.61), (0.0086, 0.72)):
        near = [e for e, r in zip(estimates, rates, strict=True) if rate / 1.3 < r < rate * 1.3]
        yield f"no-trade minutes at {rate} trades/s (estimate)", float(np.median(near)), target
    for name, target in (("KRW-BTC", 0.00006), ("KRW-ETH", 0.0)):
        _, _, turnover = minutes_of(sample, name)
        yield f"no-trade minutes, {name}", float(np.mean(turnover == 0)), target


def money(sample: Sample) -> Iterator[Row]:
    """Turnover over markets, and the worth of trades."""
    scale = 86_400 / sample.seconds
    turnover = np.sort([sum(sample.tapes[name].worth) * scale for name in sample.names])[::-1]
    yield "turnover of all markets, 100 M KRW a day", float(turnover.sum()) / 1e8, 16_400
    for count, target in ((1, 0.15), (5, 0.46), (10, 0.61), (50, 0.88)):
        yield f"share of the top {count}", float(turnover[:count].sum() / turnover.sum()), target
    for label, place, target in (("median", 0.5, 9.3), ("lowest tenth", 0.1, 1.68), ("highest tenth", 0.9, 108)):
        yield f"turnover of a market, {label}, 100 M KRW a day", quantiles(turnover, place)[0] / 1e8, target
    sizes = np.concatenate([np.array(tape.worth) for tape in sample.tapes.values()])
    targets = {0.01: 1681, 0.1: 9228, 0.25: 35_849, 0.5: 202_811, 0.75: 871_668, 0.9: 2_221_790, 0.99: 9_979_301}
    for (place, target), value in zip(targets.items(), quantiles(sizes, *targets), strict=True):
        yield f"worth of a trade, p{place * 100:g}, KRW", value, target


def shape(close: Floats, reach: Floats) -> tuple[float, ...]:
    """Return what the table of one-minute candles says of a market."""
    r, tick = returns_bps(close), float(tick_size(Decimal(str(close[-1])))) / close[-1] * 1e4
    return (
        float(r.std()),
        float(np.median(abs(r))) / tick,
        quantiles(abs(r), 0.99)[0],
        float(np.mean(r == 0)),
        float(np.nanmedian(reach)),
        float(np.mean((r - r.mean()) ** 4) / r.var() ** 2),
        float(np.corrcoef(r[1:], r[:-1])[0, 1]),
    )


def minutes(sample: Sample) -> Iterator[Row]:
    """One-minute candles of the majors, and the swing of all others."""
    labels = (
        "sd, bps",
        "median abs, ticks",
        "p99 abs, bps",
        "zero share",
        "median range, bps",
        "kurtosis",
        "lag-1 autocorrelation",
    )
    table = {  # in ticks of 2025-09, when they were worth half of what they are worth at the prices of 2026-03
        "KRW-BTC": (3.3, 13, 12, 0.13, 2.7, 19, -0.08),
        "KRW-ETH": (5.9, 1.9, 20, 0.21, 5.0, 35, -0.03),
        "KRW-SOL": (8.4, 1.1, 26, 0.23, 8.9, 30, -0.05),
        "KRW-XRP": (6.2, 1.1, 20, 0.26, 5.1, 51, -0.01),
    }
    for name, targets in table.items():
        close, reach, turnover = minutes_of(sample, name)
        yield from rows(f"1m of {name}, {{}}", shape(close, reach), dict(zip(labels, targets, strict=True)))
        low, high = quantiles(turnover[turnover > 0], 0.1, 0.9)
        yield f"1m turnover of {name}, sigma of its log", float(np.log(high / low)) / 2.563, 1.25
    others = sample.names[ALTS_FROM:]
    swings = [returns_bps(minutes_of(sample, name)[0]).std() for name in others]
    slow = np.concatenate([returns_bps(minutes_of(sample, name)[0], 240) for name in others])
    yield "1m sd of other markets, median, bps (13.9 x 1.5)", float(np.median(swings)), 20.8
    yield "4h sd of other markets / sqrt(240), bps", float(slow.std()) / 240**0.5, 13.9


def clusters(sample: Sample) -> Iterator[Row]:
    """How trades of bitcoin follow each other."""
    at, price, _ = sample.tapes["KRW-BTC"].arrays()
    gaps = np.diff(at)
    yield "BTC trades in the millisecond of the one before", float(np.mean(gaps == 0)), 0.43
    waits = quantiles(gaps, 0.75, 0.9, 0.99)
    yield from rows("BTC ms between trades, {}", waits, {"p75": 180, "p90": 1100, "p99": 4200})
    moves = abs(np.diff(price)) / 1000
    yield "BTC trades at an unchanged price", float(np.mean(moves == 0)), 0.78
    yield "BTC move when it moves, median ticks", float(np.median(moves[moves > 0])), 2


def profile(sample: Sample) -> Iterator[Row]:
    """How the hours of the day differ, each market counting alike."""
    hours = np.zeros(24)
    for tape in sample.tapes.values():
        at = np.array(tape.at)
        hours += np.bincount((at // HOUR_MS + KST_HOURS) % 24, minlength=24) / len(at)
    yield "trades by hour against the day profile, correlation", float(np.corrcoef(hours, DAY_PROFILE)[0, 1]), 1


def books(sample: Sample) -> Iterator[Row]:
    """Price steps, spreads and depth."""
    best = [sample.source.book(name, START_MS).asks[0].price for name in sample.names]
    ticks = [float(tick_size(price) / price) * 1e4 for price in best]
    targets = {"p10": 6.2, "median": 25, "p90": 74, "largest": 96}
    yield from rows("tick over markets, {}, bps", quantiles(ticks, 0.1, 0.5, 0.9, 1), targets)
    pairs = list(zip(sample.names, ticks, strict=True))
    wide = [spread for name, tick in pairs if tick >= WIDE_BPS for spread, _ in sample.spreads[name]]
    yield "spread of one tick where a tick is 3 bps", float(np.mean(np.array(wide) < 1 + 1e-9)), 1
    small = [bps for name, tick in pairs if tick < SMALL_BPS for _, bps in sample.spreads[name]]
    yield from rows(
        "spread of small ticks (below 1.5 bps), {}, bps", quantiles(small, 0.5, 0.9), {"median": 1.5, "p90": 5}
    )
    yield "spread of BTC, median ticks", quantiles([ticks for ticks, _ in sample.spreads["KRW-BTC"]], 0.5)[0], 17
    for name, first, near in (("KRW-BTC", 7.5, 276), ("KRW-ETH", 10, 343), ("KRW-XRP", 77, 434), ("KRW-SOL", 18, 38)):
        ask, bid, within = np.median(np.array(sample.depths[name]), axis=0)
        yield f"best level of {name}, M KRW", float(ask * bid) ** 0.5, first
        yield f"within 10 bps of {name}, M KRW", float(within), near
    listings = sample.source.listings
    yield "markets with a warning", sum(listing.warning for listing in listings), 18
    yield "markets with a caution", sum(bool(listing.caution) for listing in listings), 79


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    sample = Sample(options.seed, options.markets, options.hours)
    print(f"{options.markets} markets, {options.hours:g} h, seed {options.seed}: {time.perf_counter() - began:.0f} s\n")
    print(f"{'what':<58} {'measured':>12} {'target':>12} {'ratio':>7}")
    for part in (flow, money, minutes, clusters, profile, books):
        for what, measured, target in part(sample):
            ratio = measured / target if target else float("nan")
            far = "" if target and 1 / CLOSE <= ratio <= CLOSE else "  *"
            print(f"{what:<58} {measured:>12.4g} {target:>12.4g} {ratio:>7.2f}{far}")


if __name__ == "__main__":
    main()
