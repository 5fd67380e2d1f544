"""The tape of what is heard: for a verb of its own, and beside a daemon where one is wished."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from strategy import registry
from tape.problems import TapeError
from tape.recorder import Recorder
from tape.writing import Writer
from trader.network import network_of
from trader.recording import ASK_BESIDE_S, ASK_EVERY_S, Recording, Wish
from upbit.stream import MarketStream

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from pathlib import Path

    from config.settings import Config
    from trader.app import App
    from upbit.rest import Upbit

log = logging.getLogger("tape")

FOLDER = "tape"
MOST_BEFORE = 600
"""Candles of one unit and market that are asked for at most: three questions each."""


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
    needed = strategy.history(parameters, config.strategy.unit)
    most = min(MOST_BEFORE, needed)
    return {timedelta(minutes=1): MOST_BEFORE, timedelta(hours=1): 200, timedelta(days=1): 200} | {
        config.strategy.unit: most
    }


def tape_beside(*, wished: bool) -> list[Callable[[App], Coroutine[None, None, None]]]:
    """Return what records beside a daemon, if anything is to."""
    return [record_beside] if wished else []


async def record_beside(app: App) -> None:
    """Record the market and what the daemon hears, until cancelled; without a tape trading goes on."""
    config = app.config
    try:
        recording = recording_of(
            config, app.upbit, app.stop, clock=app.clock, folder=tape_folder(config), ask_every_s=ASK_BESIDE_S
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
