"""The rarest turns of the money rules: what a second source refuses to say, and what an older journal does not keep."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock, patch

import pytest

from config.settings import Config
from journal.errors import (
    JournalBroken,
    JournalBusy,
    JournalCorrupt,
    JournalError,
    JournalFull,
    JournalUnwritable,
    unopened,
    unwritten,
)
from journal.records import IntentState, Note, Phase
from journal.restore import fresh_folder
from tests.helpers.journals import NOW, Book, begin, fill, intent, trade
from tests.helpers.parts import make_app, only
from tests.helpers.trading import ENTRY, MARKET, PLAN, SNAPSHOT, TRADE, active, ends, hold, leaving, refused
from trader.books import balances, breach, discovery
from trader.orders import drive, plans, tracking
from trader.orders.evidence import Looks
from trader.orders.protocol import to_order
from trader.trades import buying, lifecycle
from upbit.errors import OutcomeUnknown
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.trading import Trading

NO_ANSWER = OutcomeUnknown("no answer")


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Return an empty journal whose clock is set by hand."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        yield opened


# --- the journal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "opened", "written"),
    [
        (sqlite3.SQLITE_FULL, JournalFull, JournalFull),
        (sqlite3.SQLITE_BUSY, JournalBusy, JournalBusy),
        (sqlite3.SQLITE_READONLY, JournalUnwritable, JournalBroken),
        (sqlite3.SQLITE_CORRUPT, JournalCorrupt, JournalBroken),
        (None, JournalCorrupt, JournalBroken),
    ],
)
def test_what_sqlite_says_of_a_file_decides_what_is_done_and_is_told(
    code: int | None, opened: type[JournalError], written: type[JournalError]
) -> None:
    """No room, or no right to write, is no damage; its own words stand in the sentence."""
    error = sqlite3.OperationalError("its own words")
    if code is not None:
        error.sqlite_errorcode = code
    for told, kind in ((unopened(Path("j"), error), opened), (unwritten(Path("j"), error), written)):
        assert type(told) is kind
        assert "its own words" in told.en
        assert ("recover" in told.en) is (code == sqlite3.SQLITE_CORRUPT or kind is JournalCorrupt)


def test_a_folder_of_somebody_else_is_told_with_whose_it_must_be() -> None:
    """Both sentences hold the command that makes it so; a disk that failed is one to look at."""
    for sentence in (JournalUnwritable(Path("j"), "x").ko, JournalUnwritable(Path("j"), "x").en):
        assert f"chown -R {os.getuid()} " in sentence
    assert "(x). 주문을 내지 않습니다. 디스크를 확인하고" in JournalBroken(Path("j"), "x").ko
    assert "(x). No orders are sent. Check the disk" in JournalBroken(Path("j"), "x").en


def test_a_folder_gets_the_first_free_number_and_a_thousand_are_enough(tmp_path: Path) -> None:
    """Somebody who restores more often than that is told."""
    assert fresh_folder(tmp_path / "a").name == "a"
    assert fresh_folder(tmp_path / "a").name == "a-1"
    with patch.object(Path, "mkdir", side_effect=FileExistsError), pytest.raises(FileExistsError):
        fresh_folder(tmp_path / "a")


def test_trades_are_asked_for_by_the_time_they_ended(book: Book) -> None:
    """From the beginning on, before the end, oldest first."""
    for number, market in enumerate(("KRW-BTC", "KRW-ETH", "KRW-XRP")):
        begin(book, f"t{number}", f"i{number}", market)
        book.journal.abandon(f"i{number}", "deadline")
        book.journal.close_trade(f"t{number}", closed_at=NOW + timedelta(seconds=number), dust=Decimal(0))
    found = book.journal.closed_between(NOW, NOW + timedelta(seconds=2))
    assert [one.id for one in found] == ["t0", "t1"]


def test_a_journal_of_before_knows_nothing_of_draws_flows_and_halts(book: Book) -> None:
    """A reader of an older file is not refused: what it does not keep is empty."""
    with patch.object(book.journal, "_has", return_value=False):
        assert book.journal.draw_of("KRW-BTC", NOW) is None
        assert book.journal.last_draw(NOW) is None
        assert (book.journal.moved_coins(), book.journal.rests(NOW), book.journal.halts_at(NOW)) == ([], {}, [])


def test_a_message_that_was_delivered_from_memory_is_not_kept_again(book: Book) -> None:
    """It was told, though it never could be written down; that it failed is written only where it stands."""
    note = Note(key="k", kind="problem", body={"a": "b"})
    book.journal._hold([note])
    book.journal.mark_failed(["k"], "refused")
    book.journal._hold([note])
    assert book.journal.pending_notes(9) == []


def test_a_difference_is_taken_in_beside_an_order_that_goes_on(book: Book) -> None:
    """The trade is left to whoever follows that order."""
    begin(book, "t1", "i1", "KRW-BTC")
    book.journal.begin_attempt("i1")
    book.journal.end_attempt("i1", IntentState.ACCEPTED, outcome="accepted", uuid="u")
    book.journal.record_fills("i1", [fill("f1", "100", "2")], Decimal("0.5"))
    book.journal.finish("i1")
    book.journal.enter_position("t1", opened_at=NOW, stop_price=None, highest_price=Decimal(100))
    assert book.journal.leave("t1", {"code": "stop"}, intent("s1", trade("t1", "KRW-BTC"), side="ask"))
    book.journal.take_in_difference(book.journal.intent("i1"), [fill("f2", "100", "1")], Decimal("0.7"))
    assert book.journal.position_volume("t1") == 3
    assert book.journal.trade("t1").phase == "leaving"


# --- the exchange that does not answer ------------------------------------------------------------------------------


async def test_a_price_step_that_is_not_told_is_left_to_the_table() -> None:
    """A fence must not wait for it."""
    app = make_app(upbit=only(Upbit, price_step=AsyncMock(side_effect=[NO_ANSWER, Decimal(5)])))
    assert await drive.price_step(app.upbit, MARKET) is None
    assert await drive.price_step(app.upbit, MARKET) == 5


async def test_a_list_that_cannot_be_read_denies_nothing_for_ever(app: Trading) -> None:
    """It is done without once the looks have agreed for a minute."""
    app.journal.begin_trade(*plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN))
    planned = app.journal.order_in_hand(TRADE)
    app.upbit = only(Upbit, closed_orders=AsyncMock(side_effect=NO_ANSWER))
    looks = Looks(to_order(planned))
    assert not await tracking.is_listed_so(app.clock, app.upbit, planned, Mock(), looks)
    with patch.object(Looks, "may_do_without_list", return_value=True):
        assert await tracking.is_listed_so(app.clock, app.upbit, planned, Mock(), looks)


async def test_a_refusal_for_money_is_no_riddle_while_the_account_cannot_be_read(app: Trading) -> None:
    """Nothing is halted on what is not known."""
    planned_trade, planned = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(planned_trade, planned)
    refused(app, "InsufficientFunds")(planned.identifier)
    app.upbit = only(Upbit, accounts=AsyncMock(side_effect=NO_ANSWER))
    await buying.explain_refusal(app, planned)
    assert app.control.mock_calls == []


async def test_a_sale_that_was_given_up_is_decided_anew_at_once(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never left, so there is nothing to wait for but the next look."""
    await hold(app, monkeypatch)
    await active(app, Phase.SELLING, TRADE)
    app.journal.leave(TRADE, {"code": "stop"}, plans.plan_exit(app, app.journal.trade(TRADE), Decimal(10)))
    ends(monkeypatch, app, lambda name: app.journal.abandon(name, "deadline"))
    await lifecycle.carry_on(app, MARKET)
    assert app.pauses == [(1.0, app.stop)]
    assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
    assert leaving().sell


# --- what breaks ----------------------------------------------------------------------------------------------------


async def test_a_broken_rule_halts_wherever_it_is_met() -> None:
    """Also where other failures only freeze a market."""
    app = make_app()
    with patch.object(breach, "on_breach") as halted:
        breach.on_failure(app, "KRW-A", AssertionError("a rule"))
    assert halted.call_count == 1


def test_what_breaks_again_in_the_same_way_is_told_once(tmp_path: Path) -> None:
    """Another failure of the same market is told."""
    app = make_app(config=replace(Config(), data_dir=tmp_path))
    for words in ("x", "x", "y"):
        breach.on_failure(app, "KRW-A", KeyError(words))
    assert [one.args[0] for one in app.tell.mock_calls] == ["frozen", "frozen"]


async def test_a_trade_that_cannot_be_taken_up_is_told_and_tried_again() -> None:
    """Ever less often, until it can."""
    app = make_app(journal=Mock(broken=None), stop=asyncio.Event())
    tries = AsyncMock(side_effect=[KeyError("x"), None])
    pauses: list[float] = []

    async def pause(seconds: float, *_: object) -> None:
        pauses.append(seconds)

    with (
        patch.object(breach, "take_up_again", tries),
        patch.object(breach, "on_failure") as failed,
        patch.object(breach, "pause", pause),
    ):
        await breach.come_back(app, "KRW-A")
    assert failed.call_count == 1
    assert pauses == [breach.AGAIN_S, 2 * breach.AGAIN_S]


def test_an_order_that_nobody_could_fetch_differs_in_nothing() -> None:
    """It is looked at again in the next round."""
    journal = Mock()
    discovery.take_in_difference(make_app(journal=journal), None)
    assert journal.mock_calls == []


async def test_nothing_is_written_off_of_a_trade_that_moved_while_a_second_source_was_asked(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted before the fill says nothing about after it."""
    await hold(app, monkeypatch)
    app.later(600)
    compared = AsyncMock()
    monkeypatch.setattr(balances, "read_accounts", AsyncMock(return_value=[]))
    monkeypatch.setattr(balances, "held_of", lambda *_: Decimal(0))
    monkeypatch.setattr(balances, "still_quiet", lambda *_: False)
    monkeypatch.setattr(balances, "compare_balance", compared)
    await balances.compare_balances(app)
    assert compared.await_count == 0
    assert app.shortage.missing == {TRADE: Decimal(10)}
