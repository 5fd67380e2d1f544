"""This project's engine, with its portfolio rules, one run after the other in a process as a search makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtest.engine.prepare import prepare
from backtest.engine.rules import Rules
from backtest.engine.simulate import simulate
from backtest.search.memory import keep_freed_memory
from bench.cross import Cross, Parameters, panel_of
from bench.peers.prices import FAST, FEE, KRW, PLACES, SLOW, START, UNIT

if TYPE_CHECKING:
    from bench.peers.prices import Prices


def ours(prices: Prices) -> int:
    """Run it over all markets on one clock."""
    keep_freed_memory()
    panel = panel_of(prices, START, UNIT)
    ready = prepare(panel, Cross(), Parameters(fast=FAST, slow=SLOW))
    return len(simulate(ready, Rules(krw=KRW, slots=PLACES, fee_rate=FEE), 1).trades)
