"""Whether the daemon may trade: who stops it, what that forbids, what survives, and who lets it go on."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from argparse import Namespace
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypedDict
from unittest.mock import Mock, call

import pytest

from cli import resume, sell_all
from cli.common import request
from config.settings import Config
from journal.errors import JournalBreach
from journal.journal import Journal
from journal.reader import open_reader
from journal.records import Order
from journal.schema import MIGRATIONS
from notifier.messages import Messages
from sandbox.server import Sandbox, SandboxOptions
from simulation.loop import LoopClock, PacedLoop
from tests.helpers.journals import intent, trade
from tests.helpers.parts import make_app
from trader.app import App
from trader.commands import obey
from trader.control import SELL_ALL, Control
from trader.guards.requests import watch_control
from trader.health import Health
from trader.requests import ask, place_of, read_request, take_request
from upbit.errors import Withheld
from upbit.models import Fence, NewOrder, Side
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Words(TypedDict):
    """A reason in both languages."""

    ko: str
    en: str


WORDS: Words = {"ko": "까닭", "en": "the reason"}
KO = Messages(language="ko", mode="live")


def control(journal: Journal, messages: Messages = KO) -> Control:
    """Return the control of a journal."""
    return Control(journal, messages, lambda: NOW)


def keys(journal: Journal) -> list[str]:
    """Return what the messages that wait are about."""
    return [":".join(note.key.split(":")[:2]) for note in journal.pending_notes(99)]


def test_at_first_everything_is_allowed(journal: Journal) -> None:
    """Nothing stands, nothing is forbidden."""
    box = control(journal)
    assert box.state.name == "ACTIVE"
    assert box.may_buy()
    assert box.may_sell()
    assert box.reasons == []


@pytest.mark.parametrize(("stop", "buys", "sells"), [("halt_buys", False, True), ("halt", False, False)])
def test_a_stop_forbids_what_it_says_and_is_told_once(journal: Journal, stop: str, *, buys: bool, sells: bool) -> None:
    """HALT_BUYS lets positions leave, HALTED lets nothing out; the same reason again is no news."""
    box, heard = control(journal), []
    box.on_change = lambda kind, halt: heard.append((kind, halt.code))
    assert getattr(box, stop)("x", **WORDS, seconds=7, where="loop")
    assert not getattr(box, stop)("x", **WORDS, seconds=8)
    assert (box.may_buy(), box.may_sell()) == (buys, sells)
    assert (box.permits("bid"), box.permits("ask")) == (buys, sells)
    assert box.stands("x")
    assert heard == [("halted", "x")]
    (note,) = journal.pending_notes(9)
    assert "까닭" in str(note.body)
    assert "python main.py resume" in str(note.body)
    assert "loop" not in str(note.body)  # what only the program knows stays in the journal


def test_a_stop_is_told_as_an_error_and_its_end_as_a_warning(journal: Journal) -> None:
    """With its reason, its words, what is allowed since then and its evidence; the notifier is woken each time."""
    app = make_app(journal=journal, control=control(journal))
    app.control.halt_buys("x", **WORDS, by_itself=True, seconds=7)
    app.control.ended("x")
    facts = {"reason": "x", "why": "the reason", "evidence": {"seconds": 7}}
    assert app.tell.mock_calls == [
        call("halted", level=logging.ERROR, state="HALT_BUYS", **facts),
        call("resumed", level=logging.WARNING, state="ACTIVE", **facts),
    ]
    assert app.wake_notifier.call_count == 2


def test_an_event_stands_in_the_log_and_is_kept_for_the_terminal(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """With its time and facts; at the level it was told at."""
    app = make_app(journal=journal)
    for level in (logging.INFO, logging.WARNING):
        App.tell(app, "bought", level=level, market="KRW-BTC", krw=7)
    App.tell(app, "held")
    assert [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "trader"][-1] == (
        "WARNING",
        "bought market=KRW-BTC krw=7",
    )
    assert [(event.at, str(event)) for event in app.events][1:] == [(NOW, "bought market=KRW-BTC krw=7"), (NOW, "held")]


@pytest.mark.failure("F16")
def test_a_stop_survives_a_restart(tmp_path: Path) -> None:
    """A container that restarts for ever stays as it was stopped, with its reason and evidence."""
    path = tmp_path / "j.sqlite3"
    with Journal.open(path, lambda: NOW) as opened:
        control(opened).halt("breach", **WORDS, intent="i1")
    for _ in range(3):
        with Journal.open(path, lambda: NOW) as opened:
            box = control(opened)
            assert box.state.name == "HALTED"
            (halt,) = box.reasons
            assert (halt.code, halt.en, halt.evidence, halt.since) == ("breach", "the reason", {"intent": "i1"}, NOW)
            assert len(opened.pending_notes(9)) == 1


def test_the_most_severe_reason_decides_until_it_is_over(journal: Journal) -> None:
    """Reasons are independent: each ends alone."""
    box = control(journal)
    box.halt_buys("wallet", **WORDS, by_itself=True)
    box.halt("breach", **WORDS)
    assert box.state.name == "HALTED"
    assert box.ended("wallet")
    assert box.state.name == "HALTED"
    assert [halt.code for halt in box.resume()] == ["breach"]
    assert box.state.name == "ACTIVE"
    assert keys(journal) == ["halted:wallet", "halted:breach", "resumed:wallet", "resumed:breach"]


def test_a_reason_that_grows_worse_is_told_again_and_never_grows_milder(journal: Journal) -> None:
    """The same code may escalate from buys to everything, not back; a message says so within the same hour, too."""
    box, heard = control(journal), []
    box.on_change = lambda kind, _: heard.append(kind)
    box.halt_buys("x", **WORDS, by_itself=True)
    assert box.halt("x", **WORDS)
    assert not box.halt_buys("x", **WORDS)
    assert box.state.name == "HALTED"
    assert heard == ["halted", "halted"]
    assert len(box.reasons) == len(journal.standing_halts()) == 1
    assert [note.kind for note in journal.pending_notes(9)] == ["halted", "halted"]
    ends = [row["ended_by"] for row in journal._db.execute("SELECT ended_by FROM halt ORDER BY seq")]
    assert ends == ["escalation", None]
    box.resume()
    assert heard == ["halted", "halted", "resumed"]


def test_only_a_reason_that_ends_by_itself_is_ended_by_its_owner(journal: Journal) -> None:
    """What needs a person waits for a person; what does not stand cannot end."""
    box = control(journal)
    box.halt_buys("person", **WORDS)
    assert not box.ended("person")
    assert not box.ended("nothing")
    assert box.state.name == "HALT_BUYS"


def test_a_person_does_not_end_what_ends_by_itself(journal: Journal) -> None:
    """A clock that is wrong stays wrong: buys would go on until the next look at it."""
    box = control(journal)
    box.halt_buys("clock_skew", **WORDS, by_itself=True)
    box.halt("breach", **WORDS)
    assert [halt.code for halt in box.resume()] == ["breach"]
    assert box.state.name == "HALT_BUYS"
    assert box.ended("clock_skew")
    assert box.state.name == "ACTIVE"


def test_a_reason_that_comes_and_goes_is_told_once_an_hour(journal: Journal) -> None:
    """Flapping is no storm of messages; what a person must end is told every time."""
    box = control(journal)
    for _ in range(5):
        box.halt_buys("wallet", **WORDS, by_itself=True)
        box.ended("wallet")
    assert keys(journal) == ["halted:wallet", "resumed:wallet"]


def test_every_change_is_an_event_of_the_chain(journal: Journal) -> None:
    """What stopped and who let it go on can be read and not be edited."""
    box = control(journal)
    box.halt("breach", **WORDS, n=1)
    box.resume()
    kinds = [(row["kind"], json.loads(row["data"]).get("by")) for row in journal._db.execute("SELECT * FROM event")]
    assert kinds == [("halt", None), ("halt_ended", "person")]
    with pytest.raises(JournalBreach):
        journal.end_halt("breach", "person", [])


@pytest.mark.failure("E1")
def test_a_stop_holds_even_when_the_disk_does_not_take_it(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """Safe first, written when that is possible again."""
    journal._db.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(journal._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    box = control(journal)
    assert box.halt("disk", **WORDS)
    assert box.halt_buys("other", **WORDS, by_itself=True)
    assert box.state.name == "HALTED"
    assert journal.standing_halts() == []
    assert box.ended("other")  # never written: nothing to end on the disk
    box.write_again()
    assert journal.standing_halts() == []
    other.execute("ROLLBACK")
    other.close()
    box.write_again()
    assert [halt.code for halt in journal.standing_halts()] == ["disk"]
    assert caplog.text.count("a halt is not written down") == 2  # each halt once, however often it is tried


def test_a_file_of_an_older_version_has_nothing_that_stands(tmp_path: Path) -> None:
    """`status` may look at a journal that was not migrated yet."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
    with open_reader(path) as reader:
        assert reader.standing_halts() == []


def order(side: Side) -> NewOrder:
    """Return an order worth 6,000 won."""
    total, volume = (Decimal(6000), None) if side is Side.BID else (None, Decimal(1))
    return NewOrder(market="KRW-BTC", side=side, identifier=f"ub1-{side}", total=total, volume=volume)


@pytest.mark.parametrize(
    ("stop", "bids", "asks"), [(None, 1, 1), ("halt_buys", 0, 1), ("halt", 0, 0)], ids=["active", "buys", "all"]
)
def test_no_forbidden_order_leaves_the_client(journal: Journal, stop: str | None, bids: int, asks: int) -> None:
    """The gate stands right before the first byte, whoever asks for the order."""

    async def story() -> None:
        box = control(journal)
        if stop:
            getattr(box, stop)("x", **WORDS)
        clock = LoopClock(NOW, asyncio.get_running_loop())
        options = SandboxOptions(access_key="a", secret_key="s" * 40, markets=1)
        async with Sandbox(options, clock) as exchange, open_session() as session:
            exchange.exchange.deposit("BTC", Decimal(1))
            upbit = Upbit(
                session,
                base_url=exchange.url,
                gate=lambda order, _: box.gate(order),
                access_key="a",
                secret_key="s" * 40,
            )
            for side, count in ((Side.BID, bids), (Side.ASK, asks)):
                before = exchange.orders_received
                if count:
                    await upbit.place(order(side))
                else:
                    with pytest.raises(Withheld, match="x"):
                        await upbit.place(order(side))
                assert exchange.orders_received - before == count

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


@pytest.mark.parametrize("side", list(Side))
def test_a_fence_is_sent_as_long_as_a_sale_may_be(journal: Journal, side: Side) -> None:
    """It opens nothing, on whichever side: what a halt of buys leaves in doubt is still cleared up."""
    fence = Fence(market="KRW-BTC", side=side, identifier="ub1-x", price=Decimal(100), volume=Decimal(100))
    box = control(journal)
    box.halt_buys("x", **WORDS)
    box.gate(fence)
    box.halt("y", **WORDS)
    with pytest.raises(Withheld):
        box.gate(fence)


def test_an_order_that_is_kept_back_says_what_stands_against_it(journal: Journal) -> None:
    """The journal keeps the level by its name, and a person reads every reason."""
    box = control(journal)
    box.halt_buys("day_loss", **WORDS)
    with pytest.raises(Withheld, match=r"HALT_BUYS: day_loss$") as kept:
        box.gate(order(Side.BID))
    assert kept.value.name == "halt_buys"
    box.halt("breach", **WORDS)
    with pytest.raises(Withheld, match=r"HALTED: day_loss, breach$") as kept:
        box.gate(order(Side.ASK))
    assert kept.value.name == "halted"


def test_a_running_daemon_takes_the_request_of_a_person(journal: Journal, tmp_path: Path) -> None:
    """Within a second; a request that was left over from before does nothing."""

    async def story() -> None:
        health = Health(asyncio.get_running_loop().time)
        app = make_app(config=config(tmp_path), control=control(journal), journal=journal, health=health)
        app.control.halt("breach", **WORDS)
        ask(tmp_path, Order.RESUME)
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch_control(app))
            await asyncio.sleep(5)
            assert app.control.state.name == "HALTED"
            request = ask(tmp_path, Order.RESUME)
            assert request.stat().st_mode & 0o777 == 0o600
            await asyncio.sleep(1.5)
            assert app.control.state.name == "ACTIVE"
            assert not request.exists()
            app.stop.set()
            await watcher

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert not take_request(tmp_path, Order.RESUME)


@pytest.mark.failure("H7")
def test_a_person_who_sells_all_twice_has_said_it_once(journal: Journal, tmp_path: Path) -> None:
    """It stops buys with one message, over restarts, until a resume; a request from before does nothing."""

    async def story() -> None:
        health = Health(asyncio.get_running_loop().time)
        app = make_app(config=config(tmp_path), control=control(journal), journal=journal, health=health)
        ask(tmp_path, Order.SELL_ALL)
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch_control(app))
            await asyncio.sleep(5)
            assert not app.control.stands(SELL_ALL)
            for _ in range(2):
                request = ask(tmp_path, Order.SELL_ALL)
                assert request.stat().st_mode & 0o777 == 0o600
                await asyncio.sleep(1.5)
                assert not request.exists()
            app.stop.set()
            await watcher

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert [note.kind for note in journal.pending_notes(9)] == ["halted"]
    again = control(journal)
    assert (again.stands(SELL_ALL), again.may_buy(), again.may_sell()) == (True, False, True)
    again.resume()
    assert not control(journal).stands(SELL_ALL)


def holding(tmp_path: Path) -> Journal:
    """Return a journal with an open trade."""
    opened = Journal.open(tmp_path / "journal.sqlite3", lambda: NOW)
    assert opened.begin_trade(trade(), intent())
    return opened


@pytest.mark.failure("H7")
def test_sell_all_shows_what_is_held_and_sells_nothing_by_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only `--yes` sells; where no daemon runs, the next one does."""
    holding(tmp_path).close()
    assert sell_all.run(config(tmp_path), Namespace(json=False, yes=False)) == 0
    shown = capsys.readouterr().out
    assert "KRW-BTC" in shown
    assert "sell-all --yes" in shown
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        assert opened.standing_halts() == []
    assert sell_all.run(config(tmp_path, "ko"), Namespace(json=False, yes=True)) == 0
    assert "다음에 시작하면 모두 팔고" in capsys.readouterr().out
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        assert [halt.code for halt in opened.standing_halts()] == [SELL_ALL]


@pytest.mark.parametrize("answers", [True, False])
def test_sell_all_waits_until_the_running_daemon_has_heard_it(
    answers: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that does not answer sells nothing later, when nobody expects it."""
    passed = iter(range(0, 1000, 5))

    def sleep(_: float) -> None:
        asked = read_request(tmp_path, Order.SELL_ALL, NOW) if answers else None
        if asked is not None:
            obey(box, opened, asked)
            take_request(tmp_path, Order.SELL_ALL)

    monkeypatch.setattr(request, "time", Mock(spec=time, sleep=sleep, monotonic=lambda: float(next(passed))))
    with holding(tmp_path) as opened:
        box = control(opened)
        assert sell_all.run(config(tmp_path), Namespace(json=True, yes=True)) == (0 if answers else 1)
    told = json.loads(capsys.readouterr().out)
    assert told["selling"] is answers
    assert [one["market"] for one in told["open_trades"]] == ["KRW-BTC"]
    assert not place_of(tmp_path, Order.SELL_ALL).exists()


def config(tmp_path: Path, language: str = "en") -> Config:
    """Return settings of a data folder."""
    return replace(Config(), data_dir=tmp_path, language=language)


def stopped(tmp_path: Path) -> None:
    """Leave a journal behind that stands still."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        control(opened).halt("breach", **WORDS)


def test_resume_shows_the_reason_and_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While no daemon runs; the second time there is nothing to do."""
    stopped(tmp_path)
    assert resume.run(config(tmp_path), Namespace(json=False, reason=None)) == 0
    shown = capsys.readouterr().out
    assert "breach: the reason" in shown
    assert "Trading may go on" in shown
    assert resume.run(config(tmp_path, "ko"), Namespace(json=False, reason=None)) == 0
    assert capsys.readouterr().out == "멈춘 것이 없습니다. 할 일이 없습니다.\n"


def test_a_resume_without_a_reason_never_ends_sell_all_by_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says that it goes on, and with which words it ends; alone it is what was meant."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        control(opened).halt("breach", **WORDS)
        control(opened).sell_all()
    assert resume.run(config(tmp_path), Namespace(json=False, reason=None)) == 1
    assert "resume sell_all" in capsys.readouterr().out
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        assert [halt.code for halt in opened.standing_halts()] == [SELL_ALL]
    assert resume.run(config(tmp_path), Namespace(json=False, reason=None)) == 0
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        assert opened.standing_halts() == []


def test_resume_tells_a_machine_what_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document."""
    stopped(tmp_path)
    assert resume.run(config(tmp_path), Namespace(json=True, reason=None)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "ACTIVE"
    assert [halt["code"] for halt in told["halted"]] == ["breach"]
    assert told["still_halted"] == []


def test_resume_of_a_running_daemon_waits_until_it_has_taken_the_request(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It resumes; or its cause is still there; or it does not answer: each is told, and is an error but the first."""
    box = control(journal)

    def daemon(again: bool, *, answers: bool = True) -> Mock:  # noqa: FBT001 - what the fake does
        def sleep(_: float) -> None:
            asked = read_request(tmp_path, Order.RESUME, NOW) if answers else None
            if asked is not None:
                obey(box, journal, asked)
                take_request(tmp_path, Order.RESUME)
                if again:
                    box.halt("breach", ko="다시", en="again")

        passed = iter(range(0, 1000, 5))
        return Mock(spec=time, sleep=sleep, monotonic=lambda: float(next(passed)))

    for again, answers, code, words in (
        (False, True, 0, "may go on"),
        (True, True, 1, "again"),
        (False, False, 1, "does not answer"),
    ):
        box.halt("breach", **WORDS)
        monkeypatch.setattr(request, "time", daemon(again, answers=answers))
        assert resume.run(config(tmp_path), Namespace(json=False, reason=None)) == code
        assert words in capsys.readouterr().out
        assert not place_of(tmp_path, Order.RESUME).exists()


def test_a_stop_speaks_both_languages(journal: Journal) -> None:
    """What happened, and what to do."""
    box = control(journal, Messages(language="en", mode="live"))
    box.halt_buys("x", **WORDS, by_itself=True)
    box.ended("x")
    first, second = journal.pending_notes(9)
    assert "Buying halted" in str(first.body)
    assert "resumes by itself" in str(first.body)
    assert "by itself" in str(second.body)
    assert "Trading resumed" in str(second.body)


def test_times_of_reasons_are_their_own(tmp_path: Path) -> None:
    """Each reason keeps the moment it was raised."""
    now = [NOW]
    with Journal.open(tmp_path / "j.sqlite3", lambda: now[0]) as opened:
        box = Control(opened, KO, lambda: now[0])
        box.halt_buys("a", **WORDS)
        now[0] += timedelta(hours=1)
        box.halt_buys("b", **WORDS)
        assert [halt.since for halt in opened.standing_halts()] == [NOW, NOW + timedelta(hours=1)]
