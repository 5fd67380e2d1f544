"""Print what `mutmut results --all true` says (standard input): the table of docs/mutation.md, and who is left.

A mutant is noticed when the type checker refuses it, when a test fails on it, or when its tests do not end in time. The
score is the part that was noticed; "by tests" leaves out what the type checker refused.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = ("caught by type check", "killed", "timeout", "survived", "no tests", "not checked")
TITLES = ("types", "killed", "timeout", "survived", "no tests", "not run")


def read(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the status of each mutant by module, `trader.control`, and name, `trader.control.x_ask__mutmut_3`."""
    modules: dict[str, dict[str, str]] = defaultdict(dict)
    for line in lines:
        name, _, status = line.strip().partition(": ")
        if status:
            modules[name.rpartition(".")[0]][name] = status
    return dict(sorted(modules.items()))


def row(title: str, statuses: Iterable[str]) -> str:
    """Return one row of the table. A status that is none of the columns counts as survived."""
    counts = Counter(status if status in COLUMNS else "survived" for status in statuses)
    types, killed, timeout, *_ = (counts[column] for column in COLUMNS)
    run = counts.total() - counts["not checked"]
    scores = [percent(types + killed + timeout, run), percent(killed + timeout, run - types)]
    return line([title, str(counts.total()), *(str(counts[column]) for column in COLUMNS), *scores])


def line(cells: Iterable[str]) -> str:
    """Return a row of cells."""
    return f"| {' | '.join(cells)} |"


def percent(part: int, whole: int) -> str:
    """Return a part of a whole in per cent; a dash when there is nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def table(modules: dict[str, dict[str, str]]) -> list[str]:
    """Return the table, and below it the mutants that were not noticed, for `mutmut show`."""
    titles = ["module", "mutants", *TITLES, "score", "by tests"]
    lines = [line(titles), line(["---"] * len(titles))]
    lines += [row(f"`{module.replace('.', '/')}.py`", names.values()) for module, names in modules.items()]
    lines.append(row("all", [status for names in modules.values() for status in names.values()]))
    noticed = {*COLUMNS[:3], "not checked"}
    for module, names in modules.items():
        left = [f"    {name}: {status}" for name, status in names.items() if status not in noticed]
        lines += ["", module, *left] if left else []
    return lines


if __name__ == "__main__":
    print("\n".join(table(read(sys.stdin))))
