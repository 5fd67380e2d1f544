"""Every question to Upbit, as it is on the wire: its address, its limit, who goes first, and what is signed."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import pytest

from tests.helpers.wire import SECRET, http, serving
from upbit import rest
from upbit.errors import ExchangeError, OutcomeUnknown, Withheld, error_from
from upbit.limits import Place, RateLimiter
from upbit.models import BookLevel, Fence, NewOrder, Side
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.helpers.wire import Wire
    from upbit.decoding import Rows

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
BUY = NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier="ub1-b")
SALE = NewOrder(market="KRW-BTC", side=Side.ASK, volume=Decimal("0.5"), identifier="ub1-s")
FENCE = Fence(market="KRW-BTC", side=Side.BID, price=Decimal(1000), volume=Decimal(6), identifier="ub1-b")
BOUGHT = "market=KRW-BTC&side=bid&ord_type=price&price=6000&identifier=ub1-b&smp_type=none"
SOLD = "market=KRW-BTC&side=ask&ord_type=market&volume=0.5&identifier=ub1-s&smp_type=none"
FENCED = "market=KRW-BTC&side=bid&ord_type=limit&price=1000&volume=6&time_in_force=ioc&identifier=ub1-b&smp_type=none"
STATES = "states[]=wait&states[]=watch&page=1&limit=100"
HOUR_MS = "start_time=1793617200000&end_time=1793620800000&limit=1000"


class Asked(NamedTuple):
    """One request: what is counted for it, and its first line."""

    group: str
    urgent: bool
    line: str
    signed: str | None  # the text that its token vouches for; None: it has none


class Noting(RateLimiter):
    """Lets everything pass as ever, and notes what was counted for it."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, bool]] = []

    def place(self, group: str, *, urgent: bool = False) -> Place:
        """Note a request."""
        self.noted.append((group, urgent))
        return super().place(group, urgent=urgent)


QUESTIONS: dict[str, tuple[Callable[[Upbit], Awaitable[object]], Asked]] = {
    "markets": (lambda upbit: upbit.markets(), Asked("market", False, "GET /v1/market/all?is_details=true", None)),
    "candles": (
        lambda upbit: upbit.candles("KRW-BTC", timedelta(minutes=3), count=7, to=NOON),
        Asked("candle", False, "GET /v1/candles/minutes/3?market=KRW-BTC&count=7&to=2026-11-02T12%3A00%3A00Z", None),
    ),
    "candles of now": (
        lambda upbit: upbit.candles("KRW-BTC", timedelta(days=1)),
        Asked("candle", False, "GET /v1/candles/days?market=KRW-BTC&count=200", None),
    ),
    "tickers": (
        lambda upbit: upbit.tickers(["KRW-BTC", "KRW-ETH"]),
        Asked("ticker", False, "GET /v1/ticker?markets=KRW-BTC%2CKRW-ETH", None),
    ),
    "all tickers": (
        lambda upbit: upbit.all_tickers(),
        Asked("ticker", False, "GET /v1/ticker/all?quote_currencies=KRW", None),
    ),
    "books": (
        lambda upbit: upbit.books(["KRW-BTC", "KRW-ETH"]),
        Asked("orderbook", False, "GET /v1/orderbook?markets=KRW-BTC%2CKRW-ETH&count=30", None),
    ),
    "price step": (
        lambda upbit: upbit.price_step("KRW-BTC"),
        Asked("orderbook", False, "GET /v1/orderbook/instruments?markets=KRW-BTC", None),
    ),
    "accounts": (lambda upbit: upbit.accounts(), Asked("default", False, "GET /v1/accounts", "")),
    "chance": (
        lambda upbit: upbit.chance("KRW-BTC"),
        Asked("default", False, "GET /v1/orders/chance?market=KRW-BTC", "market=KRW-BTC"),
    ),
    "a buy": (lambda upbit: upbit.place(BUY), Asked("order", False, "POST /v1/orders", BOUGHT)),
    "a sale": (lambda upbit: upbit.place(SALE), Asked("order", True, "POST /v1/orders", SOLD)),
    "a fence": (
        lambda upbit: upbit.place(FENCE),
        Asked("order", True, "POST /v1/orders", FENCED),
    ),
    "a test of a buy": (
        lambda upbit: upbit.test_order(BUY),
        Asked("order-test", False, "POST /v1/orders/test", BOUGHT),
    ),
    "an order by its uuid": (
        lambda upbit: upbit.order(uuid="u1"),
        Asked("default", True, "GET /v1/order?uuid=u1", "uuid=u1"),
    ),
    "an order by our name": (
        lambda upbit: upbit.order(identifier="ub1-b"),
        Asked("default", True, "GET /v1/order?identifier=ub1-b", "identifier=ub1-b"),
    ),
    "open orders": (
        lambda upbit: upbit.open_orders(),
        Asked("default", False, f"GET /v1/orders/open?{STATES}", STATES),
    ),
    "open orders of a market": (
        lambda upbit: upbit.open_orders("KRW-BTC"),
        Asked("default", False, f"GET /v1/orders/open?market=KRW-BTC&{STATES}", f"market=KRW-BTC&{STATES}"),
    ),
    "ended orders": (
        lambda upbit: upbit.closed_orders(start=NOON - timedelta(hours=1), end=NOON),
        Asked("default", False, f"GET /v1/orders/closed?{HOUR_MS}", HOUR_MS),
    ),
    "ended orders of a market": (
        lambda upbit: upbit.closed_orders(start=NOON - timedelta(hours=1), end=NOON, market="KRW-BTC"),
        Asked("default", False, f"GET /v1/orders/closed?market=KRW-BTC&{HOUR_MS}", f"market=KRW-BTC&{HOUR_MS}"),
    ),
    "a cancellation": (
        lambda upbit: upbit.cancel(uuid="u1"),
        Asked("default", True, "DELETE /v1/order?uuid=u1", "uuid=u1"),
    ),
    "a cancellation by our name": (
        lambda upbit: upbit.cancel(identifier="ub1-b"),
        Asked("default", True, "DELETE /v1/order?identifier=ub1-b", "identifier=ub1-b"),
    ),
    "keys": (lambda upbit: upbit.api_keys(), Asked("default", False, "GET /v1/api_keys", "")),
    "the cancellation of a withdrawal": (
        lambda upbit: upbit.cancel_withdrawal("u1"),
        Asked("default", False, "DELETE /v1/withdraws/coin?uuid=u1", "uuid=u1"),
    ),
}


def vouched(wire: Wire, head: str, body: bytes) -> str | None:
    """Return what the token of the only request vouches for: its query or body, as they came; None without a token."""
    if not (tokens := wire.tokens()):
        return None
    assert tokens[0]["access_key"] == "AK"
    came = json.loads(body).items() if body else []
    text = "&".join(f"{key}={value}" for key, value in came) or unquote(head.split()[1].partition("?")[2])
    assert tokens[0].get("query_hash") == (hashlib.sha512(text.encode()).hexdigest() if text else None)
    assert tokens[0].get("query_hash_alg") == ("SHA512" if text else None)
    return text


@pytest.mark.parametrize("name", QUESTIONS)
async def test_a_question_is_asked_as_upbit_reads_it(name: str) -> None:
    """Once, where it is counted, signed when it is about the account, and exits before everything else."""
    ask, wanted = QUESTIONS[name]
    limiter = Noting()
    refusal = {"error": {"name": "invalid_parameter", "message": "no"}}
    async with serving() as wire, open_session() as session:
        wire.answers = [http(400, refusal)]
        url = f"http://127.0.0.1:{wire.port}/"
        with suppress(ExchangeError):
            await ask(Upbit(session, base_url=url, access_key="AK", secret_key=SECRET, limiter=limiter))
        (head,), (body,) = wire.seen, wire.bodies
    ((group, urgent),) = limiter.noted
    signed = vouched(wire, head, body)
    assert Asked(group, urgent, " ".join(head.split()[:2]), signed) == wanted
    headers = head.lower()
    assert ("accept-encoding: identity" in headers) is (signed is not None)
    assert ("content-type: application/json; charset=utf-8" in headers) is bool(body)
    assert "accept: application/json" in headers
    assert ("content-length" in headers) is not wanted.line.startswith("GET ")


async def test_what_the_gate_keeps_back_never_leaves_and_nothing_else_is_shown_to_it() -> None:
    """It is asked about each entry, exit and fence right before the first byte; looks and cancellations pass."""
    shown: list[NewOrder | Fence] = []

    def keep_back(order: NewOrder | Fence, _until: datetime | None) -> None:
        shown.append(order)
        raise Withheld("not now")

    async with serving() as wire, open_session() as session:
        url = f"http://127.0.0.1:{wire.port}"
        upbit = Upbit(session, base_url=url, access_key="AK", secret_key=SECRET, gate=keep_back)
        for order in (BUY, SALE, FENCE):
            with pytest.raises(Withheld):
                await upbit.place(order)
        assert (shown, wire.seen) == ([BUY, SALE, FENCE], [])
        wire.answers = [http(201, {}), http(200, {}), http(200, [])]
        await upbit.test_order(BUY)
        await upbit.cancel(uuid="u1")
        await upbit.accounts()
    assert len(shown) == len(wire.seen) == 3


@pytest.mark.parametrize("name", [{"uuid": "u1"}, {"identifier": "ub1-b"}])
async def test_an_order_that_was_asked_for_is_returned_by_either_of_its_names(name: dict[str, str]) -> None:
    """Another one is no answer, although there was one."""
    told: dict[str, object] = {
        "uuid": "u1",
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "price",
        "state": "wait",
        "identifier": "ub1-b",
    }
    told |= {"created_at": "2026-11-02T12:00:00+09:00", "executed_volume": "0", "paid_fee": "0", "trades_count": 0}
    async with serving() as wire, open_session() as session:
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET)
        wire.answers = [http(200, told), http(200, told | {"uuid": "u2", "identifier": "ub1-c"})]
        assert (await upbit.order(**name)).uuid == "u1"
        with pytest.raises(OutcomeUnknown, match="told of u2") as caught:
            await upbit.order(**name)
    assert caught.value.status == 200


async def test_what_is_about_the_account_is_not_asked_without_keys() -> None:
    """Nor with half of them: it is a mistake of ours, and nothing is sent."""
    async with serving() as wire, open_session() as session:
        for access, secret in ((None, None), ("AK", None), (None, SECRET)):
            upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}", access_key=access, secret_key=secret)
            with pytest.raises(ValueError, match=r"^this request needs keys$"):
                await upbit.accounts()
    assert wire.seen == []


async def test_of_no_markets_nothing_is_asked() -> None:
    """A question about none would be one about all."""
    async with serving() as wire, open_session() as session:
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}")
        assert (await upbit.tickers([]), await upbit.books([])) == ([], [])
    assert wire.seen == []


@pytest.mark.parametrize("names", [(None, None), ("u1", "ub1-b"), ("", "")])
async def test_an_order_has_one_name(names: tuple[str | None, str | None]) -> None:
    """Two names could be of two orders."""
    uuid, identifier = names
    async with open_session() as session:
        upbit = Upbit(session, base_url="http://127.0.0.1:1", access_key="AK", secret_key=SECRET)
        for ask in (upbit.order, upbit.cancel):
            with pytest.raises(ValueError, match=r"^an order is named by its uuid or by its identifier$"):
                await ask(uuid=uuid, identifier=identifier)


def test_an_identifier_is_as_long_as_upbit_takes_it() -> None:
    """Sixty-four plain characters and no more; what is wrong is told with the order."""
    assert NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier="x" * 64).identifier == "x" * 64
    for identifier in ("", "x" * 65, "a b", "가"):
        with pytest.raises(ValueError, match=r"at most 64 plain characters: NewOrder\(market='KRW-BTC'"):
            NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal(6000), identifier=identifier)
    with pytest.raises(ValueError, match=r"at most 8 decimals: NewOrder\(market='KRW-BTC'"):
        NewOrder(market="KRW-BTC", side=Side.ASK, volume=Decimal("0.000000001"), identifier="x")


LISTS: dict[str, tuple[Callable[[Upbit], Awaitable[Rows[Any]]], str]] = {
    "markets": (lambda upbit: upbit.markets(), "market"),
    "tickers": (lambda upbit: upbit.tickers(["X"]), "market"),
    "all tickers": (lambda upbit: upbit.all_tickers(), "market"),
    "accounts": (lambda upbit: upbit.accounts(), "currency"),
    "keys": (lambda upbit: upbit.api_keys(), "access_key"),
}


@pytest.mark.parametrize("name", LISTS)
async def test_an_odd_row_of_a_list_is_named_by_what_it_is_about(name: str) -> None:
    """Of that nothing is known then, and of the others absence is absence."""
    ask, field = LISTS[name]
    async with serving() as wire, open_session() as session:
        wire.answers = [http(200, f'[{{"{field}":"X","event":[1],"korean_name":5}}]'.encode())]
        url = f"http://127.0.0.1:{wire.port}"
        rows = await ask(Upbit(session, base_url=url, access_key="AK", secret_key=SECRET))
    assert (list(rows), list(rows.dropped)) == ([], ["X"])


@pytest.mark.parametrize("name", ["ask_price", "bid_price", "ask_size", "bid_size"])
@pytest.mark.parametrize("amount", ["-1", "-0.00000001", "NaN", "Infinity", "1e40"])
def test_a_level_of_a_book_has_amounts_that_can_be(name: str, amount: str) -> None:
    """Each of its four; a thin side is padded with zeros."""
    level = dict.fromkeys(("ask_price", "bid_price", "ask_size", "bid_size"), Decimal(0))
    assert BookLevel(**level).ask_price == 0
    with pytest.raises(ValueError, match="not an amount"):
        BookLevel(**level | {name: Decimal(amount)})


async def test_books_come_in_the_order_in_which_they_were_asked_for_and_all_of_them() -> None:
    """Whatever order Upbit has; one that is missing is named, and there is no answer without it."""
    level = {"ask_price": 2, "bid_price": 1, "ask_size": 1, "bid_size": 1}
    told = [{"market": market, "orderbook_units": [level]} for market in ("KRW-A", "KRW-B")]
    async with serving() as wire, open_session() as session:
        wire.answers = [http(200, told)] * 2
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}")
        assert [book.market for book in await upbit.books(["KRW-B", "KRW-A"])] == ["KRW-B", "KRW-A"]
        with pytest.raises(OutcomeUnknown, match="no order book of KRW-C, KRW-D") as caught:
            await upbit.books(["KRW-C", "KRW-A", "KRW-D"])
    assert caught.value.status == 200


async def test_as_many_candles_as_were_asked_for_are_an_answer_and_more_are_none() -> None:
    """Newest first, each once, of the market that was asked for."""
    candle = dict.fromkeys(("opening_price", "high_price", "low_price", "trade_price"), 1) | {
        "candle_acc_trade_price": 1,
        "candle_acc_trade_volume": 1,
        "market": "KRW-A",
    }
    newest, older = ({**candle, "candle_date_time_utc": f"2026-11-02T00:0{minute}:00"} for minute in (1, 0))
    async with serving() as wire, open_session() as session:
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}")

        async def ask(*told: dict[str, object], count: int = 2) -> int:
            wire.answers = [http(200, list(told))]
            return len(await upbit.candles("KRW-A", timedelta(minutes=1), count=count))

        assert [await ask(newest, older), await ask(newest, count=1)] == [2, 1]
        wire.answers = [http(200, [newest, older])]
        before = await upbit.candles("KRW-A", timedelta(minutes=1), to=datetime(2026, 11, 2, 0, 1, tzinfo=UTC))
        assert [candle.opened_at.minute for candle in before] == [0]  # what opened at that moment is not before it
        with pytest.raises(OutcomeUnknown, match="another shape: 2 instead of 1") as caught:
            await ask(newest, older, count=1)
        assert caught.value.status == 200
        with pytest.raises(OutcomeUnknown, match="another shape: KRW-B instead of KRW-A"):
            await ask(newest, {**older, "market": "KRW-B"})
        for wrong in ((older, newest), (newest, newest)):
            with pytest.raises(OutcomeUnknown, match="another shape: not the newest first, each once"):
                await ask(*wrong)


async def test_resting_orders_are_asked_for_page_by_page_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a page is not full; an account whose pages never end is not asked without end."""
    monkeypatch.setattr(rest, "OPEN_PAGE", 2)
    monkeypatch.setattr(rest, "MOST_PAGES", 3)
    full, short = [{"identifier": "a"}, {"identifier": "b"}], [{"identifier": "c"}]
    async with serving() as wire, open_session() as session:
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET)
        for pages in ([short], [full, short], [full, full, full]):
            wire.seen.clear()
            wire.answers = [http(200, page) for page in pages]
            assert await upbit.open_orders(prefix="ub1-") == []
            asked = [head.split()[1].partition("page=")[2] for head in wire.seen]
            assert asked == [f"{number}&limit=2" for number in range(1, len(pages) + 1)]
        wire.answers = [http(200, [{"identifier": "a"}])]
        assert list((await upbit.open_orders()).dropped) == ["a"]  # whose ever it is


async def test_a_window_of_ended_orders_is_cut_in_halves_that_share_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether Upbit counts the ends of a window in nobody knows: an order of that moment must be in one of them."""
    monkeypatch.setattr(rest, "CLOSED_PAGE", 1)
    week, second = timedelta(days=7), timedelta(seconds=1)
    full, empty = [{"identifier": "a"}], list[object]()
    stories: list[tuple[timedelta, list[list[object]], list[tuple[timedelta, timedelta]]]] = [
        (week, [empty], [(-week, 0 * second)]),
        (week + second, [empty, empty], [(-(week + second) / 2, 0 * second), (-week - second, -week / 2)]),
        (2 * second, [[*full]], [(-2 * second, 0 * second)]),
        (
            3 * second,
            [[*full], empty, empty],
            [(-3 * second, 0 * second), (-1.5 * second, 0 * second), (-3 * second, -1 * second)],
        ),
    ]
    async with serving() as wire, open_session() as session:
        upbit = Upbit(session, base_url=f"http://127.0.0.1:{wire.port}", access_key="AK", secret_key=SECRET)
        for length, pages, windows in stories:
            wire.seen.clear()
            wire.answers = [http(200, page) for page in pages]
            assert await upbit.closed_orders(start=NOON - length, end=NOON, prefix="ub1-") == []
            asked = [
                dict(pair.split("=") for pair in head.split()[1].partition("?")[2].split("&")) for head in wire.seen
            ]
            found = [
                tuple(datetime.fromtimestamp(int(one[f"{end}_time"]) / 1000, UTC) - NOON for end in ("start", "end"))
                for one in asked
            ]
            assert found == windows


@pytest.mark.parametrize(
    ("name", "read"),
    [("odd", "odd"), ("x" * 70, "x" * 64), ("two\nlines", "two lines"), (400, "400"), (None, "")],
)
def test_the_name_of_a_refusal_is_one_short_line(name: str | int | None, read: str) -> None:
    """It goes into the log, the journal and to a person."""
    body = json.dumps({"error": {"name": name, "message": "no"}}).encode()
    assert error_from(400, body).name == read
