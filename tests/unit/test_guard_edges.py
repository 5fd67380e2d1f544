"""The corners of the guards: our own mistakes are breaches, odd answers prove nothing, and `check` says all of it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock

import msgspec
import pytest

from cli import check
from config.problems import ConfigError, shortened
from config.reading import load
from config.settings import Config, Secret
from journal.journal import Journal
from journal.records import Phase
from notifier.messages import Messages
from state import ActiveTrade, Price
from strategy.base import Position
from strategy.scaffold import Scaffold
from tests.helpers.buying import NOW, facts, gate
from tests.helpers.parts import make_app, only
from trader.control import Control
from trader.decisions import Failed, Sell, View, decide
from trader.guards import account
from trader.guards.account import Withdrawal
from trader.orders import risk
from trader.orders.gate import Gate
from upbit.errors import InsufficientFunds, OutcomeUnknown, Withheld
from upbit.models import Fence, NewOrder, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from pathlib import Path

    from upbit.models import ApiKey


def test_what_our_own_rules_exclude_is_a_breach(tmp_path: Path) -> None:
    """A size before its ages, a buy without a total, a daemon without keys: never a guess."""
    with pytest.raises(AssertionError, match="ages"):
        risk.size_entry(Config(), facts(wallet=None))
    order = NewOrder(market="KRW-A", side=Side.BID, total=Decimal(6000), identifier="x")
    msgspec.structs.force_setattr(order, "total", None)
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as journal, pytest.raises(AssertionError, match="total"):
        gate(journal)(order, None)


@pytest.mark.parametrize(("side", "late"), [(Side.BID, True), (Side.ASK, True), (Side.BID, False), (Side.ASK, False)])
def test_what_was_decided_too_long_ago_leaves_no_more(side: Side, late: bool) -> None:  # noqa: FBT001 - a parameter
    """It may have waited for a rate limit since; its fence may always leave."""
    total, volume = (Decimal(6000), None) if side is Side.BID else (None, Decimal(1))
    order = NewOrder(market="KRW-A", side=side, total=total, volume=volume, identifier="x")
    fence = Fence(market="KRW-A", side=side, price=Decimal(1), volume=Decimal(6000), identifier="x")
    journal = Mock(exposure=Mock(return_value={}), spent_since=Mock(return_value=Decimal(0)))
    journal.open_trades.return_value = []
    until = NOW - timedelta(milliseconds=1) if late else NOW
    ask = Gate(Config(), Mock(), journal, lambda: NOW)
    ask(fence, until)
    if not late:
        ask(order, until)
        return
    with pytest.raises(Withheld, match="too long ago") as kept:
        ask(order, until)
    assert kept.value.name == "deadline"


async def test_a_daemon_without_keys_is_a_breach() -> None:
    """Nobody could have started it."""

    async def none() -> list[ApiKey]:
        return []

    app = make_app(upbit=only(Upbit, api_keys=none))
    with pytest.raises(AssertionError, match="keys"):
        await account.look_at_expiry(app)


async def test_a_withdrawal_that_could_be_cancelled_is_the_right_to_do_so() -> None:
    """No refusal at all is the clearest answer."""

    async def cancel(_: str) -> None:
        """Take it."""

    upbit = only(Upbit, cancel_withdrawal=cancel)
    assert (await account.probe_withdrawal(upbit, "nobody")).found is Withdrawal.POSSIBLE


@pytest.mark.parametrize(
    ("error", "stands"),
    [(None, False), (InsufficientFunds("x", status=400), False), (OutcomeUnknown("x", status=502), True)],
)
async def test_only_an_answer_ends_a_reason(error: Exception | None, *, stands: bool, tmp_path: Path) -> None:
    """A refusal for another reason is one, a gateway's confusion is none."""

    async def ask(*_: object) -> None:
        if error is not None:
            raise error

    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as journal:
        control = Control(journal, Messages(language="en", mode="live"), lambda: NOW)
        control.halt("make_orders", ko="x", en="x", by_itself=True)
        upbit = only(Upbit, accounts=ask, open_orders=ask, test_order=ask)
        app = make_app(upbit=upbit, control=control, clock=lambda: NOW)
        await account.ask_again(app)
        assert control.stands("make_orders") is stands


def test_a_reason_whose_end_cannot_be_written_goes_on_standing(tmp_path: Path) -> None:
    """Safe first: memory and journal say the same, and the next start reads it."""
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as journal:
        control = Control(journal, Messages(language="en", mode="live"), lambda: NOW)
        control.halt_buys("x", ko="x", en="x", by_itself=True)
        journal._db.execute("PRAGMA query_only = ON")
        assert not control.ended("x")
        assert not control.may_buy()


@pytest.mark.parametrize(("price", "actions"), [(100, [Failed]), (90, [Failed, Sell]), (89, [Failed, Sell])])
def test_a_strategy_that_fails_stops_nobody_and_no_stop(price: int, actions: list[type]) -> None:
    """Whatever it raises; a position is left at its stop all the same."""

    def broken(*_: object) -> None:
        raise AssertionError("a rule of its own")

    position = Position(
        market="KRW-A",
        entry_price=Decimal(100),
        volume=Decimal(1),
        opened_at=NOW,
        stop_price=Decimal(90),
        highest_price=Decimal(100),
    )
    trade = ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase.HOLDING, position=position)
    view = View(
        now=NOW,
        trading={"KRW-A": Price(price=Decimal(price), as_of=NOW)},
        active={"KRW-A": trade},
        snapshots={},
        price_max_age=timedelta(seconds=10),
        candle_max_age=timedelta(minutes=4),
    )
    strategy = only(Scaffold, enter=broken, exit=broken)
    found = list(decide(view, strategy, None))
    assert [type(action) for action in found] == actions
    assert all(action.exit.reason.code == "stop" for action in found if isinstance(action, Sell))
    late = replace(view, now=NOW + timedelta(seconds=11))
    assert list(decide(late, strategy, None)) == []
    assert not [one for one in decide(replace(view, may_sell=False), strategy, None) if isinstance(one, Sell)]


def test_odd_values_of_settings_are_told_shortly() -> None:
    """A switch that is none, a table that is none, a number nobody can write."""
    assert shortened(10**5000) == "..."
    assert [shortened("x" * length) for length in (0, 100, 101)] == ["", "x" * 100, "x" * 100 + "..."]
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    for text in ("risk.allow_withdrawal=1", "strategy.parameters=5"):
        with pytest.raises(ConfigError):
            load({}, overrides=[text])


WITHDRAWALS = {
    Withdrawal.IMPOSSIBLE: ("출금할 수 없는 키입니다", "the key cannot withdraw"),
    Withdrawal.LOCKED: ("출금 권한이 있지만 잠겨 있습니다.", "The key has the right to withdraw, under a lock."),
    Withdrawal.POSSIBLE: ("이 API 키는 출금할 수 있습니다.", "This API key can withdraw."),
    Withdrawal.UNKNOWN: (
        "이 API 키가 출금할 수 없는지 확인하지 못해",
        "Whether this API key can withdraw is not known;",
    ),
}


@pytest.mark.failure("B10")
@pytest.mark.parametrize(
    ("found", "allowed", "level", "code"),
    [
        (Withdrawal.IMPOSSIBLE, "false", "ok", 0),
        (Withdrawal.LOCKED, "false", "warn", 0),
        (Withdrawal.POSSIBLE, "false", "fail", 4),
        (Withdrawal.UNKNOWN, "false", "fail", 4),
        (Withdrawal.POSSIBLE, "true", "warn", 0),
    ],
)
def test_check_says_whether_the_key_can_withdraw(found: Withdrawal, allowed: str, level: str, code: int) -> None:
    """As the start will judge it; what Upbit answered is told where that says nothing certain."""
    config = load({}, overrides=[f"risk.allow_withdrawal={allowed}"])
    finding = check.withdrawal(account.Probe(found, "an odd answer"), config)
    assert (finding.name, finding.level, finding.code) == ("withdrawal", level, code)
    ko, en = WITHDRAWALS[found]
    assert (finding.ko.startswith(ko), finding.en.startswith(en)) == (True, True)
    for said in (finding.ko, finding.en):
        assert said.endswith(" (Upbit: an odd answer)") is (found is Withdrawal.UNKNOWN)


@pytest.mark.parametrize("as_json", [True, False])
def test_check_without_keys_and_exchange_says_so_in_words(
    *,
    as_json: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is missing, what to do, and the exit code of the worst."""
    environ = {"UPBIT_BASE_URL": "http://127.0.0.1:9", "BOT_DATA_DIR": str(tmp_path / "a" / "b"), "BOT_LANGUAGE": "en"}
    assert check.run(load(environ), Namespace(json=as_json)) == 4
    shown = capsys.readouterr().out
    assert "There are no API keys" in shown
    assert "cannot be reached" in shown.replace("\n", " ")
