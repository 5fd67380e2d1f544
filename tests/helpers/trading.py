"""A daemon's parts around a real journal, and orders that end as a test says."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import msgspec

from journal.journal import Journal
from journal.records import IntentState, Note, Phase
from state import ActiveTrade, Price
from strategy.base import Entry, Exit, Reason, Snapshot
from strategy.scaffold import Scaffold
from tests.helpers.buying import book
from tests.helpers.journals import fill
from tests.helpers.parts import Parts, assemble, only
from trader.books.memory import Comparison
from trader.candles.candle_store import CandleStore
from trader.orders import drive, plans, risk
from trader.trades import buying, lifecycle, positions, selling
from upbit.errors import OrderNotFound
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from unittest.mock import Mock

    import pytest

    from journal.records import Intent
    from notifier.messages import Messages
    from trader.app import App
    from upbit.models import Book, BookLevel

MARKET = "KRW-AAA"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOSED = datetime(2026, 11, 2, 11, 58, tzinfo=UTC)
TRADE = "Sabcd-KRWAAA-2611021158"
BUY = f"ub1-{TRADE}-b-0-0"
ENTRY = Entry(
    buy=True, reason=Reason(code="breakout", ko="돌파", en="breakout", numbers={"x": 1.5}), stop_distance=50.5
)
PLAN = risk.BuyPlan(total=Decimal(10_000), expected_price=Decimal("1001.50"), slippage=Decimal("0.0015"))
SNAPSHOT = Snapshot(
    market=MARKET,
    candle_closed_at=CLOSED,
    numbers={},
    failed_gate=None,
    price=Decimal(1010),
    price_as_of=NOW - timedelta(seconds=2),
)


class Words:
    """Writes no words: a note says which message it is, and what it was made of is kept."""

    def __init__(self) -> None:
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, kind: str) -> Callable[..., Note]:
        def make(*what: object, **facts: object) -> Note:
            self.made.append((kind, what, facts))
            return Note(key=f"{kind}{len(self.made)}", kind=kind, body={})

        return make


@dataclass
class Time:
    """A time of day that a test moves."""

    now: datetime

    def __call__(self) -> datetime:
        """Return it."""
        return self.now


class Trading(Parts):
    """Parts whose time a test moves, and which keep what they would have said and how long they would have waited."""

    time: Time
    control: Mock
    made: list[tuple[str, tuple[Any, ...], dict[str, Any]]]  # messages
    pauses: list[tuple[object, ...]]

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.time.now += timedelta(seconds=seconds)

    async def name_of(self, market: str) -> str:
        """Return a name for every market."""
        return f"이름 {market}"


@contextmanager
def trading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trading]:
    """Return a daemon's parts around a real journal, whose pauses do not last."""
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)

    monkeypatch.setattr(selling, "pause", pause)
    monkeypatch.setattr(buying, "pause", pause)

    words, time = Words(), Time(NOW)
    with Journal.open(tmp_path / "journal.sqlite3", time) as journal:
        app = assemble(
            Trading,
            journal=journal,
            clock=time,
            messages=cast("Messages", words),
            strategy=only(Scaffold, name="breakouts"),
            candles=only(CandleStore, unit=timedelta(minutes=2)),
            comparison=Comparison(rounds=1),
        )
        app.time, app.made, app.pauses = time, words.made, pauses
        yield app


def ends(monkeypatch: pytest.MonkeyPatch, app: App, end: Callable[[str], None]) -> list[str]:
    """Let the order in hand come to this end; return the names of the orders that were driven."""
    driven: list[str] = []

    async def driving(_: App, identifier: str) -> Intent:
        driven.append(identifier)
        end(identifier)
        return app.journal.intent(identifier)

    monkeypatch.setattr(drive, "drive", driving)
    return driven


def executed(app: Trading, *volumes: str, price: str = "1000", fee: str = "5", after: int = 0) -> Callable[[str], None]:
    """Return the end of an order that was executed in these parts, some seconds from now."""

    def end(identifier: str) -> None:
        app.later(after)
        app.journal.begin_attempt(identifier)
        app.journal.end_attempt(identifier, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{identifier}")
        fills = [fill(f"{identifier}-{part}", price, volume) for part, volume in enumerate(volumes)]
        app.journal.record_fills(identifier, fills, Decimal(fee))
        app.journal.finish(identifier)

    return end


def refused(app: App, outcome: str) -> Callable[[str], None]:
    """Return the end of an order that Upbit refused."""

    def end(identifier: str) -> None:
        app.journal.begin_attempt(identifier)
        app.journal.end_attempt(identifier, IntentState.REJECTED, outcome=outcome)

    return end


async def active(app: App, phase: str, trade_id: str = "") -> None:
    """Put the market into the shared dicts."""
    await app.state.active_trade.replace(
        {MARKET: ActiveTrade(market=MARKET, started_at=NOW, phase=Phase(phase), trade_id=trade_id)}
    )
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(1005), as_of=NOW)})


async def hold(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buy ten units in two parts, for 10,000 won and a fee of 5."""
    await active(app, Phase.BUYING)
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    assert app.journal.begin_trade(trade, intent)
    await positions.note_trade_id(app.state, MARKET, trade.id)
    ends(monkeypatch, app, executed(app, "4", "6", after=1))
    await lifecycle.carry_on(app, MARKET)


def bids(app: App, *levels: BookLevel) -> None:
    """Let the book have these levels."""

    async def books(markets: list[str]) -> list[Book]:
        assert markets == [MARKET]
        return [msgspec.structs.replace(book(), levels=list(levels))]

    async def order(**_: str) -> None:
        raise OrderNotFound("no", name="order_not_found", status=404)

    app.upbit = only(Upbit, books=books, order=order)


def leaving(code: str = "trend_end") -> Exit:
    """Return a decision to sell."""
    return Exit(sell=True, reason=Reason(code=code, ko="까닭", en="because"))
