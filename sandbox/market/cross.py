"""Markets priced in bitcoin and in USDT: listed and shown, and traded by nobody here.

Their figures are those of the won market of the same coin, divided by what the quote currency costs now: changes and
rates are the won market's own. Orders need a consent that accounts of the sandbox have not given, as new ones at Upbit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.market.feed import Listing

WON = "KRW"
QUOTES = ("BTC", "USDT")
SHARES = {"BTC": 1.0, "USDT": 238 / 289}
"""How many of the coins with a won market have one of the quote currency, the first ones: measured for USDT."""
USDT_KRW = Decimal(1_450)
"""Where it has no won market of its own."""
DIGITS = Decimal("0.00000001")
USDT_STEPS = ((Decimal(10), "0.01"), (Decimal(1), "0.001"), (Decimal("0.1"), "0.0001"), (Decimal("0.01"), "0.00001"))
FINEST = "0.00000001"
PRICES = frozenset(
    {
        "opening_price",
        "high_price",
        "low_price",
        "trade_price",
        "prev_closing_price",
        "change_price",
        "signed_change_price",
        "acc_trade_price",
        "acc_trade_price_24h",
        "highest_52_week_price",
        "lowest_52_week_price",
        "candle_acc_trade_price",
        "ask_price",
        "bid_price",
    }
)


class CrossMarkets:
    """The pairs of `listed` won markets. `price_of` returns the last price of one of those, in won."""

    def __init__(self, listed: Mapping[str, Listing], price_of: Callable[[str], Decimal]) -> None:
        self._listed = listed
        self._price_of = price_of

    def listings(self) -> Iterator[Listing]:
        """Yield every pair, as `market/all` lists them after the won markets."""
        for quote in QUOTES:
            yield from (replace(self._listed[f"{WON}-{coin}"], market=f"{quote}-{coin}") for coin in self._coins(quote))

    def _coins(self, quote: str) -> list[str]:
        """Return the coins that have a market of a quote currency."""
        if quote == "BTC" and f"{WON}-BTC" not in self._listed:
            return []
        coins = [market.partition("-")[2] for market in self._listed]
        return [coin for coin in coins[: math.ceil(SHARES[quote] * len(coins))] if coin != quote]

    def won_market(self, pair: str) -> str | None:
        """Return the won market behind a pair; None for what is no pair of ours."""
        quote, _, coin = pair.partition("-")
        return f"{WON}-{coin}" if quote in QUOTES and coin in self._coins(quote) else None

    def shown(self, pair: str, row: Any) -> Any:
        """Return a row about a won market as one about a pair."""
        quote = pair.partition("-")[0]
        divisor = self._quote_price(quote)
        if "supported_levels" in row:
            step = {"tick_size": step_of(pair, self._price_of(f"{WON}-{pair.partition('-')[2]}") / divisor)}
            known = {"quote_currency": quote, **step} if "tick_size" in row else {}
            return {**row, "market": pair, **known, "supported_levels": ["0"] if known else [0]}
        return {**_divided(row, divisor), "market": pair}

    def _quote_price(self, quote: str) -> Decimal:
        market = f"{WON}-{quote}"
        return self._price_of(market) if market in self._listed else USDT_KRW


def step_of(pair: str, price: Decimal) -> str:
    """Return the step of prices of a pair, as text."""
    if pair.startswith("BTC-"):
        return FINEST
    return next((step for least, step in USDT_STEPS if price >= least), FINEST)


def _divided(row: Any, divisor: Decimal) -> Any:
    if isinstance(row, list):
        return [_divided(one, divisor) for one in row]
    if not isinstance(row, dict):
        return row
    return {
        name: (value / divisor).quantize(DIGITS)
        if name in PRICES and isinstance(value, Decimal)
        else _divided(value, divisor)
        for name, value in row.items()
    }
