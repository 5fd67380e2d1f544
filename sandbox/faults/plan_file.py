"""Find and read a fault plan; whatever is wrong with one is told in one sentence."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from failure import CONFIGURATION, Failure
from sandbox.faults.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable

READY = Path(__file__).resolve().parent.parent / "plans"
LARGEST = 1_000_000  # bytes

WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Object contains unknown field `(.*?)`"), lambda found: f"'{found[1]}'(은)는 없는 항목입니다"),
    (re.compile(r"Object missing required field `(.*?)`"), lambda found: f"'{found[1]}' 항목이 필요합니다"),
    (re.compile(r"Expected `(.*?)`, got `(.*?)`"), lambda found: f"{found[1]} 값이 필요한데 {found[2]} 값이 왔습니다"),
    (re.compile(r"Expected `(.*?)` (.*)"), lambda found: f"허용 범위를 벗어난 값입니다 ({found[1]} {found[2]})"),
    (re.compile(r"Invalid value (.*)"), lambda found: f"{found[1]}(은)는 쓸 수 없는 값입니다"),
)


class PlanError(Failure):
    """A plan that cannot be used: where and why."""

    exit_code = CONFIGURATION


def ready_plans() -> dict[str, Path]:
    """Return the plans that come along, by name."""
    return {path.stem: path for path in sorted(READY.glob("*.json"))}


def find_plan(name: str) -> FaultPlan:
    """Read the plan of a file, or the ready one of that name; raise `PlanError` when there is none or it is wrong."""
    path = Path(name)
    plans = ready_plans()
    if name in plans and not path.is_file():
        path = plans[name]
    try:
        with path.open("rb") as file:
            return read_plan(file.read(LARGEST), name)
    except OSError as error:
        near = get_close_matches(name, plans, n=1, cutoff=0.5)
        known = ", ".join(plans)
        raise PlanError(
            f"장애 계획 '{name}'을(를) 열 수 없습니다 ({error.strerror})."
            f"{f' {near[0]!r}을(를) 뜻했나요?' if near else ''} 준비된 계획: {known}",
            f"The fault plan '{name}' cannot be opened ({error.strerror})."
            f"{f' Did you mean {near[0]!r}?' if near else ''} Ready plans: {known}",
        ) from error


def read_plan(text: bytes, name: str) -> FaultPlan:
    """Read a plan, or raise `PlanError` that names the place in the document."""
    try:
        return msgspec.json.decode(text, type=FaultPlan, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what, _, where = str(error).partition(" - at ")
        place = where.strip("`") or "$"
        raise PlanError(
            f"장애 계획 '{name}'의 {place}: {in_korean(what)}.", f"Fault plan '{name}', at {place}: {what}."
        ) from error


def in_korean(what: str) -> str:
    """Say in Korean what the reader of the plan found; its own words where there are none."""
    for pattern, say in WORDS:
        if found := pattern.fullmatch(what):
            return say(found)
    return what
