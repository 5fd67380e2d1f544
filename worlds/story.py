"""What happened in a world, in order: for a person to read, and as a hash that equal seeds share."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: decoded, never bytes, tokens or addresses of objects."""

    at: datetime
    who: str
    what: str
    facts: dict[str, Any]

    def __str__(self) -> str:
        told = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.at:%d %H:%M:%S.%f} {self.who:<9} {self.what:<18} {told}".rstrip()


@dataclass
class Story:
    """The lines of one world. A broken promise is a line, too, and counted in `broken`."""

    clock: Callable[[], datetime]
    lines: list[Line] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind of fault, state of an order then)
    counts: Counter[str] = field(default_factory=Counter)

    def tell(self, who: str, what: str, **facts: Any) -> None:
        """Write down one thing."""
        self.lines.append(Line(self.clock(), who, what, facts))

    def breach(self, rule: str, **facts: Any) -> None:
        """Write down that a promise was broken."""
        self.broken.append(f"{rule}: {facts}")
        self.tell("CHECKER", "BROKEN " + rule, **facts)

    def digest(self) -> str:
        """Return the SHA-256 of all lines."""
        total = hashlib.sha256()
        for line in self.lines:
            total.update(json.dumps([line.at.isoformat(), line.who, line.what, line.facts], default=str).encode())
            total.update(b"\n")
        return total.hexdigest()
