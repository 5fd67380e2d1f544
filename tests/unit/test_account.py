"""Keys: what they may do, when they end, and what happens when Upbit stops allowing something."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, call, patch

import pytest

from cli.common.failures import explain_failure
from config.reading import load
from journal.journal import Journal
from notifier.explain import explain
from notifier.messages import Messages
from sandbox.keys import MAKE_ORDERS, TRADING, VIEW_ACCOUNT, VIEW_ORDERS, WITHDRAW
from sandbox.server import Sandbox, SandboxOptions
from simulation.loop import LoopClock, PacedLoop
from tests.helpers.parts import make_app, only
from tests.helpers.values import changed
from trader.books.owner import WrongModeError, claim_mode
from trader.control import Control
from trader.guards import account
from trader.guards.account import CanWithdrawError, Withdrawal, judge_withdrawal
from trader.health import Health
from upbit.circuit import KEY, PROBE_EVERY_S, Circuit, permission_of
from upbit.errors import (
    ExchangeError,
    InsufficientFunds,
    NotSent,
    OutcomeUnknown,
    OutOfScope,
    RateLimited,
    Rejected,
    Unauthorized,
    error_from,
)
from upbit.models import ApiKey, NewOrder, Side
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.helpers.parts import Parts

    Story = Callable[[Parts], Coroutine[None, None, None]]

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ACCESS, SECRET = "AK", "0123456789abcdef0123456789abcdef01234567"
NOBODY = "00000000-0000-4000-8000-000000000000"


def refused(status: int, name: str, *, placing: bool = False) -> ExchangeError:
    """Return what Upbit's refusal becomes."""
    body = f'{{"error":{{"name":"{name}","message":"m"}}}}'.encode()
    return error_from(status, body, placing=placing)


def told(path: Path, story: Callable[[Parts, Sandbox], Coroutine[None, None, None]], *overrides: str) -> None:
    """Run a story of an account on a sandbox, on a loop that skips waiting."""

    async def run() -> None:
        clock = LoopClock(NOW, asyncio.get_running_loop())
        options = SandboxOptions(access_key=ACCESS, secret_key=SECRET, markets=1)
        with Journal.open(path / "j.sqlite3", clock) as journal:
            async with Sandbox(options, clock) as box, open_session() as session:
                messages = Messages(language="ko", mode="live")
                app = make_app(
                    config=load({"ACCESS_KEY": ACCESS, "SECRET_KEY": SECRET}, overrides=overrides),
                    upbit=Upbit(session, base_url=box.url, access_key=ACCESS, secret_key=SECRET),
                    journal=journal,
                    control=Control(journal, messages, clock),
                    messages=messages,
                    clock=clock,
                )
                await story(app, box)

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(run())


def change(box: Sandbox, **changes: object) -> None:
    """Change what the exchange knows of the key."""
    box.gate.keys[ACCESS] = changed(box.gate.keys[ACCESS], **changes)


# --- modes ----------------------------------------------------------------------------------------------------------


@pytest.mark.failure("H4")
def test_real_and_rehearsed_trades_never_share_a_journal(tmp_path: Path) -> None:
    """The first start claims the journal for its mode; the other mode is refused with a sentence."""
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as journal:
        claim_mode(journal, "live")
        claim_mode(journal, "live")
        with pytest.raises(WrongModeError) as caught:
            claim_mode(journal, "sandbox")
    for language, words in (("en", "never mixed"), ("ko", "섞지 않습니다")):
        sentence = explain_failure(caught.value, language)
        assert sentence is not None
        assert words in sentence[0]
        assert sentence[1] == 1


# --- withdrawing ----------------------------------------------------------------------------------------------------


@pytest.mark.failure("B10")
@pytest.mark.parametrize(
    ("error", "found"),
    [
        (None, Withdrawal.POSSIBLE),
        (refused(401, "out_of_scope"), Withdrawal.IMPOSSIBLE),
        (refused(403, "out_of_scope"), Withdrawal.IMPOSSIBLE),
        (refused(403, "open_api_withdraw_locked"), Withdrawal.LOCKED),
        (refused(404, "withdraw_not_found"), Withdrawal.POSSIBLE),
        (refused(400, "validation_error"), Withdrawal.POSSIBLE),
        (refused(400, "a_name_of_tomorrow"), Withdrawal.POSSIBLE),
        (refused(403, "a_name_of_tomorrow"), Withdrawal.POSSIBLE),
        (error_from(404, b'{"error":{"name":"not_found","message":"no Route matched"}}'), Withdrawal.UNKNOWN),
        (error_from(404, b'{"error":{"name":404,"message":"x"}}'), Withdrawal.UNKNOWN),
        (error_from(404, b"<html>"), Withdrawal.UNKNOWN),
        (refused(401, "jwt_verification"), Withdrawal.UNKNOWN),
        (refused(429, "too_many_requests"), Withdrawal.UNKNOWN),
        (refused(502, "withdraw_not_found"), Withdrawal.UNKNOWN),
        (NotSent("no route"), Withdrawal.UNKNOWN),
    ],
)
def test_what_a_refused_cancellation_says_about_the_key(error: ExchangeError | None, found: Withdrawal) -> None:
    """The name decides; nothing that a gateway may have said proves anything."""
    assert judge_withdrawal(error) is found


@pytest.mark.failure("B10")
def test_a_key_that_can_withdraw_is_not_traded_with(tmp_path: Path) -> None:
    """Three permissions pass; a locked right is warned about, an open one refused; the settings may insist."""

    async def story(app: Parts, box: Sandbox) -> None:
        await account.refuse_withdrawal(app, NOBODY)
        assert app.journal.meta(account.NO_WITHDRAWAL) == "abcd"
        await account.refuse_withdrawal(app, NOBODY)
        change(box, permissions=TRADING | {WITHDRAW})
        await account.refuse_withdrawal(app, NOBODY)
        assert app.said == ["withdrawal_locked"]
        assert box.violations == {}

        async def unlocked(_: str) -> None:
            raise refused(404, "withdraw_not_found")

        app.upbit = only(Upbit, cancel_withdrawal=unlocked)
        with pytest.raises(CanWithdrawError) as caught:
            await account.refuse_withdrawal(app, NOBODY)
        sentence = explain_failure(caught.value, "ko")
        assert sentence is not None
        assert "출금할 수 있습니다" in sentence[0]
        assert sentence[1] == 4
        app.config = load({"ACCESS_KEY": ACCESS, "SECRET_KEY": SECRET}, overrides=["risk.allow_withdrawal=true"])
        await account.refuse_withdrawal(app, NOBODY)
        assert app.tell.mock_calls == [
            call("withdrawal_locked", level=logging.WARNING),
            call("withdrawal_possible", level=logging.WARNING, found="POSSIBLE"),
        ]

    told(tmp_path, story)


@pytest.mark.failure("B10")
def test_what_cannot_be_known_is_refused_unless_it_was_known_before(tmp_path: Path) -> None:
    """Closed without an answer; but a restart during Upbit's maintenance does not leave positions alone."""

    async def story(app: Parts, _: Sandbox) -> None:
        tries: list[str] = []

        async def down(uuid: str) -> None:
            tries.append(uuid)
            raise OutcomeUnknown("maintenance", status=503)

        app.upbit = only(Upbit, cancel_withdrawal=down)
        with pytest.raises(CanWithdrawError, match="is not known"):
            await account.refuse_withdrawal(app, NOBODY)
        assert len(tries) == account.WITHDRAWAL_TRIES
        app.journal.set_meta(account.NO_WITHDRAWAL, "other")
        with pytest.raises(CanWithdrawError):
            await account.refuse_withdrawal(app, NOBODY)
        app.journal.set_meta(account.NO_WITHDRAWAL, "abcd")
        await account.refuse_withdrawal(app, NOBODY)
        assert app.tell.mock_calls == [call("withdrawal_not_probed", level=logging.WARNING)]

    told(tmp_path, story)


# --- the circuit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/v1/accounts", "view_accounts"),
        ("POST", "/v1/orders", "make_orders"),
        ("POST", "/v1/orders/test", "make_orders"),
        ("DELETE", "/v1/order", "make_orders"),
        ("GET", "/v1/order", "view_orders"),
        ("GET", "/v1/orders/chance", "view_orders"),
        ("GET", "/v1/api_keys", ""),
        ("DELETE", "/v1/withdraws/coin", ""),
    ],
)
def test_every_request_needs_one_permission(method: str, path: str, permission: str) -> None:
    """Of the three that trading needs, or none of them."""
    assert permission_of(method, path) == permission


async def test_a_closed_circuit_refuses_as_upbit_did_until_it_is_time_to_ask() -> None:
    """The same kind of error, without a byte; every other outcome leaves it as it is or opens it."""
    circuit, heard = Circuit(), []
    circuit.on_change = lambda what, error: heard.append((what, type(error).__name__))
    circuit.check("make_orders")
    circuit.observe("make_orders", refused(401, "jwt_verification"))
    circuit.observe("view_orders", refused(401, "jwt_verification"))
    with pytest.raises(Unauthorized, match="not asked again yet"):
        circuit.check("view_accounts")
    for nothing in (NotSent("x"), OutcomeUnknown("x"), RateLimited("x")):
        circuit.observe("view_accounts", nothing)
    with pytest.raises(Unauthorized):
        circuit.check("view_accounts")
    circuit.observe("view_accounts", InsufficientFunds("x"))
    circuit.check("view_accounts")
    assert heard == [(KEY, "InvalidKey"), (KEY, "NoneType")]


async def test_a_lacking_permission_closes_only_what_needs_it() -> None:
    """And shows that the key itself works. What trading does not need closes nothing."""
    circuit, heard = Circuit(), []
    circuit.on_change = lambda what, error: heard.append((what, error is None))
    circuit.observe("", refused(401, "out_of_scope"))
    circuit.observe("view_orders", refused(401, "no_authorization_ip"))
    circuit.observe("make_orders", refused(403, "out_of_scope"))
    circuit.check("view_orders")
    with pytest.raises(OutOfScope):
        circuit.check("make_orders")
    circuit.observe("make_orders", None)
    circuit.check("make_orders")
    assert heard == [("key", False), ("key", True), ("make_orders", False), ("make_orders", True)]


def test_a_closed_circuit_asks_once_a_minute() -> None:
    """Whoever comes first after a minute is the probe, and the next one waits again."""

    async def story() -> None:
        circuit, passed = Circuit(), 0
        circuit.observe("view_accounts", refused(401, "no_authorization_ip"))
        for _ in range(600):
            await asyncio.sleep(1)
            try:
                circuit.check("view_accounts")
            except Unauthorized:
                continue
            passed += 1
            circuit.observe("view_accounts", refused(401, "no_authorization_ip"))
        assert passed == 600 // PROBE_EVERY_S

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


@pytest.mark.failure("B9")
@pytest.mark.parametrize(
    ("lost", "state", "code"),
    [
        (MAKE_ORDERS, "HALTED", "make_orders"),
        (VIEW_ORDERS, "HALT_BUYS", "view_orders"),
        (VIEW_ACCOUNT, "HALT_BUYS", "view_accounts"),
    ],
)
def test_a_permission_that_shrinks_stops_what_needs_it_and_comes_back(
    lost: str, state: str, code: str, tmp_path: Path
) -> None:
    """Reading goes on where it may; the reason ends within two minutes of the permission's return, or a restart's."""

    async def story(app: Parts, box: Sandbox) -> None:
        account.heed(app)
        change(box, permissions=TRADING - {lost})
        with pytest.raises(OutOfScope) as caught:
            await account.probes(app)[code]()
        (halt,) = app.control.reasons
        assert (halt.en, halt.evidence) == (explain(caught.value, "en"), {"error": "out_of_scope"})
        assert (app.control.state.name, [halt.code for halt in app.control.reasons]) == (state, [code])
        assert "권한" in app.control.reasons[0].ko
        await account.ask_again(app)
        assert app.control.stands(code)
        await asyncio.sleep(61)
        await account.ask_again(app)
        assert app.control.stands(code)
        change(box, permissions=TRADING)
        await asyncio.sleep(61)
        await account.ask_again(app)
        assert app.control.state.name == "ACTIVE"

    told(tmp_path, story)


@pytest.mark.failure("B9")
def test_a_reason_left_by_an_earlier_process_is_asked_about(tmp_path: Path) -> None:
    """Its circuit has forgotten; the journal has not. Without an answer it stands."""

    async def story(app: Parts, box: Sandbox) -> None:
        app.control.halt("key", ko="x", en="x", by_itself=True)
        key = box.gate.keys.pop(ACCESS)
        await account.ask_again(app)
        assert app.control.stands("key")
        app.upbit.circuit = Circuit()

        async def gone() -> None:
            raise OutcomeUnknown("x", status=502)

        with patch.object(app.upbit, "accounts", gone):
            await account.ask_again(app)
            assert app.control.stands("key")
        box.gate.keys[ACCESS] = key
        await account.ask_again(app)
        assert not app.control.stands("key")

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("status", "over"), [(400, True), (403, True), (404, True), (401, False), (405, False), (502, False)]
)
async def test_who_is_refused_for_another_reason_may_again_what_was_refused(
    journal: Journal, status: int, *, over: bool
) -> None:
    """Upbit looks at the rights first; what a gateway says shows nothing."""
    box = Control(journal, Messages(language="ko", mode="live"), lambda: NOW)
    for code in ("key", "make_orders"):
        box.halt(code, ko="x", en="x", by_itself=True)

    async def refuses() -> None:
        raise Rejected("no", name="a_name_of_tomorrow", status=status)

    test_order = AsyncMock()
    upbit = only(Upbit, accounts=refuses, open_orders=refuses, test_order=test_order)
    await account.ask_again(make_app(journal=journal, control=box, upbit=upbit))
    tried = NewOrder(market="KRW-BTC", side=Side.BID, identifier="probe-abcd-261102120000", total=Decimal(6000))
    assert test_order.mock_calls == [call(tried)]  # what Upbit would take
    assert box.stands("key") is not over
    assert not box.stands("make_orders")  # each is asked about by itself


@pytest.mark.failure("B11")
def test_an_agreement_that_upbit_wants_stops_buys_until_a_person_has_agreed(tmp_path: Path) -> None:
    """A definite refusal of the order, one alert, and no more tries."""

    async def story(app: Parts, _: Sandbox) -> None:
        account.heed(app)
        error = refused(403, "thirdparty_agreement_required", placing=True)
        assert not isinstance(error, OutcomeUnknown)
        app.upbit.circuit.observe("make_orders", error)
        app.upbit.circuit.observe("make_orders", error)
        assert app.control.state.name == "HALT_BUYS"
        (note,) = app.journal.pending_notes(9)
        assert "동의" in str(note.body)
        assert not app.control.ended("agreement")

    told(tmp_path, story)


# --- expiry ---------------------------------------------------------------------------------------------------------


def years(path: Path, api_keys: Callable[[], Coroutine[None, None, list[ApiKey]]], story: Story) -> None:
    """Run a story of months: no exchange whose market would have to move, only its answer about keys."""

    async def run() -> None:
        clock = LoopClock(NOW, asyncio.get_running_loop())
        with Journal.open(path / "j.sqlite3", clock) as journal:
            messages = Messages(language="ko", mode="live")
            app = make_app(
                config=load({"ACCESS_KEY": ACCESS, "SECRET_KEY": SECRET}),
                upbit=only(Upbit, api_keys=api_keys, accounts=None, open_orders=None),
                journal=journal,
                control=Control(journal, messages, clock),
                messages=messages,
                clock=clock,
                health=Health(asyncio.get_running_loop().time),
            )
            async with asyncio.TaskGroup() as tasks:
                watcher = tasks.create_task(account.watch_account(app))
                await story(app)
                watcher.cancel()

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(run())


@pytest.mark.failure("B7")
def test_the_end_of_a_key_is_told_on_its_days_and_once_each(tmp_path: Path) -> None:
    """Two months of daily looks: five messages, at 30, 14, 7, 3 and 1 days, whatever restarts lie between."""
    end = NOW + timedelta(days=60)

    async def api_keys() -> list[ApiKey]:
        return [ApiKey(access_key="another", expires_at=NOW), ApiKey(access_key=ACCESS, expires_at=end)]

    async def story(app: Parts) -> None:
        await asyncio.sleep(60 * 86_400)
        keys = [note.key for note in app.journal.pending_notes(99)]
        assert keys == [f"expiry:20270101:{days}" for days in (30, 14, 7, 3, 1)]
        assert "1일 뒤 만료" in str(app.journal.pending_notes(99)[-1].body)
        assert app.tell.call_args_list[0] == call("key_expires", level=logging.WARNING, days=30, at="2027-01-01")
        await asyncio.sleep(2 * 86_400)
        assert app.tell.call_args == call("key_expires", level=logging.WARNING, days=0, at="2027-01-01")

    years(tmp_path, api_keys, story)


@pytest.mark.failure("B7")
def test_a_look_that_fails_is_repeated_sooner(tmp_path: Path) -> None:
    """Hourly while nothing can be seen, daily otherwise."""
    asked: list[float] = []

    async def api_keys() -> list[ApiKey]:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) < 3:
            raise NotSent("no route")
        return [ApiKey(access_key=ACCESS, expires_at=NOW + timedelta(days=300))] if len(asked) < 4 else []

    async def story(_: Parts) -> None:
        await asyncio.sleep(30 * 3600)

    years(tmp_path, api_keys, story)
    assert [round(at / 3600) for at in asked] == [0, 1, 2, 26, 27, 28, 29]
