"""Files of a tape, one an hour, UTC. Everything here may take long: it is called from a thread."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from itertools import count
from typing import TYPE_CHECKING

from tape.form import FORMAT, SUFFIX, About, Record, RecordKind, moment_of, pack, pack_about, pack_block, zstandard
from tape.problems import unwritable

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from pathlib import Path

    from tape.recorder import Batch

HOUR_US = 3_600_000_000
LEAST_FREE = 1024**3
"""Bytes a disk must have left: a tape may not take the room of the journal."""


class DiskLow(OSError):
    """There is too little room for a tape."""


class Writer:
    """Writes what was recorded into a folder, each batch a block that is on the disk when `write` returns."""

    def __init__(
        self, folder: Path, source: str, *, least_free: int = LEAST_FREE, keep: timedelta | None = None
    ) -> None:
        """Begin with the next batch; files that were begun longer than `keep` ago are deleted (None: none are).

        Raises:
            TapeError: when the folder takes no files or nothing is there to pack them.
        """
        zstandard()
        self._folder, self._source, self._least_free, self._keep = folder, source, least_free, keep
        self._file: int | None = None
        self._hour = -1
        self._lock = threading.Lock()  # a stop may come while a thread still writes
        self.name, self.bytes, self.files = "", 0, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f".writable{os.getpid()}").touch()
            (folder / f".writable{os.getpid()}").unlink()
        except OSError as error:
            raise unwritable(folder, error) from error
        self._newest = max((path.name for path in folder.glob(f"*{SUFFIX}")), default="")

    def write(self, batch: Batch) -> None:
        """Append a batch to the file of its hour.

        Raises:
            OSError: when it is not on the disk; the file ends where it did before.
        """
        with self._lock:
            if shutil.disk_usage(self._folder).free < self._least_free:
                raise DiskLow("less than a gigabyte is left")
            hour = batch.first_us // HOUR_US
            if hour != self._hour:
                self._turn(batch.first_us, hour)
            self._append(pack_block(batch.first_us, batch.records, batch.content))

    def close(self, at_us: int) -> None:
        """End the file: recording stops."""
        with self._lock:
            self._end(at_us, b"stop")

    def _turn(self, at_us: int, hour: int) -> None:
        """Begin the file of another hour, and end the one before it."""
        self._end(at_us, b"next")
        name = free_name(self._folder, at_us)
        file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)  # who checks it sees that it is being recorded
        about = About(format=FORMAT, source=self._source, begun_us=at_us, follows=self._newest)
        try:
            write_all(file, pack_about(about))
            sync_folder(self._folder)
        except OSError:
            os.close(file)
            (self._folder / name).unlink()
            raise
        self._file, self._hour, self.name, self._newest = file, hour, name, name
        self.files += 1
        if self._keep is not None:
            self._delete_before(moment_of(at_us) - self._keep)

    def _delete_before(self, moment: datetime) -> None:
        """Delete the files of the hours that ended before a moment: names are in the order of time."""
        first_kept = hour_name(moment)
        for path in self._folder.glob(f"*{SUFFIX}"):
            if path.name < first_kept:
                path.unlink()

    def _end(self, at_us: int, why: bytes) -> None:
        if self._file is None:
            return
        file, self._file, self._hour = self._file, None, -1
        try:
            write_all(file, pack([Record(at_us, RecordKind.END, "tape", why)]))
        finally:
            os.close(file)

    def _append(self, content: bytes) -> None:
        if self._file is None:
            raise OSError("no file")
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            write_all(self._file, content)
        except OSError:
            os.ftruncate(self._file, end)
            os.lseek(self._file, end, os.SEEK_SET)
            raise
        self.bytes += len(content)


def write_all(file: int, content: bytes) -> None:
    """Write everything and wait until the disk has it."""
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.fdatasync(file)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_name(folder: Path, at_us: int) -> str:
    """Return the name of a new file: its hour, and a number where recording began more than once in it."""
    hour = hour_name(moment_of(at_us))
    taken = {path.name for path in folder.glob(f"{hour}*{SUFFIX}")}
    return next(name for name in (f"{hour}-{number:03}{SUFFIX}" for number in count()) if name not in taken)


def hour_name(moment: datetime) -> str:
    """Return what the names of the files of an hour begin with."""
    return f"{moment:%Y%m%dT%H}Z"
