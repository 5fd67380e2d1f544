"""What of a lost journal comes back, in which order, and what of it is written off at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock, call

import msgspec
import pytest

from tests.helpers.buying import book, level
from tests.helpers.handmade import NAME, NOW, name_of, ours, recorded, written_by_hand
from tests.helpers.journals import Book, buy, sell
from tests.helpers.orders import a_trade
from tests.helpers.parts import make_app, only
from trader.books import rebuild
from trader.books.discovery import AHEAD
from upbit.decoding import Rows
from upbit.errors import MarketUnavailable, NotSent, OutcomeUnknown
from upbit.models import Account, Chance
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from upbit.errors import ExchangeError
    from upbit.models import BookLevel


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Book]:
    """Return a journal that holds two units of KRW-BTC, bought at 100 won."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        buy(opened)
        yield opened


async def written_off(
    written: Book,
    *levels: BookLevel,
    available: str,
    locked: str = "0",
    named: str = "",
    unclear: bool = False,
    without_book: ExchangeError | None = None,
) -> rebuild.Rebuilt:
    """Compare that journal with an account and a book; a second source names as much, unless it is said otherwise."""
    other = Account(currency="KRW", available=Decimal(10**6), locked=Decimal(0))
    coins = [Account(currency="BTC", available=Decimal(available), locked=Decimal(locked))] if available else []
    there = Decimal(named) if named else sum((one.available + one.locked for one in coins), Decimal(0))
    nobody = OutcomeUnknown("no order book of KRW-BTC", status=200)
    answer = [msgspec.structs.replace(book(), levels=list(levels))] if levels else nobody
    books = AsyncMock(side_effect=[without_book or answer])
    upbit = only(
        Upbit,
        accounts=AsyncMock(return_value=Rows([other, *coins], {"BTC": "balance: null"} if unclear else {})),
        books=books,
        chance=AsyncMock(return_value=only(Chance, coins=there)),
    )
    app = make_app(journal=written.journal, upbit=upbit, clock=lambda: written.now)
    rebuilt = rebuild.Rebuilt()
    await rebuild.write_off(app, rebuilt)
    assert books.mock_calls == [call(["KRW-BTC"])]
    return rebuilt


DEEP = (level("11000", "10000"), level("11001", "1"))


async def test_what_is_not_in_the_account_any_more_is_taken_out_at_the_best_bid(written: Book) -> None:
    """Free and locked coins are both there; the rest stays a trade."""
    rebuilt = await written_off(written, *DEEP, available="0.5", locked="0.75")
    assert rebuilt.gone == {"KRW-BTC": Decimal("0.75")}
    held = written.journal.trade("t1")
    assert (held.phase, held.volume, held.taken_krw) == ("holding", Decimal("1.25"), Decimal(7500))


async def test_a_coin_that_the_account_does_not_list_is_gone_as_a_whole(written: Book) -> None:
    """Its trade is over."""
    rebuilt = await written_off(written, *DEEP, available="")
    assert rebuilt.gone == {"KRW-BTC": Decimal(2)}
    assert written.journal.open_trades() == []


GONE = MarketUnavailable("Code not found", name="404", status=404)


@pytest.mark.parametrize("why", [None, GONE], ids=["empty book", "delisted"])
async def test_where_nobody_bids_the_worth_of_what_is_gone_is_not_known(
    why: ExchangeError | None, written: Book
) -> None:
    """Then it counts as what it cost, and what is left is no dust. A market that is gone keeps no journal away."""
    rebuilt = await written_off(written, available="1", without_book=why)
    assert rebuilt.gone == {"KRW-BTC": Decimal(1)}
    held = written.journal.trade("t1")
    assert (held.phase, held.volume, held.taken_krw) == ("holding", Decimal(1), Decimal("100.25"))
    assert "krw" not in written.rows("flow")[0]


@pytest.mark.parametrize(
    ("listed", "named", "gone"),
    [("1.5", "2", None), ("1.5", "1.25", "0.5"), ("1.25", "1.5", "0.5"), ("2", "0", None), ("", "0", None)],
    ids=["not by the other", "more by the other", "less by the other", "not by the list", "nobody can read the list"],
)
async def test_only_what_two_answers_do_not_show_is_gone(
    listed: str, named: str, gone: str | None, written: Book
) -> None:
    """The list of accounts and the one about the market: what one of them shows is there."""
    rebuilt = await written_off(written, *DEEP, available=listed, named=named, unclear=not listed)
    assert rebuilt.gone == ({} if gone is None else {"KRW-BTC": Decimal(gone)})


def test_the_bot_is_the_one_of_the_keys_or_the_only_one_or_asked_for() -> None:
    """After a change of keys the identifiers still carry the first one."""
    app = make_app(account="abcd")
    mine, first, second = (ours(identifier=NAME.replace("abcd", bot)) for bot in ("abcd", "0000", "1111"))
    users, another_mode = ours(identifier="my-own"), ours(identifier=NAME.replace("ub1-S", "ub1-L"))
    assert rebuild.choose_account(app, [users, another_mode], None) == "abcd"
    assert rebuild.choose_account(app, [first, mine, second], None) == "abcd"
    assert rebuild.choose_account(app, [users, first, first], None) == "0000"
    assert rebuild.choose_account(app, [first, second, mine], "1111") == "1111"
    with pytest.raises(rebuild.UnclearAccountError, match=r"several bots on this account \(0000, 1111\)"):
        rebuild.choose_account(app, [second, first], None)


@pytest.mark.parametrize("levels", [DEEP, ()], ids=["a book", "no book"])
async def test_a_trade_of_which_nothing_is_left_is_over(levels: tuple[BookLevel, ...], written: Book) -> None:
    """Its end is now, and it leaves no dust."""
    written.at(7)
    rebuilt = await written_off(written, *levels, available="0")
    assert rebuilt.gone == {"KRW-BTC": Decimal(2)}
    over = written.journal.trade("t1")
    assert (over.phase, over.dust, over.closed_at) == ("closed", Decimal(0), written.now)


@pytest.mark.parametrize("why", [OutcomeUnknown("time-out"), NotSent("no route")])
async def test_while_nobody_tells_a_book_nothing_is_written_off(why: ExchangeError, written: Book) -> None:
    """A recovery that gets no answer leaves no journal, and begins anew."""
    with pytest.raises(type(why)):
        await written_off(written, available="0", without_book=why)
    assert written.journal.trade("t1").volume == 2


@pytest.mark.parametrize(
    ("sold", "left", "phase"),
    [("1.5", "0.5", "leaving"), ("1.50001", "0.49999", "closed"), (None, "0.0001", "holding")],
    ids=["worth 5,000 won", "less", "never sold"],
)
async def test_what_a_sale_has_left_is_dust_when_it_is_worth_less_than_an_order(
    sold: str | None, left: str, phase: str, written: Book
) -> None:
    """Whoever never sold still holds what there is: its price may rise."""
    if sold is None:
        written.journal.take_out("t1", Decimal(2) - Decimal(left), price=Decimal(100))
    else:
        sell(written, "t1", "i2", sold)
    rebuilt = await written_off(written, *DEEP, available=left)
    assert rebuilt.gone == {}
    trade = written.journal.trade("t1")
    assert (trade.phase, trade.dust) == (phase, Decimal(left) if phase == "closed" else 0)


async def test_what_was_executed_comes_back_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """All orders since Upbit keeps names, those of one moment by their uuid; without others', and what did nothing."""
    app = written_by_hand()
    monkeypatch.setattr(rebuild, "choose_account", lambda _, __, wished: wished)
    monkeypatch.setattr(rebuild, "whole", AsyncMock(side_effect=lambda _, order: order))
    put: list[str] = []
    monkeypatch.setattr(rebuild, "put", lambda _, order, __: put.append(order.uuid))
    steps = recorded(monkeypatch, rebuild, "check_account", "write_off")
    at = "2026-11-02T20:5{}:01+09:00"
    listed = [
        ours(uuid="c", created_at=at.format(9)),
        ours(uuid="b", created_at=at.format(8)),
        ours(uuid="a", created_at=at.format(9)),
        ours(uuid="unreadable", created_at="?"),
        ours(uuid="user's", identifier=None),
        ours(uuid="other's", identifier=NAME.replace("abcd", "0000")),
        ours(uuid="other market's", market="KRW-B"),
        ours(uuid="nothing", executed_volume=Decimal(0)),
    ]
    app.upbit.closed_orders.side_effect = [Rows(listed[1:]), Rows(), Rows(listed), Rows(listed)]
    pauses = recorded(monkeypatch, rebuild, "pause")
    app.journal.open_trades.return_value = [a_trade()]
    rebuilt = await rebuild.rebuild(app, "abcd")
    assert put == ["b", "a", "c", "unreadable"]
    assert rebuilt == rebuild.Rebuilt(orders=4, account="abcd", held=[a_trade()])
    assert app.account == "abcd"
    assert [step for step, *_ in steps] == ["check_account", "write_off"]
    asked = call(start=datetime(2024, 10, 18, tzinfo=UTC), end=NOW + AHEAD, prefix="ub1-S")
    assert app.upbit.closed_orders.mock_calls == [asked] * 4  # until two lists in a row show the same
    assert pauses == [("pause",)] * 3
    assert app.journal.note_import.mock_calls == [call(NOW)]


async def test_an_order_that_the_list_shows_unreadably_is_asked_for_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that cannot be read by itself either is left out by name; while nobody answers nothing is rebuilt."""
    app = written_by_hand()
    recorded(monkeypatch, rebuild, "pause")
    app.upbit.closed_orders.return_value = Rows([], {NAME: "state: null", "ub1-S-odd": "state: null"})
    odd = OutcomeUnknown("an answer of another shape", status=200)
    app.upbit.order.side_effect = [odd, ours(), odd, ours()]
    assert await rebuild.all_orders(app, NOW) == [ours()]
    assert app.upbit.order.mock_calls == [call(identifier="ub1-S-odd"), call(identifier=NAME)] * 2
    app.upbit.order.side_effect = OutcomeUnknown("time-out")
    with pytest.raises(OutcomeUnknown, match="time-out"):
        await rebuild.all_orders(app, NOW)


async def test_an_order_is_asked_for_until_it_is_over_and_shows_all_that_was_executed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a second: less than the list has shown is no answer yet."""
    app, done = written_by_hand(), ours()
    pauses = recorded(monkeypatch, rebuild, "pause")
    running = msgspec.structs.replace(done, state="wait")
    in_part = msgspec.structs.replace(done, executed_volume=Decimal(4))
    dearer = msgspec.structs.replace(done, paid_fee=Decimal(9))
    app.upbit.order.side_effect = [running, in_part, dearer, done]
    assert await rebuild.whole(app.upbit, done) is done
    assert app.upbit.order.mock_calls == [call(uuid="u")] * 4
    assert pauses == [("pause",)] * 3


def test_an_order_is_written_under_its_trade_with_its_fills_and_fee(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was found by a running daemon is, and without a message: the verb itself tells what came back."""
    app, order = written_by_hand(), ours()
    trade = replace(a_trade(), decided_at=NOW - timedelta(minutes=2))
    trade_for, intent = Mock(return_value=trade), Mock()
    monkeypatch.setattr(rebuild, "trade_for", trade_for)
    monkeypatch.setattr(rebuild, "adopted_intent", intent)
    rebuild.put(app, order, name_of(order))
    assert trade_for.mock_calls == [call(app, order, name_of(order))]
    assert intent.mock_calls == [call(app.clock, trade, order, name_of(order))]
    assert app.journal.adopt.mock_calls == [call(trade, intent.return_value, order.fills, order.paid_fee, [])]
