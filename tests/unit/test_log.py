"""The log: what repeats itself, and that what is kept of it is bounded."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.common import log as logs
from config.problems import ConfigError
from config.reading import load
from tests.unit.test_container import BOT
from trader.app import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent


class Log:
    """A log whose clock is ours."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, tzinfo=UTC)
        self.stream = io.StringIO()
        logs.configure(load({}), lambda: self.now, self.stream)

    def tell(self, kind: str, *, level: int = logging.WARNING, after: float = 0.0, **facts: object) -> None:
        """Log an event, some seconds after the one before."""
        self.now += timedelta(seconds=after)
        logging.getLogger("daemon").log(level, "%s", Event(at=self.now, kind=kind, facts=facts))

    def lines(self) -> list[str]:
        """Return what was written, without times and levels."""
        return [line.split(maxsplit=2)[2] for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """Return a log, and give the log of the tests back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield Log()
    for handler in root.handlers:
        handler.close()
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.failure("F7")
def test_a_warning_that_repeats_itself_is_told_once_a_minute_with_how_often(log: Log) -> None:
    """An hour of one a second, each with another number, makes sixty lines."""
    for second in range(3600):
        log.tell("exit_not_confirmed", after=1.0, market="KRW-A", bid=f"{second}.5", late=-second)
    assert len(log.lines()) == 60
    assert log.lines()[0] == "exit_not_confirmed market=KRW-A bid=0.5 late=0"
    assert log.lines()[1] == "exit_not_confirmed market=KRW-A bid=60.5 late=-60 (and 59 more like it)"


@pytest.mark.failure("F7")
def test_a_line_of_the_log_obeys_nobody(log: Log) -> None:
    """What an exchange or a name says moves no cursor and begins no line; a traceback keeps its own."""
    logging.getLogger("x").warning("said %s", "a\x1b[2J\x07\r\nb")
    assert log.lines() == ["said a[2J\\r\\nb"]
    logging.getLogger("x").error("failed", exc_info=ValueError("\x1b]0;title"))
    assert "\x1b" not in log.stream.getvalue()
    assert "\nValueError: ]0;title\n" in log.stream.getvalue()


def test_what_is_not_the_same_is_told_each_time(log: Log) -> None:
    """Other words, another market, another order, another source: none hides another."""
    for market in ("KRW-A", "KRW-B"):
        log.tell("locked", market=market)
        for leg in (0, 1):
            log.tell("adopted", market=market, identifier=f"ub1-S7f3a-KRWA-2611222100-s-{leg}-0")
    logging.getLogger("other").warning("locked market=KRW-A")
    assert len(log.lines()) == 7
    assert "more like it" not in log.stream.getvalue()


@pytest.mark.failure("F7")
def test_decisions_are_all_told(log: Log) -> None:
    """A line below a warning is about one of them, however alike they look."""
    for _ in range(5):
        log.tell("bought", level=logging.INFO, market="KRW-A", krw=50_000)
    assert log.lines() == ["bought market=KRW-A krw=50000"] * 5


def test_a_clock_that_steps_back_silences_nothing(log: Log) -> None:
    """A minute is not waited for again."""
    log.tell("locked", market="KRW-A")
    log.tell("locked", after=-3600.0, market="KRW-A")
    assert len(log.lines()) == 2


@pytest.mark.failure("F6", "F7")
def test_of_many_different_warnings_only_some_are_remembered(log: Log) -> None:
    """The oldest is forgotten, and told again before its minute is over."""
    for number in range(logs.MOST_KEPT + 1):
        log.tell("adopted", identifier=f"x{number}")
    filters = [one for handler in logging.getLogger().handlers for one in handler.filters]
    assert [len(one._told) for one in filters if isinstance(one, logs.Sparing)] == [logs.MOST_KEPT]
    log.tell("adopted", identifier=f"x{logs.MOST_KEPT}")
    log.tell("adopted", identifier="x0")
    assert log.lines()[-1] == "adopted identifier=x0"
    assert len(log.lines()) == logs.MOST_KEPT + 2


@pytest.mark.failure("F7")
def test_docker_is_told_everywhere_to_rotate_the_log() -> None:
    """By itself it keeps one file that grows for ever."""
    assert set(BOT["logging"]["options"]) == {"max-size", "max-file"}
    for name in ("README.md", "README.en.md"):
        runs = re.findall(r"^docker run -d .*$", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert runs
        assert all("--log-opt max-size=10m --log-opt max-file=5" in run for run in runs)


def test_the_log_file_is_private_and_begins_anew_before_it_is_too_large(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most six files of the given size, the newest lines in the first; the terminal gets every line as before."""
    monkeypatch.setattr(logs, "MOST_BYTES", 1000)
    path = tmp_path / "new" / "logs" / "bot.log"
    logs.configure(load({}), lambda: log.now, log.stream, file=path)
    for number in range(300):
        log.tell("bought", level=logging.INFO, number=number)
    files = sorted(path.parent.iterdir())
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in files] == ["bot.log", *(f"bot.log.{old}" for old in range(1, 6))]
    assert all(file.stat().st_size <= 1000 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    assert path.read_text().splitlines()[-1].endswith("bought number=299")
    assert len(log.lines()) == 300


def test_a_log_file_that_cannot_be_written_any_more_is_told_once(
    tmp_path: Path, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk says so once on stderr, every line still goes there, and it says when it is over."""
    logs.configure(load({}), lambda: log.now, log.stream, file=tmp_path / "bot.log")
    handler = logging.getLogger().handlers[1]
    assert isinstance(handler, logs.LogFile)
    stream = handler.stream
    assert stream is not None
    assert stream.encoding == "utf-8"  # whatever the machine's is
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        handler.stream = full
        for number in range(3):
            log.tell("bought", level=logging.INFO, number=number)
        handler.stream = stream
        with pytest.raises(OSError, match="No space"):
            full.flush()
        with contextlib.suppress(OSError):
            full.close()
    log.tell("bought", level=logging.INFO, number=3)
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/bot.log: [Errno 28] No space left on device",
        f"{tmp_path}/bot.log: written again",
    ]
    assert len(log.lines()) == 4


def test_a_log_file_that_cannot_be_made_ends_the_start(log: Log) -> None:
    """A wrong path is a setting to be mended, and the sentence names it."""
    with pytest.raises(ConfigError) as caught:
        logs.configure(load({}), lambda: log.now, log.stream, file=Path("/proc/nowhere/bot.log"))
    assert "/proc/nowhere/bot.log" in caught.value.problems[0].en


def test_the_log_file_lies_in_the_data_folder_unless_it_is_absolute() -> None:
    """A container has no other place for it."""
    given = {"BOT_DATA_DIR": "/data"}
    assert load(given).log_path is None
    assert load(given, overrides=["log.file=bot.log"]).log_path == Path("/data/bot.log")
    assert load(given, overrides=["log.file=/var/log/bot.log"]).log_path == Path("/var/log/bot.log")
