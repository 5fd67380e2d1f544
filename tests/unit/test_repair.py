"""What a person repairs while no daemon runs: the folder a lost journal comes back to, and an order that never was."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock, call

import pytest

from config.settings import Config, Secret
from journal import JOURNAL_FILE
from journal.errors import JournalUnwritable
from journal.journal import Journal
from journal.records import IntentState
from tests.helpers.journals import NOW, Book, begin
from tests.helpers.parts import make_app, mock
from trader import repair
from trader.books.rebuild import Rebuilt
from trader.network import network_of
from upbit.errors import OrderNotFound
from upbit.rest import Upbit

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from trader.app import App

CONFIG = Config(
    access_key=Secret("access"),
    secret_key=Secret("secret"),
    proxy=Secret("http://proxy.example:1"),
)


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what stands for a recovery from the exchange, which leaves a journal in its draft."""

    @asynccontextmanager
    async def build(config: Config, clock: Callable[[], datetime], stop: asyncio.Event) -> AsyncIterator[App]:
        assert config == replace(CONFIG, data_dir=config.data_dir)
        assert config.data_dir.name == "recovering"
        assert not config.data_dir.exists()
        assert not stop.is_set()
        config.data_dir.mkdir()
        with Journal.open(config.data_dir / JOURNAL_FILE, clock) as journal:
            yield make_app(config=config, journal=journal)

    monkeypatch.setattr(repair, "build", build)
    made = AsyncMock(return_value=Rebuilt(account="abcd"))
    monkeypatch.setattr(repair, "rebuild", made)
    return made


async def recovered(folder: Path) -> Rebuilt:
    """Recover into a folder the journal of a bot that is named."""
    return await repair.recover(replace(CONFIG, data_dir=folder), "abcd", lambda: NOW)


async def test_a_lost_journal_comes_back_to_a_folder_of_its_owner_alone(tmp_path: Path, rebuilt: Mock) -> None:
    """However deep the folder lies; of the draft, also of one that was interrupted, nothing is left."""
    folder = tmp_path / "deep" / "data"
    assert await recovered(folder) == rebuilt.return_value
    assert rebuilt.call_args.args[1] == "abcd"
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / JOURNAL_FILE).unlink()
    (folder / "recovering").mkdir()
    (folder / "recovering" / "half").touch()
    await recovered(folder)
    assert (folder / JOURNAL_FILE).is_file()
    assert not (folder / "recovering").exists()


async def test_a_draft_that_cannot_be_removed_undoes_no_recovery(
    tmp_path: Path, rebuilt: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is in its place already; the next recovery removes what is left."""
    monkeypatch.setattr(os, "rmdir", Mock(side_effect=OSError("busy")))
    assert await recovered(tmp_path) == rebuilt.return_value
    assert (tmp_path / JOURNAL_FILE).is_file()


async def test_why_a_folder_cannot_be_used_is_told(tmp_path: Path) -> None:
    """In the words of the system."""
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnwritable, match="File exists"):
        await recovered(tmp_path / "file")


def written(folder: Path, *outcomes: str | None) -> None:
    """Write a journal with one order, and with what came of each of its sends; None: the process died."""
    book = Book(folder / JOURNAL_FILE)
    with book.journal as journal:
        begin(book, "t1", "i1", "KRW-BTC")
        for outcome in outcomes:
            journal.begin_attempt("i1")
            if outcome is not None:
                journal.end_attempt("i1", IntentState.UNKNOWN, outcome=outcome)


def exchange(monkeypatch: pytest.MonkeyPatch, order: AsyncMock) -> Mock:
    """Let the exchange answer the question for an order so, over the way out of the settings and with its keys."""
    upbit, session = mock(Upbit, order=order), Mock()

    @asynccontextmanager
    async def open_session(*way: object, **where: object) -> AsyncIterator[Mock]:
        assert (way, where) == ((network_of(CONFIG),), {"url": CONFIG.base_url})
        yield session

    def opened(*over: object, **who: object) -> Mock:
        assert over == (session,)
        assert who == {"base_url": CONFIG.base_url, "access_key": "access", "secret_key": "secret"}
        return upbit

    monkeypatch.setattr(repair, "open_session", open_session)
    monkeypatch.setattr(repair, "Upbit", opened)
    return upbit


NOT_THERE = OrderNotFound("no", name="order_not_found", status=404)


async def said_never(folder: Path, identifier: str = "i1") -> None:
    """Say that an order never was."""
    await repair.say_never(replace(CONFIG, data_dir=folder), identifier, lambda: NOW)


@pytest.mark.parametrize("outcomes", [["DuplicatedIdentifier"], ["DuplicatedIdentifier", None]], ids=["doubt", "death"])
async def test_an_order_whose_name_is_used_up_and_that_nobody_shows_never_was(
    outcomes: list[str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for by its name; also when the process died while it was sent once more."""
    written(tmp_path, *outcomes)
    upbit = exchange(monkeypatch, AsyncMock(side_effect=NOT_THERE))
    await said_never(tmp_path)
    assert upbit.order.mock_calls == [call(identifier="i1")]
    with Journal.open(tmp_path / JOURNAL_FILE, lambda: NOW) as journal:
        assert journal.intent("i1").state is IntentState.FENCED
        assert [one.outcome for one in journal.attempts("i1")] == [one or "the process ended" for one in outcomes]


NO_DOUBT = ("결과를 모르는 주문이 아닙니다.", "this order is in no doubt.")
MAY_COME = ("아직 체결될 수 있습니다. 데몬을 실행해 두세요.", "it may still be executed. Let the daemon run.")
IS_THERE = ("업비트에 있는 주문입니다. 데몬을 실행하세요.", "Upbit shows it. Start the daemon.")


@pytest.mark.parametrize(
    ("identifier", "outcomes", "why"),
    [
        ("i2", [], NO_DOUBT),
        ("i1", [], NO_DOUBT),
        ("i1", ["OutcomeUnknown"], MAY_COME),
        ("i1", ["DuplicatedIdentifier"], IS_THERE),
    ],
    ids=["unknown", "never sent", "may still come", "is there"],
)
async def test_why_nobody_can_say_that_an_order_never_was_is_told(
    identifier: str, outcomes: list[str], why: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is written down."""
    written(tmp_path, *outcomes)
    exchange(monkeypatch, AsyncMock())
    with pytest.raises(repair.NotDoubtful) as told:
        await said_never(tmp_path, identifier)
    assert (told.value.ko, told.value.en) == (f"{identifier}: {why[0]}", f"{identifier}: {why[1]}")
    with Journal.open(tmp_path / JOURNAL_FILE, lambda: NOW) as journal:
        assert journal.intent("i1").state is (IntentState.UNKNOWN if outcomes else IntentState.PLANNED)
