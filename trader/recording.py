"""Record the market: every trade and book, what was before, and beside a daemon all that it hears.

Nothing that trades waits for it. What is heard is appended to a list, a thread writes it twice a second, and what comes
faster than it can be written is left out, which the tape says.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tape.form import micros
from tape.market import MARKET
from trader.loops import every, pause
from upbit.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from tape.recorder import Recorder
    from tape.writing import Writer
    from upbit.rest import Upbit
    from upbit.stream import MarketStream

log = logging.getLogger("trader.recording")

WRITE_EVERY_S = 0.5
"""What a kill can cost is this and the time a write takes: less than a second."""
LIST_EVERY_S = 600.0
"""How often it is asked whether a market is new."""
ASK_EVERY_S, ASK_BESIDE_S = 0.25, 1.0
"""Between two questions for candles: less than half of what Upbit allows an address, and beside a daemon a tenth."""
AFTER_MINUTE_S = 3.0
"""When candles of before are asked for: a tape is repeated from its first full minute on, and they must reach it."""
PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be on the tape."""

    markets: frozenset[str] | None = None  # None: every KRW market
    before: Mapping[timedelta, int] = field(default_factory=dict)
    """How many candles of before the beginning, of each unit and market."""
    ask_every_s: float = ASK_EVERY_S


@dataclass(slots=True, kw_only=True)
class Recording:
    """The parts that record, each with one owner."""

    upbit: Upbit
    stream: MarketStream
    recorder: Recorder
    writer: Writer
    clock: Callable[[], datetime]  # UTC
    wish: Wish
    stop: asyncio.Event
    _markets: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Record until `stop`, or until cancelled; what was heard until then is on the disk."""
        self.upbit.on_answer = self.recorder.answer
        self.stream.on_raw = partial(self.recorder.frame, MARKET)
        try:
            async with asyncio.TaskGroup() as tasks:
                others = [
                    tasks.create_task(self._write(), name="tape"),
                    tasks.create_task(self.stream.run(lambda _: None, self._tell_state), name="tape stream"),
                    tasks.create_task(self._follow_listings(), name="tape listings"),
                    tasks.create_task(self._ask_before(), name="tape candles"),
                ]
                await self.stop.wait()
                for task in others:
                    task.cancel()
        finally:
            self.upbit.on_answer = self.stream.on_raw = None
            self._write_rest()

    def _tell_state(self, state: str) -> None:
        content = msgspec.json.encode(sorted(self._markets)) if state == "open" else b""
        self.recorder.state(MARKET, state, content)

    async def _write(self) -> None:
        failing = False
        async for _ in every(WRITE_EVERY_S, self.stop):
            batch = self.recorder.take()
            if batch is None:
                continue
            try:
                await asyncio.to_thread(self.writer.write, batch)
            except OSError as error:
                self.recorder.failed(batch)
                if not failing:
                    log.error("tape not written error=%s", error)  # noqa: TRY400 - the sentence says all
                failing = True
            else:
                failing = False

    def _write_rest(self) -> None:
        try:
            if batch := self.recorder.take():
                self.writer.write(batch)
            self.writer.close(micros(self.clock()))
        except OSError as error:
            log.error("end of the tape not written error=%s", error)  # noqa: TRY400 - the sentence says all

    async def _follow_listings(self) -> None:
        """Follow every market there is, also those that are listed while it records."""
        async for _ in every(LIST_EVERY_S, self.stop):
            while not self.stop.is_set():
                try:
                    listed = {one.market for one in await self.upbit.markets() if one.market.startswith("KRW-")}
                except ExchangeError as error:
                    log.warning("markets not listed for the tape error=%s", error)
                    await pause(AFTER_MINUTE_S, self.stop)
                    continue
                self._markets = frozenset(listed if self.wish.markets is None else listed & self.wish.markets)
                self.stream.wanted(self._markets)
                break

    async def _ask_before(self) -> None:
        """Ask once for the candles of before, slowly, when the minute in which recording began is over."""
        await pause(60.0 - self.clock().timestamp() % 60.0 + AFTER_MINUTE_S, self.stop)
        for unit, count in self.wish.before.items():
            for market in sorted(self._markets):
                await self._ask_candles(market, unit, count)

    async def _ask_candles(self, market: str, unit: timedelta, count: int) -> None:
        to = None
        while count > 0:
            page = min(count, PAGE)
            try:
                candles = await self.upbit.candles(market, unit, count=page, to=to)
            except ExchangeError as error:
                log.warning("candles not on the tape market=%s error=%s", market, error)
                return
            await pause(self.wish.ask_every_s, self.stop)
            if len(candles) < page:
                return
            count, to = count - page, candles[-1].opened_at
