"""Orders of the sandbox: the documented arithmetic, matching against a book, and books that always balance."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest

from sandbox.errors import ApiError
from sandbox.exchange import Exchange
from sandbox.feed import Book, Level, PublicTrade
from sandbox.order_views import order_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.orders import Fill, Order

MARKET = "KRW-BTC"
PRICE = Decimal(160_594_000)


@dataclass
class Desk:
    """An exchange in front of a book we write ourselves; `settle` lets accepted orders meet it."""

    book_now: Book
    waiting: list[Callable[[], None]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    recorded: list[Fill] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.exchange = Exchange(
            self,
            [MARKET],
            rng=random.Random(1),
            now_ms=lambda: 1_763_000_000_000,
            later=lambda _, do: self.waiting.append(do),
        )
        self.exchange.listeners.append(self)
        self.exchange.deposit("KRW", Decimal(1_000_000))

    def book(self, market: str) -> Book:
        """Return the book of the only market."""
        assert market == MARKET
        return self.book_now

    def record_fill(self, market: str, fill: Fill) -> None:
        """Remember fills that took liquidity."""
        assert market == MARKET
        self.recorded.append(fill)

    def on_order(self, order: Order, event: str, fill: Fill | None) -> None:
        """Remember order events."""
        assert (event == "trade") == (fill is not None)
        self.events.append((order.uuid, event))

    def on_assets(self, pocket: object, currencies: object) -> None:
        """Balances are read when needed."""

    def settle(self) -> None:
        """Let everything that was accepted take effect."""
        while self.waiting:
            self.waiting.pop(0)()

    def place(self, **body: object) -> Order:
        """Place an order and let it meet the book."""
        order = self.exchange.place({"market": MARKET} | body)
        self.settle()
        return order

    def refused(self, **body: object) -> str:
        """Return the error name an order is refused with."""
        with pytest.raises(ApiError) as refusal:
            self.exchange.place({"market": MARKET} | body)
        assert not self.waiting
        return str(refusal.value.name)

    def krw(self) -> tuple[object, object]:  # compared with plain numbers
        """Return available and locked KRW."""
        return self.exchange.accounts.of("KRW")


def make_book(asks: list[tuple[int, str]], bids: list[tuple[int, str]]) -> Book:
    """Return a book of (price, size) levels."""
    sides = ([Level(Decimal(price), Decimal(size)) for price, size in side] for side in (asks, bids))
    return Book(MARKET, 0, *(tuple(side) for side in sides))


@pytest.fixture
def desk() -> Desk:
    """An exchange with 1,000,000 KRW and one deep level on each side."""
    return Desk(make_book([(160_594_000, "5")], [(160_593_000, "5")]))


def trade_at(price: int, volume: str = "1", taker: Literal["BID", "ASK"] = "ASK") -> PublicTrade:
    """Return a public trade."""
    return PublicTrade(MARKET, Decimal(price), Decimal(volume), 0, taker, 1)


BUY_6000 = {"side": "bid", "ord_type": "price", "price": "6000"}


def test_a_market_buy_follows_the_documented_vector(desk: Desk) -> None:
    """6000 KRW at 160,594,000 gives exactly the published numbers and ends as cancel."""
    order = desk.place(**BUY_6000)
    shown = order_json(order)
    assert "volume" not in shown
    assert "remaining_volume" not in shown
    expected = {
        "state": "cancel",
        "executed_volume": "0.00003736",
        "reserved_fee": "3",
        "paid_fee": "2.99989592",
        "remaining_fee": "0.00010408",
        "locked": "0.20826408",
        "trades_count": 1,
    }
    assert expected.items() <= shown.items()
    assert desk.krw() == (Decimal(1_000_000) - Decimal("6002.79173592"), 0)
    assert desk.exchange.accounts.of("BTC")[0] == Decimal("0.00003736")


def test_a_bid_locks_its_money_and_fee_at_once(desk: Desk) -> None:
    """A market buy of 6000 locks 6003 until it is matched, and is shown waiting."""
    order = desk.exchange.place({"market": MARKET} | BUY_6000)
    assert order_json(order)["state"] == "wait"
    assert order_json(order)["executed_volume"] == "0"
    assert desk.krw() == (993_997, 6003)


def test_an_exact_market_buy_ends_done() -> None:
    """When the total is used to the last won the state is done."""
    desk = Desk(make_book([(100_000_000, "1")], [(99_999_000, "1")]))
    assert desk.place(side="bid", ord_type="price", price="10000").state == "done"
    assert desk.krw() == (Decimal(1_000_000) - Decimal(10005), 0)


def test_a_resting_bid_shows_the_documented_numbers(desk: Desk) -> None:
    """0.0001 at 155,772,000 reserves 7.7886 and locks 15584.9886."""
    order = desk.place(side="bid", ord_type="limit", price="155772000", volume="0.0001")
    shown = order_json(order)
    expected = {
        "state": "wait",
        "reserved_fee": "7.7886",
        "remaining_fee": "7.7886",
        "locked": "15584.9886",
        "remaining_volume": "0.0001",
        "paid_fee": "0",
        "prevented_volume": "0",
        "smp_type": "cancel_maker",
    }
    assert expected.items() <= shown.items()
    assert desk.krw()[1] == Decimal("15584.9886")
    assert desk.events == [(order.uuid, "wait")]


def test_a_market_sell_is_paid_without_its_fee() -> None:
    """The published sell of 5.377594 at 1375 pays 7394.19175 minus 3.697095875."""
    desk = Desk(make_book([(1376, "100")], [(1375, "100")]))
    desk.exchange.deposit("BTC", Decimal("5.377594"))
    order = desk.place(side="ask", ord_type="market", volume="5.377594")
    assert order.state == "done"
    assert order_json(order)["paid_fee"] == "3.697095875"
    assert order_json(order)["remaining_volume"] == "0"
    assert desk.krw()[0] == 1_000_000 + Decimal("7394.19175") - Decimal("3.697095875")
    assert desk.exchange.accounts.of("BTC")[0] == 0


def test_an_order_walks_the_levels() -> None:
    """A market buy takes level after level, each volume rounded down on its own."""
    desk = Desk(make_book([(100_000_000, "0.0001"), (100_001_000, "0.0001"), (100_003_000, "1")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="price", price="30000")
    assert [(int(fill.price), str(fill.volume)) for fill in order.fills] == [
        (100_000_000, "0.0001"),
        (100_001_000, "0.0001"),
        (100_003_000, "0.00009999"),
    ]
    assert order.executed_funds == sum(fill.funds for fill in order.fills) <= 30_000
    assert desk.recorded == order.fills


def test_what_a_taker_took_is_gone_until_the_level_changes() -> None:
    """A second buy meets the book without the first one's volume; a renewed level is whole again."""
    desk = Desk(make_book([(100_000_000, "0.0002"), (100_001_000, "1")], [(99_000_000, "1")]))
    desk.place(side="bid", ord_type="price", price="15000")
    second = desk.place(side="bid", ord_type="price", price="15000")
    assert [fill.price for fill in second.fills] == [100_000_000, 100_001_000]
    desk.book_now = make_book([(100_000_000, "0.0003")], [(99_000_000, "1")])
    assert [fill.volume for fill in desk.place(side="bid", ord_type="price", price="30000").fills] == [
        Decimal("0.0003")
    ]


def test_resting_orders_fill_when_trades_go_through_them(desk: Desk) -> None:
    """A trade at the price is not enough, one below fills up to its volume, at our price."""
    order = desk.place(side="bid", ord_type="limit", price="160000000", volume="0.005")
    desk.exchange.on_trades([trade_at(160_000_000)])
    assert not order.fills
    desk.exchange.on_trades([trade_at(159_999_000, "0.003")])
    assert (order.state, order.executed_volume) == ("wait", Decimal("0.003"))
    desk.exchange.on_trades([trade_at(159_999_000)])
    assert [event for _, event in desk.events] == ["wait", "trade", "trade", "done"]
    assert all(fill.maker and fill.price == 160_000_000 and fill.trend == "down" for fill in order.fills)
    assert desk.krw() == (1_000_000 - Decimal(800400), 0)


def test_a_better_price_is_given_back(desk: Desk) -> None:
    """A limit bid above the book pays the book's price, and nothing stays locked."""
    order = desk.place(side="bid", ord_type="limit", price="161000000", volume="0.001")
    assert order.state == "done"
    assert desk.krw() == (1_000_000 - Decimal(160594) * Decimal("1.0005"), 0)


def test_a_limit_order_takes_what_is_there_and_rests() -> None:
    """The part that crosses trades at once, the rest waits."""
    desk = Desk(make_book([(100_000_000, "0.001")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.003")
    assert (order.state, order.remaining_volume) == ("wait", Decimal("0.002"))
    assert desk.krw()[1] == order.locked == Decimal(200100)


@pytest.mark.parametrize(("time_in_force", "volume", "filled"), [("ioc", "0.003", "0.001"), ("fok", "0.003", "0")])
def test_ioc_cancels_the_rest_and_fok_everything(time_in_force: str, volume: str, filled: str) -> None:
    """Immediate orders never rest."""
    desk = Desk(make_book([(100_000_000, "0.001")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume=volume, time_in_force=time_in_force)
    assert (order.state, order.executed_volume) == ("cancel", Decimal(filled))
    assert desk.krw()[1] == 0


def test_a_fok_that_fits_is_done() -> None:
    """All or nothing can be all."""
    desk = Desk(make_book([(100_000_000, "0.001")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001", time_in_force="fok")
    assert order.state == "done"


def test_a_crossing_post_only_is_cancelled_without_a_fill(desk: Desk) -> None:
    """Post-only never takes; one that does not cross rests."""
    crossing = desk.place(side="bid", ord_type="limit", price="160594000", volume="0.001", time_in_force="post_only")
    assert (crossing.state, crossing.fills, crossing.asked.smp_type) == ("cancel", [], "none")
    resting = desk.place(side="bid", ord_type="limit", price="160593000", volume="0.001", time_in_force="post_only")
    assert resting.state == "wait"


SELL = {"side": "ask", "ord_type": "limit", "price": "150000000", "volume": "0.001"}
CROSSING = {"side": "bid", "ord_type": "limit", "price": "150000000", "volume": "0.002", "time_in_force": "ioc"}


def make_self_trade(mode: str) -> tuple[Desk, Order, Order]:
    """Return a desk where a bid of 0.002 met our own resting ask of 0.001 below an empty book, and both orders."""
    desk = Desk(make_book([(160_000_000, "1")], [(140_000_000, "1")]))
    desk.exchange.deposit("BTC", Decimal("0.001"))
    maker = desk.place(**SELL)
    return desk, maker, desk.place(**CROSSING, smp_type=mode)


def test_without_prevention_we_trade_with_ourselves() -> None:
    """`none` lets the two orders trade; only the two fees are gone."""
    desk, maker, taker = make_self_trade("none")
    assert (maker.state, taker.state, taker.executed_volume) == ("done", "cancel", Decimal("0.001"))
    assert desk.krw() == (1_000_000 - 2 * 75, 0)
    assert desk.exchange.accounts.of("BTC") == (Decimal("0.001"), Decimal(0))


@pytest.mark.parametrize(
    ("mode", "maker_gave", "taker_gave"),
    [("cancel_maker", "0.001", "0"), ("cancel_taker", "0", "0.002"), ("reduce", "0.001", "0.001")],
)
def test_prevention_gives_up_the_side_it_names(mode: str, maker_gave: str, taker_gave: str) -> None:
    """Nothing trades, what is given up is named and free again, and an order with nothing left is cancelled."""
    desk, maker, taker = make_self_trade(mode)
    assert (str(maker.prevented_volume), str(taker.prevented_volume)) == (maker_gave, taker_gave)
    assert (maker.state == "wait") is (maker_gave == "0")
    assert taker.state == "cancel"
    assert taker.prevented_locked == Decimal(taker_gave) * 150_000_000 * Decimal("1.0005")
    assert desk.krw() == (1_000_000, 0)
    assert not maker.fills
    assert ("prevented" in [event for uuid, event in desk.events if uuid == taker.uuid]) is (taker_gave != "0")


def test_the_public_comes_first_at_a_price() -> None:
    """A taker that finds enough in the book does not touch our own order behind it."""
    desk = Desk(make_book([(149_999_000, "1")], [(140_000_000, "1")]))
    desk.exchange.deposit("BTC", Decimal("0.001"))
    maker = desk.place(**SELL)
    assert desk.place(**CROSSING).state == "done"
    assert maker.state == "wait"


def test_best_takes_only_the_best_level() -> None:
    """A best order trades at the best opposite price and cancels the rest."""
    desk = Desk(make_book([(100_000_000, "0.0001"), (100_001_000, "1")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="best", price="20000", time_in_force="ioc")
    assert order.state == "cancel"
    assert [fill.price for fill in order.fills] == [100_000_000]


def test_a_cancel_takes_effect_a_moment_later(desk: Desk) -> None:
    """The order still waits when the cancel is answered, then its money is free; a second cancel finds nothing."""
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001")
    desk.exchange.cancel(order)
    assert order.state == "wait"
    with pytest.raises(ApiError, match="order_not_found"):
        desk.exchange.cancel(order)
    desk.settle()
    assert order_json(order)["state"] == "cancel"
    assert desk.krw() == (1_000_000, 0)


def test_no_successor_when_the_order_filled_first(desk: Desk) -> None:
    """An order that fills before its cancel takes effect has no successor, though one was announced."""
    order = desk.exchange.place({"market": MARKET} | BUY_6000)
    successor = desk.exchange.replace(order, {"market": MARKET, "side": "bid", "ord_type": "price", "price": "7000"})
    desk.settle()
    assert order.fills
    assert list(desk.exchange.orders) == [order.uuid]
    with pytest.raises(ApiError, match="order_not_found"):
        desk.exchange.find(successor.uuid, None)


def test_no_successor_without_its_money(desk: Desk) -> None:
    """A successor larger than the balance is announced, and never placed."""
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001")
    desk.exchange.replace(order, {"market": MARKET, "side": "bid", "ord_type": "price", "price": "2000000"})
    desk.settle()
    assert len(desk.exchange.orders) == 1
    assert desk.krw() == (1_000_000, 0)


REFUSALS = [
    ({"side": "bid", "ord_type": "limit", "price": "160594001", "volume": "0.001"}, "invalid_price_bid"),
    ({"side": "ask", "ord_type": "limit", "price": "160594500", "volume": "0.001"}, "invalid_price_ask"),
    ({"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.00004"}, "under_min_total_bid"),
    ({"side": "ask", "ord_type": "limit", "price": "100000000", "volume": "0.00004"}, "under_min_total_ask"),
    ({"side": "ask", "ord_type": "market", "volume": "0.00003"}, "under_min_total_market_ask"),
    ({"side": "bid", "ord_type": "price", "price": "4999"}, "under_min_total_market_bid"),
    ({"side": "bid", "ord_type": "limit", "price": "160594000", "volume": "7"}, "over_krw_funds_bid"),
    ({"side": "bid", "ord_type": "price", "price": "900000000"}, "over_max_total_price_bid"),
    ({"side": "ask", "ord_type": "market", "volume": "6"}, "volume_too_large"),
    ({"side": "bid", "ord_type": "price", "price": "1000000"}, "insufficient_funds_bid"),
    ({"side": "ask", "ord_type": "market", "volume": "1"}, "insufficient_funds_ask"),
    ({"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "0.000000001"}, "invalid_volume_bid"),
    ({"side": "bid", "ord_type": "limit", "price": "100000000", "volume": "many"}, "invalid_volume_bid"),
    ({"side": "bid", "ord_type": "limit", "price": "NaN", "volume": "1"}, "invalid_price_bid"),
    ({"side": "bid", "ord_type": "price"}, "create_bid_error"),
    ({"side": "ask", "ord_type": "price", "price": "6000"}, "create_ask_error"),
    ({"side": "bid", "ord_type": "market", "volume": "1"}, "create_bid_error"),
    ({"side": "ask", "ord_type": "market", "price": "1", "volume": "1"}, "create_ask_error"),
    ({"side": "bid", "ord_type": "best", "price": "6000"}, "invalid_time_in_force"),
    ({"side": "bid", "ord_type": "price", "price": "6000", "time_in_force": "ioc"}, "invalid_time_in_force"),
    ({"side": "bid", "ord_type": "best", "price": "6000", "time_in_force": "post_only"}, "invalid_time_in_force"),
    (
        {
            "side": "bid",
            "ord_type": "limit",
            "price": "100000000",
            "volume": "1",
            "time_in_force": "post_only",
            "smp_type": "reduce",
        },
        "invalid_post_only",
    ),
    ({"side": "bid", "ord_type": "price", "price": "6000", "smp_type": "sometimes"}, "invalid_parameter"),
    ({"side": "bid", "ord_type": "price", "price": "6000", "identifier": "x" * 65}, "invalid_parameter"),
    ({"side": "buy", "ord_type": "price", "price": "6000"}, "validation_error"),
    ({"side": "bid", "ord_type": "stop", "price": "6000"}, "validation_error"),
    ({"side": "bid", "ord_type": "price", "price": "6000", "market": "KRW-BTCs"}, "notfoundmarket"),
    ({"side": "bid", "ord_type": "price", "price": "6000", "market": None}, "validation_error"),
]


@pytest.mark.parametrize(("body", "name"), REFUSALS)
def test_each_wrong_order_has_its_name(desk: Desk, body: dict[str, object], name: str) -> None:
    """A refused order names its reason and moves no money."""
    before = desk.exchange.accounts.all()
    assert desk.refused(**body) == name
    assert desk.exchange.accounts.all() == before
    assert not desk.exchange.orders


def test_unused_fields_may_be_null(desk: Desk) -> None:
    """An explicit null is the same as leaving a field out."""
    assert desk.place(**BUY_6000, volume=None, time_in_force=None).fills


def test_ids_depend_on_the_seed_only() -> None:
    """Two runs of the same orders give the same uuids."""
    runs = []
    for _ in range(2):
        desk = Desk(make_book([(160_594_000, "5")], [(160_593_000, "5")]))
        order = desk.place(**BUY_6000)
        runs.append([order.uuid, *(fill.uuid for fill in order.fills)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2


def test_scientific_notation_is_a_number(desk: Desk) -> None:
    """Volumes such as 1e-04 are understood."""
    desk.exchange.deposit("BTC", Decimal(1))
    assert desk.place(side="ask", ord_type="market", volume="1e-04").executed_volume == Decimal("0.0001")


def test_an_identifier_works_once_for_ever(desk: Desk) -> None:
    """A used identifier is refused after the order ended, and after an order that was itself refused."""
    desk.place(**BUY_6000, identifier="a")
    assert desk.refused(**BUY_6000, identifier="a") == "duplicated_identifier"
    assert desk.refused(side="bid", ord_type="price", price="1", identifier="b") == "under_min_total_market_bid"
    assert desk.refused(**BUY_6000, identifier="b") == "duplicated_identifier"
    with pytest.raises(ApiError, match="order_not_found"):
        desk.exchange.find(None, "b")


def test_money_is_checked_before_the_identifier(desk: Desk) -> None:
    """A repeated order that spent the money is refused for its money: the reading that is harder on clients."""
    desk.place(side="bid", ord_type="price", price="990000", identifier="a")
    assert desk.refused(side="bid", ord_type="price", price="990000", identifier="a") == "insufficient_funds_bid"


def test_a_halted_market_takes_no_orders(desk: Desk) -> None:
    """Maintenance of one market refuses its orders."""
    desk.exchange.halted.add(MARKET)
    assert desk.refused(**BUY_6000) == "market_offline"


def test_the_average_price_follows_the_buys(desk: Desk) -> None:
    """Two buys at different prices average by volume."""
    desk.place(side="bid", ord_type="limit", price="160594000", volume="0.001")
    desk.book_now = make_book([(160_596_000, "5")], [(160_593_000, "5")])
    desk.place(side="bid", ord_type="limit", price="160596000", volume="0.001")
    assert desk.exchange.accounts.average_prices["BTC"] == 160_595_000
