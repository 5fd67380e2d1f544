"""Whether a rule strikes now: its window, its count and its own dice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sandbox.faults.plan import Occasional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sandbox.faults.plan import Rule, Span

MINUTE_MS = 60_000


def moment_ms(minute: float) -> int:
    """Return a minute of a plan in milliseconds."""
    return round(minute * MINUTE_MS)


@dataclass(slots=True)
class Dice:
    """The memory of one rule: how often an event fitted, how often it struck, and a random stream of its own."""

    rule: Rule
    name: str  # what its random stream is named after
    passed_ms: Callable[[], int]  # since the plan began
    fitted: int = 0
    struck: int = 0
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.name)

    def in_time(self) -> bool:
        """Whether the rule holds now."""
        begin, end = self.rule.minutes
        passed = self.passed_ms()
        return moment_ms(begin) <= passed and (end is None or passed < moment_ms(end))

    def strikes(self) -> bool:
        """Say whether the rule strikes at an event that fits it, and remember that."""
        if not self.in_time():
            return False
        self.fitted += 1
        if isinstance(self.rule, Occasional) and not self._falls(self.rule):
            return False
        self.struck += 1
        return True

    def _falls(self, rule: Occasional) -> bool:
        if (rule.nth and self.fitted not in rule.nth) or (rule.count is not None and self.struck >= rule.count):
            return False
        return rule.probability >= 1 or self._rng.random() < rule.probability

    def left_ms(self) -> int:
        """Return how long the rule still holds; a second when it has no end."""
        end = self.rule.minutes[1]
        return 1000 if end is None else max(0, moment_ms(end) - self.passed_ms())

    def draw_ms(self, span: Span, of: str = "") -> int:
        """Return a duration out of a range of seconds, in milliseconds; always the same one `of` the same thing."""
        if not isinstance(span, tuple):
            return round(span * 1000)
        rng = random.Random(f"{self.name}:{of}") if of else self._rng
        return round(rng.uniform(span[0], span[1]) * 1000)


def fits(wanted: Sequence[str], value: str) -> bool:
    """Whether a value is one of those wanted; none wanted: any is."""
    return not wanted or any(fnmatchcase(value, pattern) for pattern in wanted)


def fits_market(wanted: Sequence[str], market: str, held: Callable[[], Iterable[str]]) -> bool:
    """Whether a market is one of those wanted, of which "held" stands for all that the account holds."""
    return fits(wanted, market) or ("held" in wanted and market in held())
