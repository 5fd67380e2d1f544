"""What is said when settings cannot be used: every problem at once, each in a sentence of readable length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from failure import CONFIGURATION, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_TOLD = 100
"""Characters of a wrong value that are repeated."""
LONGEST_PROBLEM = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with the settings, in one sentence: what, where, what to do."""

    ko: str
    en: str


class ConfigError(Failure):
    """The settings cannot be used; each problem is a line."""

    exit_code = CONFIGURATION

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.ko for problem in problems), "\n".join(problem.en for problem in problems))
        self.problems = tuple(problems)


def shortened(value: object) -> str:
    """Return a wrong value as a sentence can hold it."""
    try:
        text = str(value)
    except ValueError:  # a whole number with more digits than Python writes
        return "..."
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}..."
