"""The whole daemon over the real wire, as a user starts it: verbs of main.py in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from journal.reader import NoJournal, open_reader
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journal.queries import Queries
    from journal.records import Trade

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDED = ROOT.parent / "shared" / "data" / "candles" / "1m"
KEYS = {"ACCESS_KEY": "test-access-key", "SECRET_KEY": "test-secret-key-0123456789abcdef01234567"}
BOX = ("sandbox", "--json", "--access-key", KEYS["ACCESS_KEY"], "--secret-key", KEYS["SECRET_KEY"])


def environment(more: dict[str, str]) -> dict[str, str]:
    """Return an environment that holds nothing of the machine's but its path."""
    return {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en", **more}


def main(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    command = [sys.executable, "main.py", *arguments]
    return subprocess.run(  # noqa: S603 - our own program
        command, cwd=ROOT, env=environment(more), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@contextmanager
def running(*arguments: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb in the background, and end it with the block."""
    command = [sys.executable, "main.py", *arguments]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, env=environment(more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


@contextmanager
def exchange(*arguments: str) -> Iterator[str]:
    """Open a sandbox and return its address."""
    with running(*BOX, *arguments) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]


def demo(*arguments: str) -> dict[str, Any]:
    """Run a demo as fast as the machine allows and return its summary without what depends on the machine."""
    done = main("demo", "--speed", "inf", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    summary = json.loads(done.stdout)
    assert isinstance(summary, dict)
    assert summary.pop("wall_seconds") > 0
    return summary


def test_a_newcomer_sees_purchases_sales_and_alerts_within_half_an_hour_of_market_time() -> None:
    """The demo trades, tells, breaks no rule, and its journal equals the exchange to the last decimal."""
    summary = demo("--minutes", "30", "--markets", "10")
    assert summary["buys"] > 0
    assert summary["sells"] > 0
    assert summary["alerts"] >= summary["buys"] + summary["sells"]
    assert summary["violations_by_rule"] == {}
    assert summary["rejected_orders"] == 0
    assert summary["ledger_equal"] is True


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trades() -> None:
    """Two runs of one seed agree about everything but the time they took; another seed does not."""
    first, again, other = (demo("--minutes", "30", "--markets", "10", "--seed", seed) for seed in ("7", "7", "8"))
    assert first == again
    assert first["buys"] > 0
    assert first["fees_krw"] != other["fees_krw"]


@pytest.mark.slow
@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"recorded candles are not at {RECORDED}")
def test_recorded_hours_are_traded_without_breaking_a_rule() -> None:
    """Six recorded hours of four markets: ledger equal, nothing refused."""
    summary = demo("--replay", str(RECORDED), "--minutes", "360")
    assert summary["violations"] == 0
    assert summary["rejected_orders"] == 0
    assert summary["ledger_equal"] is True
    assert summary["buys"] > 0


def wait_for(journal: Path, ready: Callable[[Queries], bool]) -> None:
    """Look into the journal of another process until it says what we wait for."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        with contextlib.suppress(NoJournal), open_reader(journal) as reader:
            if ready(reader):
                return
        time.sleep(0.05)
    pytest.fail(f"the daemon did not get there within {PATIENCE_S} s")


def messages(reader: Queries) -> Counter[str]:
    """Count the messages that were ever queued, by kind and trade."""
    return Counter(row["key"] for row in reader._db.execute("SELECT key FROM outbox"))


def starts(reader: Queries) -> int:
    """Count how often a daemon has begun to trade."""
    return sum(key.startswith("started:") for key in messages(reader))


def holding(reader: Queries) -> list[Trade]:
    """Return the trades that hold something."""
    return [trade for trade in reader.open_trades() if trade.phase == "holding"]


@pytest.mark.failure("F1")
def test_a_killed_daemon_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL with open trades, start again: the same trades with the same stops, no second buy, no alert twice."""
    journal = tmp_path / "journal.sqlite3"
    run = ("run", "--set", "strategy.unit=1", "--set", "trading.seed=1", "--set", "trading.max_open_trades=3")
    with exchange("--markets", "40") as url:
        hook = f"{url}/api/webhooks/1/test"
        more = {**KEYS, "UPBIT_BASE_URL": url, "BOT_DATA_DIR": str(tmp_path), "WEBHOOK_URL": hook}
        with running(*run, **more) as daemon:
            wait_for(journal, lambda reader: len(holding(reader)) == 3 and not reader.pending_notes(1))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
        with open_reader(journal) as reader:
            before = {trade.id: trade for trade in holding(reader)}
        with running(*run, **more):
            wait_for(journal, lambda reader: starts(reader) == 2 and not reader.pending_notes(1))
    with open_reader(journal) as reader:
        after = {trade.id: reader.trade(trade.id) for trade in before.values()}
        counted = messages(reader)
        intents = [intent for trade in before.values() for intent in reader.intents_of(trade.id)]
    assert len(before) == 3
    for name, trade in before.items():
        assert (after[name].stop_price, after[name].opened_at) == (trade.stop_price, trade.opened_at)
        assert after[name].bought == trade.bought
        assert counted[f"bought:{name}"] == 1
    assert sum(intent.side == "bid" for intent in intents) == 3
    assert max(counted.values()) == 1


@pytest.mark.failure("H2")
@pytest.mark.parametrize(
    ("arguments", "more", "code", "sentence"),
    [
        (("run",), {}, 4, "There are no API keys"),
        (("run",), {"ACCESS_KEY": "abc"}, 4, "SECRET_KEY is not"),
        (("run", "--set", "trading.max_open_trade=3"), KEYS, 4, "Did you mean 'trading.max_open_trades'"),
        (("run", "--set", "trading.order_krw=10"), KEYS, 4, "Allowed: 6000 ~ 100000000"),
        (("run", "--set", "strategy.name=quiet_trnd"), KEYS, 4, "Did you mean 'quiet_trend'"),
        (("run",), {**KEYS, "UPBIT_ACCESS_KEY": "other"}, 4, "different values"),
        (("run",), {**KEYS, "UPBIT_BASE_URL": "http://example.com"}, 4, "must be https"),
        (("run",), {**KEYS, "WEBHOOK_URL": "https://example.com/x"}, 4, "WEBHOOK_URL must be"),
        (("run",), {**KEYS, "BOT_DATA_DIR": "/proc/nowhere"}, 1, "cannot be written"),
        (("demo", "--replay", "/nowhere"), {}, 1, "nothing to replay"),
        (("status",), {"BOT_DATA_DIR": "/nowhere"}, 1, "There is no journal yet"),
        (("health",), {"BOT_DATA_DIR": "/nowhere"}, 1, "no daemon is running here"),
        (("runn",), {}, 2, "invalid choice"),
        (("demo", "--speed", "0"), {}, 2, "above 0"),
        (("demo", "--faults", "lost-answer"), {}, 4, "Did you mean 'lost-answers'"),
        (("sandbox", "--faults", "/dev/null"), {}, 4, "Fault plan '/dev/null', at $"),
    ],
)
def test_bad_input_gets_one_clear_sentence_and_its_exit_code(
    arguments: tuple[str, ...], more: dict[str, str], code: int, sentence: str, tmp_path: Path
) -> None:
    """What, where, what to do; never a traceback."""
    done = main(*arguments, **({"BOT_DATA_DIR": str(tmp_path)} | more))
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code


@pytest.mark.failure("B8")
def test_wrong_keys_are_told_at_once(tmp_path: Path) -> None:
    """A secret that does not belong to the key ends `run` with a sentence, not with five failing loops."""
    with exchange("--markets", "3") as url:
        wrong = {**KEYS, "SECRET_KEY": "another-secret-key-0123456789abcdef0123"}
        done = main("run", UPBIT_BASE_URL=url, BOT_DATA_DIR=str(tmp_path), **wrong)
    assert done.returncode == 4
    assert "The API keys are wrong" in done.stderr


def test_a_container_that_is_started_again_and_again_neither_hammers_nor_repeats_its_message(tmp_path: Path) -> None:
    """The second start with the same wrong keys pauses before it asks Upbit; one message was sent; a stop ends it."""
    with exchange("--markets", "3") as url:
        hook = f"{url}/api/webhooks/1/test"
        wrong = {"ACCESS_KEY": KEYS["ACCESS_KEY"], "SECRET_KEY": "another-secret-key-0123456789abcdef0123"}
        more = {**wrong, "UPBIT_BASE_URL": url, "BOT_DATA_DIR": str(tmp_path), "WEBHOOK_URL": hook}
        assert main("run", **more).returncode == 4
        with running("run", **more) as daemon:
            assert "seconds=5 failures=1" in read_until(daemon, "start_paused")
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 0
    with closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as journal:
        sent = [row for row in journal.execute("SELECT * FROM outbox") if "The API keys are wrong" in str(row)]
    assert len(sent) == 1


def test_settings_that_cannot_be_used_are_told_once_and_pause_the_starts_that_repeat_them(tmp_path: Path) -> None:
    """No daemon runs that could tell it; what was mended is tried at once."""
    with exchange("--markets", "3") as url:
        more = {**KEYS, "UPBIT_BASE_URL": url, "BOT_DATA_DIR": str(tmp_path / "data")}
        more["WEBHOOK_URL"] = hook = f"{url}/api/webhooks/1/test"
        done = main("run", "--set", "trading.max_open_trades=0", **more)
        assert (done.returncode, "max_open_trades = 0 cannot be used" in done.stderr) == (4, True)
        with running("run", "--set", "trading.max_open_trades=0", **more) as daemon:
            assert "seconds=5 failures=1" in read_until(daemon, "start_paused")
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 4
        told = [message_at(f"{hook}/messages/{number}") for number in (1, 2)]
        with running("run", "--set", "trading.max_open_trades=1", **more) as daemon:
            wait_for(tmp_path / "data" / "journal.sqlite3", lambda reader: starts(reader) == 1)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 0
    assert "= 0 cannot be used" in told[0]
    assert told[1] == ""


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Return the line of the log in which some words stand, when it has come."""
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


@pytest.mark.failure("D2")
def test_a_daemon_that_starts_before_its_exchange_comes_up_with_it(tmp_path: Path) -> None:
    """It says what it waits for, also to whoever asks for its health, and trades without anybody's help."""
    port = free_port()
    more = {**KEYS, "UPBIT_BASE_URL": f"http://127.0.0.1:{port}", "BOT_DATA_DIR": str(tmp_path)}
    with running("run", "--set", "strategy.unit=1", **more) as daemon:
        assert "The exchange cannot be reached" in read_until(daemon, "waiting_for_exchange")
        assert "waiting: exchange: The exchange cannot be reached" in main("health", **more).stdout
        with exchange("--port", str(port), "--markets", "3"):
            wait_for(tmp_path / "journal.sqlite3", lambda reader: starts(reader) == 1)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(PATIENCE_S) == 0


@pytest.mark.failure("F2")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_daemon_that_waits_for_its_exchange_can_be_stopped(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """At once, with a sentence of nobody and no traceback."""
    more = {**KEYS, "UPBIT_BASE_URL": f"http://127.0.0.1:{free_port()}", "BOT_DATA_DIR": str(tmp_path)}
    with running("run", **more) as daemon:
        read_until(daemon, "waiting_for_exchange")
        daemon.send_signal(number)
        _, errors = daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == code
    assert "Traceback" not in errors


@pytest.mark.failure("F3")
def test_a_second_daemon_on_the_same_folder_is_refused_and_told_once(tmp_path: Path) -> None:
    """The journal has one writer; who is started again and again pauses, and sends no second message."""
    with exchange("--markets", "3") as url:
        hook = f"{url}/api/webhooks/1/test"
        more = {**KEYS, "UPBIT_BASE_URL": url, "BOT_DATA_DIR": str(tmp_path)}
        with running("run", "--set", "strategy.unit=1", **more):
            wait_for(tmp_path / "journal.sqlite3", lambda reader: starts(reader) == 1)
            second = main("run", **more, WEBHOOK_URL=hook)
            with running("run", **more, WEBHOOK_URL=hook) as third:
                assert "seconds=5 failures=1" in read_until(third, "start_paused")
                third.send_signal(signal.SIGTERM)
                assert third.wait(PATIENCE_S) == 0
        told = [message_at(f"{hook}/messages/{number}") for number in (1, 2)]
    assert second.returncode == 3
    assert "Another daemon" in second.stderr
    assert "Another daemon" in told[0]
    assert told[1] == ""


def message_at(address: str) -> str:
    """Return what a message of the sandbox's Discord says, nothing of one that was never sent."""
    with contextlib.suppress(HTTPError), urlopen(address, timeout=PATIENCE_S) as answer:  # noqa: S310 - on this machine
        text: str = answer.read().decode()
        return text
    return ""


@pytest.mark.failure("E4")
def test_a_damaged_journal_is_never_traded_on(tmp_path: Path) -> None:
    """Corruption is refused with a sentence, and the file is left as it was."""
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"this is not a journal" * 100)
    done = main("run", BOT_DATA_DIR=str(tmp_path), UPBIT_BASE_URL="http://127.0.0.1:9", **KEYS)
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert path.read_bytes() == b"this is not a journal" * 100


def test_check_examines_a_sandbox_and_finds_nothing_wrong(tmp_path: Path) -> None:
    """The doctor sees the exchange, the clock, the three permissions and the expiry."""
    with exchange("--markets", "3") as url:
        done = main("check", "--json", UPBIT_BASE_URL=url, BOT_DATA_DIR=str(tmp_path), **KEYS)
    levels = {finding["name"]: finding["level"] for finding in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert levels["주문하기 make orders"] == "ok"
    assert levels["expiry"] == "ok"
    assert levels["webhook"] == "warn"
