"""Real clients, unmodified, trade on the sandbox; what they saw is compared with a second reading of it.

Each test starts a sandbox and a client as processes of their own. The synchronous SDK stands for the others in the
default run; `make contract` runs all of them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.judges import ACCESS_KEY, SECRET_KEY, Box, judge, open_box, open_paper_box

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Exchange = Callable[[], AbstractContextManager[Box]]

pytestmark = pytest.mark.slow  # live streams beside other tests on a busy machine come late; `make contract`

KEYS = (ACCESS_KEY, SECRET_KEY)
MARKET = "KRW-BTC"
FEE, ZERO = Decimal("0.0005"), Decimal(0)
CANDLE_FIELDS = ("opening_price", "high_price", "low_price", "trade_price", "candle_acc_trade_volume")

REST = [
    pytest.param("sdk.py", (*KEYS, "sync"), id="sdk"),
    pytest.param("sdk.py", (*KEYS, "async"), id="sdk-async", marks=pytest.mark.slow),
    pytest.param("sdk.py", (*KEYS, "aiohttp"), id="sdk-aiohttp", marks=pytest.mark.slow),
    pytest.param("ccxt_rest.py", (*KEYS, "sync"), id="ccxt", marks=pytest.mark.slow),
    pytest.param("ccxt_rest.py", (*KEYS, "async"), id="ccxt-async", marks=pytest.mark.slow),
    pytest.param("pyupbit_rest.py", KEYS, id="pyupbit", marks=pytest.mark.slow),
]


HURRIED = partial(open_box, "--speed", "10")
EXCHANGES = [pytest.param(open_box, id="sandbox"), pytest.param(open_paper_box, id="paper")]
STREAMING = [pytest.param(HURRIED, id="sandbox"), pytest.param(open_paper_box, id="paper")]
"""A market of ours, which may be in a hurry; and one on paper, which is as fast as the market it is in front of."""


def exact(balances: dict[str, list[str]]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return balances a client saw as numbers."""
    return {currency: (Decimal(free), Decimal(held)) for currency, (free, held) in balances.items()}


def funds(order: dict[str, Any]) -> Decimal:
    """Return what the fills of an order were worth."""
    return sum((Decimal(trade["price"]) * Decimal(trade["volume"]) for trade in order["trades"]), ZERO)


def opened(stamp: object) -> datetime:
    """Return when a candle began: UTC text from the SDK, Korean text from pyupbit, milliseconds from ccxt."""
    if isinstance(stamp, int):
        return datetime.fromtimestamp(stamp / 1000, UTC)
    return datetime.fromisoformat(str(stamp)).replace(tzinfo=UTC)


@pytest.mark.statement(1)
@pytest.mark.statement(10)
@pytest.mark.statement(18)
@pytest.mark.statement(37)
@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(("name", "arguments"), REST)
def test_a_client_reads_trades_and_cancels(name: str, arguments: tuple[str, ...], exchange: Exchange) -> None:
    """Markets, candles in pages, prices, an account, six orders and their ends: all as a second reading has it."""
    with exchange() as box:
        story = judge(name, box, *arguments)
        check_market(story, box, korean=name.startswith("pyupbit"))
        check_orders(story)
        check_rest(story, box)


def check_market(story: dict[str, Any], box: Box, *, korean: bool) -> None:
    """Compare the public half of a story."""
    markets = [listing["market"] for listing in box.get("/v1/market/all")]
    assert story["markets"] == markets
    candles = story["candles"]
    times = [(opened(candle[0]) + timedelta(hours=9 * (not korean))).isoformat()[:19] for candle in candles]
    told = box.minutes(MARKET, times[-1], len(candles) - 1)  # the last one may still be forming
    assert len(times) > 400
    assert times[:-1] == [minute["candle_date_time_kst"] for minute in told], "no gap, no duplicate, oldest first"
    for candle, minute in zip(candles, told, strict=False):
        assert [float(value) for value in candle[1:]] == [float(minute[field]) for field in CANDLE_FIELDS]
    asks, bids = zip(*story["book"], strict=True)
    assert [float(ask) for ask in asks] == sorted(float(ask) for ask in asks)
    assert [float(bid) for bid in bids] == sorted((float(bid) for bid in bids), reverse=True)
    assert float(bids[0]) < float(asks[0])
    trades = box.get("/v1/trades/ticks", market=MARKET, count="500")
    assert float(story["ticker"]) in {float(trade["trade_price"]) for trade in trades} | {float(candles[-1][4])}


def check_orders(story: dict[str, Any]) -> None:
    """Compare the private half of a story with the arithmetic of the exchange, to the last digit."""
    before, bought, sold = exact(story["before"]), story["bought"], story["sold"]
    assert [Decimal(value) for value in story["chance"][:2]] == [FEE, 5000]
    assert story["placed"][:2] == ["wait", "0"]
    assert bought["state"] in {"cancel", "done"}
    volume, spent = Decimal(bought["executed_volume"]), funds(bought)
    assert volume == sum(Decimal(trade["volume"]) for trade in bought["trades"]) > 0
    assert Decimal(bought["paid_fee"]) == spent * FEE
    krw = before["KRW"][0] - spent * (1 + FEE)
    assert exact(story["after_buy"]) == {"KRW": (krw, ZERO), "BTC": (volume, ZERO)}
    resting = exact(story["while_resting"])
    assert resting["KRW"][0] + resting["KRW"][1] == krw
    assert resting["KRW"][1] > 0
    assert set(story["open"]) == set(story["resting"])
    assert len(story["open"]) == len(story["resting"]) >= 2
    assert story["cancelled"] == ["wait", "cancel"]
    assert (sold["state"], sold["executed_volume"], sold["remaining_volume"]) == (
        "done",
        bought["executed_volume"],
        "0",
    )
    assert Decimal(sold["paid_fee"]) == funds(sold) * FEE
    assert exact(story["after"]) == {"KRW": (krw + funds(sold) * (1 - FEE), ZERO)}
    ends = dict(story["closed"])
    assert ends[bought["uuid"]] == bought["state"]
    assert ends[sold["uuid"]] == "done"
    assert all(ends[uuid] == "cancel" for uuid in story["resting"])


def check_rest(story: dict[str, Any], box: Box) -> None:
    """Compare what only some clients can do, and the end of the account."""
    assert box.balances() == exact(story["after"])
    bought = box.get("/v1/order", signed=True, uuid=story["bought"]["uuid"])
    assert bought["executed_volume"] == story["bought"]["executed_volume"]
    refusals = {
        "tested": "order_not_found",
        "repeated": "duplicated_identifier",
        "off_tick": "invalid_price_bid",
        "too_much": "insufficient_funds_bid",
        "cancelled_twice": "order_not_found",
    }
    for told, name in refusals.items():
        assert story.get(told, name) == name
    if "replaced" in story:
        old, _, new = story["replaced"]
        assert story["replaced_ended"] == "cancel"
        state, price, volume, wanted = story["successor"]
        assert (state, Decimal(price), Decimal(volume)) == ("wait", Decimal(wanted), Decimal("0.0005"))
        assert old == story["resting"][0]
        assert new not in story["resting"]
    assert story.get("keys", [ACCESS_KEY]) == [ACCESS_KEY]
    assert story.get("batch", [1, 1]) == [1, 1]
    assert story.get("pockets") != "taken"
    volume = story["bought"]["executed_volume"]
    assert story.get("strictly", ["0", "0", volume]) == ["0", "0", volume]  # exactly as the SDK's types say


# -- streams


@pytest.mark.statement(43)
@pytest.mark.statement(45)
@pytest.mark.parametrize("exchange", STREAMING)
@pytest.mark.parametrize("kind", ["sync", pytest.param("async", marks=pytest.mark.slow)])
def test_the_sdk_streams(kind: str, exchange: Exchange) -> None:
    """Every public type in the SDK's own classes, four formats, orders and balances; an indicator is refused."""
    with exchange() as box:
        story = judge("sdk_streams.py", box, *KEYS, kind)
        check_sdk_public(story, box)
        check_formats(story["formats"])
        check_sdk_private(story, box)
    (refused,) = story["indicators"]
    assert refused["error"]["name"] == "INVALID_PARAM"


def check_sdk_public(story: dict[str, Any], box: Box) -> None:
    """Every type came as a snapshot and live, in the class the SDK has for it, with values REST knows."""
    events = story["events"]
    minutes = {f"candle.{unit}" for unit in ("1s", "1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m")}
    classes = {event["type"]: event["class"] for event in events}
    assert classes == {"ticker": "Ticker", "trade": "Trade", "orderbook": "Orderbook"} | dict.fromkeys(
        minutes, "WsCandleResponse"
    )
    assert {(event["type"], event["stream_type"]) for event in events} == {
        (kind, stream) for kind in classes for stream in ("SNAPSHOT", "REALTIME")
    }
    for event in (event for event in events if event["type"] == "trade"):
        seen = (Decimal(event["trade_price"]), Decimal(event["trade_volume"]))
        assert seen == box.trade(MARKET, event["sequential_id"])
    assert all(len(event["orderbook_units"]) == 5 for event in events if event["type"] == "orderbook")
    assert story["listed"]["result"] == [{"type": "orderbook", "codes": ["KRW-BTC.1", "KRW-ETH"], "level": 0}]
    assert [len(book["orderbook_units"]) for book in story["books"]] == [1, 30]


def check_formats(formats: dict[str, list[dict[str, Any]]]) -> None:
    """The SDK read each format into the class it has for it."""
    for form, events in formats.items():
        short = form.startswith("SIMPLE")
        assert {event["class"] for event in events} == {"SimpleTicker" if short else "Ticker"}
        assert [event["st" if short else "stream_type"] for event in events] == ["SNAPSHOT", "REALTIME"]
        assert all(event.get("in_list", False) is form.endswith("LIST") for event in events)


def check_sdk_private(story: dict[str, Any], box: Box) -> None:
    """Orders and balances of the stream are those of REST."""
    orders = [event for event in story["private_events"] if event["type"] == "myOrder"]
    assert {event["class"] for event in orders} == {"MyOrder"}
    bought = [event for event in orders if event["uuid"] == story["bought"]["uuid"]]
    assert [event["state"] for event in bought[:2]] == ["wait", "trade"]
    assert {event["state"] for event in bought[1:-1]} == {"trade"}
    assert bought[-1]["executed_volume"] == story["bought"]["executed_volume"]
    assert Decimal(bought[-1]["executed_funds"]) == funds(story["bought"])
    assert sum(Decimal(event["trade_fee"]) for event in bought[1:-1]) == Decimal(story["bought"]["paid_fee"])
    rested = [event["state"] for event in orders if event["uuid"] == story["rested"]["uuid"]]
    assert rested == ["wait", "cancel"]
    last = {
        asset["currency"]: (Decimal(asset["balance"]), Decimal(asset["locked"]))
        for event in story["private_events"]
        if event["type"] == "myAsset"
        for asset in event["assets"]
    }
    assert last == exact(story["accounts"]) == box.balances()


@pytest.mark.statement(43)
@pytest.mark.parametrize("exchange", STREAMING)
def test_ccxt_pro_watches(exchange: Exchange) -> None:
    """Tickers, trades, books and seconds on one socket that accumulates; orders, fills and balances on another."""
    with exchange() as box:
        story = judge("ccxt_pro.py", box, *KEYS)
        public = [box.trade(MARKET, trade["sequential_id"]) for trade in story["trades"]]
        balances = box.balances()
    assert {ticker["code"] for ticker in story["tickers"]} == {MARKET}
    seen = [(trade["trade_price"], trade["trade_volume"]) for trade in story["trades"]]
    assert seen == [(float(price), float(volume)) for price, volume in public]
    assert all(asks == bids == 15 and ask > bid for asks, bids, ask, bid in story["books"])
    seconds = [candle[0] for candle in story["candles"]]
    assert len(seconds) == 3
    assert all(second % 1000 == 0 for second in seconds)
    assert set(story["two"]) <= {"BTC/KRW", "ETH/KRW"}
    bought = next(order for order in story["orders"] if order["trades"])
    rested = next(order for order in story["orders"] if not order["trades"])
    assert rested["state"] == "cancel"
    last = {event["uuid"]: event for event in story["events"]}
    for order in (bought, rested):
        assert last[order["uuid"]]["state"] == order["state"]
        assert last[order["uuid"]]["executed_volume"] == float(order["executed_volume"])
    told = [event["state"] for event in story["events"] if event["uuid"] == bought["uuid"]]
    assert told == ["wait", *["trade"] * len(bought["trades"]), bought["state"]]  # each event was seen
    order, fill, price, volume = story["trade"]
    assert (order, fill) == (bought["uuid"], bought["trades"][0]["uuid"])
    assert (price, volume) == (float(bought["trades"][0]["price"]), float(bought["trades"][0]["volume"]))
    assert exact(story["accounts"]) == balances
    assert story["balance"] == {name: [float(free), float(held)] for name, (free, held) in balances.items()}


@pytest.mark.statement(43)
@pytest.mark.parametrize("exchange", STREAMING)
def test_pyupbit_listens(exchange: Exchange) -> None:
    """Its manager, which decodes binary frames and knows one old flag, gets live frames of its three types."""
    with exchange() as box:
        story = judge("pyupbit_stream.py", box)
        public = [box.trade(trade["code"], trade["sequential_id"]) for trade in story["trade"]]
    for kind, frames in story.items():
        assert len(frames) == 5
        assert {(frame["type"], frame["stream_type"]) for frame in frames} == {(kind, "REALTIME")}
    seen = [(trade["trade_price"], trade["trade_volume"]) for trade in story["trade"]]
    assert seen == [(float(price), float(volume)) for price, volume in public]
    assert all(len(book["orderbook_units"]) == 30 for book in story["orderbook"])
