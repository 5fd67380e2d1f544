"""How `run` begins and ends: what is said before anything, how often a failed start is told, and its exit code."""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock, call

import pytest

from cli import run as verb
from cli.common.attempts import FIRST_S, Attempts
from cli.common.exits import INTERRUPTED, OK
from cli.common.parser import build_parser
from config.problems import ConfigError, Problem
from config.reading import UnusableSettings
from config.settings import Config, Secret, TradingSettings
from dashboard.passes import Passes
from journal.errors import JournalError, JournalUnwritable
from journal.records import Note
from main import VERBS
from notifier.answers import Delivery, WebhookAnswer
from notifier.discord import Discord
from tests.helpers.certificates import authority, proxy_to
from tests.helpers.parts import NOW, make_mocked, mock
from tests.helpers.wire import Wire, http
from trader.admission import FLUSH_S
from trader.clock import wall_clock
from trader.guards.watchdog import SystemWatchdog
from trader.recording import record_beside
from upbit.errors import InvalidKey, RateLimited
from upbit.network import Network
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trader.app import App

HOOK = "https://discord.com/api/webhooks/1234/the-token"
OPTIONS = argparse.Namespace(record=False, keep=None)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return settings with keys and a webhook."""
    return Config(
        access_key=Secret("a" * 40),
        secret_key=Secret("s" * 40),
        webhook_url=Secret(HOOK),
        data_dir=tmp_path,
        language="en",
        trading=TradingSettings(max_open_trades=3, order_krw=Decimal(40_000)),
    )


@pytest.fixture
def trade(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what stands for the trading itself; the log is left as it is."""
    monkeypatch.setattr("cli.common.log.configure", Mock())
    traded = AsyncMock()
    monkeypatch.setattr("cli.run.trade", traded)
    return traded


def test_without_both_keys_nothing_begins(config: Config, trade: Mock) -> None:
    """It is a mistake of the settings, and the sentence names what to set."""
    for half in (replace(config, access_key=None), replace(config, secret_key=None)):
        with pytest.raises(ConfigError, match="Set ACCESS_KEY and SECRET_KEY"):
            verb.run(half, OPTIONS)
    assert not trade.called


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"language": "en"}, "Buys for at most 120,000 KRW (3 markets x 40,000 KRW). Mode: live\n"),
        ({"base_url": "https://10.0.0.7"}, "최대 120,000원까지 매수합니다 (3개 마켓 × 40,000원). 모드: live\n"),
        ({"base_url": "http://127.0.0.1:1"}, "최대 120,000원까지 매수합니다 (3개 마켓 × 40,000원). 모드: sandbox\n"),
    ],
)
def test_a_start_says_what_may_be_spent_before_anything_is_asked(
    changed: dict[str, Any], sentence: str, config: Config, trade: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the reader's language, and whether it is real money."""
    said: list[str] = []
    trade.side_effect = lambda *_, **__: said.append(capsys.readouterr().out)
    assert verb.run(replace(config, **{"language": "ko"} | changed), OPTIONS) == OK
    assert said == [sentence]


def test_a_start_logs_to_the_file_of_the_settings(config: Config, trade: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt that is counted is of these settings."""
    configure, loop = Mock(), Mock(wraps=asyncio.new_event_loop)
    monkeypatch.setattr("cli.common.log.configure", configure)
    monkeypatch.setattr("cli.run.plain_loop", lambda: loop)
    wanted = replace(config, log_file="bot.log")
    assert verb.run(wanted, OPTIONS) == OK
    assert configure.mock_calls == [call(wanted, wall_clock, file=wanted.log_path)]
    assert trade.mock_calls == [call(wanted, Attempts.of(wanted, wall_clock), tape=[])]
    assert loop.mock_calls == [call()]


def test_settings_that_cannot_be_used_are_told_once_and_with_a_pause_between_starts(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the webhook that could be read; other problems are another start."""
    configure, tell, waits = Mock(), AsyncMock(), Mock(return_value=True)
    monkeypatch.setattr("cli.common.log.configure", configure)
    monkeypatch.setattr("cli.run.tell_without_journal", tell)
    monkeypatch.setattr("cli.run.rested", waits)
    first, second = (UnusableSettings((Problem(ko=word, en=word),), config) for word in "ab")
    for error in (first, first, second):
        verb.refused(error)
    assert tell.mock_calls == [call(config, first), call(config, second)]
    assert configure.mock_calls == [call(config, wall_clock)] * 3
    assert waits.mock_calls == [
        call(Attempts.of(config, wall_clock, error.problems)) for error in (first, first, second)
    ]
    waits.return_value = False
    verb.refused(first)
    assert Attempts.of(config, wall_clock, second.problems).failures() == 1


@pytest.mark.parametrize("ended", [True, False])
def test_nobody_waits_for_a_pause_at_a_terminal(
    ended: bool,  # noqa: FBT001 - a column
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who sits there has just mended something; a service waits, until it is stopped."""
    attempts = Attempts.of(config, wall_clock)
    attempts.failed()
    waited = Mock(return_value=ended)
    monkeypatch.setattr("threading.Event.wait", waited)
    monkeypatch.setattr("sys.stderr", Mock(isatty=lambda: True))
    assert verb.rested(attempts)
    assert not waited.called
    monkeypatch.setattr("sys.stderr", Mock(isatty=lambda: False))
    assert verb.rested(attempts) is not ended
    assert waited.mock_calls == [call(FIRST_S)]


class Start:
    """A start of a daemon of which every part is made up, and what was done in it, in its order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done = Mock()
        self.app = make_mocked()
        self.done.come_up = AsyncMock(return_value=True)
        self.done.serve = AsyncMock()
        self.done.tell_refusal = AsyncMock()
        self.done.build.side_effect = self.build
        for name in ("build", "come_up", "gc", "serve", "stop_on_signals", "tell_refusal"):
            monkeypatch.setattr(f"cli.run.{name}", getattr(self.done, name))
        for name in ("follow", "page_beside", "chat_beside"):
            monkeypatch.setattr(f"cli.run.{name}", Mock(return_value=name if name == "follow" else [name]))
        self.attempts = mock(Attempts, failed=Mock(return_value=7))
        self.done.attach_mock(self.attempts.forget, "forget")

    @asynccontextmanager
    async def build(self, _: Config, clock: object, stop: asyncio.Event) -> AsyncIterator[App]:
        """Lend the parts."""
        assert (clock, stop.is_set()) == (wall_clock, False)
        yield self.app

    def steps(self) -> list[str]:
        """Return what was done."""
        return [name for name, _, _ in self.done.mock_calls]


async def test_a_daemon_that_was_let_in_serves_with_all_that_is_wished_beside_it(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM stops it from the beginning, Ctrl-C once it is up; what failed before is forgotten."""
    start = Start(monkeypatch)
    await verb.trade(config, start.attempts, tape=[record_beside])
    assert start.steps() == [
        *("build", "stop_on_signals", "come_up", "forget", "stop_on_signals"),
        *("gc.collect", "gc.freeze", "serve"),
    ]
    stop = start.done.build.mock_calls[0].args[2]
    assert start.done.build.mock_calls == [call(config, wall_clock, stop)]
    assert start.done.stop_on_signals.mock_calls == [call(stop, [signal.SIGTERM]), call(stop)]
    assert start.done.come_up.mock_calls == [call(start.app)]
    ((app,), named) = start.done.serve.mock_calls[0][1:]
    assert (app, named["beside"]) == (start.app, ["follow", "page_beside", "chat_beside", record_beside])
    assert isinstance(named["watchdog"], SystemWatchdog)
    parts = {name: getattr(verb, name).mock_calls for name in ("follow", "chat_beside")}
    assert parts == {
        "follow": [call(real_seconds=1.0)],
        "chat_beside": [call(config)],
    }
    ((settings, seconds, announce), _) = verb.page_beside.mock_calls[0][1:]  # type: ignore[attr-defined]
    assert (settings, seconds, announce.func, announce.args) == (config, 1.0, verb.say_where, (config,))
    await verb.trade(config, start.attempts)
    assert start.done.serve.mock_calls[1].kwargs["beside"] == ["follow", "page_beside", "chat_beside"]


async def test_a_daemon_that_was_stopped_before_it_was_let_in_serves_nobody(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not failed either."""
    start = Start(monkeypatch)
    start.done.come_up.return_value = False
    await verb.trade(config, start.attempts)
    assert start.steps() == ["build", "stop_on_signals", "come_up", "forget"]


async def test_a_start_that_the_exchange_refuses_is_counted_told_and_ends(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its first cause."""
    start, error = Start(monkeypatch), InvalidKey("no")
    start.done.come_up.side_effect = ExceptionGroup("a", [error])
    with pytest.raises(ExceptionGroup):
        await verb.trade(config, start.attempts)
    assert start.done.tell_refusal.mock_calls == [call(start.app, error, 7)]
    assert start.steps()[-1] == "tell_refusal"


def test_where_the_page_is_is_said_with_the_way_in(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """In the reader's language."""
    for language in ("ko", "en"):
        verb.say_where(replace(config, language=language), "http://x", mock(Passes))
    assert capsys.readouterr().out.splitlines() == [
        "페이지: http://x (들어가는 링크: python main.py open)",
        "The page: http://x (a link to get in: python main.py open)",
    ]


@pytest.mark.parametrize(
    ("words", "kept"), [([], []), (["--record"], [None]), (["--record", "--keep", "2"], [timedelta(days=2)])]
)
def test_a_tape_is_recorded_beside_where_it_is_wished(
    words: list[str], kept: list[timedelta | None], config: Config, trade: Mock
) -> None:
    """For ever, or for as many days as are named."""
    verb.run(config, build_parser(VERBS, "run").parse_args(["run", *words]))
    tape = trade.call_args.kwargs["tape"]
    assert [(work.func, work.keywords) for work in tape] == [(record_beside, {"keep": keep}) for keep in kept]


def test_what_can_be_asked_of_a_start_is_explained() -> None:
    """In `--help`."""
    parser = argparse.ArgumentParser(formatter_class=lambda prog: argparse.HelpFormatter(prog, width=200))
    verb.arguments(parser)
    shown = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    assert "--record keep what is heard on tape, in the data folder" in shown
    assert "--keep DAYS with --record, delete tapes older than this" in shown


def test_ctrl_c_during_a_start_has_its_own_code(config: Config, trade: Mock) -> None:
    """Whoever started it has ended it."""
    trade.side_effect = KeyboardInterrupt
    assert verb.run(config, OPTIONS) == INTERRUPTED


def test_the_first_real_failure_of_a_group_is_the_failure(config: Config, trade: Mock) -> None:
    """A person reads one sentence, and tasks inside tasks are nothing to him."""
    trade.side_effect = BaseExceptionGroup("a", [BaseExceptionGroup("b", [InvalidKey("no"), ValueError("later")])])
    with pytest.raises(InvalidKey):
        verb.run(config, OPTIONS)


def test_who_stops_the_pause_of_a_failed_start_is_obeyed(
    config: Config, trade: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked of the exchange."""
    monkeypatch.setattr("cli.common.attempts.Attempts.wait", lambda *_: False)
    assert verb.run(config, OPTIONS) == OK
    assert not trade.called


def test_a_journal_that_cannot_be_used_is_told_once_however_often_the_start_is_repeated(
    config: Config, trade: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a message of its own, as no journal will keep one; the failure itself is the exit code's."""
    told: list[tuple[str, Note]] = []

    async def tell(_: object, url: str, note: Note) -> WebhookAnswer:
        told.append((url, note))
        return WebhookAnswer(outcome=Delivery.TAKEN, why="")

    monkeypatch.setattr("cli.run.tell_at_once", tell)
    monkeypatch.setattr("cli.common.attempts.Attempts.wait", lambda *_: True)
    trade.side_effect = JournalUnwritable(config.data_dir, "no")
    for _ in range(3):
        with pytest.raises(JournalError):
            verb.run(config, OPTIONS)
        assert [url for url, _ in told] == [HOOK]
    assert ("start" in told[0][1].key, "XX" in told[0][1].key) == (True, False)
    assert "has free space, or change BOT" in str(told[0][1].body)
    monkeypatch.setattr("cli.common.attempts.Attempts.failed", lambda _: 1)
    with pytest.raises(JournalError):
        verb.run(replace(config, webhook_url=None), OPTIONS)
    assert len(told) == 1


async def test_a_message_about_the_journal_that_does_not_arrive_is_logged_without_its_address(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else can be done about it."""
    answer = WebhookAnswer(outcome=Delivery.LATER, why="TimeoutError")
    monkeypatch.setattr("cli.run.tell_at_once", AsyncMock(return_value=answer))
    opened = Mock(wraps=open_session)
    monkeypatch.setattr("cli.run.open_session", opened)
    settings = replace(config, no_proxy="a.example")
    await verb.tell_without_journal(settings, JournalUnwritable(config.data_dir, "no"))
    assert opened.mock_calls == [call(Network(no_proxy="a.example"), url=HOOK)]
    logged = [record.getMessage() for record in caplog.records if record.name == "start"]
    assert logged == ["start_not_told why=TimeoutError"]


@pytest.mark.case("S3")
async def test_a_message_about_the_journal_goes_through_the_proxy_of_the_settings(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And believes the authority of one's own, as every request does."""
    own, wire = authority(tmp_path), Wire()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=own.server("discord.test"))
    async with server, proxy_to(server.sockets[0].getsockname()[1]) as proxy:
        wire.answers = [http(200, {"id": "1"})]
        hook, way = Secret("https://discord.test/api/webhooks/1/x"), Secret(proxy.url)
        settings = replace(config, webhook_url=hook, proxy=way, ca_file=own.path)
        await verb.tell_without_journal(settings, JournalUnwritable(config.data_dir, "no"))
    assert proxy.asked[0].startswith("CONNECT discord.test:443 ")
    assert [head.split()[:2] for head in wire.seen] == [["POST", "/api/webhooks/1/x?wait=true"]]
    assert "start_not_told" not in caplog.text


@pytest.mark.parametrize(
    ("error", "failures", "hook", "times"),
    [
        (InvalidKey("no"), 1, True, 1),
        (InvalidKey("no"), 2, True, 0),
        (InvalidKey("no"), 0, True, 0),
        (InvalidKey("no"), 1, False, 0),
        (RateLimited("slow"), 1, True, 1),
        (KeyError("ours"), 1, True, 0),
    ],
)
async def test_a_start_that_is_refused_is_told_the_first_time(
    error: Exception,
    failures: int,
    hook: bool,  # noqa: FBT001 - a column
    times: int,
) -> None:
    """Only what a person can mend, once for all starts in a row, and delivered before the process ends."""
    discord = mock(Discord, flush=AsyncMock()) if hook else None
    app = make_mocked(discord=discord, config=Config(language="en"))
    note = Note(key="start", kind="problem", body={})
    app.messages.problem.return_value = note
    await verb.tell_refusal(app, error, failures)
    assert app.journal.add_notes.mock_calls == [call([note])] * times
    assert (discord.flush.mock_calls if discord else []) == [call(FLUSH_S)] * times
    for asked in app.messages.problem.mock_calls:
        assert asked == call("start", asked.args[1], at=NOW)
        assert asked.args[1]
