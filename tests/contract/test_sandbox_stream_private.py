"""The sandbox's private WebSocket side: orders, balances, announcements, and who may listen."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from sandbox.auth import ApiKey
from sandbox.keys import MAKE_ORDERS, VIEW_ACCOUNT, VIEW_ORDERS, KeyOptions, PocketOptions
from sandbox.market.feed import PublicTrade
from sandbox.wire import to_ms
from tests.helpers.sandbox_desk import PRICE, START, Desk, open_desk
from tests.helpers.stream_line import (
    ANNOUNCEMENT_KEYS,
    ASSET_KEYS,
    BALANCE_KEYS,
    FORMATS,
    INFO,
    ORDER_KEYS,
    PRIVATE,
    PUBLIC,
    Line,
    connect,
    spelled,
    unwrapped,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AMOUNTS = (
    "price", "avg_price", "volume", "remaining_volume", "executed_volume", "reserved_fee", "remaining_fee", "paid_fee",
    "locked", "executed_funds", "trade_fee", "prevented_volume", "prevented_locked",
)  # fmt: skip


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened


async def watch_orders(line: Line, **more: object) -> None:
    """Subscribe to orders, and see that nothing is sent for that."""
    await line.ask({"type": "myOrder"} | more)
    assert await line.nothing_more(), "there is no snapshot"


def public_trade(desk: Desk, price: int, volume: str) -> None:
    """Let strangers trade once in KRW-BTC."""
    desk.pass_time(1)
    at_ms = to_ms(desk.now) + 500
    desk.source.planned.append(PublicTrade("KRW-BTC", Decimal(price), Decimal(volume), at_ms, "ASK", at_ms))
    desk.pass_time(1)


# -- who may listen


@pytest.mark.statement(49)
@pytest.mark.parametrize("path", [PRIVATE, INFO])
async def test_the_private_paths_need_a_token(desk: Desk, path: str) -> None:
    """Without a token, with a wrong one, or with one that was used, the error is told in band; then a normal close."""
    used = desk.token()
    async with connect(desk, path, token=False, headers=used) as line:
        assert await line.nothing_more()
    for headers in ({}, {"Authorization": "Bearer rubbish"}, used, desk.token(access_key="nobody")):
        desk.pass_time(1)
        async with connect(desk, path, token=False, headers=headers) as line:
            assert await line.error() == "INVALID_AUTH"


@pytest.mark.statement(49)
async def test_my_asset_takes_no_codes(desk: Desk) -> None:
    """Codes with myAsset are a format error, even an empty list."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myAsset", "codes": []})
        assert await line.error() == "WRONG_FORMAT"


@pytest.mark.statement(49)
async def test_public_types_are_unknown_on_the_private_path(desk: Desk) -> None:
    """Each path has its types."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "ticker", "codes": ["KRW-BTC"]})
        assert await line.error() == "INVALID_PARAM"


async def test_a_key_hears_what_it_may(desk: Desk) -> None:
    """Orders need the permission to view orders, balances that to view assets, announcements none."""
    for name, permissions in (("orders", {VIEW_ORDERS}), ("assets", {VIEW_ACCOUNT}), ("maker", {MAKE_ORDERS})):
        desk.box.gate.keys[name] = ApiKey(
            access_key=name,
            secret_key=desk.options.secret_key,
            expires_at=START.replace(year=2027),
            permissions=frozenset(permissions),
        )
    allowed = {"orders": "myOrder", "assets": "myAsset", "maker": "announcement"}
    for name, kind in allowed.items():
        for asked in ("myOrder", "myAsset", "announcement"):
            desk.pass_time(1)
            async with connect(desk, PRIVATE, token=False, headers=desk.token(access_key=name)) as line:
                await line.ask({"type": asked})
                if asked in {kind, "announcement"}:
                    assert await line.nothing_more()
                else:
                    assert await line.error() == "INVALID_AUTH"


async def test_indicators_are_refused(desk: Desk) -> None:
    """The path of indicators is there, and says in the exchange's words that it computes none."""
    wanted = {
        "codes": ["KRW-BTC"],
        "timeframe": "15m",
        "indicators": [{"type": "rsi", "params": {"period": 14}}],
    }
    for kind in ("indicator", "indicator_signal"):
        async with connect(desk, INFO) as line:
            await line.ask({"type": kind} | wanted)
            frame = await line.read()
            assert frame == {
                "error": {"name": "INVALID_PARAM", "message": f"{kind} 은 지원하지 않는 타입입니다."},
            }
            assert await line.ended() == 1000


# -- orders


@pytest.mark.statement(50)
async def test_my_order_tells_a_market_buy(desk: Desk) -> None:
    """It waits, is filled, and what is left is cancelled: as numbers, with nulls for what is empty."""
    async with connect(desk, PRIVATE) as line:
        await watch_orders(line, codes=[])
        order = await desk.place(side="bid", ord_type="price", price="6000", identifier="mine", smp_type="none")
        wait, fill, end = [await line.read() for _ in range(3)]
    assert (wait["state"], wait["price"], wait["avg_price"], wait["locked"]) == ("wait", 6000, 0, 6003)
    assert [wait[name] for name in ("volume", "remaining_volume", "executed_volume", "prevented_volume")] == [None] * 4
    assert (wait["prevented_locked"], wait["order_timestamp"] % 1000) == (0, 0)
    assert (fill["state"], fill["price"], fill["volume"]) == ("trade", PRICE, Decimal("0.00003736"))
    assert (fill["trade_fee"], fill["is_maker"], fill["ask_bid"]) == (Decimal("2.99989592"), False, "BID")
    assert (end["state"], end["price"], end["volume"], end["trade_uuid"]) == ("cancel", 6000, None, None)
    assert (end["trade_fee"], end["is_maker"], end["trade_timestamp"]) == (None, None, None)
    assert (end["executed_funds"], end["identifier"], end["smp_type"]) == (Decimal("5999.79184"), "mine", "none")
    assert (end["remaining_fee"], end["locked"]) == (Decimal("0.00010408"), Decimal("0.20826408"))
    assert end["uuid"] == order["uuid"]


@pytest.mark.statement(50)
async def test_my_order_tells_a_resting_order_until_it_is_done(desk: Desk) -> None:
    """`wait`, a `trade` per fill with price, volume, fee and maker flag of that fill, then `done`."""
    desk.source.quiet = True
    async with connect(desk, PRIVATE) as line:
        await watch_orders(line)
        order = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.003", identifier="resting")
        await desk.settled(order)
        public_trade(desk, 99_999_000, "0.001")
        public_trade(desk, 99_999_000, "5")
        wait, first, second, done = [await line.read() for _ in range(4)]
    assert [frame["state"] for frame in (wait, first, second, done)] == ["wait", "trade", "trade", "done"]
    assert {frame["uuid"] for frame in (wait, first, second, done)} == {order["uuid"]}
    assert (wait["price"], wait["volume"], wait["locked"]) == (100_000_000, Decimal("0.003"), 300_150)
    assert [frame["trade_uuid"] for frame in (wait, done)] == [None, None]
    assert (first["volume"], first["remaining_volume"], first["executed_volume"]) == (
        Decimal("0.001"), Decimal("0.002"), Decimal("0.001"),
    )  # fmt: skip
    assert (second["volume"], second["trade_fee"], second["is_maker"]) == (Decimal("0.002"), 100, True)
    assert (done["paid_fee"], done["executed_funds"], done["avg_price"]) == (150, 300_000, 100_000_000)
    assert (done["remaining_fee"], done["locked"], done["trades_count"]) == (0, 0, 2)
    trades = (await desk.get("/v1/order", uuid=order["uuid"]))["trades"]
    assert [trade["uuid"] for trade in trades] == [first["trade_uuid"], second["trade_uuid"]]


@pytest.mark.statement(50)
async def test_my_order_numbers_are_numbers_and_nothing_is_left_out(desk: Desk) -> None:
    """Every documented field is there; amounts are JSON numbers or null, where REST writes strings."""
    async with connect(desk, PRIVATE) as line:
        await watch_orders(line)
        await desk.place(side="bid", ord_type="price", price="6000")
        frames = [await line.read() for _ in range(3)]
    for frame in frames:
        assert set(frame) == set(ORDER_KEYS)
        assert all(frame[name] is None or isinstance(frame[name], int | Decimal) for name in AMOUNTS)
        assert frame["time_in_force"] is None
        assert frame["identifier"] is None


@pytest.mark.statement(50)
async def test_my_order_tells_a_cancel_and_keeps_to_its_codes(desk: Desk) -> None:
    """`cancel` when it is cancelled; a subscription to another market stays silent."""
    async with connect(desk, PRIVATE) as line, connect(desk, PRIVATE) as other:
        await watch_orders(line)
        await watch_orders(other, codes=["KRW-XRP"])
        order = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001")
        assert (await line.read())["state"] == "wait"
        await desk.call("DELETE", "/v1/order", {"uuid": order["uuid"]})
        cancelled = await line.read()
        assert (cancelled["state"], cancelled["locked"]) == ("cancel", 100_050)
        assert await other.nothing_more()


@pytest.mark.statement(50)
@pytest.mark.statement(42)
async def test_my_order_tells_what_was_prevented(desk: Desk) -> None:
    """An order that would meet one of ours: `prevented` with volume and freed money, then `cancel`."""
    desk.box.exchange.deposit("BTC", Decimal(1))
    async with connect(desk, PRIVATE) as line:
        await watch_orders(line)
        resting = await desk.place(side="ask", ord_type="limit", price=str(PRICE + 1000), volume="0.001")
        assert (await line.read())["state"] == "wait"
        desk.source.price += 2000  # the public book moves above our ask, which a taker meets first
        desk.source.quiet = True
        desk.pass_time(1)
        await desk.place(side="bid", ord_type="limit", price=str(PRICE + 1000), volume="0.001", smp_type="cancel_maker")
        events = [await line.read() for _ in range(3)]
    told = {(frame["uuid"] == resting["uuid"], frame["state"]): frame for frame in events}
    assert set(told) == {(True, "prevented"), (True, "cancel"), (False, "wait")}
    prevented = told[True, "prevented"]
    assert (prevented["prevented_volume"], prevented["prevented_locked"]) == (Decimal("0.001"), Decimal("0.001"))
    assert (prevented["remaining_volume"], prevented["executed_volume"]) == (0, 0)


async def test_the_public_book_shows_our_order_and_what_it_took(desk: Desk) -> None:
    """Everybody who watches the book sees a bid that rests, and a level that was taken from, as REST shows them."""
    desk.source.quiet = True
    async with connect(desk, PUBLIC) as line:
        await line.ask({"type": "orderbook", "codes": ["KRW-BTC"]})
        before = await line.read()
        best = before["orderbook_units"][0]
        price = best["bid_price"]
        for order in (
            {"side": "bid", "ord_type": "limit", "price": str(price), "volume": "0.001"},
            {"side": "bid", "ord_type": "price", "price": "6000"},
        ):
            await desk.settled(await desk.place(**order))
            desk.pass_time(0.1)
            (frame,) = await line.waiting()
            (rest,) = await desk.get("/v1/orderbook", markets="KRW-BTC")
            assert frame["orderbook_units"] == rest["orderbook_units"]
        last = frame["orderbook_units"][0]
    assert (last["bid_price"], last["bid_size"]) == (price, best["bid_size"] + Decimal("0.001"))
    assert last["ask_size"] == best["ask_size"] - Decimal("0.00003736")


# -- balances


@pytest.mark.statement(51)
async def test_my_asset_agrees_with_the_accounts(desk: Desk) -> None:
    """Each change of a balance is told with the currencies it concerns, and the last one is what REST says."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myAsset"})
        assert await line.nothing_more(), "there is no snapshot"
        await desk.settled(await desk.place(side="bid", ord_type="price", price="6000"))
        locked, filled, refunded = await line.waiting()
        assert await line.nothing_more(), "nothing without a change"
    assert set(locked) == set(ASSET_KEYS)
    assert locked["assets"] == [{"currency": "KRW", "balance": 993_997, "locked": 6003}]
    assert [asset["currency"] for asset in filled["assets"]] == ["BTC", "KRW"]
    assert len({frame["asset_uuid"] for frame in (locked, filled, refunded)}) == 3
    told = {asset["currency"]: asset for frame in (locked, filled, refunded) for asset in frame["assets"]}
    accounts = await desk.get("/v1/accounts")
    assert {account["currency"] for account in accounts} == set(told)
    for account in accounts:
        assert Decimal(account["balance"]) == told[account["currency"]]["balance"]
        assert Decimal(account["locked"]) == told[account["currency"]]["locked"]


@pytest.mark.statement(50)
@pytest.mark.statement(51)
async def test_a_pocket_hears_only_of_itself() -> None:
    """Orders and balances of another account reach only its own keys."""
    theirs = KeyOptions(access_key="stranger", secret_key="stranger-secret-key-0123456789abcdef0123")
    stranger = PocketOptions(account="stranger", balances={"KRW": Decimal(100_000)}, keys=(theirs,))
    async with open_desk(stranger) as desk:
        other = desk.holding(theirs)
        async with connect(desk, PRIVATE) as ours, connect(other, PRIVATE) as line:
            for one in (ours, line):
                await one.ask({"type": "myOrder"}, {"type": "myAsset"})
                assert await one.nothing_more()
            order = await other.settled(await other.place(side="bid", ord_type="price", price="6000"))
            assert await ours.nothing_more()
            told = await line.waiting()
        assert {frame["uuid"] for frame in told if frame["type"] == "myOrder"} == {order["uuid"]}
        assert [frame["type"] for frame in told].count("myAsset") == 3


# -- announcements, and the formats of all private frames


@pytest.mark.parametrize(("include_body", "keys"), [(True, {"body"}), (False, set[str]())])
async def test_announcements_come_by_category(desk: Desk, *, include_body: bool, keys: set[str]) -> None:
    """Only those of the categories asked for, with the body only if asked for; times are those of Korea."""
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "announcement", "categories": ["maintenance"], "include_body": include_body})
        await line.ask({"method": "LIST_SUBSCRIPTIONS"})
        assert (await line.read())["result"] == [
            {"type": "announcement", "categories": ["maintenance"], "include_body": include_body}
        ]
        desk.box.announce("새 상품", "trade")
        desk.box.announce("점검", "maintenance", "# 점검")
        (frame,) = await line.waiting()
    assert set(frame) - {"body"} == set(ANNOUNCEMENT_KEYS) - {"body"}
    assert {name for name in frame if name == "body"} == keys
    assert (frame["title"], frame["category"], frame["event_type"]) == ("점검", "maintenance", "CREATED")
    assert (frame["listed_at"], frame["stream_type"]) == ("2026-11-24T18:00:00+09:00", "REALTIME")
    with pytest.raises(ValueError, match="unknown category 'sale'"):
        desk.box.announce("?", "sale")


async def test_an_unknown_category_is_refused(desk: Desk) -> None:
    """It is told as a wrong parameter; categories that are no list of words as a wrong format."""
    for categories, name in ((["notice", "airdrop"], "INVALID_PARAM"), ("notice", "WRONG_FORMAT")):
        async with connect(desk, PRIVATE) as line:
            await line.ask({"type": "announcement", "categories": categories})
            assert await line.error() == name


@pytest.mark.statement(44)
@pytest.mark.parametrize("form", FORMATS)
async def test_the_four_formats_of_private_frames(desk: Desk, form: str) -> None:
    """Exactly the documented names, long or short, and a list around each frame in the list formats."""
    asset = {"type": "myAsset"}
    news = {"type": "announcement", "include_body": True}
    async with connect(desk, PRIVATE) as line:
        await line.ask({"type": "myOrder"}, asset, news, {"format": form})
        assert await line.nothing_more()
        await desk.settled(await desk.place(side="bid", ord_type="price", price="6000"))
        desk.box.announce("점검", "maintenance", "# 점검")
        frames = [unwrapped(await line.read(), form) for _ in range(7)]
    short = form.startswith("SIMPLE")
    by_type: dict[str, list[dict[str, Any]]] = {}
    for frame in frames:
        by_type.setdefault(frame["ty" if short else "type"], []).append(frame)
    expected = {"myOrder": ORDER_KEYS, "myAsset": ASSET_KEYS, "announcement": ANNOUNCEMENT_KEYS}
    assert {kind: len(found) for kind, found in by_type.items()} == {"myOrder": 3, "myAsset": 3, "announcement": 1}
    for kind, found in by_type.items():
        assert all(set(frame) == spelled(expected[kind], form) for frame in found)
    for frame in by_type["myAsset"]:
        assert all(set(one) == spelled(BALANCE_KEYS, form) for one in frame["ast" if short else "assets"])


async def test_a_token_on_the_public_path_is_allowed(desk: Desk) -> None:
    """It only decides whose budget of connections is used: even a wrong one hears the market."""
    for headers in (desk.token(), {"Authorization": "Bearer rubbish"}):
        async with connect(desk, PUBLIC, headers=headers) as line:
            await line.ask({"type": "ticker", "codes": ["KRW-BTC"]})
            assert (await line.read())["code"] == "KRW-BTC"
