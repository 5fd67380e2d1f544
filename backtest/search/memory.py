"""Memory that one task leaves is kept for the next.

The arrays of a variant are of many megabytes. glibc gives such memory back to the kernel as soon as it is free, and the
kernel clears it, page by page, for the next variant: a tenth of the time of a quick one. A process that judges one
variant after the other needs as much again at once.
"""

from __future__ import annotations

import contextlib
import ctypes

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Of `mallopt`, as `malloc.h` numbers them."""
NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Give no memory back from now on; without glibc nothing changes."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        tune = ctypes.CDLL(None).mallopt
        tune(MMAP_MAX, 0)
        tune(TRIM_THRESHOLD, NEVER)
