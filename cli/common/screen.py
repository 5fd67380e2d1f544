"""What a person sees while the daemon runs: a live table on a terminal, one heartbeat line a minute without one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from config.redaction import Redaction
from journal.records import Phase
from notifier.formats import KST, average, gain, price, signed_won, won
from notifier.labels import PHASES, STATES
from upbit.rules import base_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from rich.console import RenderableType

    from state import ActiveTrade, Price
    from trader.app import App

REFRESH_S = 0.5
HEARTBEAT_S = 60.0
EVENTS_SHOWN = 8
TARGETS_SHOWN = 12


def follow(*, real_seconds: float) -> Callable[[App], Coroutine[None, None, None]]:
    """Return what shows the daemon; `real_seconds` is how many seconds of loop time pass in one second."""
    if sys.stdout.isatty():
        return lambda app: show(app, REFRESH_S * min(real_seconds, 3600.0))
    return lambda app: beat(app, HEARTBEAT_S * min(real_seconds, 3600.0))


async def beat(app: App, period: float) -> None:
    """Log one line with counts every `period` seconds of loop time."""
    while True:
        await asyncio.sleep(period)
        counts = app.journal.counts()
        app.tell(
            "alive",
            targets=len(await app.state.target_dict.snapshot()),
            markets=len(await app.state.listings.snapshot()),
            trading=len(await app.state.trading_dict.snapshot()),
            open=counts.open_trades,
            buys=counts.buys,
            sells=counts.sells,
            state=app.control.state.name,
            dead=",".join(app.health.dead()) or "-",
        )


async def show(app: App, period: float) -> None:
    """Keep a live table on the terminal."""
    with Live(console=Console(), auto_refresh=False, transient=True) as live, quiet_log():
        while True:
            live.update(await render(app), refresh=True)
            await asyncio.sleep(period)


@contextlib.contextmanager
def quiet_log() -> Iterator[None]:
    """Keep log lines below a warning off the terminal while the table shows the same events."""
    handlers = logging.getLogger().handlers[:]
    before = [handler.level for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for handler, level in zip(handlers, before, strict=True):
            handler.setLevel(level)


async def render(app: App) -> RenderableType:
    """Return the whole picture at this moment."""
    return Panel(
        Group(*warnings(app), await headline(app), await trades_table(app), events_text(app)),
        title=f"Upbit {mode_words(app)} · {standing(app)} · {app.clock() + KST:%Y-%m-%d %H:%M:%S} KST",
    )


def warnings(app: App) -> list[Text]:
    """Return what needs a person, in words: why trading is halted, and why no message arrives."""
    hide, language = Redaction.of(app.config), app.config.language
    lines = [getattr(halt, language) for halt in app.control.reasons]
    if app.discord is not None and app.discord.trouble is not None:
        lines.append(app.discord.trouble.say(language))
    return [Text(hide(line), style="bold red") for line in lines]


def standing(app: App) -> str:
    """Return the state of trading; why it is halted stands below (`warnings`)."""
    words = STATES[app.control.state].say(app.config.language)
    return f"[bold red]{words}[/]" if app.control.reasons else words


def mode_words(app: App) -> str:
    """Return whether this is real money."""
    return word(app, "실거래", "live") if app.mode == "live" else word(app, "샌드박스", "sandbox")


def word(app: App, ko: str, en: str) -> str:
    """Return a word in the language of the settings."""
    return ko if app.config.language == "ko" else en


async def headline(app: App) -> Text:
    """Return targets, money and rates in two lines."""
    targets = sorted(await app.state.target_dict.snapshot())
    krw = (await app.state.wallet_dict.snapshot()).get("KRW")
    language = app.config.language
    free = won(krw.available, language) if krw else "-"
    rates = app.upbit.rates()
    more = f" +{len(targets) - TARGETS_SHOWN}" if len(targets) > TARGETS_SHOWN else ""
    names = " ".join(base_of(market) for market in targets[:TARGETS_SHOWN]) + more
    return Text(
        f"{word(app, '매수 후보', 'targets')} {len(targets)}/{len(await app.state.listings.snapshot())}: {names}\n"
        f"{word(app, '주문 가능', 'available')} {free} · "
        f"{word(app, '누적 실현손익', 'realised')} {signed_won(app.journal.realised(), language)} · "
        f"{word(app, '수수료', 'fees')} {won(app.journal.fees(), language)} · "
        f"{word(app, '남은 요청: 주문', 'requests left: orders')} {rates['order']} "
        f"{word(app, '캔들', 'candles')} {rates['candle']}"
    )


async def trades_table(app: App) -> Table:
    """Return one row for every market that is being traded."""
    table = Table(expand=True)
    for ko, en in (
        ("마켓", "market"),
        ("상태", "state"),
        ("평균 매수가", "entry"),
        ("현재가", "price"),
        ("평가손익", "profit"),
        ("손절가", "stop"),
    ):
        table.add_column(word(app, ko, en))
    prices = await app.state.trading_dict.snapshot()
    for trade in (await app.state.active_trade.snapshot()).values():
        name = await app.korean_name(trade.market)
        table.add_row(f"{name} {trade.market}", *cells(trade, prices.get(trade.market), app.config.language))
    return table


def cells(trade: ActiveTrade, now: Price | None, language: str) -> list[str]:
    """Return the cells of one trade: its state, entry, price, profit and stop. Red is up and blue is down."""
    phase = PHASES[trade.phase].say(language)
    shown = price(now.price) if now else "-"
    position = trade.position
    if position is None or trade.phase is Phase.ENTERING:
        return [phase, "-", shown, "-", "-"]
    profit = "-"
    if now is not None:
        paid = position.entry_price * position.volume
        gained = now.price * position.volume - paid
        profit = f"[{'red' if gained > 0 else 'blue'}]{gain(gained, paid, language)}[/]"
    stop = price(position.stop_price) if position.stop_price else "-"
    return [phase, average(position.entry_price), shown, profit, stop]


def events_text(app: App) -> Text:
    """Return the last events, newest last."""
    hide = Redaction.of(app.config)
    lines = [f"{event.at + KST:%H:%M:%S} {hide(str(event))}" for event in list(app.events)[-EVENTS_SHOWN:]]
    return Text("\n".join(lines), style="dim", overflow="ellipsis", no_wrap=True)
