"""What the digest knows, and what it says that it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from journal.records import Note
from notifier.curve import curve_of
from notifier.messages import Messages
from state import Balance, Price
from tests.helpers.journals import Book, begin, buy
from tests.helpers.orders import a_trade
from tests.helpers.parts import make_app, only
from tests.helpers.scans import a_scan
from trader.control import Control
from trader.guards.account import KEY_ENDS
from trader.guards.digest import (
    bitcoin_between,
    days_until,
    equity_of,
    open_profit,
    tell_digest,
    what_stands_in_the_way,
)
from views.equity import FACT, MOST_DAYS, marks

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, tzinfo=UTC)
TRADE = replace(a_trade(), id="t1", market="KRW-XRP", decided_at=NOW, bought=Decimal(10), cost_krw=Decimal(30015))
PRICE = Price(price=Decimal(3100), as_of=NOW)
KRW = Balance(available=Decimal(900_000), locked=Decimal(70_000), as_of=NOW)


def test_equity_is_won_and_what_the_bot_holds_at_the_prices_of_now() -> None:
    """Coins of the account's owner are not the bot's; won in orders is still there."""
    wallet = {"KRW": KRW, "BTC": Balance(available=Decimal(1), locked=Decimal(0), as_of=NOW)}
    assert equity_of(wallet, [TRADE], {"KRW-XRP": PRICE}) == 970_000 + 31_000
    assert open_profit([TRADE], {"KRW-XRP": PRICE}) == 31_000 - 30_015
    assert equity_of(wallet, [], {}) == 970_000
    assert open_profit([], {}) == 0


@pytest.mark.parametrize("prices", [{}, {"KRW-XRP": None}, {"KRW-ETH": PRICE}])
def test_without_every_price_no_number_is_made_up(prices: dict[str, Price | None]) -> None:
    """A position that counts as nothing would look like a loss."""
    both = [TRADE, replace(TRADE, id="t2")]
    assert equity_of({"KRW": KRW}, both, prices) is None
    assert open_profit(both, prices) is None


def test_without_a_wallet_there_is_no_equity() -> None:
    """At a start, and after the clock jumped."""
    assert equity_of({}, [], {}) is None


def test_the_days_of_the_key_are_whole_ones_and_never_below_zero() -> None:
    """And unknown while nobody has said when it ends."""
    assert days_until(None, NOW) is None
    assert days_until((NOW + timedelta(days=2, hours=23)).isoformat(), NOW) == 2
    assert days_until((NOW - timedelta(days=1)).isoformat(), NOW) == 0


def test_bitcoin_stands_beside_the_day_as_the_journal_saw_it(tmp_path: Path) -> None:
    """From the price at its begin to that at its end; where nobody looked, or saw no bitcoin, nothing is made up."""

    def look(at: datetime, market: str, price: Decimal | None) -> None:
        scan = replace(a_scan(2.0), markets=[market], prices=[price])
        book.journal.record_scan(at, "s", at, scan)

    book, begin, end = Book(tmp_path / "journal.sqlite3"), NOW, NOW + timedelta(days=1)
    with book.journal as journal:
        assert bitcoin_between(journal, begin, end) is None
        look(begin - timedelta(minutes=1), "KRW-BTC", Decimal(100))
        assert bitcoin_between(journal, begin, end) is None
        look(end - timedelta(minutes=11), "KRW-BTC", Decimal(200))
        assert bitcoin_between(journal, begin, end) is None
        look(end - timedelta(minutes=2), "KRW-BTC", Decimal(90))
        assert bitcoin_between(journal, begin, end) == Decimal("-0.1")
        look(end - timedelta(minutes=1), "KRW-BTC", None)
        assert bitcoin_between(journal, begin, end) is None
        look(end, "KRW-XRP", Decimal(1))
        assert bitcoin_between(journal, begin, end) is None


def test_after_a_day_without_a_buy_the_digest_says_what_stands_in_the_way(tmp_path: Path) -> None:
    """The sentence of `why`; nothing of it after a buy, and nothing where nobody looked."""
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal as journal:
        assert what_stands_in_the_way(journal, book.now) is None
        journal.record_scan(book.now, "s", book.now, a_scan(0.5, 0.9))
        told = what_stands_in_the_way(journal, book.now)
        assert told is not None
        assert told.en == "What stands in the way now: below what is asked: 0.9 ≤ 1 (10 % away) (KRW-B)"
        assert "기준보다 낮음" in told.ko
        assert "What stands" not in told.ko
        buy(book)
        assert what_stands_in_the_way(journal, book.now) is None
        assert what_stands_in_the_way(journal, book.now + timedelta(days=1, minutes=1)) is not None


async def test_the_curve_has_one_level_a_day_and_a_restart_adds_none(tmp_path: Path) -> None:
    """Equity at each digest and now; the oldest days are forgotten."""
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal as journal:
        journal.record_scan(book.now, "s", book.now, a_scan(0.5))
        messages, clock = Messages(language="en", mode="live"), lambda: book.now
        control = Control(journal, messages, clock)
        app = make_app(journal=journal, clock=clock, messages=messages, control=control)
        for day in range(MOST_DAYS + 3):
            await app.state.wallet_dict.replace({"KRW": replace(KRW, available=Decimal(1000 + day), locked=Decimal(0))})
            await tell_digest(app, [])
            await tell_digest(app, [])  # the daemon has started again
            book.now += timedelta(days=1)
        notes = journal.pending_notes(1000)
        kept = marks(journal)
        journal.keep_fact(FACT, "1234.5")  # of an older version
        assert marks(journal) == []
    assert len(notes) == MOST_DAYS + 3
    curves = [curve_of(one) for one in notes]
    assert curves[0] is None  # one level is no curve
    assert [curve and curve.levels for curve in curves[1:3]] == [
        (Decimal(1000), Decimal(1001)),
        (Decimal(1000), Decimal(1001), Decimal(1002)),
    ]
    last = curves[-1]
    assert last is not None
    assert last.levels == tuple(Decimal(1000 + day) for day in range(2, MOST_DAYS + 3))
    assert last.told == f"Equity of {MOST_DAYS} days: 1,002 KRW → 1,092 KRW"
    assert "Nothing was bought for a day. What stands in the way now" in str(notes[0].body)
    assert "▲ +1 KRW" in str(notes[1].body)
    assert [mark.equity for mark in kept] == [Decimal(1000 + day) for day in range(3, MOST_DAYS + 3)]
    assert kept[0].day == "2026-11-04"


async def test_all_that_the_digest_knows_is_of_the_day_that_is_over(tmp_path: Path) -> None:
    """What ended on it, what is open now, and how bitcoin did; the price at its end is kept beside its equity."""
    book, written = Book(tmp_path / "journal.sqlite3"), Mock(return_value=Note(key="k", kind="digest", body={}))
    with book.journal as journal:
        for name, ended in (("before", 0), ("within", 1), ("after", 2)):
            begin(book, name, f"i-{name}", f"KRW-{name}")
            journal.abandon(f"i-{name}", "deadline")
            journal.close_trade(name, closed_at=datetime(2026, 11, 1 + ended, 14, 59, tzinfo=UTC), dust=Decimal(0))
        buy(book, "open", "i-open", volume="2", market="KRW-XRP")
        day_began = datetime(2026, 11, 1, 15, tzinfo=UTC)
        for day, price in enumerate((100, 110)):
            look = replace(a_scan(2.0), markets=["KRW-BTC"], prices=[Decimal(price)])
            journal.record_scan(day_began + timedelta(days=day, minutes=-10), "s", NOW, look)
        book.now = datetime(2026, 11, 3, tzinfo=UTC)
        journal.keep_fact(KEY_ENDS, "2026-11-13T12:00:00+00:00")
        control = Control(journal, Messages(language="en", mode="live"), lambda: book.now)
        control.halt_buys("x", ko="x", en="x")
        messages = only(Messages, digest=written)
        app = make_app(journal=journal, clock=lambda: book.now, messages=messages, control=control)
        await app.state.wallet_dict.replace({"KRW": KRW})
        await app.state.trading_dict.replace({"KRW-XRP": replace(PRICE, price=Decimal(200))})
        await tell_digest(app, {"update_prices", "reconcile"})
        assert [(mark.day, mark.equity, mark.bitcoin) for mark in marks(journal)] == [
            ("2026-11-02", Decimal(970_400), Decimal(110))
        ]
    ((digest,), when) = written.call_args
    assert when == {"at": book.now}
    assert [trade.id for trade in digest.ended] == ["within"]
    assert [trade.id for trade in digest.open_trades] == ["open"]
    assert (digest.day, digest.key_days, digest.bitcoin) == (date(2026, 11, 2), 10, Decimal("0.1"))
    assert (digest.open_krw, digest.equity_krw, digest.before_krw) == (Decimal("199.5"), Decimal(970_400), None)
    assert ([halt.code for halt in digest.halts], digest.dead) == (["x"], ["reconcile", "update_prices"])
