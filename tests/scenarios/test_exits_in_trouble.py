"""The whole daemon while a coin it holds falls under its stop and the exchange is in trouble: exits wait for nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.daemon_desk import told, trading

if TYPE_CHECKING:
    from pathlib import Path

FALL = {"fault": "gap", "markets": ["held"], "percent": -30, "minutes": [4, None]}
"""The coin that is held most falls in the fourth minute."""
QUOTATION = ["/v1/orderbook", "/v1/ticker", "/v1/ticker/all", "/v1/candles*", "/v1/market/all", "/v1/trades*"]
LATEST_S = 5.0
TROUBLES: dict[str, dict[str, Any]] = {
    "none": {},
    "a 503 for every order book": {
        "fault": "answered",
        "status": 503,
        "body": "html",
        "minutes": [3, None],
        "on": {"paths": ["/v1/orderbook"]},
    },
    "order books that never come": {
        "fault": "lost",
        "how": "silence",
        "accepted": True,
        "minutes": [3, None],
        "on": {"paths": ["/v1/orderbook"]},
    },
    "the address banned for all quotation": {
        "fault": "refused",
        "error": "rate_limit_exceeded_penalty",
        "minutes": [3, None],
        "on": {"paths": QUOTATION},
    },
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_stop_is_late_by_five_seconds_at_most(trouble: str, tmp_path: Path) -> None:
    """From the first price under the stop that the daemon hears to the sale that arrives."""
    faults = [FALL, *([TROUBLES[trouble]] if TROUBLES[trouble] else [])]

    async def story() -> None:
        async with trading(tmp_path, markets=3, faults=faults) as desk:
            app = desk.app
            below_at: dict[str, float] = {}
            sales: list[Any] = []
            for _ in range(4 * 400):
                await asyncio.sleep(0.25)
                prices = await app.state.trading_dict.snapshot()
                for trade in app.journal.open_trades():
                    price = prices.get(trade.market)
                    if price and trade.stop_price and price.price <= trade.stop_price:
                        below_at.setdefault(trade.market, app.clock().timestamp())
                sales = [one for one in desk.box.exchange.orders.values() if one.asked.side == "ask"]
                if sales:
                    break
            (sale,) = sales
            sold_at = sale.created_ms / 1000
            late_s = sold_at - below_at.get(sale.asked.market, sold_at)  # sold before the next look
            print(f"{trouble}: {late_s:.2f} s")  # noqa: T201 - the figure
            assert late_s <= LATEST_S

    told(story)


def test_a_wallet_that_lags_eight_seconds_behind_a_buy_delays_no_exit(tmp_path: Path) -> None:
    """A person wants out three seconds after a buy whose coins the account does not show yet."""

    async def story() -> None:
        async with trading(tmp_path, markets=3, faults=[{"fault": "stale", "seconds": 8}]) as desk:
            orders = desk.box.exchange.orders
            while not orders:  # noqa: ASYNC110 - the exchange has no event for it
                await asyncio.sleep(0.25)
            await asyncio.sleep(3)
            wanted_at = desk.app.clock().timestamp()
            desk.app.control.sell_all()
            while not (sales := [one for one in orders.values() if one.asked.side == "ask"]):  # noqa: ASYNC110
                await asyncio.sleep(0.25)
            late_s = sales[0].created_ms / 1000 - wanted_at
            print(f"a wallet that lags by 8 s: {late_s:.2f} s")  # noqa: T201 - the figure
            assert late_s <= LATEST_S

    told(story)
