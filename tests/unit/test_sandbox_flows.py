"""Whatever people do to the exchange: money is conserved to the last digit, and every identity of an order holds.

Flows of several accounts and pockets are drawn, and after every single event the exchange is compared with books kept
here, from the events alone and by the formulas of the documents.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from sandbox.exchange.desk import Exchange
from sandbox.keys import PocketId
from sandbox.market.feed import Book, Level, PublicTrade
from sandbox.refusals import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sandbox.exchange.orders import Fill, Order
    from sandbox.exchange.pockets import Pocket

ZERO, FEE = Decimal(0), Decimal("0.0005")
EXACT = Context(prec=80)
MARKETS = ("KRW-BTC", "KRW-ETH")
POCKETS = (PocketId(), PocketId("main", "savings"), PocketId("stranger"))
KRW, COINS = Decimal(3_000_000), Decimal("0.03")
MIDDLE, STEP = 100_000_000, 1_000_000


def times(*factors: Decimal) -> Decimal:
    """Multiply exactly."""
    product = Decimal(1)
    for factor in factors:
        product = EXACT.multiply(product, factor)
    return product


def plus(*parts: Decimal) -> Decimal:
    """Add exactly."""
    total = ZERO
    for part in parts:
        total = EXACT.add(total, part)
    return total


def held(order: Order) -> Decimal:
    """Return what an open order must hold, by the documents: price, what is left, and the fee that is left."""
    asked, spent = order.asked, plus(*(fill.funds for fill in order.fills))
    if asked.side == "ask":
        assert asked.volume is not None
        return plus(asked.volume, *(-fill.volume for fill in order.fills), -order.prevented_volume)
    assert asked.price is not None
    total = asked.price if asked.volume is None else times(asked.price, asked.volume)
    fee_left = times(FEE, plus(total, -spent, -order.prevented_funds))
    if asked.volume is None:
        return plus(total, -spent, -order.prevented_funds, fee_left)
    bought = plus(*(fill.volume for fill in order.fills))
    return plus(times(asked.price, plus(asked.volume, -bought, -order.prevented_volume)), fee_left)


@dataclass
class Auditor:
    """An exchange with three pockets of two people, and books about it that are kept from its events."""

    waiting: list[Callable[[], None]] = field(default_factory=list)
    books: dict[str, Book] = field(default_factory=dict)
    own: defaultdict[tuple[PocketId, str], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    now_ms: int = 1_763_000_000_000
    maker: Order | None = None  # whose fill is answered by the taker's next
    strangers: bool = False  # a public trade is going through resting orders
    ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for market in MARKETS:
            self.draw(market, [(1, Decimal("0.01"))])
        self.exchange = Exchange(
            self, MARKETS, rng=random.Random(1), now_ms=lambda: self.now_ms, later=lambda _, do: self.waiting.append(do)
        )
        self.exchange.listeners.append(self)
        for pocket in POCKETS:
            self.exchange.open_pocket(pocket)
            for currency, amount in (("KRW", KRW), ("BTC", COINS), ("ETH", COINS)):
                self.give(pocket, currency, amount)

    def give(self, pocket: PocketId, currency: str, amount: Decimal) -> None:
        """Deposit, or withdraw what is free."""
        free = self.exchange.pockets[pocket].accounts.of(currency)[0]
        amount = max(amount, -free)
        self.own[pocket, currency] = plus(self.own[pocket, currency], amount)
        self.exchange.deposit(currency, amount, pocket)

    def draw(self, market: str, levels: list[tuple[int, Decimal]]) -> None:
        """Show a book of sizes so many steps away from the middle, the same on both sides."""
        sizes = sorted(dict(levels).items())
        sides = (tuple(Level(Decimal(MIDDLE + sign * STEP * n), size) for n, size in sizes) for sign in (1, -1))
        self.books[market] = Book(market, self.now_ms, *sides)

    # -- what the exchange asks and tells

    def book(self, market: str) -> Book:
        """Return the public book."""
        return self.books[market]

    def record_fill(self, market: str, fill: Fill) -> None:
        """Only fills that took liquidity are public trades of ours."""
        assert market in MARKETS
        assert not fill.maker

    def on_order(self, order: Order, told: str, fill: Fill | None) -> None:
        """Check one event of one order."""
        assert (told == "trade") == (fill is not None)
        assert order.uuid not in self.ended, "nothing happens to an order that ended"
        if fill is not None:
            self.on_fill(order, fill)
        if told in {"done", "cancel"}:
            self.ended.add(order.uuid)
            assert order.state == told
            assert (told == "done") <= order.satisfied
        self.check_identities(order)

    def on_fill(self, order: Order, fill: Fill) -> None:
        """Enter a fill into our own books, and check its price and its fee."""
        asked, (quote, base) = order.asked, order.asked.market.split("-")
        sign = 1 if asked.side == "bid" else -1
        assert fill.funds == times(fill.price, fill.volume)
        assert fill.fee == times(fill.funds, FEE)
        assert fill.volume == fill.volume.quantize(Decimal("1e-8"), rounding=ROUND_DOWN) > 0
        assert (fill.trend == "up") == (asked.side == ("ask" if fill.maker else "bid"))
        if asked.ord_type == "limit" and asked.price is not None:
            assert sign * (asked.price - fill.price) >= 0, "never worse than its limit"
        if asked.time_in_force == "post_only":
            assert fill.maker, "never takes"
        self.own[order.pocket, base] = plus(self.own[order.pocket, base], sign * fill.volume)
        self.own[order.pocket, quote] = plus(self.own[order.pocket, quote], -sign * fill.funds, -fill.fee)
        self.pair(order, fill)

    def pair(self, order: Order, fill: Fill) -> None:
        """Two clients that trade have one price and volume, and one person's do not unless the taker allowed it."""
        if fill.maker and not self.strangers:
            self.maker = order
        elif self.maker is not None:
            other = self.maker.fills[-1]
            assert (other.price, other.volume, other.trend) == (fill.price, fill.volume, fill.trend)
            assert self.maker.pocket.account != order.pocket.account or order.asked.smp_type == "none"
            event("clients traded with each other")
            self.maker = None

    def on_assets(self, pocket: Pocket, currencies: Collection[str]) -> None:
        """After every change of a balance the pocket has what our books say, and holds what its orders hold."""
        for currency in currencies:
            free, locked = pocket.accounts.of(currency)
            assert free >= 0
            assert locked >= 0
            if self.maker is None:  # between the two halves of a trade both sides' events come one by one
                assert locked == plus(*(order.held for order in pocket.open.values() if order.currency == currency))

    def check_identities(self, order: Order) -> None:
        """Check the arithmetic of an order against the documents."""
        spent, volume = plus(*(f.funds for f in order.fills)), plus(*(f.volume for f in order.fills))
        assert (order.executed_funds, order.executed_volume) == (spent, volume)
        assert order.paid_fee == times(spent, FEE)
        assert order.locked == held(order) >= 0
        assert order.held == (order.locked if order.open else 0)
        if order.asked.side == "bid":
            assert order.remaining_fee == plus(order.reserved_fee, -order.paid_fee, -times(FEE, order.prevented_funds))
            assert order.remaining_fee >= 0
        else:
            assert order.reserved_fee == order.remaining_fee == 0

    def check(self) -> None:
        """Compare everything with our own books, currency by currency and pocket by pocket."""
        assert self.maker is None
        self.exchange.verify()
        for name, pocket in self.exchange.pockets.items():
            for currency in ("KRW", "BTC", "ETH"):
                assert plus(*pocket.accounts.of(currency)) == self.own[name, currency]
                orders = (order for order in pocket.open.values() if order.currency == currency)
                assert pocket.accounts.of(currency)[1] == plus(*(held(order) for order in orders))

    def settle(self, most: int) -> None:
        """Let accepted things take effect."""
        for effect in [self.waiting.pop(0) for _ in range(min(most, len(self.waiting)))]:
            effect()


pockets = st.sampled_from(POCKETS)
markets = st.sampled_from([MARKETS[0], MARKETS[0], MARKETS[1]])
prices = st.integers(-3, 3).map(lambda n: MIDDLE + n * STEP)
volumes = st.integers(6_000, 1_500_000).map(lambda n: Decimal(n) / 100_000_000)
totals = st.integers(5_000, 2_000_000).map(str) | st.integers(500_000_000_000, 10**14).map(
    lambda n: str(Decimal(n) / 100_000_000)
)
modes = st.sampled_from([None, "none", "cancel_maker", "cancel_taker", "reduce"])
gifts = st.integers(-300_000, 300_000).map(Decimal)
conditions = st.sampled_from(["ioc", "fok"])


def body(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an order body."""
    return st.fixed_dictionaries({"smp_type": modes} | fields)


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Draw from strategies, some more often than others."""
    return st.sampled_from([strategy for weight, strategy in choices for _ in range(weight)]).flatmap(lambda one: one)


def orders(side: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an order of a side, mostly one that may wait."""
    own, size = {"side": st.just(side)}, {"price": totals} if side == "bid" else {"volume": volumes.map(str)}
    limit = own | {"ord_type": st.just("limit"), "price": prices.map(str), "volume": volumes.map(str)}
    return weighted(
        (5, body(**limit)),
        (1, body(**limit, time_in_force=conditions)),
        (1, st.fixed_dictionaries({**limit, "time_in_force": st.just("post_only")})),
        (2, body(**own, **size, ord_type=st.just("price" if side == "bid" else "market"))),
        (1, body(**own, **size, ord_type=st.just("best"), time_in_force=conditions)),
    )


bids, asks = orders("bid"), orders("ask")
place = st.tuples(st.just("place"), pockets, markets, bids | asks, st.booleans())
settle = st.tuples(st.just("settle"), st.integers(1, 4))
flows = st.lists(
    weighted(
        (8, place),
        (2, settle),
        (1, st.tuples(st.just("cancel"), st.integers(0, 30))),
        (1, st.tuples(st.just("replace"), st.integers(0, 30), bids, asks, st.booleans())),
        (2, st.tuples(st.just("trade"), markets, prices, volumes)),
        (1, st.tuples(st.just("book"), markets, st.lists(st.tuples(st.integers(1, 5), volumes), max_size=4))),
        (1, st.tuples(st.just("give"), pockets, st.sampled_from(["KRW", "BTC"]), gifts)),
    ),
    min_size=15,
    max_size=50,
)


def take(auditor: Auditor, step: tuple[Any, ...]) -> None:
    """Do one thing; a refusal is an answer too, and changes nothing."""
    match step:
        case ("place", pocket, market, asked, at_once):
            auditor.exchange.place({"market": market} | asked, pocket)
            auditor.settle(10**6 if at_once else 0)
        case ("cancel", index):
            auditor.exchange.cancel(nth(auditor, index))
        case ("replace", index, bid, ask, remain_only):
            order = nth(auditor, index)
            asked = bid if order.asked.side == "bid" else ask
            volume = {"volume": "remain_only"} if remain_only and "volume" in asked else {}
            fixed = {"market": order.asked.market, "side": order.asked.side}
            auditor.exchange.replace(order, asked | volume | fixed)
        case ("trade", market, price, volume):
            auditor.strangers = True
            auditor.exchange.on_trades([PublicTrade(market, Decimal(price), volume, auditor.now_ms, "ASK", 1)])
            auditor.strangers = False
        case ("book", market, levels):
            auditor.draw(market, levels)
        case ("give", pocket, currency, amount):
            auditor.give(pocket, currency, amount)
        case ("settle", most):
            auditor.settle(most)


def nth(auditor: Auditor, index: int) -> Order:
    """Return one of the open orders."""
    waiting = list(auditor.exchange.open_orders())
    if not waiting:
        raise ApiError(404, "order_not_found", "")
    return waiting[index % len(waiting)]


@settings(max_examples=150)
@given(flows)
def test_the_books_balance_whatever_people_do(flow: list[tuple[Any, ...]]) -> None:
    """Orders of every kind, cancels, replacements, public trades, moving books: after each step all figures agree."""
    auditor = Auditor()
    for step in flow:
        before = auditor.exchange.pockets[POCKETS[0]].accounts.all()
        try:
            take(auditor, step)
        except ApiError as refusal:
            event(f"refused {refusal.name}")
            assert auditor.exchange.pockets[POCKETS[0]].accounts.all() == before
        auditor.check()
    auditor.settle(10**6)
    auditor.settle(10**6)  # successors
    auditor.check()
    event(f"orders of which {sum(bool(order.fills) for order in auditor.exchange.orders.values()) // 4 * 4}+ traded")
    for order in auditor.exchange.orders.values():
        asked = order.asked
        if order.open:
            assert asked.ord_type == "limit"
            assert asked.time_in_force in {None, "post_only"}
        elif asked.time_in_force == "fok" and order.fills:
            assert asked.volume in {None, order.executed_volume}, "all or nothing"
