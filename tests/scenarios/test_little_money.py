"""The whole daemon with little won on an exchange whose wallet lags behind its fills."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.helpers.daemon_desk import told, trading

if TYPE_CHECKING:
    from pathlib import Path

LAGGING = {"fault": "stale", "seconds": 8}
"""For so long after a fill the account shows the balances of before."""


def test_sixty_thousand_won_and_five_places_cost_no_refusal_no_halt_and_one_message(tmp_path: Path) -> None:
    """What is there is spent once: buys that are under way are taken off a wallet that does not show them yet."""

    async def story() -> None:
        async with trading(tmp_path, "trading.order_krw=20000", markets=12, krw=60_000, faults=[LAGGING]) as desk:
            await asyncio.sleep(900)
            counts = desk.app.journal.counts()
            assert counts.buys >= 3
            assert counts.rejected == 0
            assert desk.app.control.reasons == []
            assert len([message for message in desk.messages() if "too little KRW" in message]) == 1

    told(story)
