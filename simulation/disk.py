"""What a process leaves on its disk when it dies: the files as they are, or as a loss of power leaves them."""

from __future__ import annotations

import os
import shutil
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Collection
    from pathlib import Path

WAL_HEADER, FRAME_HEADER = 32, 24
KEPT_ONLY_BY_THE_LIVING = ("-shm",)  # shared memory of SQLite: rebuilt at the next start


def inherit(old: Path, new: Path, *, never_written: Collection[str] = ()) -> None:
    """Copy the files of a dead process for its successor: locks stay with the dead, as the kernel would drop them.

    The dead one's connection to SQLite is never closed, since closing it would write; so its files are left alone.

    Args:
        old: folder of the dead.
        new: folder of the successor, which is made.
        never_written: names of files that are only made and removed, so that both may have the same one.
    """
    new.mkdir(mode=0o700, parents=True)
    for path in sorted(old.iterdir()):
        if path.name in never_written:
            os.link(path, new / path.name)
        elif path.is_file() and not path.name.endswith(KEPT_ONLY_BY_THE_LIVING):
            shutil.copy2(path, new / path.name)


def lose_power(folder: Path, rng: random.Random) -> None:
    """Tear the end of every write-ahead log in `folder`: what no fsync has promised is garbage after a loss of power.

    Whatever follows the last commit of a log is replaced by noise of any length. Files that are not fsynced at all
    (drafts, shared memory) vanish.
    """
    for path in sorted(folder.iterdir()):
        if path.name.endswith("-wal"):
            content = path.read_bytes()
            path.write_bytes(content[: committed(content)] + rng.randbytes(rng.randrange(0, 9000)))
        elif path.suffix == ".tmp":
            path.unlink()


def committed(wal: bytes) -> int:
    """Return how many bytes of a write-ahead log end with its last commit. https://sqlite.org/fileformat2.html#walformat."""
    if len(wal) < WAL_HEADER:
        return 0
    (page_size,) = struct.unpack(">I", wal[8:12])
    salts = wal[16:24]
    end = at = WAL_HEADER
    while at + FRAME_HEADER + page_size <= len(wal):
        _, pages_after_commit = struct.unpack(">II", wal[at : at + 8])
        if wal[at + 8 : at + 16] != salts:
            break
        at += FRAME_HEADER + page_size
        if pages_after_commit:
            end = at
    return end
