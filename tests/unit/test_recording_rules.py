"""What a recording hears, asks for and leaves out, on a made-up exchange and a disk that fails as a test says."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock, call

import pytest

from config.reading import load
from config.settings import Config, Secret
from simulation.loop import LoopClock, PacedLoop
from tape.form import micros
from tape.market import MARKET
from tape.problems import ZstandardMissing
from tape.recorder import Batch, Recorder
from tape.writing import Writer
from tests.helpers.parts import make_app, make_mocked, mock, only
from trader import recording
from trader.network import network_of
from trader.recording import Recording, Wish, candles_before, record_beside, recording_of
from upbit.errors import OutcomeUnknown
from upbit.models import Candle, Market
from upbit.rest import Upbit
from upbit.stream import MarketStream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

START = datetime(2026, 11, 2, 12, 0, 40, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NO_ANSWER = OutcomeUnknown("no answer")


def listed(*markets: str) -> list[Market]:
    """Return a list of markets."""
    return [Market(market=market, korean_name=market) for market in markets]


def batch(number: int) -> Batch:
    """Return something to write."""
    return Batch(number, number, 1, b"%d\n" % number)


class Parts:
    """A recording whose parts note what they are told, and an exchange and a disk that do as a test says."""

    def __init__(self, wish: Wish | None = None) -> None:
        self.recorder = mock(Recorder, take=Mock(return_value=None))
        self.writer = mock(Writer)
        self.upbit = mock(Upbit, markets=AsyncMock(return_value=listed("KRW-A")), candles=AsyncMock(return_value=[]))
        self.stream = mock(MarketStream, run=self.silence)
        self.upbit.on_answer = self.stream.on_raw = None
        self.clock = LoopClock(START, asyncio.get_running_loop())
        self.recording = Recording(
            upbit=self.upbit,
            stream=self.stream,
            recorder=self.recorder,
            writer=self.writer,
            clock=self.clock,
            wish=wish or Wish(),
            stop=asyncio.Event(),
        )

    async def silence(self, *_: object) -> None:
        """Tell nothing, for ever."""
        await asyncio.Event().wait()

    async def record(self, seconds: float) -> float:
        """Record for so long; return when it ended."""
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self.recording.stop.set)
        await self.recording.run()
        return loop.time()


def told(story: Callable[[], Coroutine[None, None, None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell a story on a loop that skips waiting, and whose threads take no time."""

    async def at_once(work: Callable[..., object], *of: object) -> object:
        return work(*of)

    monkeypatch.setattr(asyncio, "to_thread", at_once)
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


def test_what_the_stream_and_rest_tell_is_kept_while_it_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames as they came, answers, and for which markets a connection was opened; afterwards nothing."""

    async def story() -> None:
        parts = Parts()

        async def run(_: object, tell: Callable[[str], None]) -> None:
            await asyncio.sleep(1)
            tell("connecting")
            tell("open")
            parts.stream.on_raw(b"frame")
            parts.upbit.on_answer("GET", "/v1/x", 200, b"{}", signed=False)
            tell("closed")
            await parts.silence()

        parts.stream.run = run
        parts.upbit.markets.return_value = listed("KRW-B", "KRW-A")
        assert await parts.record(2.0) == 2.0
        assert parts.recorder.frame.mock_calls == [call(MARKET, b"frame")]
        assert parts.recorder.answer.mock_calls == [call("GET", "/v1/x", 200, b"{}", signed=False)]
        assert parts.recorder.state.mock_calls == [
            call(MARKET, "connecting", b""),
            call(MARKET, "open", b'["KRW-A","KRW-B"]'),
            call(MARKET, "closed", b""),
        ]
        assert parts.upbit.on_answer is parts.stream.on_raw is None

    told(story, monkeypatch)


def test_twice_a_second_what_was_heard_is_written_and_the_rest_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A half second in which nothing came writes nothing; the tape says when it ended."""

    async def story() -> None:
        parts = Parts()
        takes = {0.5: batch(1), 1.5: batch(2), 1.75: batch(3)}
        parts.recorder.take = lambda: takes.pop(asyncio.get_running_loop().time(), None)
        await parts.record(1.75)
        assert parts.writer.mock_calls == [
            *(call.write(batch(number)) for number in (1, 2, 3)),
            call.close(micros(START + timedelta(seconds=1.75))),
        ]

    told(story, monkeypatch)


def test_a_disk_that_fails_is_logged_once_a_streak_and_its_batches_are_told_as_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is written on when it can be."""
    full = OSError(28, "No space left on device")

    async def story() -> None:
        parts = Parts()
        parts.recorder.take.side_effect = [batch(number) for number in range(6)] + [None] * 9
        parts.writer.write.side_effect = [full, full, None, full, None, None]
        await parts.record(2.6)
        assert parts.recorder.failed.mock_calls == [call(batch(0)), call(batch(1)), call(batch(3))]
        assert parts.writer.write.call_count == 6
        parts.recorder.take.side_effect = None
        parts.writer.close.side_effect = full
        await parts.record(0.1)

    told(story, monkeypatch)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said == [f"tape not written error={full}"] * 2 + [f"end of the tape not written error={full}"]


@pytest.mark.parametrize(
    ("wished", "followed"),
    [
        (None, [{"KRW-A", "KRW-B"}, {"KRW-A", "KRW-B", "KRW-C"}]),
        (frozenset({"KRW-B", "KRW-C", "KRW-X"}), [{"KRW-B"}, {"KRW-B", "KRW-C"}]),
    ],
    ids=["all of them", "some"],
)
def test_every_market_in_won_is_followed_also_one_that_is_listed_later(
    wished: frozenset[str] | None, followed: list[set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or those of them that were wished for; the list is asked for every ten minutes."""

    async def story() -> None:
        parts = Parts(Wish(markets=wished))
        now = ["KRW-A", "KRW-B", "BTC-A", "USDT-KRW-A"]
        parts.upbit.markets.side_effect = [listed(*now), listed(*now, "KRW-C")]
        await parts.record(601.0)
        assert [set(one.args[0]) for one in parts.stream.wanted.mock_calls] == followed

    told(story, monkeypatch)


def test_a_list_that_does_not_come_is_asked_for_again_after_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it comes; then in ten minutes."""
    asked: list[float] = []

    async def story() -> None:
        parts = Parts()

        async def markets() -> list[Market]:
            asked.append(asyncio.get_running_loop().time())
            if len(asked) < 3:
                raise NO_ANSWER
            return listed("KRW-A")

        parts.upbit.markets = markets
        await parts.record(100.0)

    told(story, monkeypatch)
    assert asked == [0.0, 3.0, 6.0]


def candle(opened_at: datetime) -> Candle:
    """Return a candle of which nobody looks at more than its time."""
    return only(Candle, opened_at=opened_at)


@pytest.mark.parametrize(
    ("count", "there", "pages"),
    [
        (500, 9000, [(200, 0), (200, 200), (100, 400)]),
        (401, 9000, [(200, 0), (200, 200), (1, 400)]),
        (200, 9000, [(200, 0)]),
        (1, 9000, [(1, 0)]),
        (600, 200, [(200, 0), (200, 200)]),
        (600, 350, [(200, 0), (200, 200)]),
        (0, 9000, []),
    ],
)
def test_candles_of_before_are_asked_for_page_by_page_when_the_first_minute_is_over(
    count: int, there: int, pages: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page ends where the one before began, a while after it; where a market has no more none is asked for."""
    newest = START.replace(second=0)
    asked: list[tuple[float, str, timedelta, int, datetime | None]] = []

    async def story() -> None:
        parts = Parts(Wish(before={MINUTE: count}, ask_every_s=0.5))

        async def candles(market: str, unit: timedelta, *, count: int, to: datetime | None) -> list[Candle]:
            asked.append((asyncio.get_running_loop().time(), market, unit, count, to))
            skipped = 0 if to is None else int((newest - to) / MINUTE) + 1
            return [candle(newest - (skipped + n) * MINUTE) for n in range(min(count, there - skipped))]

        parts.upbit.candles = candles
        await parts.record(60.0)

    told(story, monkeypatch)
    assert asked == [
        (23.0 + 0.5 * n, "KRW-A", MINUTE, page, None if skip == 0 else newest - (skip - 1) * MINUTE)
        for n, (page, skip) in enumerate(pages)
    ]


def test_a_market_whose_candles_are_not_told_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unit by unit, market by market; the one is left out, and a stop waits for nothing."""
    asked: list[tuple[timedelta, str]] = []

    async def story() -> None:
        parts = Parts(Wish(before={MINUTE: 1, HOUR: 1}, ask_every_s=50.0))
        parts.upbit.markets.return_value = listed("KRW-B", "KRW-A")

        async def candles(market: str, unit: timedelta, **_: object) -> list[Candle]:
            asked.append((unit, market))
            if market == "KRW-A":
                raise NO_ANSWER
            return [candle(START)]

        parts.upbit.candles = candles
        assert await parts.record(90.0) == 90.0

    told(story, monkeypatch)
    assert asked == [(MINUTE, "KRW-A"), (MINUTE, "KRW-B"), (HOUR, "KRW-A"), (HOUR, "KRW-B")]


FEW = "strategy.parameters={fast = 20, slow = 30, btc_ema = 40, min_candles = 90}"


@pytest.mark.parametrize(
    ("settings", "before"),
    [
        (["strategy.unit=240"], {MINUTE: 600, HOUR: 200, DAY: 200, 4 * HOUR: 600}),
        (["strategy.unit=240", FEW], {MINUTE: 600, HOUR: 200, DAY: 200, 4 * HOUR: 120}),
        (["strategy.unit=60"], {MINUTE: 600, HOUR: 600, DAY: 200}),
        (["strategy.unit=60", FEW], {MINUTE: 600, HOUR: 200, DAY: 200}),
        (["strategy.unit=1", FEW], {MINUTE: 600, HOUR: 200, DAY: 200}),
    ],
)
def test_as_many_candles_of_before_are_on_a_tape_as_strategy_and_tickers_need(
    settings: Sequence[str], before: dict[timedelta, int]
) -> None:
    """A strategy that needs few of a unit takes none of those away that tickers rest on."""
    assert candles_before(load({}, overrides=list(settings))) == before


@pytest.mark.parametrize("keep", [None, timedelta(days=2)])
def test_a_recording_is_built_of_the_settings(keep: timedelta | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its way out, its addresses, what it keeps and for how long."""
    streams, writers = Mock(), Mock()
    monkeypatch.setattr(recording, "MarketStream", streams)
    monkeypatch.setattr(recording, "Writer", writers)
    config = replace(Config(), proxy=Secret("http://proxy.example:1"))
    upbit, stop, folder = mock(Upbit), asyncio.Event(), Path("tapes")
    some = frozenset({"KRW-A"})
    made = recording_of(
        config, upbit, stop, clock=lambda: START, folder=folder, markets=some, keep=keep, ask_every_s=2.0
    )
    ((url,), named) = streams.call_args
    assert (url, named["network"]) == (config.websocket_url, network_of(config))
    assert named["rng"].getstate() == random.Random("tape").getstate()
    assert writers.mock_calls == [call(folder, config.base_url, keep=keep)]
    assert (made.upbit, made.stop, made.writer, made.stream) == (upbit, stop, writers(), streams())
    assert made.wish == Wish(markets=some, before=candles_before(config), ask_every_s=2.0)
    assert recording_of(config, upbit, stop, clock=lambda: START, folder=folder).wish == Wish(
        before=candles_before(config)
    )


async def test_beside_a_daemon_its_own_frames_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickers and candles on channels of their own, as long as it records; in the data folder, asking slowly."""
    app = make_mocked(config=replace(Config(), data_dir=tmp_path))
    keep, recorder, seen = timedelta(days=2), mock(Recorder), list[object]()

    async def run() -> None:
        app.tickers.on_raw(b"t")
        app.candle_stream.on_raw(b"c")
        seen.append("ran")

    made = Mock(return_value=only(Recording, recorder=recorder, run=run))
    monkeypatch.setattr(recording, "recording_of", made)
    await record_beside(app, keep=keep)
    assert made.mock_calls == [
        call(app.config, app.upbit, app.stop, clock=app.clock, folder=tmp_path / "tape", keep=keep, ask_every_s=1.0)
    ]
    assert recorder.frame.mock_calls == [call("ticker", b"t"), call("candle", b"c")]
    assert seen == ["ran"]
    assert app.tickers.on_raw is app.candle_stream.on_raw is None


async def test_without_a_tape_trading_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Why there is none is logged in the reader's language."""
    monkeypatch.setattr(recording, "recording_of", Mock(side_effect=ZstandardMissing()))
    await record_beside(make_app(config=replace(Config(), language="en")))
    assert [record.getMessage() for record in caplog.records] == [f"no tape: {ZstandardMissing().en}"]
