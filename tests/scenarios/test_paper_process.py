"""`python main.py paper` as anybody starts it: it trades, is killed, and goes on with what it had."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.demo import ledger_equal
from journal import JOURNAL_FILE
from journal.journal import Journal
from paper.wallet import WALLET_FILE, open_wallet
from tests.helpers.live_desk import LiveDesk
from tests.helpers.patience import PATIENCE_S
from trader.clock import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def started(data: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a verb in the background, and end it with the block."""
    environment = {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en", "BOT_DATA_DIR": str(data)}
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "main.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_S)


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert isinstance(port, int)
    return port


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read the log up to a line that holds a word."""
    assert process.stderr is not None
    assert any(word in line for line in process.stderr), f"it ended without a word of {word}"


def test_after_a_kill_wallet_and_journal_agree(tmp_path: Path) -> None:
    """It buys and is killed; started again it holds what it held, and ends in peace."""
    page, port = str(free_port()), str(free_port())
    with started(tmp_path / "upbit", "sandbox", "--json", "--markets", "8", "--seed", "7") as upbit:
        assert upbit.stdout is not None
        upstream = json.loads(upbit.stdout.readline())["url"]
        paper = (
            *("paper", "--json", "--upstream", upstream, "--port", port),
            *("--set", "strategy.unit=1", "--set", f"dashboard.port={page}", "--set", "trading.seed=1"),
        )
        with started(tmp_path, *paper) as first:
            wait_for(first, " bought ")
            first.kill()
        with started(tmp_path, *paper) as second:
            wait_for(second, " started ")
            with started(tmp_path, *paper) as third:
                assert third.wait(PATIENCE_S) == 3, "two of them never work in one folder"
            second.send_signal(signal.SIGTERM)
            assert second.wait(PATIENCE_S) == 0
        upbit.send_signal(signal.SIGTERM)
        assert json.loads(upbit.communicate(timeout=PATIENCE_S)[0].splitlines()[-1]) == {"violations": {}}
    folder = tmp_path / "paper"
    with (
        open_wallet(folder / WALLET_FILE, upstream) as wallet,
        Journal.open(folder / JOURNAL_FILE, wall_clock) as journal,
    ):
        balances = LiveDesk(wallet).exchange.accounts.all()
        assert len(balances) > 1
        assert ledger_equal(journal.totals(), balances, Decimal(1_000_000))
        held = [trade for trade in journal.open_trades() if trade.volume]  # another may be about to buy at the stop
        assert {trade.market.removeprefix("KRW-") for trade in held} <= balances.keys()


def test_what_traded_on_paper_is_never_opened_by_a_real_daemon(tmp_path: Path) -> None:
    """One sentence, before anything is asked of anybody."""
    with Journal.open(tmp_path / JOURNAL_FILE, wall_clock) as journal:
        journal.set_meta("mode", "paper")
    keys = ("ACCESS_KEY=a-key", "SECRET_KEY=a-secret")
    environment = {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en", "BOT_DATA_DIR": str(tmp_path)}
    environment |= dict(key.split("=") for key in keys)
    done = subprocess.run(
        [sys.executable, "main.py", "run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert "is of mode 'paper', and this is mode 'live'" in done.stderr


def test_a_market_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """There is nothing to trade in."""
    with started(tmp_path, "paper", "--upstream", f"http://127.0.0.1:{free_port()}") as paper:
        _, errors = paper.communicate(timeout=PATIENCE_S)
    assert paper.returncode == 1
    assert "there is nothing to trade on paper" in errors.splitlines()[-1]
