"""The unchanged daemon trades on paper, in the market of an exchange that counts every rule it breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from cli.demo import ledger_equal
from paper.wallet import WALLET_FILE, open_wallet
from tests.helpers.daemon_desk import serving, told
from tests.helpers.paper_desk import LATENCY_MS, PaperDesk, on_paper, paper_desk, played_upbit

if TYPE_CHECKING:
    from pathlib import Path

    from trader.app import App

BREAKS: list[dict[str, Any]] = [
    {"fault": "hung_up", "minutes": [4, 12], "count": 6},
    {"fault": "answered", "status": 503, "probability": 0.5, "minutes": [5, 7]},
    {"fault": "halted", "minutes": [5, 7]},
    {"fault": "refused", "error": "too_many_requests", "probability": 0.3, "minutes": [8, 10]},
]
"""Sockets that end, two minutes of maintenance, and an address that others spend from."""


def check(desk: PaperDesk, app: App) -> None:
    """Insist that nothing was filled that could not have been, and that both books say the same."""
    assert desk.fills.all
    for order, fill, known in desk.fills.all:
        assert known, "filled in a gap"
        assert fill.at_ms >= order.met_ms >= order.created_ms + LATENCY_MS, "filled by a book of before"
    assert desk.upbit.violations == Counter()
    assert desk.upbit.internal_errors == desk.box.internal_errors == 0
    assert ledger_equal(app.journal.totals(), desk.box.balances(), desk.box.options.krw)
    desk.box.exchange.verify()


def test_the_daemon_trades_on_paper_and_breaks_no_rule(tmp_path: Path) -> None:
    """Every fill has a book of after its order, and the market is only looked at."""

    async def story() -> None:
        async with paper_desk(markets=3) as desk, serving(desk.config(tmp_path), desk.clock) as app:
            await asyncio.sleep(5 * 60)
            check(desk, app)
            assert desk.upbit.orders_received == 0
            assert (desk.live.gaps, desk.live.odd, desk.live.given_up) == ([], {}, 0)
            assert desk.box.violations == Counter()

    told(story)


def test_a_paper_exchange_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """Three times exchange and daemon end and begin again: wallet and journal agree each time."""

    async def story() -> None:
        async with played_upbit(markets=3) as (upbit, clock):
            ended: list[str] = []
            for _ in range(3):
                with open_wallet(tmp_path / WALLET_FILE, "played") as wallet:
                    async with (
                        on_paper(upbit, clock, wallet=wallet) as desk,
                        serving(desk.config(tmp_path), clock) as app,
                    ):
                        assert list(desk.box.exchange.orders) == ended
                        await asyncio.sleep(100)
                        assert ledger_equal(app.journal.totals(), desk.box.balances(), desk.box.options.krw)
                ended = list(desk.box.exchange.orders)
            assert ended
            assert upbit.violations == Counter()

    told(story)


@pytest.mark.slow
def test_a_feed_that_breaks_fills_nothing_meanwhile(tmp_path: Path) -> None:
    """Sockets end, there is maintenance, and 429s that are not for us: orders wait, and nothing else is lost."""

    async def story() -> None:
        async with paper_desk(faults=BREAKS) as desk, serving(desk.config(tmp_path), desk.clock) as app:
            await asyncio.sleep(30 * 60)
            check(desk, app)
            assert desk.live.gaps

    told(story)
