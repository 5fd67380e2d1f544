"""The whole daemon trades, and `diverge` takes the difference to the backtester on the same candles apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from backtest.history.candles import Candles, Stored
from backtest.history.store import FOLDER, Store
from cli.common.backtested_day import day_of
from cli.diverge import FEE_RATE, as_json, diverge
from config.settings import Config
from journal import JOURNAL_FILE
from journal.reader import open_reader
from journal.records import Command, Order
from main import main
from simulation.loop import LoopClock
from strategy import registry
from tests.helpers.daemon_desk import START, opened, serving, told
from trader.commands import obey
from trader.loops import every
from views.divergence import Cause

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.server import Sandbox
    from trader.app import App
    from views.divergence import Divergence

pytestmark = pytest.mark.slow

MARKETS = 8
PLACES = 3
MINUTE = timedelta(minutes=1)
AFTER = timedelta(minutes=1, seconds=30)
LIFE = timedelta(minutes=30)
PART = timedelta(minutes=10)
"""After which something happens to the daemon."""
MOST = 1_000
"""Candles of a market that the backtester gets: what the strategy needs, and the day."""

Life = Callable[[Config, LoopClock], Awaitable[None]]


def candles_of(box: Sandbox, market: str) -> Candles:
    """Return the minutes of a market as the backtester wants them."""
    found = box.markets.candles(market, 60, None, MOST)[:0:-1]  # oldest first, without the one that forms
    names = ("open", "high", "low", "close", "volume", "turnover")
    columns = {name: np.array([float(getattr(one, name)) for one in found]) for name in names}
    return Candles(opened_at_ms=np.array([one.opened_ms for one in found]), **columns)


def lived(folder: Path, life: Life, *, store: Store | None = None) -> Divergence:
    """Let a daemon live beside an exchange, and compare its journal with the candles of that exchange."""
    days: list[Divergence] = []

    async def story() -> None:
        settings = f"trading.max_open_trades={PLACES}"
        async with opened(folder, settings, markets=MARKETS, after=AFTER) as (box, config, clock):
            begin = clock().replace(second=0, microsecond=0) + timedelta(minutes=1)
            await life(config, clock)
            until = clock().replace(second=0, microsecond=0)
            history = {market: candles_of(box, market) for market in box.markets.listed}
            if store is not None:
                for market, candles in history.items():
                    store.write(MINUTE, market, Stored(candles=candles))
            loaded = registry.load(config.strategy.name, config.strategy.parameters)
            day = day_of(config, loaded, history, (begin, until), until, fee_rate=FEE_RATE)
            with open_reader(folder / JOURNAL_FILE) as journal:
                days.append(diverge(config, journal, day, (begin, until)))

    told(story)
    (found,) = days
    shown = msgspec.to_builtins(as_json(found, found.differences[0].at.date()))
    print(json.dumps(shown["causes"]))  # noqa: T201 - the figures this is for
    assert sum(found.krw(cause) for cause in Cause) == found.whole_krw
    return found


async def serve_for(
    config: Config, clock: LoopClock, life: timedelta, act: Callable[[App], object] | None = None
) -> None:
    """Let a daemon trade for a while, and do something with it at the beginning."""
    end = clock() + life
    async with serving(config, clock) as app:
        if act is not None:
            act(app)
        async for _ in every(1.0, app.stop):
            if clock() >= end:
                return


def test_an_undisturbed_day_differs_by_prices_and_draws_alone(tmp_path: Path) -> None:
    """Both buy; nothing was late, refused, asleep or a person's, and fees are those that were assumed."""

    async def life(config: Config, clock: LoopClock) -> None:
        await serve_for(config, clock, LIFE)

    found = lived(tmp_path, life)
    assert found.ours_krw
    assert found.theirs_krw
    assert set(found.counts()) <= {Cause.SLIPPAGE, Cause.DRAW, Cause.FEE}
    assert found.krw(Cause.SLIPPAGE)
    assert abs(found.krw(Cause.FEE)) < 1


def test_what_a_daemon_that_slept_did_not_do_is_the_restarts(tmp_path: Path) -> None:
    """It does not run for ten minutes and comes back."""

    async def life(config: Config, clock: LoopClock) -> None:
        await asyncio.sleep(PART.total_seconds())
        await serve_for(config, clock, LIFE - PART)

    found = lived(tmp_path, life)
    assert found.krw(Cause.RESTART)
    assert not {Cause.LATE_CANDLE, Cause.REFUSAL, Cause.PERSON} & set(found.counts())


def test_what_a_person_forbids_is_the_persons(tmp_path: Path) -> None:
    """The owner stops all buys from the beginning."""

    def halt(app: App) -> None:
        command = Command(id="c1", name=Order.HALT_BUYS, by="cli", asked_at=app.clock())
        obey(app.control, app.journal, command)

    async def life(config: Config, clock: LoopClock) -> None:
        await serve_for(config, clock, LIFE, halt)

    found = lived(tmp_path, life)
    assert found.ours_krw == 0
    assert found.krw(Cause.PERSON) == found.whole_krw


def test_the_verb_reads_the_journal_and_the_stored_candles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In won and basis points, as a table in Korean and as JSON; the parts add up there, too."""

    async def life(config: Config, clock: LoopClock) -> None:
        await serve_for(config, clock, PART)

    lived(tmp_path, life, store=Store(tmp_path / FOLDER))
    capsys.readouterr()
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("cli.diverge.wall_clock", lambda: START + AFTER + PART)
    words = ["diverge", "--day", "2026-11-02", "--set", "strategy.unit=1", "--set", "trading.seed=1"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    parts = [Decimal(cause["krw"]) for cause in told["causes"].values()]
    assert sum(parts) == Decimal(told["difference_krw"]) == Decimal(told["daemon_krw"]) - Decimal(told["backtest_krw"])
    assert Decimal(told["causes"]["restart"]["krw"]) != 0  # it did not run before nine in the morning
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("2026-11-02 매수분: 데몬 ")
    assert "꺼져 있던 동안" in shown
