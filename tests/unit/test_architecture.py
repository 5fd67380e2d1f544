"""The house holds: imports point one way, and time and chance come only from where they may."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from cli.common.parser import module_of
from main import VERBS
from tests.helpers.house import ROOT, build, impure, read_house, wrong_ranks, wrong_rooms

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAVES = frozenset[str]()
VALUES = frozenset({"config", "failure", "strategy", "upbit"})
PRODUCT = VALUES | {
    *(
        "backtest",
        "chat",
        "dashboard",
        "journal",
        "notifier",
        "paper",
        "sandbox",
        "simulation",
        "state",
        "tape",
        "trader",
        "views",
        "worlds",
    )
}
MAY_KNOW: dict[str, frozenset[str]] = {
    "failure": LEAVES,
    "config": frozenset({"failure"}),
    "upbit": LEAVES,
    "strategy": frozenset({"failure"}),
    "tape": frozenset({"failure"}),
    "sandbox": frozenset({"failure", "tape"}),
    "simulation": LEAVES,
    "paper": frozenset({"failure", "upbit", "sandbox"}),
    "journal": VALUES,
    "state": VALUES | {"journal"},
    "notifier": VALUES | {"journal"},
    "views": VALUES | {"journal", "notifier"},
    "trader": VALUES | {"state", "journal", "notifier", "tape", "views"},
    "dashboard": VALUES | {"state", "journal", "notifier", "views", "trader"},
    "chat": VALUES | {"journal", "notifier", "views", "trader", "dashboard"},
    "backtest": VALUES | {"state", "journal", "notifier"},
    "worlds": VALUES | {"sandbox", "simulation", "tape", "journal", "notifier", "trader", "dashboard", "chat"},
    "cli": PRODUCT,
    "main": frozenset({"cli", "config"}),
    "bench": PRODUCT,
}
"""Which room may import which; every room may import itself."""

RANKS: dict[str, tuple[tuple[str, ...], ...]] = {
    "trader": (
        (
            "trader.clock",
            "trader.network",
            "trader.loops",
            "trader.news",
            "trader.health",
            "trader.health_file",
            "trader.guards.watchdog",
        ),
        ("trader.control", "trader.candles", "trader.decisions", "trader.books.memory", "trader.requests"),
        ("trader.commands",),
        (
            "trader.orders.evidence",
            "trader.orders.exits",
            "trader.orders.names",
            "trader.orders.protocol",
            "trader.orders.risk",
            "trader.orders.sale",
        ),
        ("trader.orders.gate",),
        ("trader.app",),
        ("trader.orders",),
        ("trader.trades",),
        ("trader.books.owner",),
        ("trader.restore",),
        ("trader.books",),
        ("trader.guards", "trader.recording"),
        ("trader.indicators", "trader.targets", "trader.prices", "trader.wallet", "trader.executor"),
        ("trader.admission",),
        ("trader.daemon",),
        ("trader.repair",),
    ),
    "cli": (("cli.common",), ("cli",)),
    "sandbox": (
        ("sandbox.refusals", "sandbox.keys", "sandbox.listener", "sandbox.timers", "sandbox.wire"),
        (
            "sandbox.auth",
            "sandbox.discord",
            "sandbox.discord_gateway",
            "sandbox.discord_shapes",
            "sandbox.http",
            "sandbox.limits",
        ),
        ("sandbox.market",),
        ("sandbox.market.sources",),
        ("sandbox.exchange.ledger", "sandbox.exchange.orders"),
        ("sandbox.exchange",),
        ("sandbox.exchange.desk",),
        ("sandbox.stream",),
        ("sandbox.stream.stream",),
        ("sandbox.rest.call",),
        ("sandbox.rest",),
        ("sandbox.rest.routes", "sandbox.rest.api"),
        ("sandbox.floor",),
        ("sandbox.faults.lies", "sandbox.faults.plan", "sandbox.faults.chance", "sandbox.faults.plan_file"),
        ("sandbox.faults",),
        ("sandbox.faults.engine", "sandbox.faults.admin"),
        ("sandbox.server",),
    ),
    "backtest": (
        ("backtest.problems", "backtest.units"),
        ("backtest.history",),
        ("backtest.files",),
        ("backtest.engine",),
        ("backtest.figures",),
        ("backtest.search", "backtest.honesty", "backtest.report"),
    ),
    "dashboard": (
        ("dashboard.html", "dashboard.locks", "dashboard.passes"),
        ("dashboard.desk",),
        ("dashboard.pages.parts",),
        ("dashboard.shell",),
        ("dashboard.pages",),
        ("dashboard.feed",),
        ("dashboard",),
    ),
    "chat": (("chat.buttons",), ("chat.answers", "chat.presses"), ("chat.bot",)),
    "worlds": (
        ("worlds.story", "worlds.promises", "worlds.growth", "worlds.market", "worlds.disk", "worlds.pool"),
        ("worlds.plan", "worlds.judges", "worlds.lies.sandbox"),
        ("worlds.stage",),
        ("worlds.aim",),
        ("worlds.machine",),
        ("worlds.person", "worlds.steering"),
        ("worlds.disasters",),
        ("worlds.world",),
        ("worlds.storm", "worlds.phases"),
        ("worlds",),
    ),
}
"""What stands on what inside a room, lowest first: parts below `App`, whoever watches them above. A module may import
only what stands no higher than itself. The longest name counts."""

PURE = (
    "strategy",
    "trader.decisions",
    "trader.orders.evidence",
    "trader.orders.exits",
    "trader.orders.names",
    "trader.orders.protocol",
    "trader.orders.risk",
    "trader.orders.sale",
)
"""What decides about money, and therefore only calculates."""
IMPURE = frozenset({"asyncio", "aiohttp", "websockets", "socket", "sqlite3", "time", "os", "pathlib", "threading"})

DAEMON = ("upbit", "strategy", "journal", "notifier", "trader", "state.py", "failure.py")
FORBIDDEN = {
    "time.time": "time comes from the clock that is passed in",
    "time.sleep": "it blocks the loop",
    "datetime.now": "time comes from the clock that is passed in",
    "asyncio.gather": "a TaskGroup never loses a failure",
    "asyncio.create_task": "a task belongs to a TaskGroup",
    "uuid.uuid4": "names are functions of decisions",
    "random.random": "chance comes from a seeded generator that is passed in",
    "random.choice": "chance comes from a seeded generator that is passed in",
    "random.sample": "chance comes from a seeded generator that is passed in",
}
ALLOWED = {
    ("upbit/auth.py", "uuid.uuid4"): "Upbit wants a nonce nobody has seen",
    ("trader/admission.py", "uuid.uuid4"): "an order nobody has, to ask what the keys may do",
    ("trader/clock.py", "datetime.now"): "this is the clock that is passed in",
    ("trader/health_file.py", "datetime.now"): "the reader of the file is another process on this machine",
}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Return the text of every file of the house."""
    return read_house()


def test_imports_point_one_way(texts: dict[str, str]) -> None:
    """A room knows only those it may know; a wrong arrow is named by file and line."""
    assert wrong_rooms(build(texts), MAY_KNOW, {*MAY_KNOW, "tests"}) == []


def test_every_room_is_looked_at(texts: dict[str, str]) -> None:
    """A folder or a file at the top that is new, or has moved, must be given its place here."""
    assert {file.split("/", 1)[0].removesuffix(".py") for file in texts} == set(MAY_KNOW)


def test_every_room_is_copied_for_mutants(texts: dict[str, str]) -> None:
    """One that is left out would be missed only when a mutant needs it."""
    mutmut = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    rooms = {file.split("/", 1)[0] for file in texts if "/" in file} - {"bench"}
    mutated = {path.split("/", 1)[0] for path in (*mutmut["only_mutate"], *mutmut["source_paths"])}
    assert rooms <= mutated | set(mutmut["also_copy"])


def test_no_file_knows_itself_by_way_of_others(texts: dict[str, str]) -> None:
    """Circles: 0, also of imports for types alone. One that appears is shown as the way round."""
    circles = [" -> ".join(map(str, circle)) for circle in build(texts).circles()]
    assert circles == [], "\n".join(circles)


@pytest.mark.parametrize("room", sorted(RANKS))
def test_wings_stand_on_those_below_them(texts: dict[str, str], room: str) -> None:
    """Inside a room, too, imports point one way."""
    assert wrong_ranks(build(texts), room, RANKS[room]) == []


def test_the_daemon_does_not_know_that_it_trades_on_paper(texts: dict[str, str]) -> None:
    """Live, demo and paper differ by an address: nothing of what trades has heard of the last, or asks for its mode."""
    asks = re.compile(r"\bpaper\b|\bmode\s*(==|!=|in\b|is\b)", re.IGNORECASE)
    rooms = ("upbit/", "strategy/", "journal/", "trader/", "state.py", "failure.py")
    found = {file: asks.findall(text) for file, text in texts.items() if file.startswith(rooms)}
    assert {file: words for file, words in found.items() if words} == {}
    assert asks.search('if app.mode == "live":')


def test_what_decides_about_money_only_calculates(texts: dict[str, str]) -> None:
    """A strategy, the order protocol, risk, sizes and names: no event loop, network, database, clock or file."""
    found = impure(build(texts), PURE, IMPURE)
    assert found == []
    assert all(any(file.startswith(name.replace(".", "/")) for file in texts) for name in PURE)


def test_a_planted_import_is_found_with_file_and_line(texts: dict[str, str]) -> None:
    """Upwards out of risk or of a wing of the sandbox, a loop in the protocol, a benchmark or a test in a verb."""

    def planted(file: str, line: str) -> tuple[dict[str, str], str]:
        changed = texts[file] + line + "\n"
        return texts | {file: changed}, f"{file}:{len(changed.splitlines())}"

    plant, where = planted("trader/orders/risk.py", "import trader.executor")
    assert [one.split(" ")[0] for one in wrong_ranks(build(plant), "trader", RANKS["trader"])] == [where]
    plant, where = planted("trader/orders/protocol.py", "import asyncio")
    assert [one.split(" ")[0] for one in impure(build(plant), PURE, IMPURE)] == [where]
    plant, where = planted("sandbox/market/public_trades.py", "import sandbox.exchange.desk")
    assert [one.split(" ")[0] for one in wrong_ranks(build(plant), "sandbox", RANKS["sandbox"])] == [where]
    for file, line in (("cli/run.py", "import bench.mutate"), ("cli/health.py", "from tests.helpers import house")):
        plant, where = planted(file, line)
        assert [one.split(" ")[0] for one in wrong_rooms(build(plant), MAY_KNOW, {*MAY_KNOW, "tests"})] == [where]


def test_a_planted_circle_is_shown_as_the_way_round(texts: dict[str, str]) -> None:
    """Each step with its file and line; one for types alone is one as well."""
    file = "trader/control.py"
    changed = texts[file] + "\nif TYPE_CHECKING:\n    from trader.app import App\n"
    (circle,) = build(texts | {file: changed}).circles()
    shown = {str(arrow) for arrow in circle}
    assert f"{file}:{len(changed.splitlines())} imports trader.app" in shown
    assert any(re.fullmatch(r"trader/app\.py:\d+ imports trader\.control", one) for one in shown)


def test_every_file_of_the_command_line_is_a_verb(texts: dict[str, str]) -> None:
    """And every verb is a file; what verbs share is in `cli/common/`."""
    files = {file for file in texts if re.fullmatch(r"cli/\w+\.py", file)} - {"cli/__init__.py"}
    assert files == {module_of(verb).replace(".", "/") + ".py" for verb in VERBS}


@pytest.mark.parametrize("name", ["README.md", "README.en.md"])
def test_the_table_of_verbs_is_that_of_the_parser(name: str) -> None:
    """Every verb stands in the README once, and nothing else does."""
    section = re.split(r"^## ", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    (table,) = [part for part in section if part.startswith(("명령", "Verbs"))]
    assert sorted(re.findall(r"^\| `([a-z-]+)[^`]*` \|", table, re.MULTILINE)) == sorted(VERBS)


def called(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every attribute that is used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.lineno, f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("room", DAEMON)
def test_time_and_chance_are_passed_in(room: str) -> None:
    """The daemon reads no clock, draws no number and starts no task of its own accord."""
    place = ROOT / room
    paths = [place] if place.is_file() else sorted(place.rglob("*.py"))
    wrong = []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        for line, used in called(ast.parse(path.read_text(encoding="utf-8"))):
            if used in FORBIDDEN and (name, used) not in ALLOWED:
                wrong.append(f"{name}:{line} {used}: {FORBIDDEN[used]}")
    assert wrong == []


def vague(tree: ast.AST) -> Iterator[int]:
    """Yield the lines in which an argument or a variable is `Any`, or a `SimpleNamespace` is taken for something."""
    for node in ast.walk(tree):
        said = node.annotation if isinstance(node, ast.arg | ast.AnnAssign) else None
        if isinstance(said, ast.Name) and said.id == "Any":
            yield said.lineno
        if isinstance(node, ast.ImportFrom) and any(name.name == "SimpleNamespace" for name in node.names):
            yield node.lineno


def test_tests_say_what_their_parts_and_fakes_are() -> None:
    """One that says nothing keeps a method that was renamed; `only` in tests/helpers/parts.py does not."""
    wrong = [
        f"{path.relative_to(ROOT).as_posix()}:{line}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in vague(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert wrong == []
    assert sorted(vague(ast.parse("def f(app: Any): ...\nx: Any = 1\nfrom types import SimpleNamespace"))) == [1, 2, 3]
