"""The account side of REST: balances, order policy, keys, wallets, pockets, and what a sandbox does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.exchange.desk import FEE_RATE
from sandbox.exchange.rules import MAX_TOTAL, MIN_TOTAL
from sandbox.exchange.views import balance_json, balances_json
from sandbox.keys import KEY_LIFE, MAIN
from sandbox.refusals import out_of_scope, refuse
from sandbox.wire import kst_zoned, plain, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from sandbox.auth import ApiKey, TokenCheck
    from sandbox.exchange.accounts import Accounts
    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.pockets import Pocket
    from sandbox.keys import PocketId
    from sandbox.rest.call import Call
    from sandbox.wire import Json

BID_TYPES = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "price"]
ASK_TYPES = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc", "market"]


class AccountRest:
    """Handlers: a call in, a JSON value out, `ApiError` for a refusal."""

    def __init__(self, exchange: Exchange, gate: TokenCheck, now_ms: Callable[[], int]) -> None:
        self._exchange = exchange
        self._gate = gate
        self._now_ms = now_ms

    def accounts(self, call: Call) -> list[Json]:
        """`GET /v1/accounts`."""
        return balances_json(self._balances(call.pocket))

    def _balances(self, pocket: PocketId) -> Accounts:
        return self._exchange.pockets[pocket].accounts

    def chance(self, call: Call) -> Json:
        """`GET /v1/orders/chance`."""
        market = call.one("market")
        if not market:
            raise refuse("invalid_parameter", "market")
        if market not in self._exchange.markets:
            raise refuse("notfoundmarket", market)
        quote, base = market.split("-", 1)
        balances = self._balances(call.pocket)
        fees = ("bid_fee", "ask_fee", "maker_bid_fee", "maker_ask_fee")
        return {
            **dict.fromkeys(fees, plain(FEE_RATE)),
            "market": {
                "id": market,
                "name": f"{base}/{quote}",
                "order_types": ["limit"],
                "order_sides": ["ask", "bid"],
                "bid_types": BID_TYPES,
                "ask_types": ASK_TYPES,
                "bid": {"currency": quote, "min_total": plain(MIN_TOTAL)},
                "ask": {"currency": base, "min_total": plain(MIN_TOTAL)},
                "max_total": plain(MAX_TOTAL),
                "state": "active",
            },
            "bid_account": balance_json(balances, quote),
            "ask_account": balance_json(balances, base),
        }

    def wallets(self, _call: Call) -> list[Json]:
        """`GET /v1/status/wallet`: every wallet works, trading does not depend on it anyway."""
        names = dict.fromkeys(["KRW", *(market.split("-", 1)[1] for market in self._exchange.markets)])
        return [
            {
                "currency": name,
                "wallet_state": "working",
                "block_state": "normal",
                "block_elapsed_minutes": 0,
                "net_type": name,
                "network_name": name,
            }
            for name in names
        ]

    # -- keys and pockets

    def api_keys(self, call: Call) -> list[Json]:
        """`GET /v1/api_keys`: all of the account."""
        return [
            {"access_key": key.access_key, "expire_at": kst_zoned(to_ms(key.expires_at))}
            for key in self._gate.keys.values()
            if key.pocket.account == call.pocket.account
        ]

    def pockets(self, call: Call) -> list[Json]:
        """`GET /v1/pockets`."""
        return [
            {"uuid": pocket.uuid, "name": pocket.id.name, "type": "main" if pocket.main else "user_spot_trading"}
            for pocket in self._pockets(call)
        ]

    def _pockets(self, call: Call) -> list[Pocket]:
        """Return the pockets of an account; only a key of its main pocket may look at them all."""
        if call.pocket.name != MAIN:
            raise out_of_scope(call.path)
        return [pocket for pocket in self._exchange.pockets.values() if pocket.id.account == call.pocket.account]

    def pocket_keys(self, call: Call) -> list[Json]:
        """`GET /v1/pockets/api_keys`: of each pocket, or of those named."""
        pockets = {pocket.uuid: pocket for pocket in self._pockets(call)}
        wanted = call.many("uuids") or list(pockets)
        if not pockets.keys() >= set(wanted):
            raise refuse("pocket_not_found")
        expired_too = call.one("include_expired") == "true"
        return [{"uuid": name, "keys": self._keys_of(pockets[name], expired_too=expired_too)} for name in wanted]

    def _keys_of(self, pocket: Pocket, *, expired_too: bool) -> list[Json]:
        keys = (key for key in self._gate.keys.values() if key.pocket == pocket.id)
        return [_key_json(key) for key in keys if expired_too or to_ms(key.expires_at) > self._now_ms()]

    def pocket_assets(self, call: Call) -> list[Json]:
        """`GET /v1/pockets/assets`."""
        found = next((pocket for pocket in self._pockets(call) if pocket.uuid == call.one("uuid")), None)
        if found is None:
            raise refuse("pocket_not_found")
        return balances_json(found.accounts)

    # -- what nobody may do here

    def withdraw(self, _call: Call) -> NoReturn:
        """Whatever moves money out: a key that may is still locked, as every new one is until its owner unlocks it."""
        raise refuse("open_api_withdraw_locked")

    def never(self, call: Call) -> NoReturn:
        """Deposits, transfers, travel rule: no key has the right to them."""
        raise out_of_scope(call.path)


def _key_json(key: ApiKey) -> Json:
    return {
        "access_key": key.access_key,
        "allowed_ips": sorted(key.ips or ()),
        "created_at": kst_zoned(to_ms(key.expires_at - KEY_LIFE)),
        "expired_at": kst_zoned(to_ms(key.expires_at)),
        "permissions": sorted(key.permissions),
    }
