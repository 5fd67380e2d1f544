"""What a person sees in the terminal while the daemon runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import pytest

from cli.common.screen import headline
from config.settings import Config
from state import Balance, State

NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(("language", "words"), [("ko", ["대상 13/20", "실현 손익 -1,234"]), ("en", ["targets 13/20"])])
async def test_the_head_of_the_screen_tells_targets_money_and_requests_left(language: str, words: list[str]) -> None:
    """Twelve names and how many more; sums that the journal has at hand, as it is drawn twice a second."""
    app: Any = SimpleNamespace(
        config=replace(Config(), language=language),
        state=State(),
        listings=dict.fromkeys(range(20)),
        upbit=SimpleNamespace(rates=lambda: {"order": 12, "candle": 10}),
        journal=Mock(),
    )
    app.journal.realised.return_value, app.journal.fees.return_value = Decimal("-1234.4"), Decimal("30.55")
    assert "KRW - ·" in str(await headline(app))
    await app.state.target_dict.replace({f"KRW-{letter}": Mock() for letter in "ABCDEFGHIJKLM"})
    await app.state.wallet_dict.replace({"KRW": Balance(available=Decimal(70_000), locked=Decimal(1), as_of=NOW)})
    app.journal.reset_mock()
    shown = str(await headline(app))
    for word in [*words, "A B C D E F G H I J K L +1\n", "KRW 70,000 ·", "30.6", "order 12 candle 10"]:
        assert word in shown
    assert app.journal.mock_calls == [call.realised(), call.fees()]
