"""What is decided on candles that come one by one is what the whole recording gives at once, to the last bit."""

from __future__ import annotations

import csv
import gzip
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import dropwhile, islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from strategy.grid import CandleArrays, build_window
from strategy.registry import STRATEGIES, load
from trader.candles.candle_store import CandleStore
from trader.candles.series import FIELDS
from trader.indicators import judge_all
from upbit.models import Candle, StreamCandle, Ticker
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strategy.base import Strategy

RECORDED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles" / "240m"
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-SOL", "KRW-XRP")
UNIT = timedelta(hours=4)
LOADED, HEARD = 650, 12
"""Candles that REST tells at the start, and candles of the stream after them."""
START = datetime(2022, 1, 1, tzinfo=UTC)
LOST = {("KRW-ETH", LOADED + 3), ("KRW-SOL", LOADED + 4), ("KRW-BTC", LOADED + 8)}
"""Candles of which the stream tells nothing, for its connection is lost."""


class Recording(Upbit):
    """The candles of a recording, as REST tells them; by market and number of the candle."""

    def __init__(self, rows: Mapping[str, Mapping[int, Candle]]) -> None:
        self.rows = rows

    async def candles(
        self, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        """Return up to `count` candles that opened before `to`, newest first."""
        assert to is not None
        before = [candle for number, candle in self.rows[market].items() if number < (to - START) // unit]
        return before[: -count - 1 : -1]

    def last_trades(self, closed: int) -> dict[str, Ticker]:
        """Return each market's last trade as it was a moment after a candle's end."""
        last = {market: max(number for number in rows if number < closed) for market, rows in self.rows.items()}
        return {
            market: Ticker(
                market=market,
                price=self.rows[market][number].close,
                traded_at_ms=round((START + number * UNIT).timestamp() * 1000) + 3_600_000,
                turnover_24h=Decimal(7_000_000_000),
            )
            for market, number in last.items()
        }


def recorded() -> Recording:
    """Read the first candles of the recording."""
    rows: dict[str, dict[int, Candle]] = {}
    for market in MARKETS:
        with gzip.open(RECORDED / f"{market}.csv.gz", "rt", encoding="ascii") as lines:
            recent = dropwhile(lambda row: row["time_utc"] < f"{START:%Y-%m-%dT%H}", csv.DictReader(lines))
            for row in islice(recent, LOADED + HEARD + 1):
                opened = row["time_utc"].removesuffix("Z")
                numbers = {name: Decimal(row[name]) for name in FIELDS}
                candle = Candle(market=market, opened_at_utc=opened, turnover=Decimal(1), **numbers)
                rows.setdefault(market, {})[(candle.opened_at - START) // UNIT] = candle
    return Recording(rows)


def words(candle: Candle) -> Iterator[StreamCandle]:
    """Yield what the stream tells of a candle: it opens, it grows, and what it was in the end, twice."""
    whole = StreamCandle(kind="candle.240m", **msgspec.structs.asdict(candle))
    first = dict.fromkeys(("high", "low", "close"), whole.open)
    yield msgspec.structs.replace(whole, volume=whole.volume / 4, **first)
    yield msgspec.structs.replace(whole, volume=whole.volume / 2)
    yield from (whole, whole)


def whole_arrays(rows: Mapping[int, Candle]) -> CandleArrays:
    """Return a market's recording as it is, with all that comes later."""
    opened = np.array([round((START + number * UNIT).timestamp() * 1000) for number in rows])
    columns = {name: np.array([float(getattr(row, name)) for row in rows.values()]) for name in FIELDS}
    return CandleArrays(opened_at_ms=opened, **columns)


def verdicts(
    strategy: Strategy, closed_at: datetime, series: Mapping[str, CandleArrays], tickers: Mapping[str, Ticker]
) -> str:
    """Return all that is decided and shown of every market, and what each gate looked at: each number to its last bit.

    The text of a float is read back as the same float.
    """
    _, parameters = load(strategy.name, {})
    build = partial(build_window, UNIT, closed_at, strategy.history(parameters, UNIT), series)
    return repr(judge_all(strategy, parameters, build, tickers=tickers, barred={}, as_of=closed_at))


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded candles are not here (../shared/data)")
async def test_candles_that_come_bit_by_bit_give_the_verdicts_of_the_whole_to_the_last_bit() -> None:
    """Of every shipped strategy: by pages, then frame by frame, with lost connections that REST makes up for."""
    recording, rng = recorded(), random.Random(1)
    whole = {market: whole_arrays(rows) for market, rows in recording.rows.items()}
    store = CandleStore(upbit=recording, unit=UNIT, history=LOADED)
    markets, asked = list(recording.rows), 0
    assert await store.refresh(markets, START + LOADED * UNIT, recording.last_trades(LOADED), budget_s=60) == []
    found: dict[str, set[str]] = {}
    for number in range(LOADED, LOADED + HEARD):
        if number == LOADED or any(at == number for _, at in LOST):
            store.on_state("connecting")
            store.on_state("open")
        for market in rng.sample(markets, len(markets)):
            for word in words(recording.rows[market][number]) if (market, number) not in LOST else ():
                store.put(word)
        store.put(next(words(recording.rows[MARKETS[0]][number + 1])))  # the stream goes on
        closed_at, tickers = START + (number + 1) * UNIT, recording.last_trades(number + 1)
        asked += len(await store.missing(markets, closed_at, tickers))
        assert await store.refresh(markets, closed_at, tickers, budget_s=60) == []
        for strategy in STRATEGIES:
            told = verdicts(strategy, closed_at, store.series(), tickers)
            assert told == verdicts(strategy, closed_at, whole, tickers)
            found.setdefault(strategy.name, set()).add(told)
    assert asked >= len(LOST)
    assert {name: len(told) for name, told in found.items()} == dict.fromkeys((one.name for one in STRATEGIES), HEARD)
