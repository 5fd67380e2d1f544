"""What the documents say of the structure is what runs: tasks, files, periods, dicts and who writes them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import main
import state
from journal.journal import Journal
from tests.helpers.house import ROOT, read_house
from tests.unit.test_shared_dicts import table
from trader import daemon
from trader.orders import drive
from trader.trades import buying

ARCHITECTURE = "docs/architecture.md"
TASKS = dict((*daemon.COROUTINES, *daemon.WATCHERS))
ELSEWHERE = {"discord": "notifier/discord.py"}
"""Where the work of a task is done, when its function only hands on."""
PERIODS = {
    "update_trading_dict": "trader.targets.PERIOD_S",
    "update_prices": "trader.prices.PERIOD_S",
    "update_wallet_realtime": "trader.wallet.PERIOD_S",
    "execute_trades": "trader.executor.PERIOD_S",
    "health": "trader.guards.heartbeat.WRITE_EVERY_S",
    "account": "trader.guards.account.LOOK_S",
    "equity": "trader.guards.equity.LOOK_S",
    "control": "trader.guards.requests.LOOK_S",
    "clock": "trader.guards.host.LOOK_S",
    "loop": "trader.guards.host.LOOK_S",
    "reconcile": "trader.books.reconcile.PERIOD_S",
    "files": "trader.guards.host.FILES_EVERY_S",
    "year_end": "trader.guards.year_end.LOOK_S",
}
"""The constant that is the first number of the period's cell."""


def rows(name: str, heading: str) -> list[list[str]]:
    """Return the rows of the table that begins with a heading."""
    text = (ROOT / name).read_text(encoding="utf-8")
    body = text.split(heading, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()[2:]]


def words(cell: str) -> list[str]:
    """Return the code words of a cell."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_task_of_a_running_daemon_stands_in_the_document_with_its_file() -> None:
    """The five coroutines and the watchers, in the order in which they start."""
    shown = {words(row[0])[0]: words(row[1])[0] for row in rows(ARCHITECTURE, "| task | file |")}
    assert list(shown) == list(TASKS)
    for name, work in TASKS.items():
        file = ELSEWHERE.get(name, work.__module__.replace(".", "/") + ".py")
        assert (name, shown[name]) == (name, file)


def test_periods_in_the_document_are_those_of_the_code() -> None:
    """The first number of each period is the constant of its loop."""
    shown = {words(row[0])[0]: row[2] for row in rows(ARCHITECTURE, "| task | file |")}
    for name, constant in PERIODS.items():
        module, attribute = constant.rsplit(".", 1)
        seconds = getattr(import_module(module), attribute)
        assert shown[name].split(",")[0] == f"{seconds:g} s", name
    assert set(TASKS) - set(PERIODS) == {"update_indicators_periodically", "discord"}


def test_the_table_of_shared_dicts_is_that_of_the_code() -> None:
    """`test_shared_dicts.py` compares the table of `state.py` with who writes what; this is the same table."""
    shown = {words(row[0])[0]: set(words(row[2])) for row in rows(ARCHITECTURE, "| dict | key: value |")}
    assert shown == table(state.__doc__ or "")


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_the_readme_names_the_five_coroutines_with_their_files(name: str) -> None:
    """Those that `main.py` names, too."""
    heading = "| 코루틴 | 파일 |" if name == "README.md" else "| coroutine | file |"
    shown = [(words(row[0])[0], words(row[1])[0]) for row in rows(name, heading)]
    assert shown == [(coroutine, work.__module__.replace(".", "/") + ".py") for coroutine, work in daemon.COROUTINES]
    for coroutine, file in shown:
        assert re.search(rf"{coroutine} +{re.escape(file)}", main.__doc__ or "")


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_the_diagrams_name_what_exists(name: str) -> None:
    """Coroutines, dicts and steps of the drawings are those of the code, and both languages draw the same."""
    flow, sequence = diagrams(name)
    drawn = set(re.findall(r"\b\w+_(?:\w+_)*\w+\b", re.sub(r"[\[(]+[^\]]*[\])]+", "", flow)))
    assert drawn == set(dict(daemon.COROUTINES)) | {
        "target_dict", "snapshot_dict", "trading_dict", "wallet_dict", "active_trade",
    }  # fmt: skip
    assert {"target_dict", "snapshot_dict", "trading_dict", "wallet_dict", "active_trade"} <= set(
        state.State.__dataclass_fields__
    )
    steps = set(re.findall(r": ([a-z_]+(?:, [a-z_]+)*)(?: \(|$)", sequence, re.MULTILINE))
    for step in ", ".join(steps).split(", "):
        assert hasattr(Journal, step), step
    assert callable(buying.begin_buy)
    assert callable(drive.drive)
    shape = [re.sub(r"[\[(].*?[\])]+|: .*", "", part) for part in diagrams("README.md")]
    assert [re.sub(r"[\[(].*?[\])]+|: .*", "", part) for part in (flow, sequence)] == shape


def diagrams(name: str) -> list[str]:
    """Return the drawings of a document."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^```mermaid\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_every_file_and_step_that_the_document_names_exists() -> None:
    """Files by their path, steps by `module.function`."""
    text = (ROOT / ARCHITECTURE).read_text(encoding="utf-8")
    files = set(re.findall(r"`((?:\w+/)+\w+\.(?:py|md))`", text))
    assert [file for file in sorted(files) if not Path(ROOT / file).exists()] == []
    texts = read_house()
    stems = {Path(file).stem: body for file, body in texts.items() if file.startswith("trader/")}
    steps = re.findall(r"`(\w+)\.(\w+)`", text)
    missing = [
        f"{module}.{step}"
        for module, step in steps
        if module in stems and step != "py" and not re.search(rf"\b{step}\b", stems[module])
    ]
    assert missing == []
