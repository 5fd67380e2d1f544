"""What a backtest assumes about money and the market: capital, sizes, fees, slippage, and when an order fills."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

EQUITY, ORDER = "equity", "order"
"""Sizing: an equal share of the equity for each place, or a fixed sum of won as the daemon buys."""
OPEN, CLOSE = "open", "close"
"""Fill: at the next candle's open, or at the close that was decided on (optimistic, for comparison only)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything about an account and a market that is not the strategy's."""

    krw: float = 1_000_000.0  # won in the account at the beginning
    slots: int = 5  # most trades at a time
    sizing: str = EQUITY
    order_krw: Decimal = Decimal(50_000)  # won of one buy, for `ORDER`
    max_order_krw: Decimal | None = None  # caps in won, as in the settings; None: no cap
    max_market_krw: Decimal | None = None
    max_day_krw: Decimal | None = None  # buys of one day in Korea
    fill: str = OPEN
    delay: int = 0  # candles an order comes late, entries and exits alike; a protective stop is never late
    fee_rate: float = 0.0005  # fraction of the notional, each side
    slippage: tuple[tuple[float, float], ...] = ((1e9, 0.0010), (2e8, 0.0030), (0.0, 0.0100))
    """(least 24 h turnover in KRW, fraction of the price each side), the largest first."""
    slippage_scale: float = 1.0
    exclude: tuple[str, ...] = ()  # markets that are never bought

    def slippage_of(self, turnover_24h: float) -> float:
        """Return by what fraction of the price an order fills worse than the reference price.

        An unknown turnover pays the worst class. Assumed, not measured: about a spread and a half of today's books
        for the most traded markets, three times that for the next class.
        """
        for least, fraction in self.slippage:
            if turnover_24h >= least:
                return fraction * self.slippage_scale
        return self.slippage[-1][1] * self.slippage_scale
