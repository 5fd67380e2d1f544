"""A daemon written by hand, as the comparisons with the exchange see it, and an order of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

from journal.journal import Journal
from tests.helpers.orders import shown
from tests.helpers.parts import Mocked, make_mocked, mock
from trader.orders import names
from upbit.decoding import Rows
from upbit.models import Fill as Execution
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    import pytest

    from trader.app import App
    from upbit.models import Order

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAME = "ub1-Sabcd-KRWA-2611021158-b-0-0"


def written_by_hand() -> Mocked:
    """Return a daemon whose journal and exchange are written by hand."""
    journal = mock(Journal)
    journal.executed_volume.return_value = Decimal(0)
    journal.fills_of_trade.return_value = []
    journal.live_intents.return_value = []
    journal.open_trades.return_value = []
    journal.open_trade_in.return_value = None
    journal.known_intent.return_value = None
    journal.imported_until.return_value = None
    journal.dust.return_value = {}
    journal.written_off.return_value = {}
    return make_mocked(
        journal=journal,
        upbit=mock(
            Upbit,
            closed_orders=AsyncMock(return_value=Rows()),
            open_orders=AsyncMock(return_value=Rows()),
            order=AsyncMock(),
            accounts=AsyncMock(return_value=[]),
        ),
    )


def recorded(monkeypatch: pytest.MonkeyPatch, module: ModuleType, *steps: str) -> list[tuple[Any, ...]]:
    """Let these steps of a module do nothing, and return their calls."""
    calls: list[tuple[Any, ...]] = []

    def step(name: str) -> Callable[..., Awaitable[None]]:
        async def note(_: App, *what: object, **facts: object) -> None:
            calls.append((name, *what, *facts.values()))

        return note

    for name in steps:
        monkeypatch.setattr(module, name, step(name))
    return calls


def ours(**changes: object) -> Order:
    """Return a buy of this bot as the exchange shows it, over and executed."""
    execution = Execution(uuid="f", price=Decimal(100), volume=Decimal(5), notional=Decimal(500))
    values = {
        "identifier": NAME,
        "state": "cancel",
        "executed_volume": Decimal(5),
        "trades_count": 1,
        "fills": [execution],
        "price": Decimal(500),
        "paid_fee": Decimal("0.25"),
        "created_at": "2026-11-02T20:58:01+09:00",
    }
    return shown(**(values | changes))


def name_of(order: Order) -> names.Name:
    """Return what the name of an order says."""
    name = names.read_name(order.identifier, "ub1-Sabcd-")
    assert name is not None
    return name
