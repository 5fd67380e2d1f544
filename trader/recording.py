"""Record the market: every trade and book, what was before, and beside a daemon all that it hears.

Nothing that trades waits for it. What is heard is appended to a list, a thread writes it twice a second, and what comes
faster than it can be written is left out, which the tape says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from strategy import registry
from tape.form import micros
from tape.market import MARKET
from tape.problems import TapeError
from tape.recorder import Recorder
from tape.writing import Writer
from trader.loops import every, pause
from trader.network import network_of
from upbit.errors import ExchangeError
from upbit.stream import MarketStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from config.settings import Config
    from trader.app import App
    from upbit.rest import Upbit

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
FOLDER = "tape"
MOST_BEFORE = 600
"""Candles of one unit and market that are asked for at most: three questions each."""


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
            while True:
                try:
                    listed = {one.market for one in await self.upbit.markets() if one.market.startswith("KRW-")}
                except ExchangeError as error:
                    log.warning("markets not listed for the tape error=%s", error)
                    await pause(AFTER_MINUTE_S)
                    continue
                self._markets = frozenset(listed if self.wish.markets is None else listed & self.wish.markets)
                self.stream.wanted(self._markets)
                break

    async def _ask_before(self) -> None:
        """Ask once for the candles of before, slowly, when the minute in which recording began is over."""
        await pause(60.0 - self.clock().timestamp() % 60.0 + AFTER_MINUTE_S)
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
            await pause(self.wish.ask_every_s)
            if len(candles) < page:
                return
            count, to = count - page, candles[-1].opened_at


def tape_folder(config: Config) -> Path:
    """Return where a tape is kept unless another folder is named."""
    return config.data_dir / FOLDER


def recording_of(
    config: Config,
    upbit: Upbit,
    stop: asyncio.Event,
    *,
    clock: Callable[[], datetime],
    folder: Path,
    markets: frozenset[str] | None = None,
    keep: timedelta | None = None,
    ask_every_s: float = ASK_EVERY_S,
) -> Recording:
    """Return what records the exchange of the settings.

    Raises:
        TapeError: when nothing can be written, or the library that packs is missing.
    """
    return Recording(
        upbit=upbit,
        stream=MarketStream(config.websocket_url, rng=random.Random("tape"), network=network_of(config)),
        recorder=Recorder(clock),
        writer=Writer(folder, config.base_url, keep=keep),
        clock=clock,
        wish=Wish(markets=markets, before=candles_before(config), ask_every_s=ask_every_s),
        stop=stop,
    )


def candles_before(config: Config) -> dict[timedelta, int]:
    """Return which candles a repetition needs: those its strategy decides on, and what tickers tell of the year."""
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    unit = config.strategy.unit
    always = {timedelta(minutes=1): MOST_BEFORE, timedelta(hours=1): PAGE, timedelta(days=1): PAGE}
    needed = min(MOST_BEFORE, strategy.history(parameters, unit))
    return always | {unit: max(needed, always.get(unit, 0))}


async def record_beside(app: App, *, keep: timedelta | None = None) -> None:
    """Record the market and what the daemon hears, until cancelled; without a tape trading goes on."""
    config = app.config
    try:
        recording = recording_of(
            config,
            app.upbit,
            app.stop,
            clock=app.clock,
            folder=tape_folder(config),
            keep=keep,
            ask_every_s=ASK_BESIDE_S,
        )
    except TapeError as error:
        log.error("no tape: %s", error.sentence(config.language))  # noqa: TRY400 - the sentence says all
        return
    app.tickers.on_raw = partial(recording.recorder.frame, "ticker")
    app.candle_stream.on_raw = partial(recording.recorder.frame, "candle")
    try:
        await recording.run()
    finally:
        app.tickers.on_raw = app.candle_stream.on_raw = None
