"""A rule of our own is broken: trading halts, the evidence is kept, a person is told, and the process lives."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from journal.errors import Breach, JournalBroken, JournalFull, require
from tests.contract.trading_desk import MARKET, Desk, buy, sell, told
from trader.breach import guard, on_breach
from trader.reconcile import reconcile
from trader.storage import look_after_storage

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
        for path in (ROOT / room).glob("*.py")
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
            await guard(app, MARKET, broken())
            await guard(app, MARKET, broken())
            assert not app.control.may_sell()
            (halt,) = app.journal.standing_halts()
            assert halt.code == "breach"
            evidence = (app.config.data_dir / "evidence" / str(halt.evidence["evidence"])).read_text()
            assert "two orders for one intent" in evidence
            assert "something market=KRW-BTC" in evidence
            assert any("two orders" in str(note.body) for note in app.journal.pending_notes(9))
        async with desk.started() as app:
            assert not app.control.may_sell()

    told(tmp_path, story)


def test_evidence_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    """The halt stands all the same."""

    async def story(desk: Desk) -> None:
        async with desk.started() as app:
            (app.config.data_dir / "evidence").touch()
            on_breach(app, "somewhere", Breach("x"))
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
