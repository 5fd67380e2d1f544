"""A market is recorded over the wire, and the whole daemon trades on the tape: twice the same, on what was there."""

from __future__ import annotations

import asyncio
import json
import math
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from websockets.asyncio.client import connect

from cli import demo
from cli.common.parser import build_parser
from config.reading import load
from journal import JOURNAL_FILE
from main import VERBS, main
from sandbox.market.markets import Markets
from sandbox.market.sources.tape import TapeMarket
from simulation.loop import PacedLoop
from tape.check import examine
from tape.form import RecordKind
from tape.market import MARKET
from tape.reading import files_of, records
from tests.helpers.daemon_desk import opened, told
from tests.helpers.patience import PATIENCE_S
from trader.daemon import build, serve
from trader.loops import every
from trader.recording import record_beside, recording_of
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.market.feed import Candle

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")

ROOT = Path(__file__).resolve().parent.parent.parent
MARKETS = 5
PAPER_S = 3.0
"""Until a later book is on the tape."""
AFTER = timedelta(minutes=6, seconds=20)
"""A seed's market, so that the daemon finds something to buy in it soon after."""


@dataclass
class Recorded:
    """What happened on an exchange while it was recorded: the tape, and minute candles of every market."""

    tape: Path
    candles: dict[str, list[Candle]]
    violations: int


async def record(folder: Path, seconds: float, *, markets: int = MARKETS, drop_after: float | None = None) -> Recorded:
    """Record an exchange for a while; after `drop_after` seconds the connection is lost once."""
    async with opened(folder, markets=markets, after=AFTER) as (box, config, clock):
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with open_session(url=config.base_url) as session, asyncio.TaskGroup() as tasks:
            upbit = Upbit(session, base_url=config.base_url)
            recording = recording_of(config, upbit, stop, clock=clock, folder=folder / "tape")
            loop.call_later(seconds, stop.set)
            if drop_after is not None:
                loop.call_later(drop_after, recording.stream.reconnect)
            tasks.create_task(recording.run())
            await stop.wait()
        candles = {market: box.markets.candles(market, 60, None, 200) for market in box.markets.listed}
        return Recorded(folder / "tape", candles, sum(box.violations.values()))


def recorded(folder: Path, seconds: float, *, markets: int = MARKETS, drop_after: float | None = None) -> Recorded:
    """Record an exchange on a loop that skips waiting."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        found = runner.run(record(folder, seconds, markets=markets, drop_after=drop_after))
    assert found.violations == 0
    return found


def journal_after(tape: Path, folder: Path, minutes: float) -> list[str]:
    """Let the whole daemon trade on a tape; return its journal, line by line."""
    folder.mkdir()
    config = load({"LOG_LEVEL": "ERROR"})
    words = ["demo", "--replay", str(tape), "--speed", "inf", "--minutes", str(minutes), "--json"]
    with asyncio.Runner(loop_factory=lambda: PacedLoop(math.inf)) as runner:
        summary = runner.run(demo.rehearse(config, build_parser(VERBS, "demo").parse_args(words), folder))
    assert summary.ledger_equal
    assert summary.violations == 0
    with sqlite3.connect(folder / JOURNAL_FILE) as journal:
        return list(journal.iterdump())


def orders(journal: Sequence[str]) -> int:
    """Return how many orders a journal knows."""
    return sum(line.startswith('INSERT INTO "intent"') for line in journal)


def test_a_recording_is_replayed_twice_into_equal_journals(tmp_path: Path) -> None:
    """With orders in them; and its candles are those of the exchange, from before its start on."""
    found = recorded(tmp_path, 140.0)
    first, second = (journal_after(found.tape, tmp_path / name, 1.1) for name in ("first", "second"))
    assert first == second
    assert orders(first) >= 1
    source = TapeMarket(found.tape)
    market, end = Markets(source), source.start_ms + 60_000
    market.advance(end)
    for name, candles in found.candles.items():
        theirs = [candle for candle in candles if candle.opened_ms < end]
        assert market.candles(name, 60, end, 150) == theirs[:150]


def test_a_lost_connection_is_a_gap_and_costs_no_rule(tmp_path: Path) -> None:
    """It is made again, and what is heard then goes on."""
    (one,) = examine(files_of(recorded(tmp_path, 30.0, drop_after=10.0).tape))
    assert [gap.why for gap in one.gaps] == ["closed"]
    assert one.records[RecordKind.OPEN] == 2
    assert one.faults == []


def test_a_daemon_records_what_it_hears_and_nothing_of_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tickers, its candles and its answers beside the market; no balance and no order's name.

    And each of its orders has paper beside it.
    """

    async def story() -> None:
        async with (
            opened(tmp_path, markets=MARKETS, after=AFTER) as (_, config, clock),
            build(config, clock, asyncio.Event()) as app,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(serve(app, beside=[record_beside]))
            async for _ in every(1.0, app.stop):
                if app.journal.counts().buys:
                    await asyncio.sleep(PAPER_S)
                    app.stop.set()

    told(story)
    tape = list(records(files_of(tmp_path / "tape")))
    assert {record.channel for record in tape if record.kind == RecordKind.FRAME} == {"market", "ticker", "candle"}
    answers = [record.content for record in tape if record.kind == RecordKind.ANSWER]
    accounts = [answer.partition(b"\n")[2] for answer in answers if answer.startswith(b"200 GET /v1/accounts")]
    assert accounts
    assert all(row["balance"] == "***" for answer in accounts for row in json.loads(answer))
    placed = [json.loads(answer.partition(b"\n")[2]) for answer in answers if answer.startswith(b"201 POST /v1/orders")]
    assert placed
    assert all((row["identifier"], row["uuid"], row["side"]) == ("***", "***", "bid") for row in placed)
    assert any(answer.startswith(b"200 GET /v1/market/all") for answer in answers)
    (one,) = examine(files_of(tmp_path / "tape"))
    assert one.faults == []
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    assert main(["shadow", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sentence"].startswith("아직 말할 수 없습니다")
    assert found["shadow"]["everything"]["orders"] == len(found["pairs"]) == len(placed)
    assert found["shadow"]["without_paper"] == 0


@pytest.mark.slow
def test_hours_on_tape_are_replayed_twice_into_equal_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TAPE_HOURS` of two markets, and every hour a file."""
    monkeypatch.setattr("tape.writing.os.fdatasync", lambda _: None)  # twice in each of these seconds, which are short
    hours = float(os.environ.get("TAPE_HOURS", "24"))
    found = recorded(tmp_path, hours * 3600 + 100, markets=2)
    first, second = (journal_after(found.tape, tmp_path / name, hours * 60) for name in ("first", "second"))
    assert first == second
    files = examine(files_of(found.tape))
    assert [one.faults for one in files] == [[]] * len(files)
    assert len(files) >= hours
    frames = sum(one.records[RecordKind.FRAME] for one in files)
    size = sum(one.path.stat().st_size for one in files)
    print(  # noqa: T201 - the figures this is for
        f"\n{hours:g} h, {frames:,} frames, {size / 1e6:.1f} MB, {orders(first)} orders, equal journals"
    )


@pytest.mark.slow
@pytest.mark.parametrize("trades", [40, 45, 50, 55])
def test_a_kill_costs_a_second_at_most(tmp_path: Path, trades: int) -> None:
    """Of what a witness at the same exchange heard until the SIGKILL, all is on the tape but the last second."""
    seen = asyncio.run(killed_after(trades, tmp_path))
    kept = {name_of(record.content) for record in records(files_of(tmp_path)) if record.channel == MARKET}
    lost = [moment for name, moment in seen.frames if moment > seen.beside_at + 1.0 and name not in kept]
    loss_s = seen.killed_at - min(lost, default=seen.killed_at)
    assert loss_s <= 1.0 + seen.late_s
    *before, last = examine(files_of(tmp_path))  # an hour may have ended meanwhile
    assert [one.faults for one in before] == [[]] * len(before)
    assert [fault.en.partition(":")[0] for fault in last.faults] == ["The end is torn"]
    print(f"\nlost {loss_s:.2f} s, and this machine told frames {seen.late_s:.2f} s late")  # noqa: T201 - as above


@dataclass
class Seen:
    """What a witness heard: each frame and when, and how late this machine told it at the worst. Seconds."""

    frames: list[tuple[tuple[object, ...], float]]
    beside_at: float  # when there was a tape
    killed_at: float
    late_s: float


def name_of(frame: bytes) -> tuple[object, ...]:
    """Return what tells a frame of the market from every other."""
    told = json.loads(frame or b"{}")
    if not isinstance(told, dict):
        return ()
    return told.get("type"), told.get("code"), told.get("sequential_id"), told.get("timestamp")


async def killed_after(count: int, folder: Path) -> Seen:
    """Record an exchange in a process of its own, and kill it when a witness has heard so many trades beside it."""
    with process("sandbox", "--markets", "150", "--json") as sandbox:
        assert sandbox.stdout is not None
        start = json.loads(sandbox.stdout.readline())
        codes = [row["market"] for row in await asked(f"{start['rest']}/market/all")]
        wanted = [{"ticket": "w"}, *({"type": kind, "codes": codes} for kind in ("trade", "orderbook"))]
        with process("record", "--out", str(folder), UPBIT_BASE_URL=start["url"]) as recorder:
            async with connect(start["websocket"], compression=None) as witness:
                await witness.send(json.dumps(wanted))
                frames: list[tuple[tuple[object, ...], float]] = []
                late_s, beside_at, beside = 0.0, 0.0, 0
                while beside < count:
                    frame = await asyncio.wait_for(witness.recv(), PATIENCE_S)
                    assert isinstance(frame, bytes)
                    now = time.time()
                    frames.append((name_of(frame), now))
                    if beside_at or is_begun(folder):
                        beside, beside_at = beside + is_trade(frame), beside_at or now
                        late_s = max(late_s, lateness(frame, now))
            recorder.kill()
            killed_at = time.time()
            recorder.wait(PATIENCE_S)
    return Seen(frames, beside_at, killed_at, late_s)


def lateness(frame: bytes, now: float) -> float:
    """Return how long ago a trade was told; a book says when it changed instead."""
    return now - float(json.loads(frame)["timestamp"]) / 1000 if is_trade(frame) else 0.0


def is_trade(frame: bytes) -> bool:
    """Return whether a frame is a trade: they come at any moment, books once a second."""
    return bool(json.loads(frame)["type"] == "trade")


def is_begun(folder: Path) -> bool:
    """Return whether a frame is on a tape."""
    return any(path.stat().st_size > 1000 for path in folder.glob("*.tape"))


async def asked(url: str) -> list[dict[str, str]]:
    """Return a public answer."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        rows: list[dict[str, str]] = await answer.json()
        return [row for row in rows if row["market"].startswith("KRW-")]


@contextmanager
def process(*words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb as a process of its own, until the block ends."""
    started = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "main.py", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate(timeout=PATIENCE_S)
