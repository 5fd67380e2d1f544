"""What goes wrong on the network of one seed: rates are drawn first, so that some seeds are calm and some brutal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

FOR_EVER = 0.3
"""Share of stalls that never end: the other side is gone and nobody says so."""
LONGEST_STALL_S = 90.0
LARGEST_PIECE = 1400


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Probabilities of one event each; latencies in seconds."""

    base_s: float = 0.001
    jitter_s: float = 0.0
    spike: float = 0.0  # a piece that takes `spike_s` more
    spike_s: float = 4.0
    cut: float = 0.0  # what is written at once arrives in pieces
    reset: float = 0.0
    stall: float = 0.0
    refuse: float = 0.0
    hang: float = 0.0
    dns: float = 0.0


def draw_rates(rng: random.Random, harshness: float) -> Rates:
    """Draw the rates of one seed; `harshness` 0 is calm and 1 brutal. Each fault may be missing altogether."""

    def rate(most: float) -> float:
        return rng.choice((0.0, 1.0, 1.0)) * rng.random() * most * harshness

    return Rates(
        base_s=rng.uniform(0.001, 0.03),
        jitter_s=rng.uniform(0.0, 0.05),
        spike=rate(0.01),
        spike_s=rng.uniform(0.5, 6.0),
        cut=rate(0.2),
        reset=rate(0.004),
        stall=rate(0.002),
        refuse=rate(0.2),
        hang=rate(0.05),
        dns=rate(0.2),
    )


class Storm:
    """The weather of one seed. `calm()` ends it: from then on nothing goes wrong any more."""

    def __init__(self, rng: random.Random, rates: Rates) -> None:
        self._rng = rng
        self._rates = rates
        self.spikes = 0

    def calm(self) -> None:
        """Let nothing go wrong from now on."""
        self._rates = Rates(base_s=self._rates.base_s)

    def latency(self) -> float:
        """Return how long the next piece is on its way."""
        rates = self._rates
        late = 0.0
        if rates.spike and self._rng.random() < rates.spike:
            self.spikes += 1
            late = rates.spike_s
        return rates.base_s + self._rng.random() * rates.jitter_s + late

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut what is written at once into what arrives at once."""
        if not self._rates.cut or self._rng.random() >= self._rates.cut:
            yield data
            return
        at = 0
        while at < len(data):
            size = self._rng.randint(1, LARGEST_PIECE)
            yield data[at : at + size]
            at += size

    def name(self) -> float | None:
        """Return how long a look-up of a name takes; None when it fails."""
        return None if self._rng.random() < self._rates.dns else self._rates.base_s

    def opening(self) -> str | None:
        """Return "refuse" or "hang" for a connection that does not come to be."""
        drawn = self._rng.random()
        if drawn < self._rates.refuse:
            return "refuse"
        return "hang" if drawn < self._rates.refuse + self._rates.hang else None

    def sending(self) -> tuple[str, float] | None:
        """Return ("reset", 0) or ("stall", seconds), math.inf for ever, for what befalls a connection now."""
        drawn = self._rng.random()
        if drawn < self._rates.reset:
            return "reset", 0.0
        if drawn < self._rates.reset + self._rates.stall:
            for_ever = self._rng.random() < FOR_EVER
            return "stall", math.inf if for_ever else self._rng.uniform(1.0, LONGEST_STALL_S)
        return None
