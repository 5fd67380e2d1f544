"""What fills an order on paper: a book that is surely later than the order, and what trades after those before it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from sandbox.market.sources.live import AHEAD_MS, PATIENCE_MS, TEND_MS, read_listings
from sandbox.refusals import ApiError
from sandbox.wire import plain
from tests.helpers.live_desk import LATENCY_MS, MARKET, NOON_MS, OTHER, LiveDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.exchange.orders import Order

ASKS = {2001: "10", 2002: "10", 2003: "100"}
BIDS = {2000: "10", 1999: "10", 1998: "100"}


@pytest.fixture
def desk() -> LiveDesk:
    """Return an exchange that knows a book."""
    desk = LiveDesk()
    desk.book(ASKS, BIDS)
    return desk


def resting(desk: LiveDesk) -> Order:
    """Return a bid for 10 at 2000 that stands behind the 10 that are shown there."""
    order = desk.bid(2000, "10")
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    return order


def fills(order: Order) -> list[tuple[int, str]]:
    """Return prices and volumes."""
    return [(int(fill.price), plain(fill.volume)) for fill in order.fills]


def test_an_order_meets_the_first_book_that_is_later_than_its_arrival_and_latency(desk: LiveDesk) -> None:
    """Neither the book that was there, nor one of the moment in which it is on its way, fills it."""
    order = desk.buy(30_000)
    desk.now_ms += LATENCY_MS
    desk.book({2005: "100"}, {2004: "1"})
    assert (order.state, order.fills) == ("wait", [])
    desk.now_ms += 1
    desk.book({2002: "100"}, {2001: "1"})
    assert fills(order) == [(2002, "14.98501498")]
    assert order.met_ms == NOON_MS + LATENCY_MS + 1


def test_a_book_that_is_told_late_is_as_old_as_it_says(desk: LiveDesk) -> None:
    """When it arrives here says nothing about when it was true."""
    order = desk.buy(30_000)
    desk.now_ms += 10_000
    desk.book(ASKS, BIDS, age_ms=9_990)
    assert not order.fills


def test_a_clock_here_that_is_late_makes_no_book_later(desk: LiveDesk) -> None:
    """The exchange was heard of at a later time than ours: the order counts as come then."""
    desk.book(ASKS, BIDS, age_ms=-3_000)
    order = desk.buy(30_000)
    desk.now_ms += 100
    desk.book(ASKS, BIDS, age_ms=-3_000 + LATENCY_MS)
    assert not order.fills
    desk.book(ASKS, BIDS, age_ms=-3_000)
    assert order.fills


def test_in_a_quiet_market_the_book_is_asked_for_and_true_from_then_on(desk: LiveDesk) -> None:
    """No frame comes because nothing changes: what is read a second later is old, and stands there all the same."""
    order = desk.buy(30_000)
    desk.pass_ms(TEND_MS - 1)
    assert MARKET not in desk.upstream.looked_for
    desk.pass_ms(1)
    assert desk.upstream.looked_for == [MARKET]
    desk.live.looked(MARKET, desk.row(ASKS, BIDS, age_ms=TEND_MS), asked_ms=NOON_MS + LATENCY_MS - 1)
    assert not order.fills, "it was asked for before the order could have met it"
    desk.live.looked(MARKET, desk.row(ASKS, BIDS, age_ms=TEND_MS), asked_ms=desk.now_ms)
    assert fills(order) == [(2001, "10"), (2002, "4.99000999")]


def test_an_order_walks_the_levels_and_uses_them_up(desk: LiveDesk) -> None:
    """The second one pays what the first one left, until a fresher frame tells of another size there."""
    first, second = desk.buy(20_010), desk.buy(20_000)
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    assert fills(first) == [(2001, "10")]
    assert fills(second) == [(2002, "9.99000999")]
    third = desk.buy(20_000)
    desk.now_ms += 100
    desk.book({**ASKS, 2001: "10.5"}, BIDS)
    assert fills(third) == [(2001, "9.99500249")]
    desk.exchange.verify()


def test_a_limit_order_stands_behind_what_is_shown_and_moves_by_trades_of_the_other_side(desk: LiveDesk) -> None:
    """Ten are before it: sellers take six, then seven, and of these the last three are its own."""
    order = resting(desk)
    desk.now_ms += 10
    desk.trade(2000, "6")
    assert not order.fills
    desk.trade(2000, "50", "BID")
    desk.trade(2001, "50", "BID")
    assert not order.fills, "buyers take from the other side"
    desk.trade(2000, "7")
    assert fills(order) == [(2000, "3")]
    assert order.fills[0].maker
    desk.trade(2000, "100")
    assert (order.state, order.executed_volume) == ("done", Decimal(10))


def test_a_trade_that_a_book_has_counted_moves_nobody_twice(desk: LiveDesk) -> None:
    """The book with four at the price came first, and then word of the six that made it four."""
    order = resting(desk)
    desk.now_ms += 20
    desk.book(ASKS, {**BIDS, 2000: "4"})
    desk.trade(2000, "6", age_ms=10)
    desk.now_ms += 10
    desk.trade(2000, "4")
    assert not order.fills
    desk.trade(2000, "1")
    assert fills(order) == [(2000, "1")]


def test_who_comes_later_stands_behind(desk: LiveDesk) -> None:
    """The size at the price grows; that is no reason to wait for longer."""
    order = resting(desk)
    desk.now_ms += 10
    desk.book(ASKS, {**BIDS, 2000: "500"})
    desk.now_ms += 10
    desk.trade(2000, "11")
    assert fills(order) == [(2000, "1")]


def test_what_trades_through_a_price_fills_it_at_that_price(desk: LiveDesk) -> None:
    """Nobody sells for less while somebody bids more, but no more than was sold."""
    order = resting(desk)
    desk.now_ms += 10
    desk.trade(1999, "4")
    assert fills(order) == [(2000, "4")]


def test_nobody_knows_the_queue_beyond_what_is_shown(desk: LiveDesk) -> None:
    """Below the last level only a trade through the price proves anything; once it is shown, all there stand before."""
    order = desk.bid(1990, "10")
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    desk.now_ms += 10
    desk.trade(1990, "1000")
    assert not order.fills
    desk.book({1991: "1", 1992: "1"}, {1990: "30", 1989: "1"})
    desk.now_ms += 10
    desk.trade(1990, "31")
    assert fills(order) == [(1990, "1")]


def test_a_trade_of_before_is_not_for_an_order_that_has_just_come(desk: LiveDesk) -> None:
    """Word of it comes late; nor is the last trade, which every subscription tells anew."""
    order = resting(desk)
    desk.trade(1990, "5", age_ms=60)
    desk.now_ms += 10
    desk.trade(1990, "5", changes={"stream_type": "SNAPSHOT"})
    assert not order.fills


@pytest.mark.failure("I1")
@pytest.mark.parametrize("kind", ["trade", "orderbook"])
def test_nothing_is_filled_in_a_gap_and_the_place_in_the_queue_is_lost(desk: LiveDesk, kind: str) -> None:
    """Whichever feed is missing. Afterwards an order waits behind all that is shown then."""
    rests, comes = resting(desk), desk.buy(30_000)
    desk.live.closed(kind)
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    desk.trade(1999, "100")
    desk.live.looked(MARKET, desk.row(ASKS, BIDS), asked_ms=desk.now_ms)
    assert (rests.fills, comes.fills) == ([], [])
    desk.now_ms += 5_000
    desk.live.opened(kind)
    desk.book(ASKS, {**BIDS, 2000: "20"})
    assert fills(comes)
    desk.now_ms += 10
    desk.trade(2000, "21")
    assert fills(rests) == [(2000, "1")]
    assert desk.live.gaps == [(NOON_MS + 100, NOON_MS + 5_200)]


@pytest.mark.failure("I3")
def test_an_order_that_no_book_is_known_for_is_given_up_whole(desk: LiveDesk) -> None:
    """It waits for a minute; then its money is back."""
    order = desk.buy(30_000)
    desk.live.closed("trade")
    desk.pass_ms(PATIENCE_MS - 1)
    assert order.open
    desk.pass_ms(1)
    assert (order.state, order.fills) == ("cancel", [])
    assert desk.exchange.accounts.of("KRW") == (Decimal(1_000_000), Decimal(0))
    assert (desk.live.given_up, desk.exchange.in_flight) == (1, 0)


def test_a_cancel_ends_an_order_that_still_waits_for_its_book(desk: LiveDesk) -> None:
    """No later book brings it back."""
    order = desk.buy(30_000)
    desk.exchange.cancel(order)
    desk.now_ms += 100
    desk.book(ASKS, BIDS)
    assert (order.state, order.fills) == ("cancel", [])


def test_where_no_book_was_ever_heard_of_nothing_can_be_ordered() -> None:
    """What is not known is not traded on."""
    with pytest.raises(ApiError, match="market_offline"):
        LiveDesk().buy(30_000)


@pytest.mark.failure("I2")
@pytest.mark.parametrize(
    ("asks", "bids", "changes", "why"),
    [
        ({2000: "1"}, {2000: "1"}, {}, "a crossed book"),
        ({2002: "1", 2001: "1"}, {2000: "1", 1999: "1"}, {}, "levels out of order"),
        ({2001: "1"}, {2000: "1"}, {"timestamp": NOON_MS + AHEAD_MS + 201}, "from the future"),
        ({2001: "1"}, {2000: "1"}, {"timestamp": NOON_MS - 1}, "an older book"),
        ({2001: "1"}, {2000: "1"}, {"timestamp": None}, "no timestamp"),
        ({2001: "1"}, {2000: "1"}, {"orderbook_units": "many"}, "no book"),
        ({2001: "-1"}, {2000: "1"}, {}, "no ask_size"),
    ],
)
def test_a_book_that_cannot_be_is_met_by_nobody(
    desk: LiveDesk, asks: Mapping[int, str], bids: Mapping[int, str], changes: dict[str, object], why: str
) -> None:
    """It is counted, and what was known before stays."""
    order = desk.buy(30_000)
    desk.now_ms += 200
    desk.book(asks, bids, changes=changes)
    assert desk.live.odd == {why: 1}
    assert not order.fills
    desk.book(ASKS, BIDS)
    assert order.fills


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"trade_price": Decimal(0)}, "no trade"),
        ({"trade_volume": "3"}, "no trade_volume"),
        ({"ask_bid": "MAYBE"}, "no trade"),
        ({"trade_timestamp": NOON_MS + 10 * AHEAD_MS}, "from the future"),
        ({"trade_timestamp": Decimal("1.5")}, "no trade_timestamp"),
        ({"sequential_id": True}, "no sequential_id"),
    ],
)
def test_a_trade_that_cannot_be_moves_nobody(desk: LiveDesk, changes: dict[str, object], why: str) -> None:
    """It is counted."""
    order = resting(desk)
    desk.now_ms += 10
    desk.trade(1999, "3", changes=changes)
    assert (desk.live.odd, order.fills) == ({why: 1}, [])


@pytest.mark.failure("I2")
def test_a_trade_that_is_told_twice_fills_once(desk: LiveDesk) -> None:
    """Its number says that it is the same."""
    order = resting(desk)
    desk.now_ms += 10
    desk.trade(1999, "3")
    desk.number -= 1
    desk.trade(1999, "3")
    assert fills(order) == [(2000, "3")]
    assert desk.live.odd == {"a trade again": 1}


def test_books_are_followed_of_what_is_targeted_held_and_ordered_and_of_one_that_never_rests(desk: LiveDesk) -> None:
    """Trades of every market, books of few."""
    assert desk.upstream.followed["trade"] == {OTHER, MARKET}
    assert desk.upstream.followed["orderbook"] == {OTHER}
    desk.live.serve({"ticker": frozenset({MARKET})})
    assert desk.upstream.followed["orderbook"] == {OTHER, MARKET}
    desk.live.serve({})
    assert desk.upstream.followed["orderbook"] == {OTHER}
    desk.buy(30_000)
    assert desk.upstream.followed["orderbook"] == {OTHER, MARKET}


def test_a_silent_feed_is_told_from_a_quiet_market(desk: LiveDesk) -> None:
    """Tickers know when the last trade was."""
    assert not desk.live.missed([{"trade_timestamp": NOON_MS + AHEAD_MS}, "odd", {"trade_timestamp": None}])
    assert desk.live.missed([{"trade_timestamp": NOON_MS + AHEAD_MS + 1}])


def test_listings_are_the_won_markets_with_their_flags() -> None:
    """Rows that are none are left out."""
    rows = [
        {
            "market": "KRW-A",
            "korean_name": "가",
            "english_name": "A",
            "market_event": {"warning": True, "caution": {"X": True}},
        },
        {"market": "BTC-A"},
        {"market": "KRW-B", "market_event": {"warning": "yes", "caution": {"Y": False}}},
        17,
    ]
    first, second = read_listings(rows)
    assert (first.market, first.korean_name, first.warning, first.caution) == ("KRW-A", "가", True, frozenset({"X"}))
    assert (second.market, second.warning, second.caution) == ("KRW-B", False, frozenset())
    assert read_listings("none") == ()
