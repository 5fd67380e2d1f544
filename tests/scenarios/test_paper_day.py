"""Hours on paper in a market as large as Upbit's, with everything that may go wrong there, again and again.

PAPER_HOURS says how many simulated hours (1; `make paper PAPER_HOURS=24` is a whole day).
"""

from __future__ import annotations

import asyncio
import os
import random
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from paper.wallet import WALLET_FILE, open_wallet
from sandbox.exchange.orders import floor_volume
from sandbox.keys import PocketId
from sandbox.refusals import ApiError
from sandbox.wire import plain
from tests.helpers.daemon_desk import serving, told
from tests.helpers.live_desk import LiveDesk
from tests.helpers.paper_desk import PaperDesk, paper_desk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from paper.wallet import Wallet
    from sandbox.market.sources.live import LiveSource
    from sandbox.server import Sandbox

    Balances = dict[str, tuple[Decimal, Decimal]]

pytestmark = pytest.mark.slow

HOURS = float(os.environ.get("PAPER_HOURS", "1"))
MARKETS = 289
HOUR: tuple[dict[str, Any], ...] = (
    {"fault": "hung_up", "minutes": [6, 10], "count": 3},
    {"fault": "halted", "minutes": [12, 14]},
    {"fault": "answered", "status": 503, "probability": 0.5, "minutes": [12, 14]},
    {"fault": "hung_up", "minutes": [12, 14], "count": 3},
    {"fault": "refused", "error": "too_many_requests", "probability": 0.3, "minutes": [20, 21]},
    {"fault": "dropped", "minutes": [26, 28]},
    {"fault": "doubled", "probability": 0.1, "minutes": [32, 34]},
    {"fault": "swapped", "probability": 0.1, "minutes": [34, 36]},
    {"fault": "spoiled", "probability": 0.1, "minutes": [36, 38]},
    {"fault": "slow", "seconds": [1, 4], "probability": 0.3, "minutes": [42, 44]},
    {"fault": "refused", "error": "rate_limit_exceeded_penalty", "minutes": [50, 51]},
)
"""What goes wrong in each hour: sockets, maintenance, limits, silence, frames that make no sense, slowness."""


def faults() -> list[dict[str, Any]]:
    """Return what goes wrong, hour after hour."""
    hours = range(max(1, round(HOURS)))
    return [{**rule, "minutes": [60 * hour + minute for minute in rule["minutes"]]} for hour in hours for rule in HOUR]


async def trade_at_random(desk: PaperDesk) -> None:
    """Be another account, which bids, buys, sells and cancels every few seconds in busy and in quiet markets."""
    rng, pocket, exchange = random.Random(2), PocketId("stranger"), desk.box.exchange
    exchange.open_pocket(pocket)
    exchange.deposit("KRW", Decimal(10_000_000), pocket)
    markets = [*list(desk.box.markets.listed)[:6], *list(desk.box.markets.listed)[-3:]]
    while True:
        await asyncio.sleep(rng.uniform(1, 9))
        market = rng.choice(markets)
        await desk.live.look(market)
        with suppress(ApiError):  # no book is known, there is no money, or nothing to cancel
            trade_once(rng, desk.box, pocket, market)


def trade_once(rng: random.Random, box: Sandbox, pocket: PocketId, market: str) -> None:
    """Do one thing."""
    exchange, book = box.exchange, box.exchange.book(market)
    held = exchange.pockets[pocket].accounts.of(market.removeprefix("KRW-"))[0]
    waiting = list(exchange.pockets[pocket].waiting(newest_first=False))
    body: dict[str, object] = {"market": market, "side": "bid", "smp_type": "none"}
    if len(waiting) > 3:
        exchange.cancel(waiting[0])
    elif held * book.bids[0].price > 5_000 and rng.random() < 0.5:
        exchange.place({**body, "side": "ask", "ord_type": "market", "volume": plain(held)}, pocket)
    elif rng.random() < 0.5:
        exchange.place({**body, "ord_type": "price", "price": str(rng.randint(6_000, 2_000_000))}, pocket)
    else:
        price = rng.choice(book.bids[:3]).price
        volume = plain(floor_volume(Decimal(20_000) / price))
        exchange.place({**body, "ord_type": "limit", "price": plain(price), "volume": volume}, pocket)


async def break_at_random(live: LiveSource) -> None:
    """Cut a feed of the paper exchange every few minutes, at any moment."""
    rng = random.Random(1)
    while True:
        await asyncio.sleep(rng.uniform(60, 900))
        live.upstream.reconnect(rng.choice(["trade", "orderbook", "ticker", "candle.1m"]))


def test_hours_on_paper(tmp_path: Path) -> None:
    """No rule is broken, wallet and journal agree, nothing is filled by a book of before, and nothing in a gap."""

    async def story(wallet: Wallet) -> Mapping[PocketId, Balances]:
        async with (
            paper_desk(markets=MARKETS, faults=faults(), wallet=wallet) as desk,
            serving(desk.config(tmp_path), desk.clock) as app,
            asyncio.TaskGroup() as tasks,
        ):
            others = [tasks.create_task(work) for work in (break_at_random(desk.live), trade_at_random(desk))]
            await asyncio.sleep(HOURS * 3600)
            for other in others:
                other.cancel()
            print(  # noqa: T201 - what `make paper` shows
                f"{HOURS:g} h, {MARKETS} markets: {len(desk.fills.all)} fills "
                f"({sum(seen.fill.maker for seen in desk.fills.all)} of resting orders), {len(desk.live.gaps)} gaps, "
                f"{desk.live.given_up} orders given up, frames left out {dict(desk.live.odd)}"
            )
            desk.check(app)
            assert {seen.fill.maker for seen in desk.fills.all} == {True, False}
            assert desk.live.gaps
        return {name: pocket.accounts.all() for name, pocket in desk.box.exchange.pockets.items()}

    ended: list[Mapping[PocketId, Balances]] = []

    async def recorded() -> None:
        with open_wallet(tmp_path / WALLET_FILE, "played") as wallet:
            ended.append(await story(wallet))

    told(recorded)
    with open_wallet(tmp_path / WALLET_FILE, "played") as wallet:
        pockets = LiveDesk(wallet).exchange.pockets
        assert {name: pocket.accounts.all() for name, pocket in pockets.items()} == ended[0], "the records say the same"
