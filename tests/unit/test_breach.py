"""A rule of our own is broken: trading halts, the evidence is kept, a person is told, and the process lives."""

from __future__ import annotations

import ast
import asyncio
import logging
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import call, patch

import pytest

from config.settings import Config
from journal.errors import Breach, JournalBreach, JournalBroken, JournalBusy, JournalFull, require
from journal.records import IntentState, Phase
from state import ActiveTrade
from tests.helpers.parts import make_mocked
from tests.helpers.trading_desk import MARKET, Desk, buy, sell, told
from trader.books.breach import (
    come_back,
    guard,
    on_breach,
    on_failure,
    on_unwritten,
    see_whether_it_is_free,
    take_up_again,
)
from trader.books.reconcile import reconcile
from trader.books.storage import look_after_storage
from trader.orders import plans
from trader.orders.protocol import to_order
from trader.restore import recover
from trader.trades.lifecycle import carry_on

if TYPE_CHECKING:
    from trader.app import App

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_broken_rule_is_raised_with_python_o_too() -> None:
    """`assert` would be gone."""
    code = "from journal.errors import require; require(False, 'gone')"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-O", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Breach: gone" in done.stderr
    with pytest.raises(Breach, match="rule"):
        require(None, "a rule")
    require(1, "a rule")


@pytest.mark.parametrize("room", ["journal", "trader"])
def test_no_rule_of_orders_journal_and_risk_hangs_on_assert(room: str) -> None:
    """They use `require`, or raise."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


@pytest.mark.failure("F9")
def test_a_breach_halts_keeps_its_evidence_and_tells(tmp_path: Path) -> None:
    """The flow ends, the daemon does not; the same breach again changes nothing."""

    async def broken() -> None:
        raise Breach("two orders for one intent")

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            app.tell("something", market=MARKET)
            app.stop.set()  # or the market would be taken up again
            await guard(app, MARKET, broken())
            await guard(app, MARKET, broken())
            assert [app.control.may_buy(), app.control.may_sell()] == [False, True]
            (halt,) = app.journal.standing_halts()
            assert halt.code == "breach"
            evidence = (app.config.data_dir / "evidence" / str(halt.evidence["evidence"])).read_text()
            assert "two orders for one intent" in evidence
            assert "something market=KRW-BTC" in evidence
            assert any("two orders" in str(note.body) for note in app.journal.pending_notes(9))
        async with desk.started() as app:
            assert not app.control.may_buy()

    told(tmp_path, story)


def test_the_evidence_of_a_breach_says_when_where_and_how_and_what_happened_before(tmp_path: Path) -> None:
    """In a file for the owner alone, whose name the journal keeps with where the rule broke and which."""

    async def broken() -> None:
        raise Breach("two orders for one intent")

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            app.tell("first", market=MARKET)
            app.tell("second")
            app.stop.set()
            await guard(app, MARKET, broken())
            (halt,) = app.journal.standing_halts()
            (path,) = (desk.folder / "evidence").iterdir()
            assert re.fullmatch(r"breach-[0-9a-f]{12}\.txt", path.name)
            assert halt.evidence == {
                "where": MARKET,
                "breach": "two orders for one intent",
                "evidence": path.name,
            }
            now = app.clock().isoformat()
            text = path.read_text(encoding="utf-8")
            assert text.startswith(f"{now} {MARKET}\n\nTraceback (most recent call last):\n  File ")
            assert "in broken" in text
            assert "Breach: two orders for one intent\n" in text
            assert text.endswith(f"\n{now} first market={MARKET}\n{now} second\n")
            assert path.parent.stat().st_mode & 0o777 == 0o700

    told(tmp_path, story)


def test_evidence_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    """The halt stands all the same."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            (app.config.data_dir / "evidence").touch()
            on_breach(app, "somewhere", JournalBreach("x"))
            assert not app.control.may_sell()

    told(tmp_path, story)


@pytest.mark.failure("E1")
def test_what_cannot_be_written_down_is_not_sent_and_buying_halts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk before the buy: no request leaves. When there is room again, the sale goes its way."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            with monkeypatch.context() as patch:
                patch.setattr(app.journal, "begin_attempt", full(app))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(guard(app, MARKET, sell(app)))
                    await asyncio.sleep(5)
                    assert app.control.stands("journal_full")
                    assert not app.control.may_buy()
                    assert app.control.may_sell()
                    assert len(desk.orders()) == 1
                    patch.undo()
            assert app.journal.intents_of(trade.id)[-1].state == "ABANDONED"
            await sell(app)
            assert app.journal.trade(trade.id).phase == "closed"
        assert desk.free("BTC") == 0

    told(tmp_path, story)


def full(app: App) -> object:
    """Return a write that finds the disk full."""

    def fail(*_: object) -> None:
        raise JournalFull(app.config.data_dir, "full")

    return fail


@pytest.mark.failure("E8")
def test_the_journals_place_is_looked_at_every_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved away: buying halts. No room for a reserve: buying halts until there is. Failed: everything halts."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            with monkeypatch.context() as patch:
                patch.setattr(app.journal, "keep_reserve", lambda: False)
                look_after_storage(app)
                assert app.control.stands("disk_full")
            look_after_storage(app)
            assert app.control.may_buy()
            (desk.folder / "journal.sqlite3").rename(tmp_path / "away")
            await reconcile(app)
            assert app.control.stands("journal_moved")
            app.journal._db.execute("PRAGMA query_only = ON")
            with pytest.raises(JournalBroken):
                app.journal.set_meta("x", "y")
            look_after_storage(app)
            assert not app.control.may_sell()

    told(tmp_path, story)


@pytest.mark.failure("E3")
def test_a_journal_that_another_program_holds_stops_buys_and_lets_them_go_on_by_itself(tmp_path: Path) -> None:
    """A person is told of the program, and not of disk or clock, although nothing can be written; and of the end."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            other = sqlite3.connect(desk.folder / "journal.sqlite3", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalBusy) as busy:
                app.journal.set_meta("x", "y")
            on_unwritten(app.control, busy.value)
            see_whether_it_is_free(app.control, app.journal)
            assert [halt.code for halt in app.control.reasons] == ["journal_locked"]
            assert app.control.may_sell()
            (note,) = [note for note in app.journal.pending_notes(99) if note.kind == "halted"]
            assert "database browser" in str(note.body)
            assert "disk" not in str(note.body)
            other.execute("ROLLBACK")
            other.close()
            see_whether_it_is_free(app.control, app.journal)
            assert app.control.may_buy()
            kinds = [note.kind for note in app.journal.pending_notes(99) if "journal_locked" in note.key]
            assert sorted(kinds) == ["halted", "resumed"]
            assert app.journal.standing_halts() == []

    told(tmp_path, story)


async def failing(error: Exception) -> None:
    """Fail like a write does."""
    raise error


def test_a_flow_that_wrote_nothing_lets_its_market_go_when_there_is_room(tmp_path: Path) -> None:
    """A buy that was never written down is no trade; the disk may stay full for a while."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            async with app.state.active_trade.locked() as active:
                active[MARKET] = ActiveTrade(market=MARKET, started_at=app.clock(), phase=Phase.BUYING)
            full_ = JournalFull(desk.folder, "full")
            with patch.object(app.journal, "open_trade_in", side_effect=[full_, None]):
                await guard(app, MARKET, failing(full_))
            assert MARKET not in await app.state.active_trade.snapshot()
            assert app.control.stands("journal_full")

    told(tmp_path, story)


def test_a_stop_ends_the_waiting_for_room_and_the_trade_is_tried_once_more(tmp_path: Path) -> None:
    """A daemon that ends does not wait for a disk; what it could not write, its next start takes up."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            full_ = JournalFull(desk.folder, "full")
            app.stop.set()
            began = app.clock()
            with patch.object(app.journal, "open_trade_in", side_effect=full_) as tries:
                await come_back(app, MARKET)
                assert tries.call_count == 0
                app.stop.clear()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(come_back(app, MARKET))
                    tasks.create_task(stop_soon(app))
                assert tries.call_count == 1
            app.stop.clear()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(come_back(app, MARKET))
                tasks.create_task(stop_soon(app))
            assert (app.clock() - began).total_seconds() == pytest.approx(2, abs=0.5)
            active = (await app.state.active_trade.snapshot())[MARKET]
            assert (active.phase, active.trade_id) == (Phase.HOLDING, trade.id)

    told(tmp_path, story)


async def stop_soon(app: App) -> None:
    """Ask the daemon to end, a second from now."""
    await asyncio.sleep(1)
    app.stop.set()


@pytest.mark.parametrize("sent", [False, True])
def test_a_sale_that_was_in_hand_when_the_disk_was_full_is_taken_up_again(
    sent: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """Not sent, it is given up and the position held; sent, it is looked for, found, and the trade ended by it."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            sale = plans.plan_exit(app, trade, trade.volume)
            assert app.journal.leave(trade.id, {"code": "x"}, sale)
            async with app.state.active_trade.locked() as active:
                active[MARKET] = replace(active[MARKET], phase=Phase.SELLING)
            if sent:
                app.journal.begin_attempt(sale.identifier)
                await app.upbit.place(to_order(sale))
            await take_up_again(app, MARKET)
            state = app.journal.intent(sale.identifier).state
            assert state is (IntentState.FINAL if sent else IntentState.ABANDONED)
            assert (app.journal.trade(trade.id).phase == "closed") is sent
            assert (MARKET in await app.state.active_trade.snapshot()) is not sent
        assert len(desk.orders()) == 1 + sent
        assert (desk.free("BTC") == 0) is sent

    told(tmp_path, story)


def test_a_flow_of_a_failed_disk_is_not_taken_up_again(tmp_path: Path) -> None:
    """Nothing can be written any more, so nothing is sent."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            app.journal.broken = JournalBroken(desk.folder, "I/O error")
            await guard(app, MARKET, failing(app.journal.broken))
            assert app.control.stands("journal_broken")
            assert not app.control.may_sell()

    told(tmp_path, story)


def test_what_is_held_needs_no_carrying_on(tmp_path: Path) -> None:
    """A flow that failed after its order was over leaves a position that waits for its next decision."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            await guard(app, MARKET, failing(JournalFull(desk.folder, "full")))
            active = (await app.state.active_trade.snapshot())[MARKET]
            assert (active.phase, active.trade_id) == (Phase.HOLDING, trade.id)

    told(tmp_path, story)


def test_evidence_is_bounded(tmp_path: Path) -> None:
    """A storm of breaches does not fill the disk."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            for number in range(30):
                on_breach(app, "somewhere", Breach(str(number)))
            assert len(list((app.config.data_dir / "evidence").iterdir())) == 20

    told(tmp_path, story)


@pytest.mark.failure("F9")
def test_a_market_in_which_something_breaks_is_told_once_and_taken_up_again(tmp_path: Path) -> None:
    """Nothing is halted; its order is followed to its end by the next try, and the position is held."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            real, failures = app.journal.enter_position, [KeyError("odd"), ZeroDivisionError("odd")]

            def odd(*args: object, **facts: object) -> None:
                if failures:
                    raise failures.pop()
                real(*args, **facts)  # type: ignore[arg-type] # handed on as they came

            with patch.object(app.journal, "enter_position", odd):
                await guard(app, MARKET, bought(app))
            assert failures == []
            active = (await app.state.active_trade.snapshot())[MARKET]
            assert (active.phase, app.control.state.name) == (Phase.HOLDING, "ACTIVE")
            assert len(desk.orders()) == 1
            assert [note.key.split(":")[1] for note in app.journal.pending_notes(9) if "frozen" in note.key] == [
                "frozen"
            ]

    told(tmp_path, story)


async def bought(app: App) -> None:
    """Buy, as the flow of a market does."""
    await buy(app)


def test_a_rule_of_the_journal_that_is_broken_halts_everything(tmp_path: Path) -> None:
    """What is held is known from nowhere else."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            on_failure(app, "somewhere", JournalBreach("x"))
            assert not app.control.may_sell()

    told(tmp_path, story)


def test_a_trade_that_cannot_be_put_back_lets_the_others_come_up(tmp_path: Path) -> None:
    """A daemon starts from any journal that was once written, also from one with a fill of nothing."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            trade = await buy(app)
            app.journal._db.execute("UPDATE fill SET volume = '0', funds = '0'")
            app.journal._db.execute("UPDATE trade SET phase = 'entering' WHERE id = ?", (trade.id,))
        async with desk.daemon() as app:
            await recover(app)
            with patch("trader.restore.position_of", side_effect=KeyError("odd")):
                await recover(app)
            active = await app.state.active_trade.snapshot()
            await guard(app, MARKET, carry_on(app, MARKET))
            assert active[MARKET].trade_id == trade.id
            assert MARKET not in await app.state.active_trade.snapshot()

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("breach", "ko", "en"),
    [
        (Breach("two orders"), "매수를 멈췄습니다.", "Nothing is bought."),
        (JournalBreach("two orders"), "모든 주문을 멈췄습니다.", "No order is sent."),
    ],
)
def test_a_person_reads_what_a_broken_rule_stops_and_where_its_evidence_is(
    breach: Breach, ko: str, en: str, tmp_path: Path
) -> None:
    """In either language, with what to do."""
    app = make_mocked(config=replace(Config(), data_dir=tmp_path))
    on_breach(app, MARKET, breach)
    (path,) = (tmp_path / "evidence").iterdir()
    halt = app.control.halt if isinstance(breach, JournalBreach) else app.control.halt_buys
    assert len(app.control.mock_calls) == 1
    ((code,), facts) = halt.call_args
    assert code == "breach"
    assert facts["ko"] == (
        f"프로그램의 내부 규칙이 깨졌습니다. {ko} 증거 파일 {path.name}을(를) 확인한 뒤 "
        "`python main.py resume`을 실행하세요."
    )
    assert facts["en"] == (
        f"A rule of the program is broken (two orders). {en} Look at {path.name} in evidence/, then run "
        "`python main.py resume`."
    )


def test_what_breaks_in_a_market_is_told_with_its_evidence(tmp_path: Path) -> None:
    """On the terminal and to a person; nothing is halted."""
    app = make_mocked(config=replace(Config(), data_dir=tmp_path))
    on_failure(app, MARKET, KeyError("odd"))
    (path,) = (tmp_path / "evidence").iterdir()
    assert app.tell.mock_calls == [call("frozen", level=logging.ERROR, where=MARKET, evidence=path.name)]
    assert app.messages.frozen.mock_calls == [call(MARKET, evidence=path.name, at=app.clock())]
    assert app.journal.add_notes.mock_calls == [call([app.messages.frozen.return_value])]
    assert app.control.mock_calls == []
