"""Memory of what looks at whole histories: whether there is enough beforehand, and how much it took."""

from __future__ import annotations

import os
import resource
import sys

from backtest.problems import UsageProblem

BYTES_A_PROCESS = 200_000_000
"""Of a process that has loaded what a search needs, before it has candles."""
BYTES_A_CELL, BYTES_A_CELL_AS_READ = 210, 80
"""Measured with 125 markets of 14,440 candles and 20 seeds: candles, their grid and a strategy's numbers where it is
judged; in the process that only hands out, the candles as they were read."""
BYTES_OF_A_PEAK = 1 if sys.platform == "darwin" else 1024
"""Of a unit of `ru_maxrss`."""


def check_memory(cells: int, processes: int = 1) -> None:
    """Refuse a grid that this machine cannot hold, before the machine does.

    Args:
        cells: candles of all markets on the grid.
        processes: how many hold a grid of their own; if more than one, another hands out what they judge.

    Raises:
        UsageProblem: with how much is needed.
    """
    judging, handing_out = (BYTES_A_PROCESS + cells * each for each in (BYTES_A_CELL, BYTES_A_CELL_AS_READ))
    need, there = (processes * judging + (handing_out if processes > 1 else 0)) / 1e9, physical_memory() / 1e9
    if need > there:
        raise UsageProblem(
            f"메모리가 부족합니다: 약 {need:.1f} GB가 필요한데 {there:.1f} GB뿐입니다. 기간이나 마켓을 줄이세요"
            + (" (또는 --workers)." if processes > 1 else "."),
            f"There is too little memory: about {need:.1f} GB are needed, there are {there:.1f}. "
            "Choose fewer markets or a shorter period" + (" (or fewer --workers)." if processes > 1 else "."),
        )


def physical_memory() -> int:
    """Return the memory of this machine, bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_mb() -> float:
    """Return the most memory that this process, or one of its processes that have ended, ever held, 10^6 bytes."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(peaks) * BYTES_OF_A_PEAK / 1e6
