"""The whole daemon on an exchange that gives one odd kind of answer for a while, and goes on as if nothing were."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from journal.records import Phase
from tests.helpers.daemon_desk import opened, serving, told, trading

if TYPE_CHECKING:
    from pathlib import Path

    from trader.app import App

ORDERS = {"methods": ["POST"], "paths": ["/v1/orders"]}
DISABLED = {"fault": "refused", "error": "order_disabled_member", "on": ORDERS}
"""The account may not order; nothing is taken."""
SENDS = "SELECT id, count(*) AS sends, min(begun_ms) AS first_ms FROM attempt GROUP BY id"
SECONDS_TO_A_PERSON = 10.0


@pytest.mark.case("L6")
@pytest.mark.failure("A19")
def test_an_account_that_may_not_order_hears_upbits_own_words_within_seconds_and_sends_a_handful(
    tmp_path: Path,
) -> None:
    """Buys are halted once two markets say the same; no market is sent more than an order and two fences in all."""

    async def story() -> None:
        async with trading(tmp_path, markets=12, faults=[DISABLED]) as desk:
            while not attempts(desk.app):  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.5)
            await asyncio.sleep(SECONDS_TO_A_PERSON)
            sentence = "Your account has been suspended from ordering."
            assert [message for message in desk.messages() if sentence in message]
            await asyncio.sleep(1200)
            sends = attempts(desk.app)
            assert 2 <= len(sends) <= 5
            assert max(sends.values()) <= 3
            assert [desk.app.control.may_buy(), desk.app.control.may_sell()] == [False, True]
            assert [halt.code for halt in desk.app.control.reasons] == ["unknown_refusal"]
            assert desk.box.exchange.orders == {}

    told(story)


def attempts(app: App) -> dict[str, int]:
    """Return how often each order was sent, its fences with it."""
    return {row["id"]: row["sends"] for row in app.journal._db.execute(SENDS)}


@pytest.mark.case("L8")
@pytest.mark.failure("D5")
def test_while_order_books_are_empty_nothing_is_bought_and_every_start_lives(tmp_path: Path) -> None:
    """Markets wait, what is held is looked after, and a daemon that is started meanwhile comes up and trades later."""
    empty = {
        "fault": "altered",
        "say": "empty",
        "minutes": [4, 12],
        "on": {"methods": ["GET"], "paths": ["/v1/orderbook"]},
    }

    async def story() -> None:
        async with opened(tmp_path, markets=12, faults=[empty]) as (box, config, clock):
            async with serving(config, clock) as app:
                await asyncio.sleep(5 * 60)
                bought = app.journal.counts().buys
                assert bought
            async with serving(config, clock) as app:
                await asyncio.sleep(5 * 60)
                assert app.comparison.finished
                assert app.journal.counts().buys == bought
                assert app.control.reasons == []
                await asyncio.sleep(20 * 60)
                counts = app.journal.counts()
                assert counts.sells
                assert app.control.reasons == []
            assert box.internal_errors == 0

    told(story)


@pytest.mark.case("L4")
@pytest.mark.failure("B13")
@pytest.mark.parametrize(("field", "say"), [("locked", "no text"), ("balance", "negative"), ("avg_buy_price", "null")])
def test_an_odd_row_of_the_wallet_keeps_no_trade_from_its_stop_and_no_start_from_coming_up(
    tmp_path: Path, field: str, say: str
) -> None:
    """The row is left out by name: what is held stays held, nobody is told that it was taken, and it is sold."""
    odd = {
        "fault": "altered",
        "say": say,
        "where": [-1, field],
        "minutes": [4, 12],
        "on": {"methods": ["GET"], "paths": ["/v1/accounts"]},
    }

    async def story() -> None:
        async with opened(tmp_path, markets=3, faults=[odd]) as (box, config, clock):
            async with serving(config, clock) as app:
                await asyncio.sleep(5 * 60)
                held = {trade.id: trade.volume for trade in app.journal.open_trades() if trade.phase is Phase.HOLDING}
                assert held
            async with serving(config, clock) as app:
                await asyncio.sleep(5 * 60)
                assert app.comparison.finished
                still = {trade.id: trade.volume for trade in app.journal.open_trades()}
                sold = {trade.id for trade in app.journal.closed_trades(-1)}
                assert all(still.get(name) == volume or name in sold for name, volume in held.items())
                assert not [note for note in app.journal.pending_notes(99) if "taken" in note.key]
                await asyncio.sleep(30 * 60)
                assert app.journal.written_off() == {}
                assert held.keys() & {trade.id for trade in app.journal.closed_trades(-1)}
                assert all(trade.stop_price for trade in app.journal.open_trades() if trade.phase is Phase.HOLDING)
                assert app.control.reasons == []
            assert box.internal_errors == 0

    told(story)
