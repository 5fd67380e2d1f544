"""`update_indicators_periodically`: every minute, look at all KRW markets and say which are targets, and why not.

Reads candles, tickers and market flags over REST. Writes `snapshot_dict` and `target_dict`, and one verdict with its
numbers for every market into the journal.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from journal.verdicts import GateRow, Scan
from strategy.base import PASSED, Condition, Gate, Selection, Snapshot, Window
from strategy.grid import build_window
from trader.candles import last_close
from trader.guards.host import SKEW_STOP, skew_of
from trader.loops import each_minute, keep_going, pause
from trader.targets import rest_time
from upbit.errors import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from config.settings import Config
    from trader.app import App
    from upbit.models import Market, Ticker

log = logging.getLogger("trader.indicators")

GRACE = timedelta(seconds=2)
"""How long after a minute boundary Upbit may still be writing the candle that closed."""
BUDGET_S = 45.0
"""Seconds of a minute spent on fetching candles; what is missing then is fetched in the next minute."""
LEADER = "KRW-BTC"
SCANS_KEPT = timedelta(days=14)

NOT_LOADED = Gate(code="not_loaded", ko="캔들을 아직 받는 중", en="candles not loaded yet")
EXCLUDED = Gate(code="excluded", ko="설정에서 제외한 마켓", en="excluded by configuration")
WARNING = Gate(code="warning", ko="투자유의 종목", en="investment warning")
CAUTION = Gate(code="caution", ko="투자주의 종목", en="investment caution")


async def update_indicators_periodically(app: App) -> None:
    """Scan all KRW markets at each minute boundary until the daemon stops."""
    name = "update_indicators_periodically"
    await keep_going(
        name, each_minute(app.clock, app.stop, grace=GRACE), lambda: scan(app), health=app.health, stop=app.stop
    )


async def scan(app: App) -> None:
    """Fetch what is new, ask the strategy about every market, and publish and record its verdicts."""
    closed_at = last_close(app.clock() - GRACE, app.candles.unit)
    found = await app.upbit.markets()
    listings = {market.market: market for market in found if market.market.startswith("KRW-")}
    before = await app.state.listings.snapshot()
    need_whole_list(listings, before)
    await app.state.listings.replace(listings)
    tickers = {ticker.market: ticker for ticker in await app.upbit.all_tickers("KRW")}
    active = await app.state.active_trade.snapshot()
    known = {*listings, *before, *found.dropped}  # what one list does not show is not gone
    held = [market for market, trade in active.items() if trade.position]
    tell_unlisted(app, [market for market in held if before and market not in known])
    app.candles.forget(known)
    await until_closed(app, closed_at)
    missing = await app.candles.refresh(urgency(listings, active, tickers), closed_at, tickers, budget_s=BUDGET_S)
    if missing:
        log.info("candles still loading markets=%d of=%d", len(missing), len(listings))
    await publish(app, closed_at, listings, tickers, missing)


def need_whole_list(listings: Collection[str], before: Collection[str]) -> None:
    """Insist on a list of markets that can be true.

    Raises:
        OutcomeUnknown: when it is empty, or shows less than half of what was listed a minute ago.
    """
    if not listings or 2 * len(listings) < len(before):
        raise OutcomeUnknown(f"{len(listings)} markets where there were {len(before)}")


async def until_closed(app: App, closed_at: datetime) -> None:
    """Wait until a moment is over by the exchange's clock, too: ours may be ahead, and its candle still change."""
    skew = skew_of(app, asyncio.get_running_loop().time())
    if skew is not None:
        ahead = min(skew, SKEW_STOP)  # nothing is bought beyond
        await pause((closed_at + ahead - app.clock()).total_seconds(), app.stop)


def tell_unlisted(app: App, markets: Iterable[str]) -> None:
    """Tell a person about what is held under a name that nobody trades any more, once an hour."""
    for market in markets:
        app.tell("unlisted", level=logging.WARNING, market=market)
        app.inform(app.messages.unlisted(market, at=app.clock()))


def urgency(listings: Iterable[str], held: Iterable[str], tickers: Mapping[str, Ticker]) -> list[str]:
    """Return all markets in the order in which their candles are needed: the leader, what we hold, the most traded."""
    first = {LEADER: 0} | dict.fromkeys(held, 1)
    nothing = Decimal(0)

    def rank(market: str) -> tuple[int, Decimal, str]:
        turnover = tickers[market].turnover_24h if market in tickers else nothing
        return first.get(market, 2), -turnover, market

    return sorted(listings, key=rank)


async def publish(
    app: App,
    closed_at: datetime,
    listings: Mapping[str, Market],
    tickers: Mapping[str, Ticker],
    missing: Sequence[str],
) -> None:
    """Ask the strategy and share what it says."""
    series = {market: arrays for market, arrays in app.candles.series().items() if market not in missing}
    turnover = {market: float(ticker.turnover_24h) for market, ticker in tickers.items()}
    window = build_window(app.candles.unit, closed_at, app.candles.history, series, turnover)
    numbers = app.strategy.compute(window, app.parameters)
    selection = app.strategy.select(window, numbers, -1, app.parameters)
    barred = {market: gate for market, listing in listings.items() if (gate := barrier(app.config, listing))}
    barred |= {market: NOT_LOADED for market in missing if market not in barred}
    snapshots = judge(window, selection, app.strategy.gates, barred, tickers, as_of=app.clock())
    await app.state.snapshot_dict.replace(snapshots)
    targets = {market: snapshot for market, snapshot in snapshots.items() if snapshot.failed_gate is None}
    before = await app.state.target_dict.snapshot()
    await app.state.target_dict.replace(targets)
    barred |= {market: NOT_LOADED for market in listings if market not in snapshots and market not in barred}
    record(app, closed_at, scan_of(window, selection, app.strategy.gates, barred, tickers), await known_of_account(app))
    if targets.keys() != before.keys():
        log.debug("targets count=%d of=%d markets=%s", len(targets), len(listings), ",".join(sorted(targets)))


def barrier(config: Config, listing: Market) -> Gate | None:
    """Return why a market is never bought, whatever its indicators say."""
    if listing.market in config.risk.exclude:
        return EXCLUDED
    if config.trading.warning == "skip" and listing.event.warning:
        return WARNING
    if config.trading.caution == "skip" and any(listing.event.caution.values()):
        return CAUTION
    return None


def judge(
    window: Window,
    selection: Selection,
    gates: Sequence[Gate],
    barred: Mapping[str, Gate],
    tickers: Mapping[str, Ticker],
    *,
    as_of: datetime,
) -> dict[str, Snapshot]:
    """Turn the arrays of a selection into one snapshot for every market of the window that has a price."""
    columns = {name: values.tolist() for name, values in selection.numbers.items()}
    snapshots = {}
    for row, (market, failed) in enumerate(zip(window.markets, selection.gate.tolist(), strict=True)):
        if market not in tickers:
            continue
        gate = None if failed == PASSED else gates[failed]
        snapshots[market] = Snapshot(
            market=market,
            candle_closed_at=window.closed_at,
            numbers={name: column[row] for name, column in columns.items()},
            failed_gate=barred.get(market, gate),
            price=tickers[market].price,
            price_as_of=as_of,
        )
    return snapshots


def scan_of(
    window: Window,
    selection: Selection,
    gates: Sequence[Gate],
    barred: Mapping[str, Gate],
    tickers: Mapping[str, Ticker],
) -> Scan:
    """Return what every gate looked at in every market, as the journal keeps it."""
    rows = []
    for place, (gate, asked) in enumerate(zip(gates, selection.tests or [None] * len(gates), strict=True)):
        condition = asked or told_only(selection, place, gate)
        shape = selection.gate.shape
        values, thresholds = (
            np.broadcast_to(np.asarray(side, dtype=np.float64), shape).tolist()
            for side in (condition.value, condition.threshold)
        )
        named = condition.gate or gate
        rows.append(
            GateRow(
                code=named.code,
                ko=named.ko,
                en=named.en,
                relation=condition.relation,
                values=values,
                thresholds=thresholds,
            )
        )
    return Scan(
        markets=window.markets,
        gates=rows,
        prices=[tickers[market].price if market in tickers else None for market in window.markets],
        barred={market: {"code": gate.code, "ko": gate.ko, "en": gate.en} for market, gate in barred.items()},
    )


def told_only(selection: Selection, place: int, gate: Gate) -> Condition:
    """Return a gate of a strategy that says only which one failed first: those behind it are not known."""
    answers = np.where(selection.gate == place, 0.0, 1.0)
    answers = np.where((selection.gate != PASSED) & (selection.gate < place), nan, answers)
    return gate.asks(answers, "==", 1.0)


async def known_of_account(app: App) -> dict[str, object]:
    """Return what decides beside the strategy: places, how many are taken, and the won that is free."""
    won = (await app.state.wallet_dict.snapshot()).get("KRW")
    trading, active = await app.state.trading_dict.snapshot(), await app.state.active_trade.snapshot()
    known: dict[str, object] = {
        "places": app.config.trading.max_open_trades,
        "taken": len(trading.keys() | active.keys()),
        "rest_s": int(rest_time(app).total_seconds()),
    }
    if won is not None:
        known |= {"won": format(won.available, "f"), "won_at": won.as_of.isoformat(timespec="seconds")}
    return known


def record(app: App, closed_at: datetime, seen: Scan, known: Mapping[str, object]) -> None:
    """Write this minute's look at every market into the journal."""
    minute = app.clock().replace(second=0, microsecond=0)
    app.journal.record_scan(minute, app.strategy.name, closed_at, replace(seen, facts=known))
    app.journal.prune_scans(minute - SCANS_KEPT)
