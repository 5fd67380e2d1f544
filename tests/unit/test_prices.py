"""The prices of what is traded, asked over REST where the stream is silent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from trader.prices import ask
from upbit.errors import MarketUnavailable
from upbit.models import Ticker

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def ticker(market: str) -> Ticker:
    """Return the last trade of a market."""
    return Ticker(
        market=market,
        price=Decimal(100),
        traded_at_ms=int(NOW.timestamp() * 1000),
        turnover_24h=Decimal(10**9),
    )


class Exchange:
    """Knows two markets; a question that names a third fails as a whole, as Upbit's does."""

    def __init__(self) -> None:
        self.known = {"KRW-BTC": ticker("KRW-BTC"), "KRW-ETH": ticker("KRW-ETH")}

    async def tickers(self, markets: Iterable[str]) -> list[Ticker]:
        """Answer for some markets."""
        if not set(markets) <= set(self.known):
            raise MarketUnavailable("Code not found", name="404", status=404)
        return [self.known[market] for market in markets]

    async def all_tickers(self, quote: str) -> list[Ticker]:
        """Answer for all."""
        assert quote == "KRW"
        return list(self.known.values())


async def test_a_vanished_market_does_not_hide_the_prices_of_the_others() -> None:
    """One unknown market fails a question about many; the others are found in another way, and only they."""
    app: Any = SimpleNamespace(upbit=Exchange())
    assert [one.market for one in await ask(app, ["KRW-ETH", "KRW-GONE"])] == ["KRW-ETH"]
    assert [one.market for one in await ask(app, ["KRW-BTC"])] == ["KRW-BTC"]
