"""The unchanged daemon trades on paper, in the market of an exchange that counts every rule it breaks."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import pytest

from cli.demo import ledger_equal
from paper.wallet import WALLET_FILE, open_wallet
from sandbox.faults.plan_file import find_plan
from tests.helpers.daemon_desk import serving, told
from tests.helpers.paper_desk import on_paper, paper_desk, played_upbit

if TYPE_CHECKING:
    from pathlib import Path


def test_the_daemon_trades_on_paper_and_breaks_no_rule(tmp_path: Path) -> None:
    """Every fill has a book of after its order, and the market is only looked at."""

    async def story() -> None:
        async with paper_desk(markets=3) as desk, serving(desk.config(tmp_path), desk.clock) as app:
            await asyncio.sleep(3 * 60)
            desk.check(app)
            assert desk.fills.all
            assert (desk.live.gaps, desk.live.odd, desk.live.given_up) == ([], {}, 0)
            assert desk.box.violations == Counter()

    told(story)


def test_a_paper_exchange_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """Exchange and daemon end and begin again: wallet and journal agree each time."""

    async def story() -> None:
        async with played_upbit(markets=3) as (upbit, clock):
            ended: list[str] = []
            for _ in range(2):
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


TROUBLES = ("maintenance", "silent-socket", "messy-frames", "teapot", "rate-limit-bursts", "slow-exchange")
HARDLY = "dropping-sockets"
"""Where no feed lasts for long there may be nothing to fill by."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TROUBLES, HARDLY])
def test_whatever_goes_wrong_at_upbit_fills_nothing_that_could_not_be(tmp_path: Path, name: str) -> None:
    """Sockets end, say nothing or nonsense, addresses are blocked: orders wait, and no rule is broken in return."""

    async def story() -> None:
        rules = msgspec.to_builtins(find_plan(name).rules)
        async with paper_desk(faults=rules) as desk, serving(desk.config(tmp_path), desk.clock) as app:
            await asyncio.sleep(15 * 60)
            desk.check(app)
            assert desk.fills.all or name == HARDLY

    told(story)
