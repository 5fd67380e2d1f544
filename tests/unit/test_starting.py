"""What a start loads, how Ctrl-C ends it, and where the program says that it cannot run."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.common.supported import unsupported
from config.version import NAME, VERSION
from journal import JOURNAL_FILE
from journal.journal import Journal
from trader.clock import wall_clock

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = {"aiohttp", "numpy", "rich", "tulipy", "uvloop", "websockets"}
REPORT = """
import sys
from main import main
code = main(sys.argv[1:])
print("loaded", *sys.modules, file=sys.stderr)
raise SystemExit(code)
"""
INTERRUPT = """
import os, runpy, signal, sys
_, moment, *arguments = sys.argv
class Finger:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background it is ignored
sys.meta_path.insert(0, Finger())
sys.argv = ["main.py", *arguments]
runpy.run_path("main.py", run_name="__main__")
"""


def python(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run some code in the repository, with a data folder of its own."""
    environment = {**os.environ, "BOT_DATA_DIR": str(folder), "BOT_LANGUAGE": "en"}
    return subprocess.run(  # noqa: S603 - this Python, with code of this file
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (("health",), HEAVY | {"argparse", "asyncio", "config.reading", "msgspec", "pathlib", "tomllib"}),
        (("--help",), HEAVY | {"asyncio", "config.reading", "msgspec"}),
        (("--version",), HEAVY | {"asyncio", "config.reading", "msgspec"}),
        (("status", "--json"), HEAVY),
        (("history", "--json"), HEAVY),
        (("config", "--json"), HEAVY),
        (("check",), {"numpy", "rich", "tulipy", "uvloop", "websockets"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_verb_loads_only_what_it_needs(arguments: tuple[str, ...], without: set[str], tmp_path: Path) -> None:
    """A container asks for `health` every minute, and a person for `status` on a small machine."""
    Journal.open(tmp_path / JOURNAL_FILE, wall_clock).close()
    done = python(REPORT, *arguments, folder=tmp_path)
    loaded = set(done.stderr.split("loaded", 1)[1].split())
    assert "main" in loaded
    assert not loaded & without


@pytest.mark.parametrize("verb", ["status", "history"])
def test_a_verb_without_a_journal_does_not_load_the_daemon_to_say_so(verb: str, tmp_path: Path) -> None:
    """One sentence, soon."""
    done = python(REPORT, verb, folder=tmp_path)
    assert "There is no journal yet" in done.stderr
    assert not set(done.stderr.split("loaded", 1)[1].split()) & {"aiohttp", "numpy"}


@pytest.mark.parametrize("module", ["argparse", "cli.common.options", "cli.status", "config.reading", "sqlite3"])
def test_ctrl_c_during_an_import_ends_it_with_130_and_without_a_traceback(module: str, tmp_path: Path) -> None:
    """Whatever is being loaded: nothing is open yet."""
    done = python(INTERRUPT, module, "status", folder=tmp_path)
    assert done.returncode == 130
    assert done.stderr == ""


def test_ctrl_c_inside_a_verb_ends_it_with_130_too(tmp_path: Path) -> None:
    """There it is an exception, so that what is open is closed."""
    Journal.open(tmp_path / JOURNAL_FILE, wall_clock).close()
    done = python(INTERRUPT, "rich.console", "status", folder=tmp_path)
    assert done.returncode == 130
    assert done.stderr == ""


@pytest.mark.case("S4", "S5")
@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_old_python_and_windows_are_told_in_one_sentence(language: str) -> None:
    """Which is too old, and what to do instead; where it runs, nothing is said."""
    assert unsupported((3, 11), "linux", language) is None
    assert unsupported((3, 13), "darwin", language) is None
    assert "3.10" in (unsupported((3, 10, 4), "linux", language) or "")
    assert "WSL 2" in (unsupported((3, 12), "win32", language) or "")


@pytest.mark.case("S5")
@pytest.mark.parametrize("file", ["main.py", "cli/__init__.py", "cli/common/__init__.py", "cli/common/supported.py"])
def test_what_an_old_python_reads_before_the_sentence_is_plain_enough_for_it(file: str) -> None:
    """Its grammar is that of 3.8, and it imports nothing that is newer, or ours and not among these files."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names}
    assert imported <= {"__future__", "os", "sys", "io", "typing", "cli.common.supported"}


def test_the_version_is_written_once_for_the_program_and_once_for_installers(tmp_path: Path) -> None:
    """Both say the same, and so do `--version` and the changelog."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["name"], project["version"]) == (NAME, VERSION)
    assert python(REPORT, "--version", folder=tmp_path).stdout == f"{NAME} {VERSION}\n"
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_is_installed_holds_every_room() -> None:
    """A room that is not named would be missing only where it was installed."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))} - {"tests", "bench"}
    assert tool["packages"]["find"] == {"namespaces": False, "exclude": ["bench*", "tests*"]}
    sources = {file.parent for room in rooms for file in (ROOT / room).rglob("*.py")}
    assert [folder for folder in sources if not (folder / "__init__.py").exists()] == []
    assert tool["py-modules"] == ["failure", "main", "state"]
    kinds = {f"*{path.suffix}" for room in rooms for path in (ROOT / room).rglob("*.*") if path.is_file()}
    assert kinds - {"*.py", "*.pyc"} == set(tool["package-data"]["*"])
