"""Memory of what looks at whole histories: whether there is enough beforehand, and how much it took."""

from __future__ import annotations

import os
import resource
import sys

from backtest.problems import UsageProblem

BYTES_A_CELL = 180
"""Measured with 100 markets of 43,200 candles: 106 to 121 for candles and numbers on the grid, 56 as they are read."""
BYTES_OF_A_PEAK = 1 if sys.platform == "darwin" else 1024
"""Of a unit of `ru_maxrss`."""


def check_memory(cells: int, processes: int = 1) -> None:
    """Refuse a grid that this machine cannot hold, before the machine does.

    Args:
        cells: candles of all markets on the grid.
        processes: how many hold a grid of their own.

    Raises:
        UsageProblem: with how much is needed.
    """
    need, there = processes * cells * BYTES_A_CELL / 1e9, physical_memory() / 1e9
    if need > there:
        raise UsageProblem(
            f"메모리가 부족합니다: 약 {need:.0f} GB가 필요한데 {there:.0f} GB뿐입니다. 기간이나 마켓을 줄이세요.",
            f"There is too little memory: about {need:.0f} GB are needed, there are {there:.0f}. "
            "Choose fewer markets or a shorter period.",
        )


def physical_memory() -> int:
    """Return the memory of this machine, bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_mb() -> float:
    """Return the most memory that this process, or one of its processes that have ended, ever held, 10^6 bytes."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(peaks) * BYTES_OF_A_PEAK / 1e6
