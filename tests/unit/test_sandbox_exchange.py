"""Events and memory of the exchange that no request shows; what requests show is tested in tests/contract."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import pytest

from sandbox.exchange.desk import Exchange
from sandbox.keys import PocketId
from sandbox.market.feed import Book, Level, PublicTrade
from sandbox.refusals import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.exchange.orders import Fill, Order

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


def test_a_limit_order_takes_what_is_there_and_rests() -> None:
    """The part that crosses trades at once, the rest waits."""
    desk = Desk(make_book([(100_000_000, "0.001")], [(99_000_000, "1")]))
    order = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.003")
    assert (order.state, order.remaining_volume) == ("wait", Decimal("0.002"))
    assert desk.krw()[1] == order.locked == Decimal(200100)


SELL = {"side": "ask", "ord_type": "limit", "price": "150000000", "volume": "0.001"}
CROSSING = {"side": "bid", "ord_type": "limit", "price": "150000000", "volume": "0.002", "time_in_force": "ioc"}


def make_self_trade(mode: str) -> tuple[Desk, Order, Order]:
    """Return a desk where a bid of 0.002 met our own resting ask of 0.001 below an empty book, and both orders."""
    desk = Desk(make_book([(160_000_000, "1")], [(140_000_000, "1")]))
    desk.exchange.deposit("BTC", Decimal("0.001"))
    maker = desk.place(**SELL)
    return desk, maker, desk.place(**CROSSING, smp_type=mode)


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


def test_ids_depend_on_the_seed_only() -> None:
    """Two runs of the same orders give the same uuids."""
    runs = []
    for _ in range(2):
        desk = Desk(make_book([(160_594_000, "5")], [(160_593_000, "5")]))
        order = desk.place(**BUY_6000)
        runs.append([order.uuid, *(fill.uuid for fill in order.fills)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 2


def test_the_average_price_follows_the_buys(desk: Desk) -> None:
    """Two buys at different prices average by volume."""
    desk.place(side="bid", ord_type="limit", price="160594000", volume="0.001")
    desk.book_now = make_book([(160_596_000, "5")], [(160_593_000, "5")])
    desk.place(side="bid", ord_type="limit", price="160596000", volume="0.001")
    assert desk.exchange.accounts.average_prices["BTC"] == 160_595_000


def test_the_oldest_ended_order_is_forgotten_and_its_identifier_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that runs for months stays small; what still trades is kept, and an identifier is used up for ever."""
    monkeypatch.setattr("sandbox.exchange.desk.ORDERS_KEPT", 3)
    resting = desk.place(side="bid", ord_type="limit", price="100000000", volume="0.0001", identifier="resting")
    names = [f"n{number}" for number in range(5)]
    orders = [desk.place(**BUY_6000, identifier=name) for name in names]
    assert list(desk.exchange.orders.values()) == [resting, *orders[-2:]]
    pocket = desk.exchange.pockets[PocketId()]
    for market in (None, MARKET):
        assert list(pocket.ever(market, newest_first=False)) == [resting, *orders[-2:]]
    for name in names[:3]:
        with pytest.raises(ApiError, match="order_not_found"):
            desk.exchange.find(None, name)
        with pytest.raises(ApiError, match="duplicated_identifier"):
            desk.place(**BUY_6000, identifier=name)
    assert [order.number for order in orders] == [1, 2, 3, 4, 5]
    desk.exchange.verify()


def test_nothing_is_forgotten_that_still_trades(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are."""
    monkeypatch.setattr("sandbox.exchange.desk.ORDERS_KEPT", 1)
    for _ in range(3):
        desk.place(side="bid", ord_type="limit", price="100000000", volume="0.0001")
    assert len(desk.exchange.orders) == 3
    desk.place(**BUY_6000)
    desk.place(side="bid", ord_type="limit", price="100000000", volume="0.0001")
    assert all(order.open for order in desk.exchange.orders.values())
