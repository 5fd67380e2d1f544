"""The candles on disk: whatever became of the file, what is read is what was true at some time, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategy.grid import CandleArrays
from tests.unit.test_candle_store import HISTORY, MARKETS, MINUTE, at, loaded, tell, told, true
from trader.candles import kept as kept_candles
from trader.candles.candle_store import CandleStore
from trader.candles.kept import KeptCandles, Part
from trader.candles.series import FIELDS

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

SOURCE = "https://exchange.test"
NOW = datetime(2026, 11, 3, tzinfo=UTC)
Known = dict[str, tuple[int, dict[int, float]]]
"""Of each market until when it is known, and the close of each candle."""


def file_of(folder: Path, *, source: str = SOURCE, unit: timedelta = MINUTE, history: int = HISTORY) -> KeptCandles:
    """Return the file of candles in a folder."""
    return KeptCandles(folder / "candles.bin", source=source, unit=unit, history=history)


def arrays(closes: dict[int, float]) -> CandleArrays:
    """Return candles with these closes, by opening."""
    times = np.array(sorted(closes), dtype=np.int64)
    column = np.array([closes[time] for time in sorted(closes)], dtype=np.float64)
    return CandleArrays(opened_at_ms=times, **dict.fromkeys(FIELDS, column))


def shown(parts: dict[str, Part]) -> Known:
    """Return what was read."""
    return {
        market: (
            part.known_until_ms,
            dict(zip(part.arrays.opened_at_ms.tolist(), part.arrays.close.tolist(), strict=True)),
        )
        for market, part in parts.items()
    }


def write(file: KeptCandles, known: Known, changed: dict[str, int]) -> None:
    """Write down what is known now, of which some markets changed from a moment on."""
    everything = {market: Part(market, until, 0, arrays(closes)) for market, (until, closes) in known.items()}
    parts = [
        Part(market, known[market][0], since, arrays({at: v for at, v in known[market][1].items() if at >= since}))
        for market, since in changed.items()
    ]
    file.write(parts, everything)


changes = st.lists(
    st.tuples(
        st.sampled_from(MARKETS[:2]),
        st.integers(0, 20),
        st.dictionaries(st.integers(0, 20), st.floats(1, 9), max_size=4),
    ),
    min_size=1,
    max_size=12,
)


def history(file: KeptCandles, steps: list[tuple[str, int, dict[int, float]]]) -> list[Known]:
    """Let a market have other candles from a moment on, again and again; return what was known after each step."""
    known: Known = {}
    states: list[Known] = []
    for number, (market, since, closes) in enumerate(steps):
        before = known.get(market, (0, {}))[1]
        after = {at: v for at, v in before.items() if at < since} | {at: v for at, v in closes.items() if at >= since}
        known = known | {market: (number, after)}
        write(file, known, {market: since})
        states.append(known)
    return states


@given(steps=changes)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_is_what_was_written(tmp_path: Path, steps: list[tuple[str, int, dict[int, float]]]) -> None:
    """Candles that came, were corrected and were taken back, of any market, in any order."""
    (tmp_path / "candles.bin").unlink(missing_ok=True)
    states = history(file_of(tmp_path), steps)
    assert shown(file_of(tmp_path).read()) == states[-1]


@pytest.mark.failure("C19")
@given(steps=changes, data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_says_what_was_true_once_or_nothing(
    tmp_path: Path, steps: list[tuple[str, int, dict[int, float]]], data: st.DataObject
) -> None:
    """Cut off anywhere or with any bit turned over; and writing goes on, so that the next start reads everything."""
    path = tmp_path / "candles.bin"
    path.unlink(missing_ok=True)
    states = history(file_of(tmp_path), steps)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    file = file_of(tmp_path)
    assert shown(file.read()) in [{}, *states]
    write(file, states[-1], {})
    assert shown(file_of(tmp_path).read()) == states[-1]


@pytest.mark.parametrize(
    "other", [{"source": "http://127.0.0.1:1"}, {"unit": 3 * MINUTE}, {"history": HISTORY + 1}], ids=str
)
def test_a_file_of_something_else_is_not_read(tmp_path: Path, other: dict[str, Any]) -> None:
    """Of another exchange, of another unit, or with fewer candles than are needed; with more the last ones are."""
    write(file_of(tmp_path), {"KRW-A": (1, dict.fromkeys(range(HISTORY), 1.0))}, {})
    assert file_of(tmp_path, **other).read() == {}
    assert list(shown(file_of(tmp_path, history=5).read())["KRW-A"][1]) == list(range(HISTORY - 5, HISTORY))


@pytest.mark.parametrize("content", [b"", b"\n", b"[]\n", b'{"format":0}\n', b"\xff\xfe\n", b'{"format":0,"x":1}'])
def test_no_file_an_older_one_and_nonsense_are_no_candles(tmp_path: Path, content: bytes) -> None:
    """They are replaced at the first writing."""
    assert file_of(tmp_path).read() == {}
    (tmp_path / "candles.bin").write_bytes(content)
    file = file_of(tmp_path)
    assert file.read() == {}
    write(file, {"KRW-A": (1, {0: 1.0})}, {"KRW-A": 0})
    assert shown(file_of(tmp_path).read()) == {"KRW-A": (1, {0: 1.0})}


def test_a_folder_that_takes_nothing_is_told_once_and_costs_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a draft is not left behind; once there is room everything is written."""
    file, known = file_of(tmp_path / "gone"), {"KRW-A": (1, {0: 1.0})}
    for _ in range(3):
        write(file, known, {"KRW-A": 0})
    assert caplog.text.count("cannot be kept") == 1
    (tmp_path / "gone").mkdir()
    write(file, known, {})
    assert shown(file_of(tmp_path / "gone").read()) == known
    assert [path.name for path in (tmp_path / "gone").iterdir()] == ["candles.bin"]


def test_an_interrupted_writing_is_made_good_by_the_next(tmp_path: Path) -> None:
    """Nothing is appended to what may be half of something, and no draft stays."""
    path, known = tmp_path / "candles.bin", {"KRW-A": (1, {0: 1.0})}
    file = file_of(tmp_path)
    write(file, known, {})
    path.unlink()
    path.mkdir()
    for _ in range(2):
        write(file, known, {"KRW-A": 0})
        assert list(tmp_path.iterdir()) == [path]
    path.rmdir()
    write(file, known, {"KRW-A": 0})
    assert shown(file_of(tmp_path).read()) == known


def test_what_is_new_is_appended_and_nothing_is_written_twice(tmp_path: Path) -> None:
    """The first writing of a process is of everything, each minute's of what changed in it."""
    path, file, known = tmp_path / "candles.bin", file_of(tmp_path), {"KRW-A": (1, dict.fromkeys(range(HISTORY), 1.0))}
    write(file, known, {})
    for minute in (1, 2):
        before = path.read_bytes()
        write(file, known, {"KRW-A": HISTORY - minute})
        after = path.read_bytes()
        assert after.startswith(before)
        assert 0 < len(after) - len(before) < 200


def test_candles_behind_a_line_that_nobody_can_read_are_none(tmp_path: Path) -> None:
    """It may have said another exchange; they are whole all the same."""
    path, known = tmp_path / "candles.bin", {"KRW-A": (1, {0: 1.0})}
    write(file_of(tmp_path), known, {})
    content = path.read_bytes()
    for damaged in (b"?" + content, content[1:]):
        path.write_bytes(damaged)
        assert file_of(tmp_path).read() == {}


def test_a_file_that_has_grown_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never becomes much larger than what it says."""
    monkeypatch.setattr(kept_candles, "APPENDED_MOST", 1000)
    file, known = file_of(tmp_path), {"KRW-A": (1, {0: 1.0})}
    sizes = []
    for _ in range(100):
        write(file, known, {"KRW-A": 0})
        sizes.append((tmp_path / "candles.bin").stat().st_size)
    assert max(sizes) < 1500
    assert shown(file_of(tmp_path).read()) == known


async def test_a_store_knows_after_a_restart_what_it_knew(tmp_path: Path) -> None:
    """Settled, corrected and fetched candles; only what is new is asked for."""
    store, exchange = await loaded()
    file = file_of(tmp_path)
    file.write(*store.unkept())
    for minute in (100, 101):
        tell(store, minute, MARKETS)
        tell(store, minute + 1, MARKETS[:1])
        assert await store.missing(MARKETS, at(minute + 1), exchange.traded(minute + 1.01)) == []
        file.write(*store.unkept())
    store.put(told("KRW-B", 101, volume=told("KRW-B", 101).volume + 1))
    file.write(*store.unkept())
    assert store.unkept()[0] == []
    again = CandleStore(upbit=store.upbit, unit=MINUTE, history=HISTORY)
    again.restore(file_of(tmp_path).read(), at(102))
    assert again.unkept()[0] == []
    assert true(again, 102, ["KRW-A", "KRW-C", "KRW-D"])
    assert again.series()["KRW-B"].volume[-1] == 103
    for _ in range(2):
        await again.prove(MARKETS)
    assert exchange.asked == MARKETS[:3]
    assert await again.missing(MARKETS, at(102), exchange.traded(102.5)) == []
    assert await again.missing(MARKETS, at(103), exchange.traded(103.5)) == MARKETS


@pytest.mark.failure("C19")
async def test_what_a_file_of_tomorrow_says_is_not_believed(tmp_path: Path) -> None:
    """A clock was ahead when it was written: its candles would be called known before they are over."""
    store, exchange = await loaded()
    file_of(tmp_path).write(*store.unkept())
    again = CandleStore(upbit=store.upbit, unit=MINUTE, history=HISTORY)
    again.restore(file_of(tmp_path).read(), at(99))
    assert await again.missing(MARKETS, at(99), exchange.traded(99.5)) == MARKETS


@pytest.mark.failure("C19")
async def test_a_file_that_the_exchange_contradicts_is_forgotten(tmp_path: Path) -> None:
    """Some markets are compared before anything rests on it: the address may be another exchange's by now."""
    store, exchange = await loaded()
    for market in MARKETS:
        store._stretches[market].arrays.close[: HISTORY // 2] += 1
    file_of(tmp_path).write(*store.unkept())
    half = CandleStore(upbit=store.upbit, unit=MINUTE, history=HISTORY)
    half.restore(file_of(tmp_path).read(), NOW)
    await half.prove(MARKETS)
    assert await half.missing(MARKETS, at(100), exchange.traded(100.5)) == []  # half of them are no other exchange
    exchange.asked.clear()
    store, exchange = await loaded()
    for market in MARKETS:
        store._stretches[market].arrays.close[: HISTORY // 2 + 1] += 1
    file_of(tmp_path).write(*store.unkept())
    again = CandleStore(upbit=store.upbit, unit=MINUTE, history=HISTORY)
    again.restore(file_of(tmp_path).read(), NOW)
    await again.prove(MARKETS)
    assert exchange.asked == MARKETS[:1]
    assert await again.refresh(MARKETS, at(100), exchange.traded(100.5), budget_s=10) == []
    await again.prove(MARKETS)
    assert exchange.asked == MARKETS[:1] + MARKETS
