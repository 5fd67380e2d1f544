"""`optimize` from the command line: on one process, on several, and on a real Dask cluster, with the same answer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, socket
from typing import TYPE_CHECKING, Any

import pytest

import strategy
from config.reading import load as read_settings
from main import main
from tests.helpers.made_up import ROOT, run_main, write_history
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCH = (
    "optimize", "--unit", "240m", "--seeds", "1", "--trials", "9", "--folds", "2", "--min-trades", "3", "--json",
    "--space", "fast=4:16", "max_natr=1:6",
)  # fmt: skip


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a history of a few made-up markets."""
    folder = tmp_path_factory.mktemp("optimize")
    write_history(folder / "csv", markets=3, candles=1_500)
    done = run_main(folder, "data", "import", str(folder / "csv"), "--unit", "240m")
    assert done.returncode == 0, done.stderr
    return folder


def searched(folder: Path, *more: str) -> dict[str, Any]:
    """Search without what an earlier search has kept, and return what it says."""
    for kept in (folder / "data" / "searches").glob("*"):
        kept.unlink()
    done = run_main(folder, *SEARCH, *more)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer.pop("peak_memory_mb") > 0
    return answer


@pytest.fixture(scope="module")
def alone(history: Path) -> dict[str, Any]:
    """Return what one process finds."""
    return searched(history, "--workers", "1")


def test_only_what_came_after_is_reported_and_the_tries_are_counted(alone: dict[str, Any]) -> None:
    """Two folds with their choice, the shipped parameters and bitcoin beside it, and the luck taken off."""
    neighbours = sum(len(fold["plateau"]["neighbours"]) for fold in alone["folds"])
    assert 18 < alone["variants"] <= 18 + neighbours
    assert 0 <= alone["out_of_sample"]["deflated_sharpe"] <= 1
    first, second = alone["folds"]
    assert first["judged_on"][1] == second["judged_on"][0] == second["trained_on"][1]
    for fold in (first, second):
        assert set(fold["parameters"]) == {"fast", "max_natr"}
        assert fold["plateau"]["neighbours"]
    grown = (1 + first["out_of_sample"]["total_return"]) * (1 + second["out_of_sample"]["total_return"])
    assert alone["out_of_sample"]["total_return"] == pytest.approx(grown - 1)
    assert alone["btc_hold"]["total_return"] != alone["shipped_parameters"]["total_return"]


def test_several_processes_find_the_same(history: Path, alone: dict[str, Any]) -> None:
    """How many judge does not change what is asked, nor what is found."""
    assert searched(history, "--workers", "2") == alone


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and some workers as processes of their own on loopback; yield the scheduler's address."""
    file = folder / f"scheduler-{workers}.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    common = ("--scheduler-file", str(file), "--no-dashboard")
    scheduler = ("distributed.cli.dask_scheduler", *common, "--host", "127.0.0.1", "--port", "0")
    worker = ("distributed.cli.dask_worker", *common, "--nthreads", "1", "--host", "127.0.0.1", "--no-nanny")
    with (folder / "cluster.log").open("w") as log:
        started = [
            subprocess.Popen([sys.executable, "-m", *words], cwd=folder, env=environment, stdout=log, stderr=log)  # noqa: S603 - ours
            for words in (scheduler, *([worker] * workers))
        ]
        try:
            yield address_of(file)
        finally:
            for process in started:
                process.kill()  # a worker that is asked to go first waits for the scheduler
                process.wait()


def address_of(file: Path) -> str:
    """Wait until the scheduler has written where it is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.1)
    raise AssertionError("the scheduler did not start")


def test_a_cluster_of_two_workers_finds_the_same(history: Path, alone: dict[str, Any]) -> None:
    """A real scheduler and two real workers, on loopback."""
    with cluster(history, 2) as address:
        assert searched(history, "--cluster", address) == alone


DOCUMENTED = re.compile(r"^    ((?:PYTHONPATH=\. )?dask (?:scheduler|worker).*)$", re.MULTILINE)


def test_the_documented_cluster_is_started_as_it_is_written(history: Path, alone: dict[str, Any]) -> None:
    """The lines of docs/backtest.md, typed into a shell; only the name of the machine and the port are this test's."""
    document = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")
    commands = DOCUMENTED.findall(document)
    assert len(commands) == 2
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    typed = [one.replace("scheduler:8786", address).replace("--port 8786", f"--port {port}") for one in commands]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }
    with (history / "documented.log").open("w") as log:
        started = [
            subprocess.Popen(one, shell=True, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S602 - a person types it too
            for one in typed
        ]
        try:
            wait_for(address)
            assert searched(history, "--cluster", f"tcp://{address}") == alone
        finally:
            for process in started:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for(address: str) -> None:
    """Wait until something listens at an address."""
    host, _, port = address.partition(":")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the scheduler did not start")


def test_a_search_that_is_repeated_says_so_and_writes_what_it_found(history: Path, tmp_path: Path) -> None:
    """The second run judges nothing again; the file it writes is read as settings."""
    searched(history, "--workers", "1")
    file = tmp_path / "found.toml"
    done = run_main(history, *SEARCH, "--workers", "1", "--out", str(file))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["reused"] == answer["variants"] + 2 * len(answer["folds"])
    assert answer["variants_of_earlier_searches"] == 0
    config = read_settings({}, path=file, overrides=[])
    assert config.strategy.parameters["fast"] == answer["folds"][-1]["parameters"]["fast"]


def test_a_strategy_that_was_changed_is_searched_anew(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No score of the old code is used: with another rule in the same file everything is judged again."""
    monkeypatch.setattr(strategy, "__path__", [*strategy.__path__, str(tmp_path)])
    monkeypatch.setenv("BOT_DATA_DIR", str(history / "data"))

    def reused(rule: str) -> int:
        code = "from strategy.quiet_trend import QuietTrend\n\n\nclass Mine(QuietTrend):\n    name = 'mine'\n"
        (tmp_path / "mine.py").write_text(f"{code}    ko = '{rule}'\n\n\nSTRATEGY = Mine()\n", encoding="utf-8")
        monkeypatch.delitem(sys.modules, "strategy.mine", raising=False)
        assert main([*SEARCH, "--workers", "1", "--set", "strategy.name=mine"]) == 0
        return int(json.loads(capsys.readouterr().out)["reused"])

    assert reused("one rule") == 0
    assert reused("one rule") > 0
    assert reused("another rule") == 0


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_said_in_one_sentence(history: Path) -> None:
    """Nobody at the address, or nobody who works: what to do stands in it."""
    done = run_main(history, *SEARCH, "--cluster", "tcp://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    with cluster(history, 0) as address:
        done = run_main(history, *SEARCH, "--cluster", address)
    assert done.returncode == 1
    assert "has no workers" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--trials", "0"), "--trials 0: must be 1"),
        (("--training", "1"), "--training 1: must be"),
        (("--space", "fats=1:2"), "no parameter fats"),
        (("--folds", "90", "--days", "5"), "too short"),
        (("--markets", "KRW-NONE"), "KRW-NONE"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(history: Path, more: tuple[str, ...], words: str) -> None:
    """One sentence, the exit code of usage, no traceback."""
    done = run_main(history, *SEARCH, *more)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
