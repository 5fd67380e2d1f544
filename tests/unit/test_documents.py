"""Documents say what the code does, in both languages."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cli.common.parser import build_parser
from config.tables import ENVIRONMENT, SETTINGS
from main import VERBS
from strategy.parameters import bounds
from strategy.registry import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = "{digest.day:%m-%d}"
ROOT = Path(__file__).resolve().parent.parent.parent
TWINS = (("README.md", "README.en.md"), ("Strategy.md", "Strategy.en.md"), ("docs/running.md", "docs/running.en.md"))
MACHINE_PATH = re.compile(r"/(?:root|home|opt|work)/\w+")


def text(name: str) -> str:
    """Return a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(name: str) -> list[str]:
    """Return the commands of a document."""
    return [block for language, block in fenced(name) if not language]


def fenced(name: str) -> list[tuple[str, str]]:
    """Return language and text of every fenced block of a document."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text(name), flags=re.DOTALL | re.MULTILINE)


def rows(name: str) -> list[list[str]]:
    """Return the cells of every table row of a document."""
    lines = (line for line in text(name).splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("twins", TWINS)
def test_twins_have_the_same_commands_and_the_same_shape(twins: tuple[str, str]) -> None:
    """Both languages show identical commands, as many headings, and as many table rows."""
    korean, english = twins
    assert code_blocks(korean) == code_blocks(english)
    headings = [re.findall(r"^#+", text(name), flags=re.MULTILINE) for name in twins]
    assert headings[0] == headings[1]
    assert len(rows(korean)) == len(rows(english))


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_every_command_of_the_readme_exists(name: str) -> None:
    """Each `python main.py VERB ...` is understood by the parser, with its options."""
    commands = re.findall(r"main\.py((?: [^\n`]+)?)", "\n".join(code_blocks(name)))
    assert len(commands) >= 6
    for command in commands:
        words = command.split() or ["run"]
        build_parser(VERBS, words[0]).parse_args(words)


@pytest.mark.parametrize(("name", "language"), [("README.md", "ko"), ("README.en.md", "en")])
def test_the_tables_of_the_readme_are_those_of_the_code(name: str, language: str) -> None:
    """Every setting and variable stands there with its default, its range and its meaning, and no other."""
    shown = {row[0].strip("`"): row[1:] for row in rows(name)}
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else "-"
        assert shown[setting.key] == [default, setting.allowed, getattr(setting, language)]
    for variable in ENVIRONMENT:
        aliases = ", ".join(f"`{alias}`" for alias in variable.aliases) or "-"
        assert shown[variable.name] == [aliases, getattr(variable, language)]
    known = {setting.key for setting in SETTINGS}
    assert {key for key in shown if re.fullmatch(r"(strategy|trading|risk|log)\.\w+", key)} <= known


@pytest.mark.parametrize("name", ["Strategy.md", "Strategy.en.md"])
def test_the_parameters_of_every_strategy_are_those_of_the_code(name: str) -> None:
    """Name, default and range of each parameter, strategy by strategy."""
    sections = re.split(r"^### (?=`)", text(name), flags=re.MULTILINE)[1:]
    assert len(sections) == len(STRATEGIES)
    for section, strategy in zip(sections, STRATEGIES, strict=True):
        assert section.startswith(f"`{strategy.name}`")
        found = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) ~ (\S+) \|$", section, flags=re.MULTILINE)
        limits = bounds(strategy.parameter_class)
        defaults = strategy.parameter_class()
        told = [(key, float(value), float(least), float(most)) for key, value, least, most in found]
        assert told == [
            (key, float(getattr(defaults, key)), *limits[key]) for key in strategy.parameter_class.__struct_fields__
        ]


@pytest.mark.parametrize("page", ["docs/promises.md", "docs/security-review.md"])
def test_every_test_that_stands_for_a_promise_is_there(page: str) -> None:
    """A promise whose test was renamed or deleted rests on nothing."""
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", text(page)))
    assert len(named) > 20
    assert sorted(name for name in named if f"def {name}(" not in tests) == []
    files = set(re.findall(r"tests/[\w/]+\.py", text(page)))
    assert sorted(name for name in files if not (ROOT / name).exists()) == []


def test_no_tracked_file_names_a_machine() -> None:
    """Paths of one machine and hosts of package mirrors do not belong to the project."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607 - git
    if listed.returncode:
        pytest.skip("not a git checkout")
    wrong = []
    for name in listed.stdout.split():
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            found = MACHINE_PATH.search(path.read_text(encoding="utf-8", errors="replace"))
            if found:
                wrong.append(f"{name}: {found.group()}")
    assert wrong == []


def titles() -> Iterator[tuple[str, str]]:
    """Yield the Korean and the English title of every message, as a table writes them."""
    for name in ("messages", "cards", "digest"):
        for node in ast.walk(ast.parse((ROOT / f"notifier/{name}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"title", "ended"}:
                for call in ast.walk(node.value):
                    if isinstance(call, ast.Call) and ast.unparse(call.func) == "self._say":
                        ko, en = (re.sub(r"\{[^}]*\}", "N", written(one).replace(DAY, "MM-DD")) for one in call.args)
                        yield ko, en


def written(text: ast.expr) -> str:
    """Return a text as it stands in the file, without its quotes."""
    return ast.unparse(text).removeprefix("f").strip("'\"")


@pytest.mark.parametrize(("name", "language"), [("running.md", 0), ("running.en.md", 1)])
def test_the_titles_of_messages_are_those_that_are_sent(name: str, language: int) -> None:
    """Each of them, and no other."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| (?:제목 \| 뜻|title \| meaning) \|\n\|---\|---\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    shown = [title for row in table.splitlines() for title in row.split("|")[1].strip().split(", ")]
    assert sorted(shown) == sorted({pair[language] for pair in titles()})
