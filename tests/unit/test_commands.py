"""What a person orders is written down before it is done, and done once, wherever and however often it comes from."""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from cli import halt_buys, resume
from cli import sell as cli_sell
from cli.common import request
from config.settings import Config
from dashboard.passes import Role
from journal.errors import JournalFull
from journal.journal import Journal
from journal.reader import open_reader
from journal.records import OF_ONE_THING, Command, Order
from notifier.messages import Messages
from simulation.loop import PacedLoop
from tests.helpers.journals import NOW, Book, buy, sell
from tests.helpers.parts import make_app
from tests.helpers.web_page import Served, served
from trader.commands import DONE, NOTHING, catch_up, obey
from trader.control import SELL_ALL, STOPPED, Control
from trader.guards.requests import watch_control
from trader.health import Health
from trader.requests import ask, deliver, place_of, read_request, take_request, withdraw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.records import Halt


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Lend an empty journal."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal:
        yield opened


def control_of(journal: Journal) -> Control:
    """Return what a daemon that starts now knows of halts."""
    return Control(journal, Messages(language="en", mode="sandbox"), lambda: NOW)


def breach(control: Control) -> None:
    """Let trading stand still for a reason that a person must end."""
    control.halt("breach", ko="까닭", en="the reason")


def command(name: Order, command_id: str = "c1", *codes: str) -> Command:
    """Return a command of the page."""
    return Command(id=command_id, name=name, by="page", asked_at=NOW, codes=codes)


def about(order: Order) -> str:
    """Return what a command is about."""
    return "t1" if order is Order.SELL else "breach"


def codes(halts: list[Halt]) -> list[str]:
    """Return the codes of halts."""
    return [halt.code for halt in halts]


def test_a_command_is_written_before_it_is_done_and_its_outcome_behind_it(book: Book) -> None:
    """Command, halt, outcome: in this order in the chain of events."""
    control = control_of(book.journal)
    assert obey(control, book.journal, command(Order.HALT_BUYS)) == DONE
    assert [(kind, ref) for kind, ref, _ in book.events()] == [("command", "c1"), ("halt", STOPPED), ("command", "c1")]
    assert book.events()[0][2] == {"command": "halt-buys", "by": "page", "codes": []}
    assert book.events()[2][2] == {"command": "halt-buys", "outcome": "done"}
    assert book.rows("command") == [
        {"id": "c1", "name": "halt-buys", "codes": "[]", "by": "page", "asked_ms": 0, "outcome": "done"}
    ]
    assert book.journal.command("c1") == replace(command(Order.HALT_BUYS), outcome="done")
    assert book.journal.command("c2") is None
    assert not control.may_buy()
    assert control.may_sell()


@pytest.mark.parametrize("order", list(Order))
def test_a_command_that_comes_again_changes_nothing(order: Order, book: Book) -> None:
    """A doubled `resume` does not end what began after the first, nor does a doubled stop come back after a resume."""
    control = control_of(book.journal)
    breach(control)
    buy(book)
    first = obey(control, book.journal, command(order, "c1", about(order)))
    assert first == DONE
    control.resume()
    if order is Order.RESUME:
        breach(control)
    before, events = codes(control.reasons), len(book.events())
    for _ in range(3):
        assert obey(control, book.journal, command(order, "c1", about(order))) == DONE
    assert codes(control.reasons) == before
    assert len(book.events()) == events
    assert obey(control, book.journal, command(order, "c2", "nothing like it")) == (
        NOTHING if order in OF_ONE_THING else DONE
    )


def test_resume_ends_the_reasons_it_names_and_no_other(book: Book) -> None:
    """So a resume of a breach leaves `sell-all`; without names it is of all that wait for a person when it is given."""
    control = control_of(book.journal)
    breach(control)
    control.sell_all()
    control.halt_buys("late", ko="까닭", en="the reason", by_itself=True)
    obey(control, book.journal, command(Order.RESUME, "c1", "breach"))
    assert codes(control.reasons) == [SELL_ALL, "late"]
    breach(control)
    obey(control, book.journal, command(Order.RESUME, "c0"))
    assert codes(control.reasons) == [SELL_ALL, "late"]  # it stands beside others: nobody has spoken of it
    obey(control, book.journal, command(Order.RESUME, "c2"))
    assert codes(control.reasons) == ["late"]
    taken = book.journal.command("c2")
    assert taken is not None
    assert taken.codes == (SELL_ALL,)
    assert obey(control, book.journal, command(Order.RESUME, "c3")) == NOTHING


@pytest.mark.parametrize("dies_at", ["begin_halt", "end_halt", "end_command"])
@pytest.mark.parametrize("order", list(Order))
def test_what_was_taken_when_the_process_died_is_done_once_at_the_next_start(
    dies_at: str, order: Order, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it dies; and before anything else is ordered, so that the last word is the one said last."""

    class Killed(BaseException):
        """No `except` of the daemon sees it."""

    def dies(*_: object) -> None:
        raise Killed

    control = control_of(book.journal)
    breach(control)
    buy(book)
    with monkeypatch.context() as dying:
        dying.setattr(Journal, dies_at, dies)
        with suppress(Killed):
            obey(control, book.journal, command(order, "c1", about(order)))
    control = control_of(book.journal)
    assert obey(control, book.journal, command(Order.HALT_BUYS, "c2")) in {DONE, NOTHING}
    stands = {
        Order.RESUME: [STOPPED],
        Order.HALT_BUYS: ["breach", STOPPED],
        Order.SELL: ["breach", STOPPED],
        Order.SELL_ALL: ["breach", SELL_ALL, STOPPED],
    }
    assert codes(control.reasons) == stands[order]
    assert book.journal.commands_in_hand() == []
    assert book.journal.ordered_sales() == ({"t1"} if order is Order.SELL else set())
    begun = [ref for kind, ref, _ in book.events() if kind in {"halt", "halt_ended"}]
    assert len(begun) == len(set(begun)) or order is Order.RESUME
    assert catch_up(control, book.journal) == {}
    halts = [note.kind for note in book.journal.pending_notes(9)]
    assert halts.count("halted") == len(stands[order]) + (order is Order.RESUME)


@pytest.mark.parametrize("fails_at", ["begin_command", "end_command"])
def test_a_stop_does_not_wait_for_a_disk_and_a_resume_does(
    fails_at: str, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stops holds at once, written down or not; what lets go on, or sells, is done when it can be written down."""

    def full(*_: object) -> None:
        raise JournalFull(tmp_path, "full")

    control = control_of(book.journal)
    with monkeypatch.context() as broken:
        broken.setattr(Journal, fails_at, full)
        obey(control, book.journal, command(Order.SELL_ALL, "c1"))
        assert control.stands(SELL_ALL)
        with pytest.raises(JournalFull):
            obey(control, book.journal, command(Order.SELL, "c3", "t1"))
        with pytest.raises(JournalFull):
            obey(control, book.journal, command(Order.RESUME, "c2", SELL_ALL))
    assert obey(control, book.journal, command(Order.RESUME, "c2", SELL_ALL)) in {DONE, NOTHING}
    assert not control.stands(SELL_ALL)
    assert book.journal.commands_in_hand() == []


def test_a_trade_is_sold_once_however_many_say_so(book: Book) -> None:
    """A second order of it changes nothing; it stands over restarts until the trade has ended, and is of no other."""
    control = control_of(book.journal)
    buy(book)
    buy(book, "t2", "i2", market="KRW-XRP")
    assert obey(control, book.journal, command(Order.SELL, "c1", "t1")) == DONE
    assert obey(control, book.journal, command(Order.SELL, "c2", "t1")) == NOTHING
    assert obey(control_of(book.journal), book.journal, command(Order.SELL, "c1", "t1")) == DONE
    assert book.journal.ordered_sales() == {"t1"}
    assert control.may_buy()
    sell(book, "t1", "i3", "1")
    assert book.journal.ordered_sales() == {"t1"}  # a part is left
    sell(book, "t1", "i4", "1")
    book.journal.close_trade("t1", closed_at=NOW, dust=Decimal(0))
    assert book.journal.ordered_sales() == set()
    assert obey(control, book.journal, command(Order.SELL, "c3", "t1")) == NOTHING
    assert obey(control, book.journal, command(Order.SELL, "c4")) == NOTHING


def test_a_running_daemon_does_what_the_command_line_asks_once(book: Book, tmp_path: Path) -> None:
    """A file that is left twice under one id is one command; one without an id is a new one each time."""

    async def story() -> list[str]:
        health = Health(asyncio.get_running_loop().time)
        app = make_app(
            config=replace(Config(), data_dir=tmp_path),
            control=control_of(book.journal),
            journal=book.journal,
            health=health,
            clock=lambda: NOW,
        )
        book.journal.begin_command(command(Order.HALT_BUYS, "before"))
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch_control(app))
            await asyncio.sleep(1.5)
            seen = codes(app.control.reasons)
            breach(app.control)
            for _ in range(2):
                request = ask(tmp_path, Order.RESUME, command_id="c1", codes=["breach"])
                assert request == place_of(tmp_path, Order.RESUME)
                assert request.stat().st_mode & 0o777 == 0o600
                await asyncio.sleep(1.5)
                assert not request.exists()
                seen += codes(app.control.reasons)
                breach(app.control)
            ask(tmp_path, Order.RESUME)
            await asyncio.sleep(1.5)
            seen += codes(app.control.reasons)
            app.stop.set()
            await watcher
        return seen

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        seen = runner.run(story())
    assert seen == [STOPPED, STOPPED, STOPPED, "breach"]
    assert [row["id"] for row in book.rows("command")] == ["before", "c1", f"resume@{NOW.isoformat()}"]


def test_the_command_line_stops_buys_and_resumes_by_reason_while_no_daemon_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each writes the journal itself, with a command of its own."""
    config = replace(Config(), data_dir=tmp_path)
    Book(tmp_path / "journal.sqlite3").journal.close()
    assert halt_buys.run(config, Namespace(json=False)) == 0
    assert "resume" in capsys.readouterr().out
    assert halt_buys.run(config, Namespace(json=True)) == 0
    assert json.loads(capsys.readouterr().out) == {"halted": True}
    assert resume.run(config, Namespace(json=True, reason="breach")) == 0  # it does not stand: nothing is ended
    with open_reader(tmp_path / "journal.sqlite3") as journal:
        assert codes(journal.standing_halts()) == [STOPPED]
    assert resume.run(config, Namespace(json=True, reason=STOPPED)) == 0
    with open_reader(tmp_path / "journal.sqlite3") as journal:
        assert journal.standing_halts() == []


def test_a_market_is_sold_on_the_command_line_by_the_trade_that_was_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only with `--yes`, and while no daemon runs by the next one; a second time nothing changes."""
    config = replace(Config(), data_dir=tmp_path, language="en")
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal:
        buy(book, market="KRW-XRP")

    def told(market: str, *, yes: bool, machine: bool = False) -> tuple[int, str]:
        code = cli_sell.run(config, Namespace(market=market, yes=yes, json=machine))
        return code, capsys.readouterr().out

    assert told("eth", yes=True) == (1, "The bot holds nothing of KRW-ETH. Nothing was done.\n")
    code, shown = told("xrp", yes=False)
    assert (code, "sell KRW-XRP --yes" in shown, "sold at the market" in shown) == (0, True, True)
    assert "The next one sells what it holds of KRW-XRP" in told("KRW-XRP", yes=True)[1]
    code, shown = told("xrp", yes=True, machine=True)
    assert (code, json.loads(shown)["selling"]) == (0, False)
    with open_reader(tmp_path / "journal.sqlite3") as journal:
        assert journal.ordered_sales() == {"t1"}


def test_what_the_command_line_orders_bears_its_name_and_says_whether_a_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the journal itself while none runs; else the daemon is asked, and its answer is the outcome."""
    config, asked = Config(data_dir=tmp_path), list[Command]()
    assert len({request.new_id() for _ in range(9)}) == 9
    monkeypatch.setattr(request, "new_id", lambda: "c1")
    assert request.give(config, Order.RESUME, ["breach"]) == request.Given(NOTHING, runs=False)
    with open_reader(tmp_path / "journal.sqlite3") as journal:
        known = journal.command("c1")
    assert known is not None
    assert (known.name, known.by, known.codes) == (Order.RESUME, "cli", ("breach",))

    def obeyed(folder: Path, command: Command) -> str:
        assert folder == tmp_path
        asked.append(command)
        return "done"

    monkeypatch.setattr(request, "obeyed", obeyed)
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW):
        assert request.give(config, Order.HALT_BUYS) == request.Given("done", runs=True)
    assert [(one.id, one.name, one.by, one.codes) for one in asked] == [("c1", Order.HALT_BUYS, "cli", ())]


def test_a_request_that_a_restart_drops_is_left_again_and_one_that_is_not_taken_is_no_success(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the file is gone proves nothing: the journal says whether it was obeyed."""
    control = control_of(book.journal)
    asked = replace(command(Order.HALT_BUYS, "c1"), by="cli")
    passed: list[float] = []

    def sleep(_: float) -> None:
        passed.append(1.0)
        if len(passed) in {1, 2}:  # twice a daemon starts
            assert take_request(tmp_path, Order.HALT_BUYS)
        if len(passed) == obeys_at:
            obey(control, book.journal, asked)

    monkeypatch.setattr(request, "time", Mock(spec=time, sleep=sleep, monotonic=lambda: sum(passed)))
    obeys_at = 0
    assert request.obeyed(tmp_path, asked) is None
    assert not place_of(tmp_path, Order.HALT_BUYS).exists()
    assert control.may_buy()
    for obeys_at in (4, 11):  # the last: as its file is taken back
        passed.clear()
        asked = replace(asked, id=f"c{obeys_at}")
        assert request.obeyed(tmp_path, asked) in {DONE, NOTHING}
        take_request(tmp_path, Order.HALT_BUYS)


def test_the_request_of_somebody_else_is_waited_for_and_left_where_it_is(book: Book, tmp_path: Path) -> None:
    """Two who ask at once are both heard, one after the other."""
    first, second = (replace(command(Order.SELL, name, name), by="cli") for name in ("t1", "t2"))
    deliver(tmp_path, first)
    deliver(tmp_path, second)
    withdraw(tmp_path, second)
    assert read_request(tmp_path, Order.SELL, NOW) == first
    withdraw(tmp_path, first)
    deliver(tmp_path, second)
    assert read_request(tmp_path, Order.SELL, NOW) == second


async def press(page: Served, cookies: dict[str, str], order: Order, **changed: str) -> int:
    """Press the button of a command's page."""
    form = {"id": "a" * 32, "token": page.token(cookies), "code": "", **changed}
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"Origin": page.url, "Cookie": cookie}
    address = f"{page.url}/command/{order}"
    async with page.client.post(address, data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def test_the_page_gives_commands_as_the_command_line_does(tmp_path: Path) -> None:
    """A doubled press is one command, `sell-all` wants its word, and a form of another session is refused."""
    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner, other = page.log_in(Role.OWNER), page.log_in(Role.OWNER)
        breach(page.app.control)
        assert await press(page, owner, Order.HALT_BUYS, token=page.token(other)) == 403
        assert await press(page, owner, Order.HALT_BUYS, id="short") == 400
        assert await press(page, owner, Order.SELL_ALL) == 400
        assert await press(page, owner, Order.SELL_ALL, typed="sell all") == 400
        assert codes(page.app.control.reasons) == ["breach"]
        async with asyncio.TaskGroup() as both:
            pressed = [both.create_task(press(page, owner, Order.SELL_ALL, typed="sell-all")) for _ in range(3)]
        assert [one.result() for one in pressed] == [303] * 3
        assert await press(page, owner, Order.RESUME, id="b" * 32, code="breach") == 303
        assert codes(page.app.control.reasons) == [SELL_ALL]
        assert [row["id"][0] for row in page.book.rows("command")] == ["a", "b"]
        buy(page.book)
        assert await press(page, owner, Order.SELL, id="c" * 32, code="t1", typed="sell-all") == 400
        assert await press(page, owner, Order.SELL, id="c" * 32, typed="sell") == 400
        assert page.book.journal.ordered_sales() == set()
        for _ in range(2):
            assert await press(page, owner, Order.SELL, id="c" * 32, code="t1", typed="sell") == 303
        assert page.book.journal.ordered_sales() == {"t1"}
        address = f"{page.url}/commanded?id={'c' * 32}"
        async with page.client.get(address, cookies=owner) as answer:
            assert "sell KRW-BTC: taken, it is being sold" in await answer.text()


async def test_the_page_says_that_a_disk_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs the journal is not done, and pressed again it is; what stops buys is done at once."""

    def full(*_: object) -> None:
        raise JournalFull(tmp_path, "full")

    async with asyncio.TaskGroup() as tasks, served(tasks, tmp_path) as page:
        owner = page.log_in(Role.OWNER)
        buy(page.book)
        with monkeypatch.context() as broken:
            broken.setattr(Journal, "begin_command", full)
            assert await press(page, owner, Order.SELL, code="t1", typed="sell") == 503
            assert page.book.journal.ordered_sales() == set()
            assert await press(page, owner, Order.HALT_BUYS, id="b" * 32) == 200  # nothing is kept to lead to
            assert page.app.control.stands(STOPPED)
        assert await press(page, owner, Order.SELL, code="t1", typed="sell") == 303
        assert page.book.journal.ordered_sales() == {"t1"}


def test_a_request_bears_the_id_and_the_reasons_it_was_given_or_is_a_command_of_its_own(tmp_path: Path) -> None:
    """By its id a command is done once; without one each is another, named by its time."""
    assert ask(tmp_path, Order.RESUME) == place_of(tmp_path, Order.RESUME)
    plain = read_request(tmp_path, Order.RESUME, NOW)
    assert plain is not None
    assert (plain.id, plain.codes) == (f"resume@{NOW.isoformat()}", ())
    ask(tmp_path, Order.RESUME, command_id="c8", codes=["breach", "까닭"])
    named = read_request(tmp_path, Order.RESUME, NOW)
    assert named is not None
    assert (named.id, named.codes) == ("c8", ("breach", "까닭"))
