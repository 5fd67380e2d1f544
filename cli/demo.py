"""`demo`: the unchanged daemon against an embedded Upbit in the same process, without keys and without internet."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.table import Table

from cli.common import log as logs
from cli.common.exits import ERROR, OK
from cli.common.failures import first_of
from cli.common.loop import plain_loop, stop_on_signals
from cli.common.options import add_market, positive
from cli.common.page import page_beside
from cli.common.screen import follow
from cli.sandbox import box_options
from config.settings import Secret
from dashboard.passes import Role
from notifier.words import Words
from sandbox.server import Sandbox, open_source
from simulation.loop import LoopClock, PacedLoop, library_clocks
from trader.daemon import build, serve

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from config.settings import Config
    from dashboard.passes import Passes
    from journal.records import Totals
    from trader.app import App

START = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)
"""Market time at which a generated demo begins; fixed, so that a seed means the same run on any day."""
UNIT = timedelta(minutes=1)
ACCESS_KEY = "demo-access-key"
SECRET_KEY = "demo-secret-key-0123456789abcdef01234567"  # noqa: S105 - opens nothing but the sandbox of this process
HOOK = "/api/webhooks/1/demo"
ZERO = Decimal(0)


class Summary(msgspec.Struct, kw_only=True):
    """What a demo did. Money in KRW, as exact decimal text in JSON."""

    seed: int
    speed: float
    market_minutes: float
    trades: int
    buys: int
    sells: int
    open_trades: int
    alerts: int
    realised_pnl_krw: Decimal
    fees_krw: Decimal
    rejected_orders: int
    violations: int
    violations_by_rule: dict[str, int]
    faults: dict[str, int]
    internal_errors: int
    ledger_equal: bool
    wall_seconds: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        "--speed", type=positive, default=60.0, metavar="N", help="times wall speed (default 60; inf: no pauses)"
    )
    parser.add_argument(
        "--minutes", type=positive, metavar="N", help="end after N market minutes (default: until Ctrl-C)"
    )
    add_market(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Rehearse until the time is over or Ctrl-C; print a summary; return the exit code."""
    quiet = options.json
    if not quiet:
        say_what_it_is(config, options)
    with tempfile.TemporaryDirectory(prefix="upbit-demo-") as folder:
        loop_factory = plain_loop() if options.speed == 1 else lambda: PacedLoop(options.speed)
        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                summary = runner.run(rehearse(config, options, Path(folder)))
        except BaseExceptionGroup as group:
            raise first_of(group) from group
    if quiet:
        print(msgspec.json.encode(summary).decode())  # noqa: T201 - the one JSON object of --json
    else:
        print_summary(summary, config.language)
    return OK if summary.ledger_equal else ERROR


async def rehearse(config: Config, options: argparse.Namespace, folder: Path) -> Summary:
    """Open the exchange, trade on it with the unchanged daemon, and return what happened."""
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    settings = box_options(options, access_key=ACCESS_KEY, secret_key=SECRET_KEY, speed=1.0)
    source = open_source(settings, START)
    clock = LoopClock(source.start, loop)
    logs.configure(config, clock)
    stop = asyncio.Event()
    stop_on_signals(stop)
    with library_clocks(loop):
        async with Sandbox(settings, clock, source) as box:
            started = clock()
            stop_after(options.minutes, source.end, clock, stop)
            async with build(daemon_config(config, options, box.url, folder), clock, stop) as app:
                await serve(
                    app,
                    beside=[
                        follow(real_seconds=options.speed),
                        *page_beside(app.config, options.speed, partial(say_where, config, options)),
                    ],
                )
                return summarise(app, box, options, clock() - started, time.perf_counter() - began)


def daemon_config(config: Config, options: argparse.Namespace, url: str, folder: Path) -> Config:
    """Return the user's settings, pointed at the embedded exchange and set to 1-minute candles."""
    return dataclasses.replace(
        config,
        access_key=Secret(ACCESS_KEY),
        secret_key=Secret(SECRET_KEY),
        webhook_url=Secret(url + HOOK),
        base_url=url,
        data_dir=folder,
        dashboard=dataclasses.replace(config.dashboard, port=port_of_page(config, options)),
        strategy=dataclasses.replace(config.strategy, unit=UNIT),
        trading=dataclasses.replace(config.trading, seed=options.seed),
    )


def port_of_page(config: Config, options: argparse.Namespace) -> int | None:
    """Return where a demo serves its page: on a free port (0), and nowhere when nobody looks or nothing pauses."""
    if options.json or math.isinf(options.speed):
        return None
    return config.dashboard.port or 0


def say_where(config: Config, options: argparse.Namespace, address: str, passes: Passes) -> None:
    """Print a link that opens the page."""
    link = passes.link(address, Role.OWNER, seconds=options.speed)
    sentence = {"ko": "브라우저로 보기 (한 번만 열림)", "en": "To look in a browser (opens once)"}
    print(f"{sentence[config.language]}: {link}", flush=True)  # noqa: T201 - what a person reads


def stop_after(minutes: float | None, end: datetime | None, clock: LoopClock, stop: asyncio.Event) -> None:
    """Arrange for the stop when the wished minutes are over or the records end, whichever is first."""
    seconds = [minutes * 60] if minutes is not None else []
    if end is not None:
        seconds.append((end - clock()).total_seconds())
    if seconds:
        asyncio.get_running_loop().call_later(max(0.0, min(seconds)), stop.set)


def summarise(app: App, box: Sandbox, options: argparse.Namespace, passed: timedelta, wall: float) -> Summary:
    """Count what the journal and the exchange know, and compare the two."""
    counts, totals = app.journal.counts(), app.journal.totals()
    return Summary(
        seed=options.seed,
        speed=options.speed,
        market_minutes=round(passed / timedelta(minutes=1), 2),
        trades=counts.closed_trades,
        buys=counts.buys,
        sells=counts.sells,
        open_trades=counts.open_trades,
        alerts=box.discord.taken,  # a card that is edited tells something, too
        realised_pnl_krw=totals.realised_pnl,
        fees_krw=totals.fees,
        rejected_orders=counts.rejected,
        violations=sum(box.violations.values()),
        violations_by_rule=dict(box.violations),
        faults=box.faults.struck() if box.faults else {},
        internal_errors=box.internal_errors,
        ledger_equal=ledger_equal(totals, box.balances(), options.krw, box.faults.flows() if box.faults else {}),
        wall_seconds=round(wall, 2),
    )


def ledger_equal(
    totals: Totals,
    balances: Mapping[str, tuple[Decimal, Decimal]],
    krw: Decimal,
    flows: Mapping[str, Decimal] = MappingProxyType({}),
) -> bool:
    """Return whether the journal and the exchange agree about every currency, to the last decimal.

    `flows` are what a person moved on the account besides the daemon; where they are known they take the place of what
    the daemon made of the difference.
    """
    moved = totals.moved if flows else {}
    known = {
        currency: totals.coins.get(currency, ZERO) - moved.get(currency, ZERO) + flows.get(currency, ZERO)
        for currency in {*totals.coins, *flows}
    }
    known["KRW"] = krw + totals.krw + flows.get("KRW", ZERO)
    exchange = {currency: sum(parts, ZERO) for currency, parts in balances.items()}
    return nonzero(known) == nonzero(exchange)


def nonzero(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the amounts that are any."""
    return {currency: amount for currency, amount in amounts.items() if amount}


SENTENCES = {
    "ko": (
        "데모: 키도 인터넷도 필요 없습니다. 실제 데몬이 내장 업비트에서 거래합니다 ({speed:g}배속, 시드 {seed}).\n"
        "기본 전략을 4시간봉 대신 1분봉으로 돌립니다. 4시간봉에서는 매도까지 며칠이 걸릴 수 있습니다. 끝내기: Ctrl-C"
    ),
    "en": (
        "Demo: no keys, no internet. The real daemon trades on an embedded Upbit ({speed:g}x, seed {seed}).\n"
        "The default strategy runs on 1-minute candles instead of 4-hour ones, on which a sale may take days. "
        "End: Ctrl-C"
    ),
}

ROWS = (
    ("market_minutes", "시장 시간(분)", "market minutes"),
    ("buys", "매수", "buys"),
    ("sells", "매도", "sells"),
    ("trades", "끝난 거래", "ended trades"),
    ("open_trades", "보유 중", "open trades"),
    ("realised_pnl_krw", "실현 손익(원)", "realised profit, KRW"),
    ("fees_krw", "수수료(원)", "fees, KRW"),
    ("alerts", "디스코드 알림", "Discord alerts"),
    ("rejected_orders", "거부된 주문", "rejected orders"),
    ("violations", "규칙 위반", "broken rules"),
    ("faults", "일어난 장애", "faults that struck"),
    ("ledger_equal", "장부 일치", "journal equals exchange"),
    ("wall_seconds", "걸린 시간(초)", "wall seconds"),
)

YES, NO, NONE = Words("예", "yes"), Words("아니요", "no"), Words("없음", "none")


def say_what_it_is(config: Config, options: argparse.Namespace) -> None:
    """Tell a newcomer what is about to happen."""
    sentence = SENTENCES[config.language].format(speed=options.speed, seed=options.seed)
    print(sentence, flush=True)  # noqa: T201 - what a person reads first


def print_summary(summary: Summary, language: str) -> None:
    """Print what happened as a table."""
    table = Table(show_header=False, box=None)
    values = msgspec.structs.asdict(summary)
    for name, ko, en in ROWS:
        table.add_row(ko if language == "ko" else en, shown(values[name], language))
    Console().print(table)


def shown(value: object, language: str) -> str:
    """Return a figure of the summary as a person reads it."""
    if isinstance(value, bool):
        return (YES if value else NO).say(language)
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or NONE.say(language)
    return f"{value:,.2f}" if isinstance(value, Decimal) else str(value)
