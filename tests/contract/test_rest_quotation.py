"""Market data over REST: markets, candles, trades, tickers, books."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.market.feed import PublicTrade
from tests.helpers.sandbox_desk import PRICE, START, START_MS, draw

if TYPE_CHECKING:
    from tests.helpers.sandbox_desk import Desk

MINUTES = "/v1/candles/minutes/1"
COMMON = {
    "market", "candle_date_time_utc", "candle_date_time_kst", "opening_price", "high_price", "low_price",
    "trade_price", "timestamp", "candle_acc_trade_price", "candle_acc_trade_volume",
}  # fmt: skip


def clock(candle: dict[str, Any]) -> str:
    """Return when a candle opened, hours and minutes UTC."""
    return str(candle["candle_date_time_utc"])[11:16]


def trade(desk: Desk, seconds: float, price: int, volume: str = "1", taker: str = "BID") -> None:
    """Let somebody trade so many seconds after the start."""
    at_ms = START_MS + int(seconds * 1000)
    planned = PublicTrade("KRW-BTC", Decimal(price), Decimal(volume), at_ms, taker, at_ms)  # type: ignore[arg-type]
    desk.source.planned.append(planned)


# -- markets


@pytest.mark.statement(17)
async def test_markets_with_and_without_details(desk: Desk) -> None:
    """Three fields without details; with them also the warning and five caution flags."""
    plain = await desk.get("/v1/market/all")
    assert plain == await desk.get("/v1/market/all", is_details="false")
    assert plain[0] == {"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin"}
    btc, xrp, *pairs = await desk.get("/v1/market/all", is_details="true")
    assert set(btc) == {"market", "korean_name", "english_name", "market_event"}
    assert btc["market_event"] == {
        "warning": False,
        "caution": {
            "PRICE_FLUCTUATIONS": False,
            "TRADING_VOLUME_SOARING": False,
            "DEPOSIT_AMOUNT_SOARING": False,
            "GLOBAL_PRICE_DIFFERENCES": False,
            "CONCENTRATION_OF_SMALL_ACCOUNTS": False,
        },
    }
    assert xrp["market_event"]["warning"] is True
    assert [name for name, flag in xrp["market_event"]["caution"].items() if flag] == ["PRICE_FLUCTUATIONS"]
    assert [pair["market"] for pair in pairs] == ["BTC-XRP", "USDT-BTC", "USDT-XRP"]


async def test_a_market_of_another_quote_currency_is_shown_and_not_traded(desk: Desk) -> None:
    """Its figures are the won market's in that currency; an order needs a consent nobody has given."""
    won, bitcoin, pair = await desk.get("/v1/ticker", markets="KRW-XRP,KRW-BTC,BTC-XRP")
    assert pair["market"] == "BTC-XRP"
    exact = Decimal(str(won["trade_price"])) / Decimal(str(bitcoin["trade_price"]))
    assert Decimal(str(pair["trade_price"])) == exact.quantize(Decimal("0.00000001"))
    assert pair["acc_trade_volume_24h"] == won["acc_trade_volume_24h"]
    assert pair["signed_change_rate"] == won["signed_change_rate"]
    (book,) = await desk.get("/v1/orderbook", markets="BTC-XRP")
    assert book["orderbook_units"][0]["bid_price"] < book["orderbook_units"][0]["ask_price"] < 0.001
    (candle,) = await desk.get("/v1/candles/minutes/1", market="USDT-BTC", count="1")
    assert candle["market"] == "USDT-BTC"
    assert abs(float(candle["trade_price"]) * 1450 / float(bitcoin["trade_price"]) - 1) < 0.01
    assert {row["market"] for row in await desk.get("/v1/ticker/all", quote_currencies="BTC,USDT")} == {
        "BTC-XRP",
        "USDT-BTC",
        "USDT-XRP",
    }
    steps = await desk.get("/v1/orderbook/instruments", markets="BTC-XRP,USDT-BTC")
    assert [(one["quote_currency"], one["tick_size"], one["supported_levels"]) for one in steps] == [
        ("BTC", "0.00000001", ["0"]),
        ("USDT", "0.01", ["0"]),
    ]
    status, refused = await desk.post({"market": "BTC-XRP", "side": "bid", "ord_type": "price", "price": "1"})
    assert (status, refused["error"]["name"]) == (403, "thirdparty_agreement_required")
    assert (await desk.call("GET", "/v1/ticker", {"markets": "BTC-NOBODY"}))[0] == 404


# -- candles


@pytest.mark.statement(18)
@pytest.mark.parametrize(
    "to",
    ["2026-11-24T08:30:00Z", "2026-11-24T17:30:00+09:00", "2026-11-24 08:30:00", "2026-11-24T08:30:00.000Z",
     "2026-11-24T08:30:00", "2026-11-24 17:30:00+09:00"],
)  # fmt: skip
async def test_candles_before_a_moment_in_every_spelling(desk: Desk, to: str) -> None:
    """The bound is exclusive and is UTC unless it says otherwise; newest comes first."""
    candles = await desk.get(MINUTES, market="KRW-BTC", to=to, count=3)
    assert [clock(candle) for candle in candles] == ["08:29", "08:28", "08:27"]
    assert candles[0]["candle_date_time_kst"] == "2026-11-24T17:29:00"


@pytest.mark.statement(18)
async def test_a_bound_inside_a_period_gives_the_whole_period(desk: Desk) -> None:
    """What opened before the bound is in, whole, whatever comes after it."""
    candles = await desk.get(MINUTES, market="KRW-BTC", to="2026-11-24T08:30:00.001Z", count=2)
    assert [clock(candle) for candle in candles] == ["08:29", "08:28"]  # the tenth minute has no trade
    assert clock((await desk.get(MINUTES, market="KRW-BTC", to="2026-11-24T08:29:30Z"))[0]) == "08:29"


@pytest.mark.statement(18)
async def test_one_candle_by_default_and_two_hundred_at_most(desk: Desk) -> None:
    """Whoever wants more pages backwards with the oldest time received."""
    assert len(await desk.get(MINUTES, market="KRW-BTC")) == 1
    page = await desk.get(MINUTES, market="KRW-BTC", count=200)
    times = [candle["candle_date_time_utc"] for candle in page]
    assert len(set(times)) == 200
    assert times == sorted(times, reverse=True)
    older = await desk.get(MINUTES, market="KRW-BTC", count=200, to=times[-1] + "Z")
    assert older[0]["candle_date_time_utc"] < times[-1]
    assert await desk.get(MINUTES, market="KRW-BTC", count=200, to="2000-01-01T00:00:00Z") == []


@pytest.mark.statement(19)
async def test_a_period_without_a_trade_has_no_candle(desk: Desk) -> None:
    """Nothing is filled in, before the start and after it."""
    gap = await desk.get(MINUTES, market="KRW-BTC", to="2026-11-24T08:22:00Z", count=3)
    assert [clock(candle) for candle in gap] == ["08:21", "08:19", "08:18"]
    desk.source.quiet = True
    trade(desk, 30, PRICE)
    trade(desk, 200, PRICE)
    desk.pass_time(400)
    found = await desk.get(MINUTES, market="KRW-BTC", count=3)
    assert [clock(candle) for candle in found] == ["09:03", "09:00", "08:59"]
    seconds = await desk.get("/v1/candles/seconds", market="KRW-BTC", count=2)
    assert [candle["candle_date_time_utc"][11:] for candle in seconds] == ["09:03:20", "09:00:30"]


@pytest.mark.statement(19)
async def test_the_forming_candle_comes_first_and_is_the_trades_so_far(desk: Desk) -> None:
    """It appears with the first trade of its period and changes with each one."""
    desk.source.quiet = True
    assert clock((await desk.get(MINUTES, market="KRW-BTC"))[0]) == "08:59"
    for second, price in ((5, PRICE), (6, PRICE + 3000), (7, PRICE - 2000), (8, PRICE + 1000)):
        trade(desk, second, price, "0.5")
    desk.pass_time(7)
    forming = (await desk.get(MINUTES, market="KRW-BTC"))[0]
    assert (forming["trade_price"], forming["candle_acc_trade_volume"]) == (PRICE - 2000, Decimal("1.5"))
    desk.pass_time(10)
    forming = (await desk.get(MINUTES, market="KRW-BTC"))[0]
    assert (forming["opening_price"], forming["high_price"], forming["low_price"], forming["trade_price"]) == (
        PRICE, PRICE + 3000, PRICE - 2000, PRICE + 1000,
    )  # fmt: skip
    assert forming["candle_acc_trade_price"] == 2 * PRICE + 1000
    assert forming["timestamp"] == START_MS + 8_000


@pytest.mark.statement(20)
@pytest.mark.parametrize(
    ("path", "extra"),
    [("seconds", set()), *((f"minutes/{unit}", {"unit"}) for unit in (1, 3, 5, 10, 15, 30, 60, 240)),
     ("days", {"prev_closing_price", "change_price", "change_rate"}), ("weeks", {"first_day_of_period"}),
     ("months", {"first_day_of_period"}), ("years", {"first_day_of_period"})],
)  # fmt: skip
async def test_each_unit_has_its_fields(desk: Desk, path: str, extra: set[str]) -> None:
    """Minutes name their unit, days the close before, weeks and longer their first day, seconds nothing more."""
    desk.pass_time(2)
    candle = (await desk.get(f"/v1/candles/{path}", market="KRW-BTC"))[0]
    assert set(candle) == COMMON | extra
    if "unit" in extra:
        assert candle["unit"] == int(path.split("/")[1])


@pytest.mark.statement(20)
@pytest.mark.parametrize(
    ("path", "opened"),
    [("days", "2026-11-24"), ("weeks", "2026-11-23"), ("months", "2026-11-01"), ("years", "2026-01-01")],
)
async def test_long_periods_begin_at_midnight_utc(desk: Desk, path: str, opened: str) -> None:
    """Days at 00:00 UTC, which is nine in Korea; weeks on Monday; months and years on their first."""
    desk.pass_time(2)
    candle = (await desk.get(f"/v1/candles/{path}", market="KRW-BTC"))[0]
    assert candle["candle_date_time_utc"] == f"{opened}T00:00:00"
    assert candle["candle_date_time_kst"] == f"{opened}T09:00:00"
    if path != "days":
        assert candle["first_day_of_period"] == opened


@pytest.mark.statement(20)
async def test_years_reach_back(desk: Desk) -> None:
    """A bound long ago gives the year before it, not one that never was."""
    years = await desk.get("/v1/candles/years", market="KRW-BTC", count=5)
    assert [year["first_day_of_period"] for year in years] == ["2026-01-01", "2025-01-01"]
    older = await desk.get("/v1/candles/years", market="KRW-BTC", count=5, to="2026-01-01T00:00:00Z")
    assert older == years[1:]
    for moment in ("0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00"):
        assert (await desk.call("GET", "/v1/candles/years", {"market": "KRW-BTC", "to": moment}))[0] == 400
    latest = await desk.get("/v1/candles/years", market="KRW-BTC", count=5, to="9999-12-31T23:59:59Z")
    assert latest == years


@pytest.mark.statement(20)
async def test_a_days_change_is_signed(desk: Desk) -> None:
    """Against the close of the day before; the price in won comes only when asked for."""
    desk.source.quiet = True
    trade(desk, 1, PRICE - 1_605_940)
    desk.pass_time(2)
    day = (await desk.get("/v1/candles/days", market="KRW-BTC"))[0]
    assert (day["prev_closing_price"], day["change_price"], day["change_rate"]) == (PRICE, -1_605_940, Decimal("-0.01"))
    converted = (await desk.get("/v1/candles/days", market="KRW-BTC", converting_price_unit="KRW"))[0]
    assert converted["converted_trade_price"] == day["trade_price"]


@pytest.mark.statement(21)
async def test_all_figures_of_a_day_agree(desk: Desk) -> None:
    """Minutes add up to hours and the day, its last close is the ticker's price, its open the ticker's."""
    desk.source.quiet = True
    midnight = (datetime(2026, 11, 25, tzinfo=UTC) - START).total_seconds()
    for number in range(150):
        trade(desk, midnight + 41 * number, PRICE + 1000 * (number * 7 % 11 - 5), f"0.{number + 1:08}")
    desk.pass_time(midnight + 41 * 150)
    minutes = await desk.get(MINUTES, market="KRW-BTC", count=150)
    minutes = [candle for candle in minutes if candle["candle_date_time_utc"] >= "2026-11-25"]
    hours = await desk.get("/v1/candles/minutes/60", market="KRW-BTC", count=2)
    day = (await desk.get("/v1/candles/days", market="KRW-BTC"))[0]
    ticker = (await desk.get("/v1/ticker", markets="KRW-BTC"))[0]
    for field, whole in (
        ("candle_acc_trade_volume", "acc_trade_volume"),
        ("candle_acc_trade_price", "acc_trade_price"),
    ):
        total = sum(candle[field] for candle in minutes)
        assert total == sum(candle[field] for candle in hours) == day[field] == ticker[whole]
    assert max(candle["high_price"] for candle in minutes) == day["high_price"] == ticker["high_price"]
    assert min(candle["low_price"] for candle in minutes) == day["low_price"] == ticker["low_price"]
    assert minutes[0]["trade_price"] == day["trade_price"] == ticker["trade_price"]
    assert minutes[-1]["opening_price"] == day["opening_price"] == ticker["opening_price"]
    newest = (await desk.get("/v1/trades/ticks", market="KRW-BTC"))[0]
    assert (newest["trade_price"], newest["timestamp"]) == (ticker["trade_price"], ticker["trade_timestamp"])


@pytest.mark.statement(22)
@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/v1/candles/minutes/7", {"market": "KRW-BTC"}, 400),
        ("/v1/candles/minutes/x", {"market": "KRW-BTC"}, 400),
        ("/v1/candles/minutes/", {"market": "KRW-BTC"}, 400),
        ("/v1/candles/minutes/" + "9" * 5000, {"market": "KRW-BTC"}, 400),
        (MINUTES, {"market": "KRW-BTC", "count": "abc"}, 400),
        (MINUTES, {"market": "KRW-BTC", "count": "0"}, 400),
        (MINUTES, {"market": "KRW-BTC", "count": "-1"}, 400),
        (MINUTES, {"market": "KRW-BTC", "count": "201"}, 400),
        (MINUTES, {"market": "KRW-BTC", "count": "1.0"}, 400),
        (MINUTES, {"market": "KRW-BTC", "to": "yesterday"}, 400),
        (MINUTES, {"market": "KRW-BTC", "to": "2026-11-24"}, 400),
        (MINUTES, {"market": "KRW-BTC", "to": "2026-11-24T08:30:00 09:00"}, 400),
        (MINUTES, {}, 400),
        (MINUTES, {"market": "KRW-NONE"}, 404),
        (MINUTES, {"market": "krw-btc"}, 404),
        ("/v1/candles/days", {"market": "KRW-BTC", "converting_price_unit": "USD"}, 400),
        ("/v1/ticker", {"markets": "KRW-BTC,KRW-NONE"}, 404),
        ("/v1/ticker", {}, 400),
        ("/v1/ticker/all", {}, 400),
        ("/v1/orderbook", {"markets": "KRW-BTC", "count": "x"}, 400),
        ("/v1/orderbook", {"markets": "KRW-BTC", "level": "x"}, 400),
        ("/v1/orderbook", {"markets": "KRW-NONE"}, 404),
        ("/v1/orderbook/instruments", {}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "days_ago": "9"}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "days_ago": "x"}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "cursor": "1" * 5000}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "count": "501"}, 400),
        ("/v1/trades/ticks", {"market": "KRW-BTC", "to": "25 o'clock"}, 400),
        ("/v1/market/all", {"is_details": "yes"}, 400),
    ],
)
async def test_quotation_errors_have_integer_names(desk: Desk, path: str, query: dict[str, str], status: int) -> None:
    """The name of a market data error is its status, and a market nobody lists is `Code not found`."""
    answered, body, _ = await desk.call("GET", path, query)
    assert (answered, body["error"]["name"]) == (status, status)
    assert (body["error"]["message"] == "Code not found") is (status == 404)
    assert desk.box.violations == {str(status): 1}


@pytest.mark.statement(22)
@pytest.mark.parametrize("market", ["BTC-ETH", "USDT-SOL", "EUR-BTC"])
async def test_a_pair_of_a_coin_that_is_not_listed_is_unknown(desk: Desk, market: str) -> None:
    """Market data calls it unknown, and so do orders."""
    assert (await desk.call("GET", "/v1/ticker", {"markets": market}))[1]["error"]["name"] == 404
    assert await desk.refused({"market": market, "side": "bid", "ord_type": "price", "price": "1"}) == "notfoundmarket"


# -- tickers and trades


@pytest.mark.statement(23)
async def test_tickers_by_comma_by_repetition_and_all(desk: Desk) -> None:
    """Both spellings of a list work, and all of a quote currency."""
    both = ["KRW-XRP", "KRW-BTC"]
    for query in ({"markets": ",".join(both)}, {"markets": both}):
        assert [ticker["market"] for ticker in await desk.get("/v1/ticker", **query)] == both
    assert [ticker["market"] for ticker in await desk.get("/v1/ticker/all", quote_currencies="KRW,BTC")] == [
        "KRW-BTC", "KRW-XRP", "BTC-XRP",
    ]  # fmt: skip


@pytest.mark.statement(23)
@pytest.mark.parametrize(("moved", "change"), [(-1_605_940, "FALL"), (0, "EVEN"), (1_605_940, "RISE")])
async def test_changes_are_absolute_unless_called_signed(desk: Desk, moved: int, change: str) -> None:
    """Against the close of the day before, which ended at nine in Korea."""
    desk.source.quiet = True
    trade(desk, 1, PRICE + moved, "0.25")
    desk.pass_time(2)
    ticker = (await desk.get("/v1/ticker", markets="KRW-BTC"))[0]
    rate = Decimal(moved) / PRICE
    assert (ticker["change"], ticker["change_price"], ticker["signed_change_price"]) == (change, abs(moved), moved)
    assert (ticker["change_rate"], ticker["signed_change_rate"]) == (abs(rate), rate)
    assert (ticker["trade_volume"], ticker["prev_closing_price"]) == (Decimal("0.25"), PRICE)
    assert (ticker["trade_date"], ticker["trade_time"], ticker["trade_time_kst"]) == ("20261124", "090001", "180001")


@pytest.mark.statement(24)
async def test_trades_page_by_cursor(desk: Desk) -> None:
    """Newest first, ids are unique integers, and a cursor gives strictly older trades without a gap."""
    desk.pass_time(5)
    whole = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=10)
    ids = [trade["sequential_id"] for trade in whole]
    assert all(type(number) is int for number in ids)
    assert ids == sorted(set(ids), reverse=True)
    assert len(await desk.get("/v1/trades/ticks", market="KRW-BTC")) == 1
    assert await desk.get("/v1/trades/ticks", market="KRW-BTC", count=500, cursor=ids[3]) == whole[4:]


@pytest.mark.statement(24)
async def test_a_trade_tells_its_taker_and_its_signed_change(desk: Desk) -> None:
    """Price, volume, time in UTC, who took, and the change against yesterday's close, with its sign."""
    desk.source.quiet = True
    trade(desk, 1.25, PRICE - 5000, "0.125", "ASK")
    desk.pass_time(2)
    assert await desk.get("/v1/trades/ticks", market="KRW-BTC") == [
        {
            "market": "KRW-BTC",
            "trade_date_utc": "2026-11-24",
            "trade_time_utc": "09:00:01",
            "timestamp": START_MS + 1250,
            "trade_price": PRICE - 5000,
            "trade_volume": Decimal("0.125"),
            "prev_closing_price": PRICE,
            "change_price": -5000,
            "ask_bid": "ASK",
            "sequential_id": START_MS + 1250,
        }
    ]


@pytest.mark.statement(24)
async def test_trades_before_a_time_of_a_day(desk: Desk) -> None:
    """`to` is a time of the UTC day, in either spelling, and `days_ago` says of which day."""
    desk.source.quiet = True
    for seconds in (10, 20, 30):
        trade(desk, seconds, PRICE)
    desk.pass_time(60)
    for to in ("090020", "09:00:20"):
        found = await desk.get("/v1/trades/ticks", market="KRW-BTC", count=9, to=to)
        assert [trade["trade_time_utc"] for trade in found] == ["09:00:10"]
    desk.pass_time(timedelta(days=1).total_seconds())
    assert len(await desk.get("/v1/trades/ticks", market="KRW-BTC", count=9, days_ago=1)) == 3
    assert len(await desk.get("/v1/trades/ticks", market="KRW-BTC", count=9, days_ago=1, to="090030")) == 2
    assert await desk.get("/v1/trades/ticks", market="KRW-BTC", count=9, days_ago=2) == []


# -- books


@pytest.mark.statement(25)
async def test_books_are_best_first_and_thirty_levels_at_most(desk: Desk) -> None:
    """As many levels as asked for, more are clamped, and the i-th ask stands beside the i-th bid."""
    book = (await desk.get("/v1/orderbook", markets="KRW-BTC"))[0]
    assert set(book) == {"market", "timestamp", "total_ask_size", "total_bid_size", "orderbook_units", "level"}
    asks, bids = ([unit[side] for unit in book["orderbook_units"]] for side in ("ask_price", "bid_price"))
    assert (asks, bids) == (sorted(asks), sorted(bids, reverse=True))
    assert (asks[0], bids[0], len(asks)) == (PRICE, PRICE - 1000, 30)
    for asked, got in ((1, 1), (5, 5), (30, 30), (31, 30), (10**9, 30)):
        answer = await desk.get("/v1/orderbook", markets="KRW-BTC,KRW-XRP", count=asked)
        assert [len(book["orderbook_units"]) for book in answer] == [got, got]
        desk.pass_time(0.2)


@pytest.mark.statement(25)
async def test_a_thin_side_is_filled_up_with_zeros(desk: Desk) -> None:
    """A side with fewer levels than the other is padded, so that the units stay pairs."""
    desk.source.drawn["KRW-BTC"] = draw({PRICE: "1", PRICE + 1000: "2"}, {PRICE - 1000: "3"})
    book = (await desk.get("/v1/orderbook", markets="KRW-BTC"))[0]
    assert book["orderbook_units"] == [
        {"ask_price": PRICE, "bid_price": PRICE - 1000, "ask_size": 1, "bid_size": 3},
        {"ask_price": PRICE + 1000, "bid_price": 0, "ask_size": 2, "bid_size": 0},
    ]
    assert (book["total_ask_size"], book["total_bid_size"]) == (3, 3)


@pytest.mark.statement(25)
async def test_a_grouped_book_joins_prices_outwards(desk: Desk) -> None:
    """Bids join the multiple below them and asks the one above, sizes add up; an unsupported grouping gives nothing."""
    desk.source.drawn["KRW-BTC"] = draw(
        {160_594_000: "1", 160_600_000: "2", 160_601_000: "4"}, {160_593_000: "1", 160_590_000: "2", 160_589_000: "4"}
    )
    (book,) = await desk.get("/v1/orderbook", markets="KRW-BTC", level="10000")
    assert book["orderbook_units"] == [
        {"ask_price": 160_600_000, "bid_price": 160_590_000, "ask_size": 3, "bid_size": 3},
        {"ask_price": 160_610_000, "bid_price": 160_580_000, "ask_size": 4, "bid_size": 4},
    ]
    assert book["level"] == 10_000
    assert await desk.get("/v1/orderbook", markets="KRW-BTC", level="777") == []
    assert (await desk.get("/v1/orderbook", markets="KRW-BTC", level="0"))[0]["level"] == 0


@pytest.mark.statement(25)
async def test_instruments_tell_the_step_of_now(desk: Desk) -> None:
    """The step is a text and that of the current price; the groupings are those the documents show for such a price."""
    btc, xrp = await desk.get("/v1/orderbook/instruments", markets="KRW-BTC,KRW-XRP")
    assert btc == {
        "market": "KRW-BTC",
        "quote_currency": "KRW",
        "tick_size": "1000",
        "supported_levels": ["0", "10000", "100000", "1000000", "10000000", "100000000"],
    }
    assert (xrp["tick_size"], xrp["supported_levels"]) == ("1", ["0", "10", "100", "1000"])
    desk.source.quiet = True
    trade(desk, 1, 999_999)
    desk.pass_time(2)
    assert (await desk.get("/v1/orderbook/instruments", markets="KRW-BTC"))[0]["tick_size"] == "500"
    (older,) = await desk.get("/v1/orderbook/supported_levels", markets="KRW-XRP")
    assert older == {"market": "KRW-XRP", "supported_levels": [0, 10, 100, 1000]}
