"""One exit up to its order: the book must confirm it, nobody sells into nothing, and what was expected is kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.journal import Journal
from journal.records import Intent, IntentState, Phase
from simulation.loop import LoopClock, PacedLoop
from state import ActiveTrade
from strategy.base import Exit, Reason
from tests.helpers.orders import a_trade
from tests.helpers.parts import make_app, only
from trader.trades import lifecycle
from upbit.models import Book, BookLevel, Fill, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.helpers.parts import Parts
    from trader.app import App

    Story = Callable[[Parts, list[str]], Coroutine[None, None, None]]

START = datetime(2026, 11, 2, tzinfo=UTC)
MARKET = "KRW-A"


def because(code: str) -> Exit:
    """Return a decision to sell."""
    return Exit(sell=True, reason=Reason(code=code, ko="까닭", en="because"))


def holding(app: App) -> None:
    """Write down 100 coins bought at 1,000, with a stop at 900."""
    trade = replace(a_trade(), id="Sabcd-KRWA-1", market=MARKET, decided_at=START)
    intent = Intent(
        identifier="i",
        decision_key="d",
        n=0,
        trade_id=trade.id,
        market=MARKET,
        side=Side.BID,
        request='{"total":"100000"}',
        decided_at=START,
        deadline=None,
    )
    app.journal.begin_trade(trade, intent)
    app.journal.begin_attempt("i")
    app.journal.end_attempt("i", IntentState.ACCEPTED, outcome="accepted", uuid="u")
    fill = Fill(uuid="f", price=Decimal(1000), volume=Decimal(100), notional=Decimal(100_000))
    app.journal.record_fills("i", [fill], Decimal(50))
    app.journal.finish("i")
    app.journal.enter_position(
        trade.id, opened_at=START, stop_price=Decimal(900), highest_price=Decimal(1000), notes=[]
    )


def told(story: Story, bids: list[str], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a story about a held trade whose market has these best bids, one a look; it sees which sales were sent."""
    looks = [
        Book(
            market=MARKET,
            levels=[
                BookLevel(
                    ask_price=Decimal(bid) + 10, bid_price=Decimal(bid), ask_size=Decimal(500), bid_size=Decimal(500)
                )
            ],
        )
        for bid in bids
    ]

    async def books(_: list[str]) -> list[Book]:
        return [looks.pop(0) if len(looks) > 1 else looks[0]]

    sent: list[str] = []

    async def carry_on(_: App, market: str) -> None:
        sent.append(market)

    monkeypatch.setattr(lifecycle, "carry_on", carry_on)

    async def run() -> None:
        clock = LoopClock(START, asyncio.get_running_loop())
        with Journal.open(path / "j.sqlite3", clock) as journal:
            app = make_app(upbit=only(Upbit, books=books), journal=journal, clock=clock)
            holding(app)
            async with app.state.active_trade.locked() as active:
                active[MARKET] = ActiveTrade(
                    market=MARKET, started_at=START, phase=Phase.SELLING, trade_id="Sabcd-KRWA-1"
                )
            await story(app, sent)

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(run())


@pytest.mark.failure("C12")
def test_a_stop_that_the_book_denies_is_held_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One wild trade under the stop while bids stand at 990: nothing is sold; when the bids fall, it is."""

    async def story(app: Parts, sent: list[str]) -> None:
        await lifecycle.sell(app, MARKET, because("stop"))
        assert sent == []
        held = (await app.state.active_trade.snapshot())[MARKET]
        assert held.phase == Phase.HOLDING
        assert app.journal.trade(held.trade_id).phase == "holding"
        app.tell.assert_called_once()
        await lifecycle.sell(app, MARKET, because("stop"))
        assert sent == [MARKET]

    told(story, ["990", "905"], tmp_path, monkeypatch)


def test_an_exit_for_another_reason_needs_no_fall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trend that is over is over at any price."""

    async def story(app: Parts, sent: list[str]) -> None:
        await lifecycle.sell(app, MARKET, because("trend_end"))
        assert sent == [MARKET]

    told(story, ["990"], tmp_path, monkeypatch)


@pytest.mark.failure("C2")
def test_a_market_without_bids_is_waited_for_and_is_no_dust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suspended market's book is empty; the position is worth what it is, and is sold when somebody bids again."""

    async def story(app: Parts, sent: list[str]) -> None:
        await lifecycle.sell(app, MARKET, because("trend_end"))
        assert sent == []
        assert app.journal.trade("Sabcd-KRWA-1").phase == "holding"
        await lifecycle.sell(app, MARKET, because("trend_end"))
        assert sent == [MARKET]

    told(story, ["0", "950"], tmp_path, monkeypatch)


@pytest.mark.failure("C13")
def test_what_an_exit_may_expect_is_written_down_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside its reason, to be compared with its fills."""

    async def story(app: Parts, sent: list[str]) -> None:
        await lifecycle.sell(app, MARKET, because("trend_end"))
        reason = app.journal.trade("Sabcd-KRWA-1").exit_reason
        assert reason is not None
        assert reason["code"] == "trend_end"
        assert Decimal(str(reason["expected_price"])) == 990
        assert Decimal(str(reason["expected_slippage"])) == 0

    told(story, ["990"], tmp_path, monkeypatch)
