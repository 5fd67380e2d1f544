"""Nothing is traded before the exchange has said what the keys may do: what is asked, waited for and told meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, call

import pytest

from config.settings import Config
from notifier.discord import Discord
from notifier.explain import explain
from notifier.messages import Messages
from simulation.loop import PacedLoop
from tests.helpers.parts import make_app, only
from trader.admission import come_up, need_permissions
from trader.guards.account import CanWithdrawError
from trader.health_file import FILE
from upbit.errors import InsufficientFunds, NotSent, OutcomeUnknown, OutOfScope
from upbit.models import Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from journal.journal import Journal
    from tests.helpers.parts import Parts

AWAY = OutcomeUnknown("time-out")
HARMLESS = OutOfScope("no", name="out_of_scope", status=403)


class Door:
    """An exchange whose answers are scripted, and the daemon's parts in front of it."""

    def __init__(self, journal: Journal, folder: Path, *, language: str = "en") -> None:
        self.accounts, self.open_orders, self.test_order = AsyncMock(), AsyncMock(), AsyncMock()
        self.cancel_withdrawal = AsyncMock(side_effect=HARMLESS)
        self.told_at: list[int] = []  # which failure each message to a person was about
        self.flush = AsyncMock(side_effect=lambda _: self.told_at.append(len(self.said())))
        upbit = only(
            Upbit,
            accounts=self.accounts,
            open_orders=self.open_orders,
            test_order=self.test_order,
            cancel_withdrawal=self.cancel_withdrawal,
        )
        self.app: Parts = make_app(
            config=replace(Config(), data_dir=folder, language=language),
            journal=journal,
            upbit=upbit,
            messages=Messages(language=language, mode="live"),
            discord=only(Discord, flush=self.flush),
        )

    def said(self) -> list[tuple[str, str]]:
        """Return the pause and the sentence of each time it was waited, seconds."""
        told = [call for call in self.app.tell.mock_calls if call.args == ("waiting_for_exchange",)]
        assert all(call.kwargs["level"] == logging.WARNING for call in told)
        return [(call.kwargs["again_in_s"], call.kwargs["why"]) for call in told]

    def told(self) -> list[str]:
        """Return what a person was told."""
        return [note.key for note in self.app.journal.pending_notes(9)]


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story whose waiting takes no time."""

    async def whole() -> None:
        await story()

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed=1e9)) as runner:
        runner.run(whole())


def test_three_permissions_and_the_right_to_withdraw_are_asked_for(journal: Journal, tmp_path: Path) -> None:
    """With an order that is only tested, and a withdrawal that nobody made; then it may trade."""
    door = Door(journal, tmp_path)

    async def story() -> None:
        assert await come_up(door.app)

    run(story)
    door.accounts.assert_awaited_once_with()
    door.open_orders.assert_awaited_once_with()
    (order,) = door.test_order.call_args.args
    assert (order.market, order.side, order.total) == ("KRW-BTC", Side.BID, Decimal(6000))
    assert order.identifier == "probe-abcd-261102120000"
    (nobody,) = door.cancel_withdrawal.call_args.args
    assert str(uuid.UUID(nobody)) == nobody
    assert (door.said(), door.told()) == ([], [])


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_pauses_grow_to_half_a_minute_and_the_fifth_failure_is_told_to_a_person(
    journal: Journal, tmp_path: Path, language: str
) -> None:
    """Each is said in the terminal and in the health file, which goes when it is over."""
    door = Door(journal, tmp_path, language=language)
    door.accounts.side_effect = [NotSent("no route"), *[AWAY] * 6, None]
    times: list[float] = []
    sentences = [explain(NotSent("no route"), language), *[explain(AWAY, language)] * 6]

    async def story() -> None:
        began = asyncio.get_running_loop().time()
        door.app.tell.side_effect = lambda *_, **__: times.append(round(asyncio.get_running_loop().time() - began))
        coming = asyncio.ensure_future(come_up(door.app))
        await asyncio.sleep(1)
        report = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
        assert (report["dead"], report["waiting"]) == ({}, {"exchange": sentences[0]})
        assert await coming

    run(story)
    assert times == [0, 2, 6, 14, 30, 60, 90]
    assert door.said() == list(zip(["2", "4", "8", "16", "30", "30", "30"], sentences, strict=True))
    assert door.told() == ["problem:waiting_for_exchange:2026110212"]
    assert (door.flush.await_args_list, door.told_at) == ([call(8.0)], [5])
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("language", ["ko", "en"])
def test_that_nobody_says_whether_a_key_can_withdraw_is_told_at_once(
    journal: Journal, tmp_path: Path, language: str
) -> None:
    """There is a way out, which the sentence names; a folder that takes no file ends nothing."""
    door = Door(journal, tmp_path / "none", language=language)
    door.cancel_withdrawal.side_effect = [*[AWAY] * 6, HARMLESS]

    async def story() -> None:
        began = asyncio.get_running_loop().time()
        assert await come_up(door.app)
        assert round(asyncio.get_running_loop().time() - began) == (2 + 2) + 2 + (2 + 2) + 4

    run(story)
    unknown = CanWithdrawError(certain=False, heard=str(AWAY))
    assert door.said() == [("2", unknown.sentence(language)), ("4", unknown.sentence(language))]
    assert (door.told(), door.told_at) == (["problem:waiting_for_exchange:2026110212"], [1])


def test_what_a_person_must_mend_ends_the_start(journal: Journal, tmp_path: Path) -> None:
    """A key that is refused, and one that can withdraw: nothing is waited for, and nobody is told twice."""
    refused, able = Door(journal, tmp_path), Door(journal, tmp_path)
    refused.accounts.side_effect = HARMLESS
    able.cancel_withdrawal.side_effect = None

    async def story() -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            await come_up(refused.app)
        assert caught.group_contains(OutOfScope)
        with pytest.raises(BaseExceptionGroup) as caught:
            await come_up(able.app)
        assert caught.group_contains(CanWithdrawError)

    run(story)
    assert (refused.said(), able.said(), able.told()) == ([], [], [])


def test_a_stop_ends_the_waiting_and_nothing_is_traded(journal: Journal, tmp_path: Path) -> None:
    """Also in the middle of a pause; no health file of a daemon that never was is left."""
    door = Door(journal, tmp_path)
    door.accounts.side_effect = AWAY

    async def story() -> None:
        asyncio.get_running_loop().call_later(5, door.app.stop.set)
        assert not await come_up(door.app)
        assert asyncio.get_running_loop().time() < 100

    run(story)
    assert len(door.said()) == 2
    assert not (tmp_path / FILE).exists()


async def test_only_that_a_permission_lacks_ends_a_start(journal: Journal, tmp_path: Path) -> None:
    """An order that is refused for another reason shows it; what nobody answers is said, and not waited for."""
    door = Door(journal, tmp_path)
    for ask in (door.open_orders, door.test_order):
        ask.side_effect = InsufficientFunds("no", name="insufficient_funds_bid", status=400)
    await need_permissions(door.app)
    door.app.tell.assert_not_called()
    assert door.test_order.await_count == 1
    door.open_orders.side_effect = AWAY
    await need_permissions(door.app)
    assert door.app.tell.mock_calls == [
        call("permission_not_probed", level=logging.WARNING, permission="view_orders", why=str(AWAY))
    ]
    assert door.test_order.await_count == 2
    for ask in (door.test_order, door.open_orders):
        ask.side_effect = HARMLESS
        with pytest.raises(OutOfScope):
            await need_permissions(door.app)
    assert door.test_order.await_count == 3
