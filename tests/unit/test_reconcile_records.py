"""When the exchange is compared with the journal, in which order, and what the shared dicts make of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest

from journal.records import Phase
from state import ActiveTrade
from tests.helpers.handmade import NOW, recorded
from tests.helpers.orders import a_trade
from trader.books import reconcile

if TYPE_CHECKING:
    from tests.helpers.parts import Mocked
    from trader.app import App


@pytest.mark.parametrize("whole", [True, False])
async def test_a_comparison_has_its_order_and_opens_the_way(
    whole: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Disk, orders, open trades, then balances and stops: these say nothing while an order is not known."""
    calls = recorded(monkeypatch, reconcile, "compare_balances", "take_up", "give_stop")

    async def compare_orders(_: App) -> bool:
        calls.append(("compare_orders",))
        return whole

    monkeypatch.setattr(reconcile, "compare_orders", compare_orders)
    monkeypatch.setattr(reconcile, "look_after_storage", lambda found: calls.append(("disk", found is daemon)))
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.comparison.rounds = 5
    began_s = asyncio.get_running_loop().time()
    await reconcile.reconcile(daemon)
    assert calls[:3] == [("disk", True), ("compare_orders",), ("take_up", "KRW-A")]
    assert calls[3:] == ([("compare_balances",), ("give_stop", a_trade())] if whole else [])
    assert (daemon.comparison.finished, daemon.comparison.rounds) == (whole, 5 + whole)
    assert (daemon.comparison.began_s is not None and daemon.comparison.began_s >= began_s) is whole
    assert (daemon.comparison.first_s is not None and daemon.comparison.first_s >= began_s) is whole


async def test_the_first_whole_comparison_is_remembered(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on it counts how long nothing new was listed."""
    recorded(monkeypatch, reconcile, "compare_balances")
    monkeypatch.setattr(reconcile, "look_after_storage", lambda _: None)
    monkeypatch.setattr(reconcile, "compare_orders", AsyncMock(return_value=True))
    daemon.journal.open_trades.return_value = []
    daemon.comparison.first_s = 7.0
    await reconcile.reconcile(daemon)
    assert daemon.comparison.first_s == 7.0


@pytest.mark.parametrize(("compared_s", "fresh"), [(None, False), (1000.0, True), (700.0, True), (699.9, False)])
def test_a_comparison_is_good_for_five_minutes(
    compared_s: float | None,
    fresh: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """Another daemon may have traded since."""
    daemon.comparison.began_s = compared_s
    assert daemon.comparison.is_fresh(1000.0) is fresh


async def test_comparisons_come_every_minute_and_soon_again_until_one_is_complete(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end with the daemon, and their failures are looked after like those of every loop."""
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)

    monkeypatch.setattr(reconcile, "pause", pause)
    daemon.discovery.thorough_at = NOW
    async for _ in reconcile.rounds(daemon):
        assert not daemon.comparison.wanted.is_set()
        daemon.comparison.wanted.set()
        if len(pauses) == 2:
            daemon.comparison.finished = True
        if len(pauses) == 3:
            daemon.discovery.thorough_at = None
        if len(pauses) == 4:
            daemon.discovery.thorough_at = NOW
            daemon.journal.open_trades.return_value = [
                replace(a_trade(), entry_reason={"code": "adopted"}, phase=Phase.HOLDING, bought=Decimal(5))
            ]
        if len(pauses) == 5:
            daemon.stop.set()
    assert [seconds for seconds, *_ in pauses] == [1.0, 1.0, 60.0, 1.0, 1.0, 1.0]
    assert {tuple(wakers) for _, *wakers in pauses} == {(daemon.stop, daemon.comparison.wanted)}
    kept: list[Any] = []

    async def keep_going(*what: object, **facts: object) -> None:
        kept.extend((what, facts))

    calls = recorded(monkeypatch, reconcile, "reconcile")
    monkeypatch.setattr(reconcile, "keep_going", keep_going)
    await reconcile.reconcile_periodically(daemon)
    (name, ticks, step), facts = kept
    assert (name, facts) == ("reconcile", {"health": daemon.health, "stop": daemon.stop})
    assert [tick async for tick in ticks] == []
    await step()
    assert calls == [("reconcile",)]


async def test_nothing_is_bought_on_the_word_of_one_list(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not show may be bought already: the second whole comparison opens the way, dated by its begin."""
    recorded(monkeypatch, reconcile, "compare_balances")
    monkeypatch.setattr(reconcile, "look_after_storage", lambda _: None)
    monkeypatch.setattr(reconcile, "compare_orders", AsyncMock(side_effect=[True, False, True]))
    fresh = []
    for _ in range(3):
        await reconcile.reconcile(daemon)
        fresh.append(daemon.comparison.is_fresh(asyncio.get_running_loop().time()))
    assert fresh == [False, False, True]


@pytest.mark.parametrize(
    ("trade", "active", "step"),
    [
        ("holding", None, "put_back"),
        ("holding", (Phase.HOLDING, "t"), "hold_again"),
        ("holding", (Phase.SELLING, "t"), None),
        ("holding", (Phase.HOLDING, "other"), "put_back"),
        ("entering", None, None),
        ("entering", (Phase.BUYING, "t"), None),
        (None, None, None),
        (None, (Phase.HOLDING, "t"), "let_go"),
        (None, (Phase.SELLING, "t"), None),
    ],
)
async def test_the_shared_dicts_follow_the_journal_unless_somebody_works_on_it(
    trade: str | None,
    active: tuple[str, str] | None,
    step: str | None,
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trade that stands nowhere is put back, one at rest is read again, one that is over is let go."""
    calls = recorded(monkeypatch, reconcile, "put_back", "hold_again", "let_go")
    found = None if trade is None else replace(a_trade(), phase=Phase(trade))
    daemon.journal.open_trade_in.return_value = found
    if active is not None:
        phase, name = active
        await daemon.state.active_trade.replace(
            {"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase(phase), trade_id=name)}
        )
    await reconcile.take_up(daemon, "KRW-A")
    expected = {None: [], "put_back": [("put_back", found)]}
    assert calls == expected.get(step, [(step, "KRW-A")])
    if step in {"hold_again", "let_go"}:  # taken, so that nobody begins a sale meanwhile
        assert (await daemon.state.active_trade.snapshot())["KRW-A"].phase == Phase.SELLING
