"""The first answer of the exchange: waited for while it is none, and heeded when it is one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cli.common.failures import explain_failure
from tests.helpers.daemon_desk import beside, told, trading
from trader.admission import LONGEST_PAUSE_S, come_up
from trader.books.owner import WrongAccountError
from trader.daemon import serve
from trader.guards.account import NO_WITHDRAWAL, CanWithdrawError
from trader.health_file import read_health
from upbit.errors import ExchangeError, IpNotAllowed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.daemon_desk import Desk

REST = {"paths": ["/v1/*"]}
TEN_MINUTES = [0, 10]


def waits(desk: Desk) -> list[str]:
    """Return what was said each time the exchange was waited for."""
    return [str(event.facts["why"]) for event in desk.app.events if event.kind == "waiting_for_exchange"]


@pytest.mark.failure("D2", "D5", "D9", "A22")
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"fault": "answered", "status": 503, "body": "html"}, "no usable answer"),
        ({"fault": "answered", "status": 200, "body": "portal"}, "no usable answer"),
        ({"fault": "answered", "status": 200, "body": "truncated"}, "no usable answer"),
        ({"fault": "answered", "status": 200, "body": "empty"}, "no usable answer"),
        ({"fault": "answered", "status": 404, "body": "no_route"}, "no usable answer"),
        ({"fault": "answered", "status": 500, "body": "json"}, "no usable answer"),
        ({"fault": "lost", "how": "silence"}, "no usable answer"),
        ({"fault": "refused", "error": "market_offline"}, "cannot be traded now"),
        ({"fault": "refused", "error": "too_many_requests"}, "refuses more requests"),
    ],
)
def test_a_daemon_waits_for_an_exchange_without_a_usable_answer_and_then_comes_up_by_itself(
    fault: dict[str, object], words: str, tmp_path: Path
) -> None:
    """Ten minutes: said in the terminal and the health file, told a person once, and trading half a minute later."""

    async def story() -> None:
        began = asyncio.get_running_loop().time()
        async with beside(tmp_path, faults=[fault | {"minutes": TEN_MINUTES, "on": REST}]) as desk:
            async with asyncio.TaskGroup() as tasks:
                coming = tasks.create_task(come_up(desk.app))
                await asyncio.sleep(480)
                assert not coming.done()
                alive, sentence = read_health(str(tmp_path / "health.json"), "en")
                assert alive  # whoever restarts what is dead would not bring the exchange back
                assert words in sentence
                assert await coming
            assert 600 <= asyncio.get_running_loop().time() - began < 600 + LONGEST_PAUSE_S + 25
            assert all(words in sentence for sentence in waits(desk))
            assert 600 / (LONGEST_PAUSE_S + 25) < len(waits(desk)) < 600 / LONGEST_PAUSE_S + 10
            assert ["Needs attention" in message for message in desk.messages()] == [True]
            assert not (tmp_path / "health.json").exists()

    told(story)


@pytest.mark.failure("D2")
def test_a_daemon_that_started_before_its_network_trades_as_soon_as_there_is_one(tmp_path: Path) -> None:
    """Nobody listens for ten minutes; then it trades as if it had been there all the time."""

    async def story() -> None:
        async with beside(tmp_path, faults=[{"fault": "refusing", "minutes": TEN_MINUTES}]) as desk:
            assert await come_up(desk.app)
            assert all("cannot be reached" in sentence for sentence in waits(desk))
            assert waits(desk)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve(desk.app))
                await asyncio.sleep(300)
                assert desk.app.journal.counts().buys > 0
                desk.app.stop.set()

    told(story)


@pytest.mark.failure("B8", "B9")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_key": "another-secret-key-0123456789abcdef0123"}, "The API keys are wrong"),
        ({"ips": frozenset({"203.0.113.9"})}, "Register its public IP"),
        ({"permissions": frozenset({"view_orders", "make_orders"})}, "lacks a permission"),
        ({"permissions": frozenset({"view_accounts", "make_orders"})}, "lacks a permission"),
        ({"permissions": frozenset({"view_accounts", "view_orders"})}, "lacks a permission"),
    ],
)
def test_what_a_person_must_mend_ends_the_start_at_once(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    """With its sentence and the exit code of a configuration; asked once."""

    async def story() -> None:
        async with beside(tmp_path) as desk:
            desk.set_key(**changes)
            began = asyncio.get_running_loop().time()
            with pytest.raises(BaseExceptionGroup) as caught:
                await come_up(desk.app)
            assert asyncio.get_running_loop().time() - began < 1
            assert waits(desk) == []
            (error,) = caught.value.exceptions
            assert isinstance(error, ExchangeError)
            sentence, code = explain_failure(error, "en") or ("", 0)
            assert words in sentence
            assert code == 4

    told(story)


@pytest.mark.failure("B8")
def test_a_key_that_is_refused_after_a_while_of_waiting_ends_the_start_too(tmp_path: Path) -> None:
    """The first usable answer decides, whenever it comes."""

    async def story() -> None:
        rule = {"fault": "answered", "status": 502, "minutes": [0, 2], "on": REST}
        async with beside(tmp_path, faults=[rule]) as desk:
            desk.set_key(ips=frozenset({"203.0.113.9"}))
            with pytest.raises(BaseExceptionGroup) as caught:
                await come_up(desk.app)
            assert caught.group_contains(IpNotAllowed)
            assert waits(desk)

    told(story)


@pytest.mark.failure("B10")
def test_a_key_of_which_nobody_says_whether_it_can_withdraw_waits_and_does_not_trade(tmp_path: Path) -> None:
    """Only that question is not answered for a while: it is asked until it is, and the proof is kept."""

    async def story() -> None:
        silent = {"fault": "answered", "status": 503, "minutes": [0, 3], "on": {"paths": ["/v1/withdraws/coin"]}}
        async with beside(tmp_path, faults=[silent]) as desk:
            assert await come_up(desk.app)
            assert all("is not known" in sentence for sentence in waits(desk))
            assert waits(desk)
            assert desk.app.journal.meta(NO_WITHDRAWAL) == desk.app.account
            (message,) = (text.replace("\\", "") for text in desk.messages())  # as Discord shows it
            assert "risk.allow_withdrawal = true" in message
            assert "503" in message

    told(story)


def test_an_answer_that_says_nothing_about_a_permission_keeps_nobody_out(tmp_path: Path) -> None:
    """Maintenance, an odd answer or no money at the test order: what is held must be sold all the same."""

    async def story() -> None:
        faults: list[dict[str, object]] = [
            {"fault": "answered", "status": 200, "body": "html", "on": {"paths": ["/v1/orders/test"]}},
            {"fault": "refused", "error": "market_offline", "on": {"paths": ["/v1/orders/open"]}},
        ]
        async with beside(tmp_path, faults=faults) as desk:
            assert await come_up(desk.app)
            assert waits(desk) == []
            assert "permission_not_probed" in {event.kind for event in desk.app.events}

    told(story)


@pytest.mark.failure("B10")
def test_a_key_that_can_withdraw_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It will still be able to in an hour."""

    async def can_withdraw(*_: object, **__: object) -> None:
        raise CanWithdrawError(certain=True, heard="")

    async def story() -> None:
        async with beside(tmp_path) as desk:
            with pytest.raises(BaseExceptionGroup) as caught:
                await come_up(desk.app)
            assert caught.group_contains(CanWithdrawError, match="can withdraw")
            assert waits(desk) == []

    monkeypatch.setattr("trader.admission.refuse_withdrawal", can_withdraw)
    told(story)


def test_keys_of_another_account_end_the_start(tmp_path: Path) -> None:
    """What they could sell is not what the journal has bought: nothing is waited for, and nothing traded."""

    async def story() -> None:
        async with beside(tmp_path) as desk:
            desk.app.journal.set_meta("account", "zzzz")
            with pytest.raises(BaseExceptionGroup) as caught:
                await come_up(desk.app)
            assert caught.group_contains(WrongAccountError, match="another API key")
            assert waits(desk) == []

    told(story)


@pytest.mark.failure("G6")
def test_a_daemon_reports_every_day_at_nine_in_korea(tmp_path: Path) -> None:
    """Once, also when it is started again on that day; and nothing on the day of its start."""

    async def story() -> None:
        evening = timedelta(hours=23, minutes=57)
        async with trading(tmp_path, after=evening) as desk:
            await asyncio.sleep(120)
            assert "Daily summary" not in str(desk.messages())
            await asyncio.sleep(120)
            assert sum("Daily summary" in text for text in desk.messages()) == 1
        async with trading(tmp_path, after=evening + timedelta(minutes=2)) as desk:
            await asyncio.sleep(180)
            assert sum("Daily summary" in text for text in desk.messages()) == 0

    told(story)


@pytest.mark.failure("F2")
def test_a_stop_ends_the_waiting_in_the_middle_of_a_request(tmp_path: Path) -> None:
    """No pause and no time-out is waited for, and no health file is left behind."""

    async def story() -> None:
        async with beside(tmp_path, faults=[{"fault": "lost", "how": "silence", "on": REST}]) as desk:
            loop = asyncio.get_running_loop()
            loop.call_later(100, desk.app.stop.set)
            began = loop.time()
            assert not await come_up(desk.app)
            assert loop.time() - began == pytest.approx(100, abs=0.1)
            assert not (tmp_path / "health.json").exists()

    told(story)
