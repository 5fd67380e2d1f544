"""`update_indicators_periodically`: every minute, look at all KRW markets and say which are targets, and why not.

Candles come from the stream, tickers and market flags over REST. Writes `snapshot_dict` and `target_dict`, and one
verdict with its numbers for every market into the journal.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from journal.verdicts import GateRow, Scan
from strategy.base import PASSED, Condition, Gate, Selection, Snapshot, Window
from strategy.grid import build_window
from trader.candles.series import last_close
from trader.guards.host import SKEW_STOP, skew_of
from trader.loops import each_minute, keep_going, pause
from trader.prices import reconnect_if_silent
from trader.targets import rest_time
from upbit.errors import ExchangeError, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from config.settings import Config
    from strategy.base import Strategy
    from trader.app import App
    from upbit.models import Market, Ticker

log = logging.getLogger("trader.indicators")

GRACE = timedelta(seconds=1)
"""How long after a minute boundary the stream may still tell of the candle that closed: it tells once a second."""
BUDGET_S = 45.0
"""Seconds of a minute spent on fetching candles; what is missing then is fetched in the next minute."""
SAMPLE = 5
"""Markets of which the candles are compared with REST's each minute, when all else is known."""
LEADER = "KRW-BTC"
LEADER_WITHIN_S = 5.0
"""How long the others that are missing wait for it: an answer that hangs must not cost them their minute."""
SCANS_KEPT = timedelta(days=14)

NOT_LOADED = Gate(code="not_loaded", ko="캔들을 아직 받는 중", en="candles not loaded yet")
EXCLUDED = Gate(code="excluded", ko="설정에서 제외한 마켓", en="excluded by configuration")
WARNING = Gate(code="warning", ko="투자유의 종목", en="investment warning")
CAUTION = Gate(code="caution", ko="투자주의 종목", en="investment caution")


async def update_indicators_periodically(app: App) -> None:
    """Scan all KRW markets at each minute boundary until the daemon stops."""
    name = "update_indicators_periodically"
    async with asyncio.TaskGroup() as tasks:
        stream = tasks.create_task(app.candle_stream.run(app.candles.put, app.candles.on_state), name="candle stream")
        ticks = each_minute(app.clock, app.stop)
        await keep_going(name, ticks, lambda: scan(app), health=app.health, stop=app.stop)
        stream.cancel()


async def scan(app: App) -> None:
    """Ask the strategy about every market of which all candles are known, then about those fetched meanwhile."""
    closed_at = last_close(app.clock(), app.candles.unit)
    listings = await list_markets(app)
    await until_closed(app, closed_at)
    tickers = {ticker.market: ticker for ticker in await app.upbit.all_tickers("KRW")}
    active = await app.state.active_trade.snapshot()
    wanted = urgency(listings, active, tickers)
    await app.candles.prove(wanted)
    missing = await app.candles.missing(wanted, closed_at, tickers)
    if LEADER in missing and len(missing) < len(wanted):  # those that are known wait for it alone
        with suppress(ExchangeError, TimeoutError):  # it is asked for again with the others
            async with asyncio.timeout(LEADER_WITHIN_S):
                await app.candles.refresh([LEADER], closed_at, tickers, budget_s=LEADER_WITHIN_S)
        missing = await app.candles.missing(wanted, closed_at, tickers)
    if missing and LEADER not in missing:  # without the leader nothing is decided
        await publish(app, closed_at, listings, tickers, missing, early=True)
    missing = await app.candles.refresh(wanted, closed_at, tickers, budget_s=BUDGET_S)
    if missing:
        log.info("candles still loading markets=%d of=%d", len(missing), len(listings))
    await publish(app, closed_at, listings, tickers, missing)
    await asyncio.to_thread(app.kept_candles.write, *app.candles.unkept())
    reconnect_if_silent(app.clock, app.candle_stream, tickers.values())
    if not missing and (differing := await app.candles.check(closed_at, sample=SAMPLE)):
        app.tell("candles_differ", level=logging.WARNING, markets=",".join(differing))


async def list_markets(app: App) -> dict[str, Market]:
    """Return the list of markets, listen to all of them, and let go of what is listed no more."""
    found = await app.upbit.markets()
    listings = {market.market: market for market in found if market.market.startswith("KRW-")}
    before = await app.state.listings.snapshot()
    need_whole_list(listings, before)
    await app.state.listings.replace(listings)
    active = await app.state.active_trade.snapshot()
    known = {*listings, *before, *found.dropped}  # what one list does not show is not gone
    held = [market for market, trade in active.items() if trade.position]
    tell_unlisted(app, [market for market in held if before and market not in known])
    app.candles.forget(known)
    app.candle_stream.wanted(frozenset(listings))
    return listings


def need_whole_list(listings: Collection[str], before: Collection[str]) -> None:
    """Insist on a list of markets that can be true.

    Raises:
        OutcomeUnknown: when it is empty, or shows less than half of what was listed a minute ago.
    """
    if not listings or 2 * len(listings) < len(before):
        raise OutcomeUnknown(f"{len(listings)} markets where there were {len(before)}")


async def until_closed(app: App, closed_at: datetime) -> None:
    """Wait until the stream has told its last of what closed, and it closed by the exchange's clock, too.

    Ours may be ahead, and the candle still change.
    """
    skew = skew_of(app.upbit, app.clock, asyncio.get_running_loop().time()) or timedelta(0)
    ahead = min(skew, SKEW_STOP)  # nothing is bought beyond
    await pause((closed_at + max(GRACE, ahead) - app.clock()).total_seconds(), app.stop)


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
    *,
    early: bool = False,
) -> None:
    """Ask the strategy and share what it says; an early word leaves what was known of the missing markets as it is."""
    series = {market: arrays for market, arrays in app.candles.series().items() if market not in missing}
    barred = {market: gate for market, listing in listings.items() if (gate := barrier(app.config, listing))}
    barred |= {market: NOT_LOADED for market in missing if market not in barred}
    ask = partial(
        judge_all,
        app.strategy,
        app.parameters,
        partial(build_window, app.candles.unit, closed_at, app.candles.history, series),
        tickers=tickers,
        barred=barred,
        as_of=app.clock(),
    )
    snapshots, seen = await asyncio.to_thread(ask)  # it takes too long for the loop to wait
    targets = {market: snapshot for market, snapshot in snapshots.items() if snapshot.failed_gate is None}
    if early:
        known = await app.state.snapshot_dict.snapshot()
        snapshots |= {market: known[market] for market in missing if market in known}
    await app.state.snapshot_dict.replace(snapshots)
    before = await app.state.target_dict.snapshot()
    await app.state.target_dict.replace(targets)
    if targets.keys() != before.keys():
        log.debug("targets count=%d of=%d markets=%s", len(targets), len(listings), ",".join(sorted(targets)))
    if not early:
        unseen = {market: NOT_LOADED for market in listings if market not in snapshots and market not in barred}
        seen = replace(seen, barred={**seen.barred, **said(unseen)})
        record(app, closed_at, seen, await known_of_account(app))


def judge_all(
    strategy: Strategy,
    parameters: Any,
    build: Callable[[Mapping[str, float]], Window],
    *,
    tickers: Mapping[str, Ticker],
    barred: Mapping[str, Gate],
    as_of: datetime,
) -> tuple[dict[str, Snapshot], Scan]:
    """Return what a strategy says about every market, and what each gate looked at; `build` takes their turnover."""
    window = build({market: float(ticker.turnover_24h) for market, ticker in tickers.items()})
    selection = strategy.select(window, strategy.compute(window, parameters), -1, parameters)
    snapshots = judge(window, selection, strategy.gates, barred, tickers, as_of=as_of)
    return snapshots, scan_of(window, selection, strategy.gates, barred, tickers)


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
        barred=said(barred),
    )


def said(barred: Mapping[str, Gate]) -> dict[str, dict[str, str]]:
    """Return gates as the journal keeps them."""
    return {market: {"code": gate.code, "ko": gate.ko, "en": gate.en} for market, gate in barred.items()}


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
