"""Several accounts, pockets and keys at one sandbox: what they share, and how they trade with each other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from sandbox.auth import ApiKey, TokenCheck
from sandbox.keys import MANAGE_POCKETS, TRADING, VIEW_ACCOUNT, WITHDRAW, KeyOptions, PocketOptions
from sandbox.rest.routes import MOVES_MONEY, NOT_HERE
from tests.helpers.sandbox_desk import PRICE, START, Desk, open_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def key(name: str, **options: object) -> KeyOptions:
    """Return a key whose secret is long enough."""
    return KeyOptions(access_key=name, secret_key=f"{name:s}-".ljust(40, "0"), **options)  # type: ignore[arg-type]


SECOND_KEY = key("second", permissions=TRADING | {MANAGE_POCKETS, WITHDRAW})
SAVINGS_KEY = key("savings", permissions=TRADING | {MANAGE_POCKETS})
VIEWER_KEY = key("viewer", permissions=frozenset({VIEW_ACCOUNT}), ips=frozenset({"10.0.0.1"}))
STRANGER_KEY = key("stranger")
BTC = {"BTC": Decimal(1), "KRW": Decimal(500_000)}
POCKETS = (
    PocketOptions(keys=(SECOND_KEY, VIEWER_KEY)),
    PocketOptions(name="savings", balances=BTC, keys=(SAVINGS_KEY,)),
    PocketOptions(account="stranger", balances=BTC, keys=(STRANGER_KEY,)),
)
OFFER = {"side": "ask", "ord_type": "limit", "price": str(PRICE - 1000), "volume": "0.001"}
TAKE = OFFER | {"side": "bid"}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox with two accounts, the first of which has two pockets, and room between the best prices."""
    async with open_desk(*POCKETS) as opened:
        opened.source.spread = 3
        yield opened


@pytest.mark.statement(14)
async def test_keys_of_one_pocket_share_its_limits(desk: Desk) -> None:
    """Twelve orders a second are twelve for all keys of a pocket together, and another pocket has its own twelve."""
    keys = [desk, desk.holding(SECOND_KEY)]
    buy = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}
    statuses = [(await keys[number % 2].post(buy))[0] for number in range(13)]
    assert statuses == [201] * 12 + [429]
    assert (await desk.holding(SAVINGS_KEY).post(buy))[0] == 201


@pytest.mark.statement(14)
async def test_market_data_counts_by_address_whoever_asks(desk: Desk) -> None:
    """A token changes nothing for market data: ten a second from one address, whichever keys are sent along."""
    keys = [desk, desk.holding(SAVINGS_KEY), desk.holding(STRANGER_KEY)]
    statuses = [(await keys[number % 3].call("GET", "/v1/ticker", {"markets": "KRW-BTC"}))[0] for number in range(11)]
    assert statuses == [200] * 10 + [429]


async def test_keys_of_one_pocket_share_what_is_in_it(desk: Desk) -> None:
    """What one key orders the other sees, finds and cancels."""
    other = desk.holding(SECOND_KEY)
    order = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001", identifier="mine")
    assert await other.get("/v1/accounts") == await desk.get("/v1/accounts")
    assert (await other.get("/v1/order", identifier="mine"))["uuid"] == order["uuid"]
    assert (await other.call("DELETE", "/v1/order", {"uuid": order["uuid"]}))[0] == 200


@pytest.mark.parametrize("holder", [SAVINGS_KEY, STRANGER_KEY])
async def test_other_pockets_see_nothing_of_it(desk: Desk, holder: KeyOptions) -> None:
    """Another pocket, even of the same account, has its own balances and cannot find or cancel the order."""
    order = await desk.place(side="bid", ord_type="limit", price="100000000", volume="0.001", identifier="mine")
    other = desk.holding(holder)
    assert [row["balance"] for row in await other.get("/v1/accounts")] == ["500000", "1"]
    for method in ("GET", "DELETE"):
        for query in ({"uuid": order["uuid"]}, {"identifier": "mine"}):
            assert (await other.call(method, "/v1/order", query))[1]["error"]["name"] == "order_not_found"
    assert await other.get("/v1/orders/open") == await other.get("/v1/orders") == []
    _, body, _ = await other.call("DELETE", "/v1/orders/open")
    assert body["success"]["count"] == 0


async def test_an_identifier_is_an_accounts(desk: Desk) -> None:
    """A second pocket of the account cannot use it again; another person can."""
    buy = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000", "identifier": "once"}
    assert (await desk.post(buy))[0] == 201
    assert (await desk.holding(SAVINGS_KEY).post(buy))[1]["error"]["name"] == "duplicated_identifier"
    assert (await desk.holding(STRANGER_KEY).post(buy))[0] == 201


async def test_two_people_trade_with_each_other(desk: Desk) -> None:
    """An offer inside the spread is taken by another account: both pay their fee, and everybody sees the trade."""
    seller = desk.holding(STRANGER_KEY)
    offer = await seller.settled(await seller.place(**OFFER))
    taken = await desk.settled(await desk.place(**TAKE))
    sold = await seller.get("/v1/order", uuid=offer["uuid"])
    assert (taken["state"], sold["state"]) == ("done", "done")
    (bought_fill,), (sold_fill,) = taken["trades"], sold["trades"]
    assert (bought_fill["funds"], bought_fill["trend"]) == (sold_fill["funds"], sold_fill["trend"]) == ("160593", "up")
    assert [row["balance"] for row in await seller.get("/v1/accounts")] == ["660512.7035", "0.999"]
    assert [row["balance"] for row in await desk.get("/v1/accounts")] == ["839326.7035", "0.001"]
    newest = (await desk.get("/v1/trades/ticks", market="KRW-BTC"))[0]
    assert (newest["trade_price"], newest["trade_volume"], newest["ask_bid"]) == (PRICE - 1000, Decimal("0.001"), "BID")


@pytest.mark.statement(42)
async def test_pockets_of_one_account_never_trade_with_each_other(desk: Desk) -> None:
    """Self-trades are judged by account: the offer of the other pocket is cancelled, and nothing is traded."""
    savings = desk.holding(SAVINGS_KEY)
    offer = await savings.settled(await savings.place(**OFFER))
    waiting = await desk.settled(await desk.place(**TAKE))
    gone = await savings.get("/v1/order", uuid=offer["uuid"])
    assert (waiting["state"], waiting["trades"]) == ("wait", [])
    assert (gone["state"], gone["prevented_volume"], gone["prevented_locked"]) == ("cancel", "0.001", "0.001")
    assert [row["balance"] for row in await savings.get("/v1/accounts")] == ["500000", "1"]


@pytest.mark.statement(11)
async def test_a_key_works_only_from_its_addresses(desk: Desk) -> None:
    """An address that is not listed is told so, before anything about permissions."""
    status, body, _ = await desk.holding(VIEWER_KEY).call("GET", "/v1/accounts")
    assert (status, body["error"]["name"]) == (401, "no_authorization_ip")


async def test_an_account_lists_its_keys_and_pockets(desk: Desk) -> None:
    """Keys of all its pockets and no one else's; pockets only for a key that may manage them."""
    assert [entry["access_key"] for entry in await desk.get("/v1/api_keys")] == [
        desk.options.access_key, "second", "viewer", "savings",
    ]  # fmt: skip
    manager = desk.holding(SECOND_KEY)
    main, savings = await manager.get("/v1/pockets")
    assert (main["name"], main["type"], savings["name"], savings["type"]) == (
        "main", "main", "savings", "user_spot_trading",
    )  # fmt: skip
    (group,) = await manager.get("/v1/pockets/api_keys", uuids__=[savings["uuid"]])
    assert group["uuid"] == savings["uuid"]
    assert group["keys"] == [
        {
            "access_key": "savings",
            "allowed_ips": [],
            "created_at": "2026-11-24T18:00:00+09:00",
            "expired_at": "2027-11-24T18:00:00+09:00",
            "permissions": ["make_orders", "manage_pockets", "view_account", "view_orders"],
        }
    ]
    assert (await manager.get("/v1/pockets/assets", uuid=savings["uuid"]))[1]["balance"] == "1"
    assert (await manager.call("GET", "/v1/pockets/assets", {"uuid": "x"}))[1]["error"]["name"] == "pocket_not_found"
    assert (await manager.call("GET", "/v1/pockets/api_keys", {"uuids[]": "x"}))[0] == 404
    for other in (
        desk,
        desk.holding(SAVINGS_KEY),
    ):  # without the right, or with it in a pocket that is not the main one
        status, body, _ = await other.call("GET", "/v1/pockets")
        assert (status, body["error"]["name"]) == (403, "out_of_scope")


@pytest.mark.parametrize(("method", "path"), NOT_HERE)
async def test_what_is_not_here_is_out_of_scope(desk: Desk, method: str, path: str) -> None:
    """Deposits, withdrawals, travel rule and transfers are known, and refused in the exchange's shape to every key."""
    status, body, headers = await desk.holding(SECOND_KEY).call(method, path)
    assert (status, body["error"]["name"]) == (403 if "pockets" in path else 401, "out_of_scope")
    assert headers["Remaining-Req"].startswith("group=default; min=1800; ")


@pytest.mark.parametrize(("method", "path"), MOVES_MONEY)
async def test_no_key_takes_money_out(desk: Desk, method: str, path: str) -> None:
    """A key without the right is out of scope; one that has it is still locked, as every new one is."""
    assert (await desk.call(method, path))[1]["error"]["name"] == "out_of_scope"
    status, body, _ = await desk.holding(SECOND_KEY).call(method, path)
    assert (status, body["error"]["name"]) == (403, "open_api_withdraw_locked")


async def test_an_expired_key_opens_nothing() -> None:
    """A key whose day has come is refused by name."""
    late = key("late", expires_at=START)
    async with open_desk(PocketOptions(keys=(late,))) as desk:
        status, body, _ = await desk.holding(late).call("GET", "/v1/accounts")
        assert (status, body["error"]["name"]) == (401, "expired_access_key")


def test_keys_are_checked_when_they_are_made() -> None:
    """A permission nobody knows, an empty key, and two keys of one name are mistakes of whoever sets it up."""
    with pytest.raises(ValueError, match="unknown permission 'fly'"):
        key("a", permissions=frozenset({"fly"}))
    with pytest.raises(ValueError, match="an API key needs"):
        KeyOptions(access_key="", secret_key="x")
    twin = ApiKey(access_key="a", secret_key="x", expires_at=START)
    with pytest.raises(ValueError, match="two API keys are called 'a'"):
        TokenCheck([twin, replace(twin, secret_key="y")])
