"""The same recorded candles through the whole daemon and through the backtester: the same trades.

The daemon trades on the sandbox, which makes up trades inside each recorded minute; the backtester knows only the
minutes. What may differ, and why:

- Prices. The daemon pays the spread of the made-up book, the backtester its assumed slippage, which is set to nothing
  here so that the difference is seen. It is printed in basis points.
- A stop lies a distance below the fill, so with another fill it can be missed or hit where a candle just reaches it.
- A place that a stop frees inside a minute is filled within seconds by the daemon, at the next open by the backtester.
- The daemon's averages begin at its window of 600 candles, the backtester's at the first candle there is. The weight of
  that beginning is below 0.3 percent, so a close that near to its average could be judged otherwise.
- The draw. With more targets than places both draw with their seed, but the daemon also when a buy was refused.

None of it happens on this day: market, minute and cause of every purchase and sale are equal.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from backtest.engine.panel import build_panel
from backtest.engine.prepare import prepare
from backtest.engine.rules import ORDER, Rules
from backtest.engine.simulate import simulate
from backtest.files.content import sources_of
from backtest.files.reading import Wishes, read
from cli import demo
from cli.common.parser import build_parser
from config.reading import load
from journal import JOURNAL_FILE
from journal.reader import open_reader
from main import VERBS
from simulation.loop import PacedLoop
from strategy import registry

if TYPE_CHECKING:
    from config.settings import Config

RECORDED = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles" / "1m"
BEGIN = datetime(2025, 9, 2, tzinfo=UTC)
"""The first midnight after enough candles to warm up: here a replay begins."""
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, order=True)
class Deal:
    """One trade as both sides know it. Times are the minutes in which it was bought and sold."""

    bought_at: datetime
    market: str
    sold_at: datetime | None
    cause: str | None


Deals = dict[Deal, tuple[float, float | None]]
"""With the prices of purchase and sale, KRW."""


def minute_of(moment: datetime | None) -> datetime | None:
    """Return the minute of a moment."""
    return moment.replace(second=0, microsecond=0) if moment else None


def by_the_daemon(config: Config, folder: Path, minutes: int) -> Deals:
    """Let the whole daemon trade on a replay of the recorded minutes, and return what its journal says."""
    words = ["demo", "--replay", str(RECORDED), "--speed", "inf", "--minutes", str(minutes), "--json"]
    with asyncio.Runner(loop_factory=lambda: PacedLoop(math.inf)) as runner:
        summary = runner.run(demo.rehearse(config, build_parser(VERBS, "demo").parse_args(words), folder))
    assert summary.ledger_equal
    assert summary.violations == 0
    deals: Deals = {}
    with open_reader(folder / JOURNAL_FILE) as journal:
        for trade in [*journal.closed_trades(10_000), *journal.open_trades()]:
            cause = str(trade.exit_reason["code"]) if trade.closed_at and trade.exit_reason else None
            bought_at = minute_of(trade.opened_at)
            assert bought_at is not None
            deal = Deal(bought_at, trade.market, minute_of(trade.closed_at), cause)
            fee = Rules().fee_rate
            sold = float(trade.proceeds_krw / trade.bought) / (1 - fee) if trade.closed_at else None
            deals[deal] = (float(trade.cost_krw / trade.bought) / (1 + fee), sold)
    return deals


def by_the_backtester(config: Config, minutes: int) -> Deals:
    """Test the same strategy with the same account on the same minutes, without slippage."""
    strategy, parameters = registry.load(config.strategy.name, config.strategy.parameters)
    wishes = Wishes(now=BEGIN + timedelta(days=365), unit=MINUTE)
    files = [source for path in sorted(RECORDED.glob("KRW-*")) for source in sources_of(path)]
    history = {market: one for file in files for market, one in read(file, wishes).candles.items()}
    warm_up = strategy.history(parameters, MINUTE) + 100
    panel = build_panel(history, MINUTE, BEGIN, BEGIN + minutes * MINUTE, warm_up=warm_up)
    rules = Rules(
        slots=config.trading.max_open_trades,
        sizing=ORDER,
        order_krw=config.trading.order_krw,
        max_order_krw=config.risk.max_order_krw,
        max_market_krw=config.risk.max_market_krw,
        max_day_krw=config.risk.max_day_krw,
        slippage_scale=0.0,
    )
    deals: Deals = {}
    for trade in simulate(prepare(panel, strategy, parameters), rules, 1).trades:
        left = panel.opened_at(trade.left) if trade.left is not None else None
        deals[Deal(panel.opened_at(trade.entered), trade.market, left, trade.cause)] = (
            trade.entry_price,
            trade.exit_price,
        )
    return deals


def basis_points(ours: Deals, theirs: Deals) -> tuple[list[float], list[float]]:
    """Return how much worse the daemon bought and sold than the backtester, trade by trade."""
    bought, sold = [], []
    for deal in sorted(ours.keys() & theirs.keys(), key=lambda one: (one.bought_at, one.market)):
        (entry, leave), (their_entry, their_leave) = ours[deal], theirs[deal]
        bought.append(1e4 * (entry / their_entry - 1))
        if leave is not None and their_leave is not None:
            sold.append(1e4 * (1 - leave / their_leave))
    return bought, sold


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded candles are not at {RECORDED}")
@pytest.mark.parametrize(
    ("minutes", "places"),
    [
        (90, 2),
        pytest.param(75, 5, marks=pytest.mark.slow),
        pytest.param(1440, 5, marks=pytest.mark.slow),
        pytest.param(1440, 2, marks=pytest.mark.slow),
    ],
    ids=["an hour and a half of draws", "an hour", "the whole day", "a whole day of draws"],
)
def test_the_daemon_and_the_backtester_make_the_same_trades(minutes: int, places: int, tmp_path: Path) -> None:
    """Every purchase and sale in the same market and minute for the same cause, at prices within the spread.

    With two places for four markets both draw, and from the same seed they draw the same.
    """
    config = load({"LOG_LEVEL": "ERROR"}, overrides=[f"trading.max_open_trades={places}"])
    ours, theirs = by_the_daemon(config, tmp_path, minutes), by_the_backtester(config, minutes)
    assert sorted(map(str, ours)) == sorted(map(str, theirs))
    bought, sold = basis_points(ours, theirs)
    print(  # noqa: T201 - the figures this comparison is for
        f"\n{len(ours)} trades in {minutes} minutes; the daemon bought {sum(bought) / len(bought):+.2f} bp and sold "
        f"{sum(sold) / len(sold):+.2f} bp worse than the candles, at most {max(*bought, *sold):.2f} bp"
    )
    assert len(sold) >= 3
    assert all(abs(difference) < 15 for difference in [*bought, *sold])
