"""A public market for processes that live for seconds: every price ripples fast, and every minute closes higher.

The waves stand where they stood when a minute ends, so all that a strategy sees in closed candles is a calm rise:
every market is a target. Between two closes prices swing by more than the distance of a stop, so what is bought is
sold within seconds.
"""

from __future__ import annotations

import random
from decimal import Decimal

from sandbox.market.feed import Candle
from sandbox.market.ticks import tick_size
from worlds.market import HOUR_MS, LEADER, MINUTE_MS, WaveMarket

NAMES = tuple((f"KRW-R{letter}", f"물결 {letter}", 90_000) for letter in "ABCDEFGHIJKLMN")
BEAT_MS = 500
PERIODS_MS = (6_000, 7_500, 10_000)
"""Each goes into a minute a whole number of times."""
SWING = 0.005
DIPS = ((0.008, 20_000, 24_000), (0.016, 44_000, 45_000))
"""Twice a minute all fall by a fraction for some ms of it: what was bought at the foot of a wave is sold, too."""
RISE_AN_HOUR = 0.012


class FastWaveMarket(WaveMarket):
    """A `sandbox.feed.Source` of the leader and some markets. It must start on a full beat."""

    def __init__(self, seed: int, start_ms: int) -> None:
        super().__init__(seed, len(NAMES), start_ms, NAMES)
        rng = random.Random(f"{seed} ripple")
        self._periods = {market: float(rng.choice(PERIODS_MS)) for market in self._bases}
        self.trade_every_ms = BEAT_MS

    def _wave(self, market: str, at_ms: int) -> float:
        turn = at_ms / self._periods[market] + self._phases[market]
        shocked = sum(fraction for since, fraction in self.shocks if at_ms > since)
        dip = sum(depth for depth, begin, end in DIPS if begin <= at_ms % MINUTE_MS < end)
        return self._rise(at_ms) + SWING * (4 * abs(turn - int(turn + 0.5)) - 1) - dip - shocked

    def _rise(self, at_ms: int) -> float:
        return (at_ms - self.start_ms) / HOUR_MS * RISE_AN_HOUR

    def _candle(self, market: str, opened: int, unit_ms: int) -> Candle:
        """Return a candle as it would have come of trades at every beat."""
        last = self.price(market, opened + unit_ms - BEAT_MS)
        swing = Decimal(0) if market == LEADER else (last * Decimal(repr(SWING)) / tick_size(last)).to_integral_value()
        high, low = last + swing * tick_size(last), last - swing * tick_size(last)
        turnover = Decimal(400_000) * (unit_ms // BEAT_MS)
        volume = (turnover / last).quantize(Decimal("0.00000001"))
        return Candle(opened, last, high, low, last, volume, turnover, opened + unit_ms - BEAT_MS)


def first_beat(now_ms: int) -> int:
    """Return the last full minute: where a market can start."""
    return now_ms // MINUTE_MS * MINUTE_MS
