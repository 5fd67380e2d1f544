"""A paper exchange is what its file says: after every line of it, whatever happened then."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from paper.wallet import WALLET_FILE, WalletError, open_wallet
from sandbox.exchange.ledger import Holder
from sandbox.exchange.orders import floor_volume
from sandbox.refusals import ApiError
from sandbox.wire import plain
from tests.helpers.live_desk import MARKET, LiveDesk

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Order

ASKS = {2001: "10", 2002: "10", 2003: "100"}
BIDS = {2000: "10", 1999: "10", 1998: "100"}
UPSTREAM = "https://api.upbit.com"
HEADING = b'{"paper_exchange":1,"upstream":"https://api.upbit.com"}\n'


def live_through(desk: LiveDesk) -> None:
    """Buy, sell, rest, be cancelled, meet oneself, and leave one order on its way and one in the queue."""
    desk.book(ASKS, BIDS)
    desk.buy(30_000)
    cancelled = desk.bid(1999, "5")
    desk.bid(2000, "10")
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    desk.exchange.cancel(cancelled)
    held = desk.exchange.accounts.of("XRP")[0]
    selling = {"market": MARKET, "side": "ask", "ord_type": "limit", "price": "1999", "volume": str(held)}
    desk.exchange.place({**selling, "smp_type": "reduce", "identifier": "mine"})
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    desk.trade(2000, "11")
    desk.now_ms += 10
    desk.bid(1998, "7")
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    desk.buy(20_000)


def told(exchange: Exchange) -> tuple[list[Order], dict[str, tuple[Decimal, Decimal]], dict[str, Decimal]]:
    """Return all that clients can see of orders and balances."""
    orders = [replace(order, ahead=None, ahead_ms=0) for order in exchange.orders.values()]
    return orders, exchange.accounts.all(), exchange.accounts.average_prices


def test_what_is_read_again_is_the_same_to_the_last_digit(tmp_path: Path) -> None:
    """Orders, fills, fees, locks, averages, and what was burnt."""
    path = tmp_path / WALLET_FILE
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        live_through(desk)
        before = told(desk.exchange)
    assert {order.state for order in before[0]} == {"wait", "cancel"}
    with open_wallet(path, UPSTREAM) as wallet:
        again = LiveDesk(wallet, desk.now_ms)
        assert told(again.exchange) == before
        assert again.exchange.find(None, "mine").uuid == desk.exchange.find(None, "mine").uuid
        assert again.exchange.in_flight == 1, "one is on its way again"


def test_what_waited_goes_on_behind_everything_that_is_shown(tmp_path: Path) -> None:
    """The one on its way meets the next book; the one in the queue stands behind all of it, and is not forgotten."""
    path = tmp_path / WALLET_FILE
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        live_through(desk)
    with open_wallet(path, UPSTREAM) as wallet:
        again = LiveDesk(wallet, desk.now_ms + 5_000)
        *_, resting, coming = again.exchange.orders.values()
        again.now_ms += 100
        again.book(ASKS, BIDS)
        assert coming.executed_funds > 0
        again.now_ms += 100
        again.trade(1998, "101")
        assert (resting.executed_volume, resting.ahead) == (Decimal(1), Decimal(0))


@pytest.mark.failure("I5")
def test_after_a_kill_at_any_line_the_books_balance_and_everything_goes_on(tmp_path: Path) -> None:
    """Also in the middle of a line: that one never happened."""
    path = tmp_path / WALLET_FILE
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        live_through(desk)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 20
    for count in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:count]) + lines[count][:-5])
        with open_wallet(path, UPSTREAM) as wallet:
            again = LiveDesk(wallet, desk.now_ms)
            again.exchange.verify()
            again.now_ms += 100
            again.book(ASKS, BIDS)
            assert again.exchange.in_flight == 0
            assert not any(order.open and order.asked.ord_type == "price" for order in again.exchange.orders.values())
            won = again.exchange.accounts.of("KRW")[0] / Decimal("1.0005")
            again.bid(1000, plain(floor_volume(won / 1000)))
            before = told(again.exchange)
        with open_wallet(path, UPSTREAM) as wallet:
            assert told(LiveDesk(wallet, again.now_ms).exchange) == before, "what the first start ended is ended"


@pytest.mark.failure("I6")
def test_what_cannot_be_written_down_does_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a line: no order, no money moved; later everything is as it should be."""
    path = tmp_path / WALLET_FILE
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        desk.book(ASKS, BIDS)
        before, size = told(desk.exchange), path.stat().st_size
        with monkeypatch.context() as full:
            full.setattr("paper.wallet.os.fsync", fail)
            with pytest.raises(OSError, match="No space"):
                desk.buy(30_000)
        assert (told(desk.exchange), path.stat().st_size) == (before, size)
        desk.buy(20_000)
    with open_wallet(path, UPSTREAM) as wallet:
        assert len(LiveDesk(wallet).exchange.orders) == 1


def fail(_: int) -> None:
    """Be a disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def traded(path: Path, times: int) -> LiveDesk:
    """Buy and sell many times, with every kind of end of an order in between, and leave two orders open."""
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        for number in range(times):
            desk.now_ms += 1_000
            desk.book(ASKS, BIDS)
            desk.exchange.place(
                {"market": MARKET, "side": "bid", "ord_type": "price", "price": "9000", "identifier": f"n{number}"}
            )
            desk.now_ms += 100
            desk.book(ASKS, BIDS)
            held = str(desk.exchange.accounts.of("XRP")[0])
            desk.exchange.place({"market": MARKET, "side": "ask", "ord_type": "market", "volume": held})
            left = desk.bid(1998, "5")
            desk.now_ms += 100
            desk.book(ASKS, BIDS)
            desk.exchange.cancel(left)
        live_through(desk)
    return desk


def fees(desk: LiveDesk) -> Decimal:
    """Return what was ever paid in fees, won."""
    return desk.exchange.accounts.ledger.amount(Holder.FEES, "KRW")


def unnumbered(orders: list[Order]) -> list[Order]:
    """Return orders without their place among all that there ever were."""
    return [replace(order, number=0) for order in orders]


def test_a_long_wallet_is_condensed_to_the_same_exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal balances, averages, fees and newest orders; what ended long before is not told, but its name stays used."""
    path = tmp_path / WALLET_FILE
    desk = traded(path, 6)
    long = path.stat().st_size
    monkeypatch.setattr("paper.wallet.ORDERS_TOLD", 6)
    for name in ("n0", "n1"):  # the second start finds nothing to do
        with open_wallet(path, UPSTREAM) as wallet:
            again = LiveDesk(wallet, desk.now_ms)
            orders, *money = told(again.exchange)
            before, *money_before = told(desk.exchange)
            assert (money, fees(again)) == (money_before, fees(desk))
            assert 6 <= len(orders) <= 12
            assert unnumbered(orders) == unnumbered(before[-len(orders) :])
            again.now_ms += 100
            again.book(ASKS, BIDS)
            body = {"market": MARKET, "side": "bid", "ord_type": "price", "price": "6000", "identifier": name}
            with pytest.raises(ApiError, match="duplicated_identifier"):
                again.exchange.place(body)
        assert path.stat().st_size < long * 0.7
        desk = again


def test_an_order_that_was_open_all_the_time_keeps_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds belongs to a past that cannot be taken together without it."""
    path = tmp_path / WALLET_FILE
    monkeypatch.setattr("paper.wallet.ORDERS_TOLD", 2)
    with open_wallet(path, UPSTREAM) as wallet:
        desk = LiveDesk(wallet)
        desk.book(ASKS, BIDS)
        desk.bid(1500, "4")
        for _ in range(6):
            desk.exchange.cancel(desk.bid(1998, "5"))
    before = path.read_bytes()
    with open_wallet(path, UPSTREAM) as wallet:
        assert len(LiveDesk(wallet, desk.now_ms).exchange.orders) == 7
    assert path.read_bytes().startswith(before)


WRITING = [f"paper.wallet.{step}" for step in ("os.open", "fcntl.flock", "put", "sync_folder")]
"""Steps in their order; the new file has taken the place of the old one before the last."""


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.failure("I5")
@pytest.mark.parametrize("where", WRITING)
def test_a_kill_while_it_is_condensed_leaves_one_whole_wallet(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it comes, before or after the new file takes the place of the old one: the exchange is the same."""
    path = tmp_path / WALLET_FILE
    desk = traded(path, 6)
    (_, *money), lines = told(desk.exchange), path.read_bytes()
    monkeypatch.setattr("paper.wallet.ORDERS_TOLD", 6)
    with open_wallet(path, UPSTREAM) as wallet, monkeypatch.context() as kill:
        kill.setattr(where, half_put if where.endswith("put") else killed)
        with pytest.raises(Killed):
            LiveDesk(wallet, desk.now_ms)
    assert (path.read_bytes() == lines) is (where != WRITING[-1])
    with open_wallet(path, UPSTREAM) as wallet:
        assert told(LiveDesk(wallet, desk.now_ms).exchange)[1:] == tuple(money)
    assert len(path.read_bytes()) < len(lines)
    assert [file.name for file in tmp_path.iterdir()] == [WALLET_FILE]


def killed(*_: object) -> None:
    """Be killed."""
    raise Killed


def half_put(file: int, content: bytes, at: int) -> None:
    """Be killed in the middle of writing."""
    os.pwrite(file, content[: len(content) // 2], at)
    raise Killed


@pytest.mark.failure("I6")
def test_a_wallet_that_cannot_be_condensed_stays_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The disk has no room for another file: it is said, and everything goes on."""
    path = tmp_path / WALLET_FILE
    desk = traded(path, 6)
    before, lines = told(desk.exchange), path.read_bytes()
    monkeypatch.setattr("paper.wallet.ORDERS_TOLD", 6)
    monkeypatch.setattr("paper.wallet.put", lambda *_: fail(0))
    monkeypatch.setattr(LiveDesk, "_at_once", staticmethod(lambda *_: None))  # nothing happens that is written down
    with open_wallet(path, UPSTREAM) as wallet:
        assert told(LiveDesk(wallet, desk.now_ms).exchange) == before
    assert path.read_bytes() == lines
    assert "wallet not condensed" in caplog.text


def test_two_never_write_one_wallet(tmp_path: Path) -> None:
    """The second one is told so, with the exit code of a second daemon."""
    path = tmp_path / WALLET_FILE
    with open_wallet(path, UPSTREAM), pytest.raises(WalletError, match="already works") as refused:
        open_wallet(path, UPSTREAM).__enter__()
    assert refused.value.exit_code == 3


@pytest.mark.failure("I6")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{"paper_exchange":1,"upstream":"http://127.0.0.1:1"}\n', "in the market of http://127.0.0.1:1"),
        (b'{"paper_exchange":2,"upstream":"https://api.upbit.com"}\n', "format 2, this version knows 1"),
        (b"SQLite format 3\n", "not the records of a paper exchange"),
        (HEADING + b'{"type":"bought"}\n', "line 2 is damaged"),
        (HEADING + b'{"type":"met","order":"nobody","at_ms":1}\n', "KeyError"),
        (
            HEADING + b'{"type":"deposited","account":"main","pocket":"main","currency":"KRW","amount":"-1"}\n',
            "LedgerError",
        ),
    ],
)
def test_a_file_that_is_not_this_wallet_is_refused_in_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    """Half a history would be another one; and it stays as it is."""
    path = tmp_path / WALLET_FILE
    path.write_bytes(content)
    with pytest.raises(WalletError, match=why) as refused, open_wallet(path, UPSTREAM) as wallet:
        LiveDesk(wallet)
    assert "\n" not in refused.value.ko
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its path and the reason."""
    (tmp_path / "paper").touch()
    with pytest.raises(WalletError, match=r"exchange\.jsonl cannot be used"):
        open_wallet(tmp_path / "paper" / WALLET_FILE, UPSTREAM).__enter__()
