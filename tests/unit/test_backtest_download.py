"""Downloads page by page: what is asked, what is not asked again, and how much failure is borne."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest

from backtest.history.candles import gaps
from backtest.history.download import PAUSES_S, Download, Progress
from backtest.history.store import Store
from backtest.units import from_ms, to_ms
from simulation.loop import PacedLoop
from upbit.errors import MarketUnavailable, NotSent, RateLimited
from upbit.models import Candle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from upbit.errors import ExchangeError
    from upbit.rest import Upbit

MINUTE = timedelta(minutes=1)
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass
class Shelf:
    """An exchange that has candles and gives them as Upbit does; it can fail, and it counts."""

    minutes: dict[str, list[int]]  # by market: minutes after `BEGIN` in which something traded
    failures: list[ExchangeError] = field(default_factory=list)  # one for each of the next requests
    asked: list[tuple[str, datetime]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    async def candles(self, market: str, unit: timedelta, *, count: int, to: datetime) -> list[Candle]:
        """Return the last candles that opened before `to`, newest first."""
        assert unit == MINUTE
        self.asked.append((market, to))
        self.before()
        await asyncio.sleep(0.1)
        if self.failures:
            raise self.failures.pop(0)
        limit = (to - BEGIN) // MINUTE
        found = [minute for minute in self.minutes[market] if minute < limit]
        return [candle(market, minute) for minute in found[: -count - 1 : -1]]


def candle(market: str, minute: int) -> Candle:
    """Return the candle of a minute; its close says which."""
    price = Decimal(1000 + minute)
    return Candle(
        market=market,
        opened_at_utc=f"{BEGIN + minute * MINUTE:%Y-%m-%dT%H:%M:%S}",
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
        turnover=price,
    )


def download(shelf: Shelf, store: Store, begin: int, end: int, stop: asyncio.Event | None = None) -> Progress:
    """Fetch the minutes `begin`..`end` of every market on the shelf, in time that costs nothing."""

    async def run() -> Progress:
        span = (to_ms(BEGIN + begin * MINUTE), to_ms(BEGIN + end * MINUTE))
        return await Download(
            upbit=cast("Upbit", shelf),
            store=store,
            unit=MINUTE,
            span=span,
            stop=stop or asyncio.Event(),
            show=lambda _: None,
        ).run(list(shelf.minutes))

    with asyncio.Runner(loop_factory=lambda: PacedLoop(math.inf)) as runner:
        return runner.run(run())


def minutes_of(store: Store, market: str = "KRW-A") -> list[int]:
    """Return the minutes that are on disk."""
    stored = store.read(MINUTE, market).candles
    assert stored.close.tolist() == [1000 + (from_ms(at) - BEGIN) // MINUTE for at in stored.opened_at_ms.tolist()]
    return [(from_ms(at) - BEGIN) // MINUTE for at in stored.opened_at_ms.tolist()]


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 400, 1001])
def test_every_candle_of_the_period_comes_once(tmp_path: Path, count: int) -> None:
    """Whatever the number of pages; the second time nothing is asked, later only what is new."""
    shelf, store = Shelf({"KRW-A": list(range(2000))}), Store(tmp_path)
    progress = download(shelf, store, 500, 500 + count)
    assert minutes_of(store) == list(range(500, 500 + count))
    assert progress.rows == count
    assert progress.covered_ms == progress.wanted_ms
    shelf.asked.clear()
    download(shelf, store, 500, 500 + count)
    assert shelf.asked == []
    download(shelf, store, 500, 510 + count)
    assert len(shelf.asked) == 1
    assert minutes_of(store) == list(range(500, 510 + count))


def test_a_market_younger_than_the_period_is_asked_once_about_its_beginning(tmp_path: Path) -> None:
    """A short page is the end of its history, and that is remembered."""
    shelf, store = Shelf({"KRW-A": list(range(900, 1000))}), Store(tmp_path)
    download(shelf, store, 0, 1000)
    assert len(shelf.asked) == 1
    download(shelf, store, 0, 1000)
    assert len(shelf.asked) == 1
    assert store.read(MINUTE, "KRW-A").asked == ((to_ms(BEGIN), to_ms(BEGIN + 1000 * MINUTE)),)


def test_gaps_stay_gaps(tmp_path: Path) -> None:
    """Minutes without trades are neither made up nor asked for again."""
    traded = [minute for minute in range(1000) if minute % 7 and not 300 <= minute < 650]
    shelf, store = Shelf({"KRW-A": traded}), Store(tmp_path)
    download(shelf, store, 100, 900)
    assert minutes_of(store) == [minute for minute in traded if 100 <= minute < 900]
    assert len(gaps(store.read(MINUTE, "KRW-A").candles, 60_000)) > 1
    shelf.asked.clear()
    download(shelf, store, 100, 900)
    assert shelf.asked == []


def test_a_stretch_before_and_after_what_is_there_is_added(tmp_path: Path) -> None:
    """Only the missing parts are asked for."""
    shelf, store = Shelf({"KRW-A": list(range(2000))}), Store(tmp_path)
    download(shelf, store, 800, 1000)
    shelf.asked.clear()
    download(shelf, store, 700, 1100)
    assert [to for _, to in shelf.asked] == [BEGIN + 1100 * MINUTE, BEGIN + 800 * MINUTE]
    assert minutes_of(store) == list(range(700, 1100))


def test_a_stop_in_the_middle_keeps_what_came_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """After the page in hand; what was asked before is not asked again."""
    stop = asyncio.Event()
    shelf, store = Shelf({"KRW-A": list(range(2000))}), Store(tmp_path)
    shelf.before = lambda: stop.set() if len(shelf.asked) == 3 else None
    progress = download(shelf, store, 0, 2000, stop)
    assert progress.markets_done == 0
    assert minutes_of(store) == list(range(1400, 2000))
    shelf.asked.clear()
    download(shelf, store, 0, 2000)
    assert shelf.asked[0][1] == BEGIN + 1400 * MINUTE
    assert len(shelf.asked) == 7
    assert minutes_of(store) == list(range(2000))


def failing(*kinds: type[ExchangeError]) -> list[ExchangeError]:
    """Return failures, one of each kind."""
    return [kind("no", status=418) if kind is RateLimited else kind("no") for kind in kinds]


def test_an_outage_of_two_minutes_is_waited_out(tmp_path: Path) -> None:
    """The network, and even a penalty: the page is asked for again."""
    shelf, store = Shelf({"KRW-A": list(range(300))}), Store(tmp_path)
    shelf.failures = failing(NotSent, RateLimited, NotSent, NotSent, NotSent)
    download(shelf, store, 0, 300)
    assert minutes_of(store) == list(range(300))


@pytest.mark.parametrize(
    ("failures", "requests"),
    [(failing(*[NotSent] * 10), len(PAUSES_S) + 1), (failing(MarketUnavailable), 1)],
    ids=["for ever", "no such market"],
)
def test_what_does_not_pass_ends_the_download_with_what_came_on_disk(
    tmp_path: Path, failures: Iterable[ExchangeError], requests: int
) -> None:
    """Pages before the failure are kept, and the error is the exchange's own."""
    shelf, store = Shelf({"KRW-A": list(range(1000))}), Store(tmp_path)

    def fail_from_the_third() -> None:
        if len(shelf.asked) == 3:
            shelf.failures = list(failures)

    shelf.before = fail_from_the_third
    with pytest.raises(ExceptionGroup) as caught:
        download(shelf, store, 0, 1000)
    assert caught.group_contains(type(next(iter(failures))))
    assert len(shelf.asked) == 2 + requests
    assert minutes_of(store) == list(range(600, 1000))


def test_several_markets_share_the_work(tmp_path: Path) -> None:
    """All of them come whole, and the progress counts them."""
    names = [f"KRW-{letter}" for letter in "ABCDEFG"]
    shelf, store = Shelf({name: list(range(450)) for name in names}), Store(tmp_path)
    progress = download(shelf, store, 0, 450)
    assert (progress.markets_done, progress.rows, progress.pages) == (7, 7 * 450, 7 * 3)
    assert store.markets(MINUTE) == names
    assert all(minutes_of(store, name) == list(range(450)) for name in names)
