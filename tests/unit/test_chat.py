"""What the chat says and what its buttons mean, without Discord: nothing of its own, and nothing twice."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.answers import VERBS, Reply, answer_of, text_of
from chat.buttons import EPOCH, LONGEST_NAME, MOST, Button, fitting, pressed
from cli.common.chat import chat_beside
from config.problems import ConfigError
from config.reading import load
from config.settings import ChatSettings, Config, DashboardSettings, Secret
from dashboard.desk import Sight
from dashboard.passes import FOLDER, LINK, Passes, Role, address_of
from journal.records import Ends, Halt, Level, Order
from journal.verdicts import GateRow, Scan
from main import main
from notifier.embed_limits import TEXT, length
from sandbox.discord_shapes import is_command
from tests.helpers.journals import NOW, Book, buy
from views.lines import HELD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWNER, CHANNEL = "300000000000000001", "300000000000000003"
GATE = GateRow(
    code="turnover",
    ko="24시간 거래대금 부족",
    en="turnover is too low",
    relation=">=",
    values=(4e9,),
    thresholds=(5e9,),
)
SCAN = Scan(
    markets=("KRW-BTC",),
    gates=(GATE,),
    prices=(Decimal(120),),
    barred={},
    facts={"places": 5, "taken": 1, "won": "9000"},
)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """Lend a journal that holds a coin, saw one minute, and stands still for a reason with markup in it."""
    opened = Book(tmp_path / "journal.sqlite3")
    with opened.journal as journal:
        buy(opened)
        journal.record_scan(NOW, "quiet_trend", NOW - timedelta(minutes=3), SCAN)
        journal.begin_halt(a_halt("stopped_by_person", "**멈춤** @everyone"), [])
        yield opened


def a_halt(code: str, ko: str = "멈춤", ends: Ends = Ends.PERSON) -> Halt:
    """Return a reason to stand still."""
    return Halt(code=code, level=Level.HALT_BUYS, ends=ends, ko=ko, en="halted", since=NOW, evidence={})


def said(verb: str, book: Book, folder: Path, language: str = "ko", **asked: str) -> Reply:
    """Return what a command is answered with."""
    config = replace(Config(), data_dir=folder, language=language, dashboard=DashboardSettings(port=8787))
    sight = Sight(now=book.now, config=config, role=Role.OWNER, asked=asked)
    return answer_of(next(one for one in VERBS if one.name == verb), book.journal, sight)


def unescaped(text: str) -> str:
    """Return a text as Discord shows it."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", text)


@pytest.fixture
def printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """Return what a verb prints: its lines, each with single spaces."""

    def run(*words: str, language: str) -> list[str]:
        monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("BOT_LANGUAGE", language)
        monkeypatch.setenv("COLUMNS", "300")
        assert main([*words]) == 0
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.mark.parametrize("market", [[], ["btc"]])
@pytest.mark.parametrize("language", ["ko", "en"])
def test_why_says_every_line_that_the_command_line_prints(
    book: Book, tmp_path: Path, market: list[str], language: str, printed: Callable[..., list[str]]
) -> None:
    """The same sentences and numbers, in either language."""
    answer = said("why", book, tmp_path, language, **dict.fromkeys(["market"] * len(market), *market or [""]))
    assert [unescaped(line) for line in answer.lines] == printed(
        "why", *market, "--at", NOW.isoformat(), language=language
    )


@pytest.mark.parametrize("language", ["ko", "en"])
def test_status_and_profit_say_what_the_command_line_prints(
    book: Book, tmp_path: Path, language: str, printed: Callable[..., list[str]]
) -> None:
    """Sentence, state, reasons, won and profit; a position is one line, whose cells are those of the table."""
    told = printed("status", language=language)
    lines = [unescaped(line) for line in said("status", book, tmp_path, language).lines]
    (position,) = [line for line in lines if line.startswith("KRW-BTC · ")]
    assert [line for line in lines if line != position and not line.startswith("⚠") and line not in told] == []
    names = [head.say(language) for head in HELD[1:]]
    cells = [cell.removeprefix(f"{name} ") for name, cell in zip(names, position.split(" · ")[1:], strict=True)]
    assert " ".join(["KRW-BTC", *cells]) in told
    assert unescaped(said("profit", book, tmp_path, language).lines[0]) in told


def test_trades_are_told_with_their_profit_and_reason(book: Book, tmp_path: Path) -> None:
    """Without one, a sentence says so."""
    assert said("trades", book, tmp_path, "en").lines == ["No trade has ended."]


def test_nothing_from_outside_becomes_markup_or_rings(book: Book, tmp_path: Path) -> None:
    """A reason that carries stars and everybody's name is shown as it is."""
    text = "\n".join(said("status", book, tmp_path).lines)
    assert r"\*\*멈춤\*\* \@everyone" in text


def test_what_finds_no_room_is_left_out_by_whole_lines(book: Book) -> None:
    """No number is cut, and how many lines are missing is said."""
    lines = [f"KRW-{at}: 1,234,567원 " + "가" * 50 for at in range(200)]
    *kept, last = text_of(Reply(lines), "ko").split("\n")
    assert kept == lines[: len(kept)]
    assert last == f"… 외 {200 - len(kept)}줄"
    assert length(text_of(Reply(lines), "ko")) <= TEXT
    assert text_of(Reply(lines[:2]), "en") == "\n".join(lines[:2])


def test_what_sells_is_said_before_its_button(book: Book, tmp_path: Path) -> None:
    """The coins and the volumes, and that it cannot be undone."""
    answer = said("sell-all", book, tmp_path, "en")
    assert "cannot be undone" in answer.lines[0]
    assert unescaped(answer.lines[1]) == "KRW-BTC 2"
    assert [(one.order, one.label) for one in answer.buttons] == [(Order.SELL_ALL, "sell all")]


def test_each_trade_is_sold_by_a_button_of_its_own(book: Book, tmp_path: Path) -> None:
    """All that are held, or the one of a market; a market that is not held has none."""
    buy(book, "t2", "i2", market="KRW-XRP")
    answer = said("sell", book, tmp_path)
    assert [(one.label, one.code) for one in answer.buttons] == [("매도: KRW-BTC", "t1"), ("매도: KRW-XRP", "t2")]
    answer = said("sell", book, tmp_path, "en", market="xrp")
    assert "cannot be undone" in answer.lines[0]
    assert [(one.label, one.code) for one in answer.buttons] == [("sell: KRW-XRP", "t2")]
    assert (said("sell", book, tmp_path, "en", market="eth").lines, said("sell", book, tmp_path).buttons[2:]) == (
        ["Nothing is held."], (),
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ko", "en"])
def test_discord_takes_every_command_in_either_language(language: str) -> None:
    """Names, and sentences of at most 100 letters."""
    options = [{"name": "market", "description": one.market.say(language)} for one in VERBS if one.market]
    for verb in VERBS:
        assert is_command({"name": verb.name, "description": verb.what.say(language), "options": options})


def test_each_reason_that_waits_for_a_person_has_its_own_button(book: Book, tmp_path: Path) -> None:
    """One that ends by itself has none: selling all is never ended by the way."""
    book.journal.begin_halt(a_halt("sell_all"), [])
    book.journal.begin_halt(a_halt("no_network", ends=Ends.ITSELF), [])
    answer = said("resume", book, tmp_path)
    assert [one.code for one in answer.buttons] == ["stopped_by_person", "sell_all"]
    for code in ("stopped_by_person", "sell_all"):
        book.journal.end_halt(code, Ends.PERSON, [])
    assert said("resume", book, tmp_path, "en").lines == ["No reason waits for a person; there is nothing to do."]


def test_a_link_opens_the_page_once_for_the_owner(book: Book, tmp_path: Path) -> None:
    """Only its hash is kept; it is what `open` writes."""
    _, shown = said("link", book, tmp_path).lines
    token = shown.strip("<>").partition("link=")[2]
    passes = Passes(folder=tmp_path / FOLDER, clock=lambda: NOW)
    assert (passes.take(LINK, token), passes.take(LINK, token)) == (Role.OWNER, None)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (DashboardSettings(), None),
        (DashboardSettings(port=8787), "http://127.0.0.1:8787"),
        (DashboardSettings(port=8787, hosts=("bot.example.com",)), "https://bot.example.com"),
        (DashboardSettings(port=8787, hosts=("100.64.0.1", "other")), "http://100.64.0.1:8787"),
    ],
)
def test_a_link_leads_to_where_the_page_is_opened(settings: DashboardSettings, address: str | None) -> None:
    """A name is that of an HTTPS proxy, an address that of a VPN."""
    assert address_of(settings) == address


def test_what_cannot_be_answered_is_said_in_a_sentence(book: Book, tmp_path: Path) -> None:
    """A market that there is not, a page that is off."""
    assert "KRW-NONE" in unescaped("\n".join(said("why", book, tmp_path, market="none").lines))
    config = replace(Config(), data_dir=tmp_path)
    (link,) = [verb for verb in VERBS if verb.name == "link"]
    sight = Sight(now=NOW, config=config, role=Role.OWNER)
    assert "[dashboard] port" in unescaped("\n".join(answer_of(link, book.journal, sight).lines))


# --- buttons


@given(
    order=st.sampled_from(Order),
    question=st.integers(1, 2**63 - 1),
    code=st.text(max_size=60),
)
def test_a_press_means_what_the_button_was_made_for(order: Order, question: int, code: str) -> None:
    """Its command has the id of the question, so that no two presses of it are two commands."""
    found = pressed(Button(order, "label", code).name(question), NOW)
    assert found is not None
    command, until = found
    assert (command.name, command.by, command.id.split(":")[1]) == (order, "discord", str(question))
    assert command.codes == ((code,) if order in {Order.RESUME, Order.SELL} else ())
    assert until == EPOCH + timedelta(milliseconds=question >> 22) + timedelta(minutes=10)


@pytest.mark.parametrize("name", ["", "confirm:buy-all:1:", "confirm:resume:x:", "other", "confirm:resume:1"])
def test_a_button_of_somebody_else_means_nothing(name: str) -> None:
    """Nor one of a command that there is not."""
    assert pressed(name, NOW) is None


def test_buttons_that_discord_does_not_take_are_left_out() -> None:
    """A reason with an endless code is ended on the command line, and no message has more than 25."""
    buttons = [Button(Order.RESUME, "resume", code) for code in ("x" * 200, *map(str, range(40)))]
    shown = fitting(buttons, 2**62)
    assert [one.code for one in shown] == [str(at) for at in range(MOST)]
    assert all(len(one.name(2**62)) <= LONGEST_NAME for one in shown)


# --- settings


def read(*overrides: str, **environ: str) -> Config:
    """Return the settings of an environment."""
    return load(environ, overrides=overrides)


def test_a_token_wants_to_know_whom_to_obey() -> None:
    """Without both ids there is a sentence with what to do; with them no secret is shown."""
    for given_ in ([], [f"chat.owner={OWNER}"], [f"chat.channel={CHANNEL}"]):
        with pytest.raises(ConfigError, match=r"chat\.owner"):
            read(*given_, DISCORD_BOT_TOKEN="canary-token")
    config = read(f"chat.owner={OWNER}", f'chat.channel="{CHANNEL}"', DISCORD_BOT_TOKEN="canary-token")
    assert config.chat == ChatSettings(owner=int(OWNER), channel=int(CHANNEL))
    assert "canary-token" not in repr(config)


@pytest.mark.parametrize("value", ["true", "5", '"me"', "-300000000000000001", "3e20", '"x00000000000000001"'])
def test_an_id_that_discord_never_gives_out_is_refused(value: str) -> None:
    """Before a start."""
    with pytest.raises(ConfigError, match=r"chat\.owner"):
        read(f"chat.owner={value}")


def test_the_token_can_come_from_a_file(tmp_path: Path) -> None:
    """As every secret can."""
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text("canary-token\n")
    ids = (f"chat.owner={OWNER}", f"chat.channel={CHANNEL}")
    assert read(*ids, DISCORD_BOT_TOKEN_FILE=str(secret)).discord_bot_token == Secret("canary-token")


# --- what it costs to have none


def test_a_daemon_without_a_token_loads_none_of_it() -> None:
    """Neither our room nor the library."""
    code = "import cli.run, sys; print([m for m in sys.modules if m.split('.')[0] in {'chat', 'discord'}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.strip() == "[]"
    assert chat_beside(Config()) == []


def test_a_token_without_the_library_is_said_and_trading_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the line that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert chat_beside(replace(Config(), discord_bot_token=Secret("x" * 20))) == []
    assert "requirements/chat.txt" in caplog.text
