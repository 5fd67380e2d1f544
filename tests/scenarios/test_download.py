"""`download` as a user runs it, against a sandbox of its own, killed in the middle and run again."""

from __future__ import annotations

import json
import signal
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.history.candles import gaps
from backtest.history.store import Store
from backtest.units import from_ms
from tests.helpers.patience import PATIENCE_S
from tests.scenarios.test_whole_daemon import BOX, exchange, main, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MINUTE = timedelta(minutes=1)
MARKETS = 5


def test_a_killed_download_goes_on_where_it_was_and_is_whole(tmp_path: Path) -> None:
    """SIGKILL, then SIGINT, then to its end: every candle once, nothing fetched twice, no 429; again: nothing to do."""
    store = Store(tmp_path / "candles")
    with running(*BOX, "--markets", str(MARKETS)) as box:
        assert box.stdout is not None
        more = {"UPBIT_BASE_URL": json.loads(box.stdout.readline())["url"], "BOT_DATA_DIR": str(tmp_path)}
        verb = ("download", "--unit", "1m", "--days", "2", "--json")
        for how in (signal.SIGKILL, signal.SIGINT):
            before = len(store.markets(MINUTE))
            with running(*verb, **more) as download:
                began = time.monotonic()
                while len(store.markets(MINUTE)) == before and download.poll() is None:
                    assert time.monotonic() - began < PATIENCE_S
                    time.sleep(0.01)
                download.send_signal(how)
                download.wait(PATIENCE_S)
        first = main(*verb, **more)
        again = main(*verb, **more)
        missing = gaps(store.read(MINUTE, "KRW-BTC").candles, 60_000)
        assert len(missing) < 5  # bitcoin is traded in nearly every minute: a page that was lost would be 200 of them
        untraded = [newest_before(more["UPBIT_BASE_URL"], gap.end_ms) for gap in missing]
        box.send_signal(signal.SIGTERM)
        violations = json.loads(box.communicate(timeout=PATIENCE_S)[0].splitlines()[-1])["violations"]
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert violations == {}
    done = json.loads(again.stdout)
    assert (done["markets_done"], done["finished"]) == (MARKETS, True)
    assert done["pages"] <= 2 * MARKETS  # only the minutes that have passed since
    for market in store.markets(MINUTE):
        stored = store.read(MINUTE, market)
        times = stored.candles.opened_at_ms
        assert len(np.unique(times)) == len(times) > 200
        ((begin, end),) = stored.asked
        assert from_ms(end) - from_ms(begin) >= 2 * 24 * 60 * MINUTE
    assert untraded == [gap.begin_ms - 60_000 for gap in missing]  # the exchange has no candle there either
    assert len(store.markets(MINUTE)) == MARKETS


def newest_before(url: str, end_ms: int) -> int:
    """Return when the newest minute of bitcoin before a moment opened, ms, as the exchange itself says."""
    to = urllib.parse.quote(from_ms(end_ms).isoformat())
    page = f"{url}/v1/candles/minutes/1?market=KRW-BTC&count=1&to={to}"
    with urllib.request.urlopen(page, timeout=PATIENCE_S) as answer:  # noqa: S310 - the sandbox started here
        (candle,) = json.load(answer)
    opened = datetime.fromisoformat(candle["candle_date_time_utc"]).replace(tzinfo=UTC)
    return int(opened.timestamp() * 1000)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Return the address of a sandbox that the tests below share."""
    with exchange("--markets", "2") as address:
        yield address


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--unit", "7m"), 2, "--unit 7m: there are no such candles. Possible: 1m, 3m"),
        (("--unit", "1m", "--markets", "BTX"), 2, "Did you mean 'KRW-"),
        (("--unit", "1m", "--from", "soon"), 2, "--from soon: this is no date"),
        (("--unit", "1m", "--from", "2024-02-01", "--to", "2024-01-01"), 2, "The period is empty"),
        (("--unit", "1m", "--days", "0"), 2, "above 0"),
        ((), 2, "--unit"),
    ],
)
def test_a_download_that_makes_no_sense_is_one_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, tmp_path: Path, url: str
) -> None:
    """What, and what is possible; never a traceback."""
    done = main("download", *arguments, UPBIT_BASE_URL=url, BOT_DATA_DIR=str(tmp_path))
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


def test_an_exchange_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    """Code 1, and what to check."""
    done = main("download", "--unit", "1m", UPBIT_BASE_URL="http://127.0.0.1:9", BOT_DATA_DIR=str(tmp_path))
    assert (done.returncode, "cannot be reached" in done.stderr) == (1, True)


def test_two_downloads_do_not_write_to_one_folder(tmp_path: Path) -> None:
    """The second is told to wait."""
    with Store(tmp_path / "candles").lock():
        done = main("download", "--unit", "1m", UPBIT_BASE_URL="http://127.0.0.1:9", BOT_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "Another program is writing" in done.stderr
