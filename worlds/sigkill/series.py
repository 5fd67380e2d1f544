"""One series of `make sigkill`: kill after kill on the same data folder, beside an exchange that lives on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from worlds.sigkill.harness import Harness
from worlds.sigkill.preparations import PREPARATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worlds.sigkill.harness import PlannedKill, Tally


def run_series(seed: int, kills: Sequence[PlannedKill], tally: Tally, *, patient: bool) -> None:
    """Kill as planned, once more at the points that were missed, then let everything be sold, and judge."""
    with tempfile.TemporaryDirectory(prefix="sigkill-") as name:
        harness = Harness(seed, Path(name), tally, patient=patient)
        try:
            for planned in [planned for planned in kills if not kill(harness, planned)]:
                kill(harness, planned)
            harness.rest()
        finally:
            harness.close()


def kill(harness: Harness, planned: PlannedKill) -> bool:
    """Bring a program to a point, where it dies; return whether it did."""
    before = harness.kills()
    PREPARATIONS[planned.preparation](harness, planned)
    return harness.died_at(planned.point, before)
