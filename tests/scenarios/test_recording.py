"""A recording goes on through what happens around it: new markets, a disk that fails, answers that do not come."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from tape.check import examine
from tape.form import RecordKind
from tape.market import MARKET, Trade, answers, events
from tape.reading import files_of, records
from tape.writing import Writer
from tests.helpers.daemon_desk import opened, told
from trader.recording import recording_of
from upbit.errors import OutcomeUnknown
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sandbox.server import Sandbox
    from tape.recorder import Batch
    from upbit.models import Candle, Market

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")

LATE = "KRW-ETH"


def record(folder: Path, seconds: float, begin: Callable[[Sandbox], None] = lambda _: None) -> Path:
    """Record an exchange of three markets for a while; `begin` is done to it before, and may plan more."""

    async def story() -> None:
        async with opened(folder, markets=3, after=timedelta(seconds=40)) as (box, config, clock):
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            begin(box)
            async with open_session(url=config.base_url) as session:
                upbit = Upbit(session, base_url=config.base_url)
                loop.call_later(seconds, stop.set)
                await recording_of(config, upbit, stop, clock=clock, folder=folder / "tape").run()
            assert box.violations == {}

    told(story)
    return folder / "tape"


def test_a_market_that_is_listed_meanwhile_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the next look at the list on; the one connection stays."""
    monkeypatch.setattr("trader.recording.LIST_EVERY_S", 20.0)

    def list_later(box: Sandbox) -> None:
        listing = box.markets.listed[LATE]
        box.markets.unlist(LATE)
        asyncio.get_running_loop().call_later(15.0, box.markets.relist, listing)

    tape = list(records(files_of(record(tmp_path, 60.0, list_later))))
    (opening,) = [one for one in tape if one.kind == RecordKind.OPEN]
    assert LATE not in msgspec.json.decode(opening.content, type=list[str])
    frames = [one for one in tape if one.channel == MARKET and one.kind == RecordKind.FRAME]
    first = next(one for one in frames if LATE.encode() in one.content)
    assert 20_000_000 <= first.at_us - opening.at_us <= 22_000_000


def test_a_list_that_does_not_come_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is followed until there is one."""
    ask, refused = Upbit.markets, [OutcomeUnknown("down")] * 2

    async def markets(self: Upbit) -> list[Market]:
        if refused:
            raise refused.pop()
        return await ask(self)

    monkeypatch.setattr(Upbit, "markets", markets)
    tape = list(records(files_of(record(tmp_path, 30.0))))
    assert any(one.kind == RecordKind.FRAME for one in tape)


def test_a_disk_that_fails_for_a_while_costs_what_came_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is there, and how much is missing is told."""
    write, failed = Writer.write, list[int]()

    def failing(self: Writer, batch: Batch) -> None:
        if len(failed) < 8:
            failed.append(batch.records)
            raise OSError(28, "No space left on device")
        write(self, batch)

    monkeypatch.setattr(Writer, "write", failing)
    (one,) = examine(files_of(record(tmp_path, 20.0)))
    (gap,) = one.gaps
    told_of_gaps = len(failed) - 1  # each batch but the first began with a record of what was missing before
    assert (gap.why, gap.records) == ("disk", sum(failed) - told_of_gaps)
    assert one.faults == []
    assert one.records[RecordKind.FRAME]


def test_candles_of_before_are_asked_page_by_page_and_one_failure_costs_one_market(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six hundred minutes of the others, after the first full minute."""
    ask = Upbit.candles

    async def candles(
        self: Upbit, market: str, unit: timedelta, *, count: int = 200, to: datetime | None = None
    ) -> list[Candle]:
        if market == LATE:
            raise OutcomeUnknown("down")
        return await ask(self, market, unit, count=count, to=to)

    monkeypatch.setattr(Upbit, "candles", candles)
    tape = list(records(files_of(record(tmp_path, 45.0))))
    asked = [one.path for one in answers(tape) if one.path.startswith("/v1/candles/minutes/1?")]
    assert [sum(f"market={name}&" in path for path in asked) for name in ("KRW-BTC", LATE)] == [3, 0]
    assert any(isinstance(event, Trade) for event in events(tape))
