"""The file in which a paper exchange keeps everything that happens to its orders and balances, a line each.

A line is on the disk before what it says happens. The end may be torn: that never happened. Whatever else is damaged
ends the start, because half a history is another one. When it tells of very many orders, the oldest become what they
left behind (`sandbox/exchange/condensing.py`), in a new file that takes the place of the old one at once.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from failure import SECOND_DAEMON, Failure
from sandbox.exchange.condensing import condensed
from sandbox.exchange.ledger import LedgerError
from sandbox.exchange.records import Accepted, AnyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.exchange.desk import Exchange

log = logging.getLogger("paper")

WALLET_FILE = "exchange.jsonl"
FORMAT = 1
ORDERS_TOLD = 10_000
"""So many of the newest orders are told after a start at least, and twice as many before it (12 MB, 0.6 kB each)."""
_DECODER: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
_ENCODER = msgspec.json.Encoder()


class Heading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line: what kind of file it is, and whose market its orders met."""

    paper_exchange: int
    upstream: str


class WalletError(Failure):
    """The wallet of a paper exchange cannot be used."""


class WalletLocked(WalletError):
    """Another paper exchange has it open."""

    exit_code = SECOND_DAEMON

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"다른 모의 거래가 이미 {path.parent} 폴더로 거래하고 있습니다. "
            "그것을 끝내거나 BOT_DATA_DIR로 다른 폴더를 지정하세요.",
            f"Another paper exchange already works in {path.parent}. "
            "Stop it, or name another folder with BOT_DATA_DIR.",
        )


class WalletUnusable(WalletError):
    """It cannot be opened or read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"모의 거래소의 기록 {path}을(를) 쓸 수 없습니다 ({why}). "
            f"폴더의 권한을 확인하거나, 처음부터 다시 하려면 {path.parent} 폴더를 옮기세요.",
            f"The records of the paper exchange in {path} cannot be used ({why}). "
            f"Check the permissions, or move {path.parent} away to begin anew.",
        )


class WalletForeign(WalletError):
    """Its orders met another market."""

    def __init__(self, path: Path, known: str, asked: str) -> None:
        super().__init__(
            f"{path}은(는) {known} 시세로 거래한 기록인데 지금은 {asked}입니다. "
            "--upstream을 확인하거나 BOT_DATA_DIR로 다른 폴더를 지정하세요.",
            f"{path} is of trades in the market of {known}, and this is {asked}. "
            "Check --upstream, or name another folder with BOT_DATA_DIR.",
        )


class Wallet:
    """An open file, and what was in it."""

    def __init__(self, path: Path, file: int, past: Sequence[AnyRecord], size: int) -> None:
        self.past = past
        self._path = path
        self._file = file
        self._size = size
        self._files = [file]

    def close(self) -> None:
        """Let others have it."""
        for file in self._files:
            os.close(file)

    def keep(self, record: AnyRecord) -> None:
        """Write a record so that it is there whatever happens next; raise OSError when it is not, and nothing is."""
        self.write(_ENCODER.encode(record))

    def write(self, line: bytes) -> None:
        """Write a line, whole or not at all."""
        whole = line + b"\n"
        try:
            put(self._file, whole, self._size)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(whole)

    def restore(self, exchange: Exchange) -> None:
        """Let an exchange be what this says, and say from now on what it does.

        Raises:
            WalletUnusable: when the records do not fit together, or nothing can be added to them.
        """
        try:
            self._condense()
            exchange.restore(self.past, self.keep)
        except (LedgerError, AssertionError, KeyError, ValueError, OSError) as error:
            raise WalletUnusable(self._path, f"{type(error).__name__}: {error}") from error

    def _condense(self) -> None:
        """Put a shorter file in the place of one that has become long; without room for it the long one stays."""
        if sum(isinstance(record, Accepted) for record in self.past) <= 2 * ORDERS_TOLD:
            return
        shorter = condensed(self.past, ORDERS_TOLD)
        if len(shorter) == len(self.past):
            return
        lines = [self._path.read_bytes().splitlines()[0], *map(_ENCODER.encode, shorter)]
        whole = b"".join(line + b"\n" for line in lines)
        beside = self._path.with_suffix(".new")
        try:
            file = self._write_beside(beside, whole)
        except OSError as error:
            log.warning("wallet not condensed error=%s", error)
            return
        beside.replace(self._path)
        sync_folder(self._path.parent)
        self.past, self._file, self._size = shorter, file, len(whole)

    def _write_beside(self, path: Path, whole: bytes) -> int:
        """Write another file and lock it, for who opens the old one finds that locked, too."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._files.append(file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        put(file, whole, 0)
        return file


@contextmanager
def open_wallet(path: Path, upstream: str) -> Iterator[Wallet]:
    """Open the wallet of a folder, or begin one, and hold it alone.

    Raises:
        WalletError: when it cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WalletUnusable(path, error.strerror or str(error)) from error
    try:
        wallet = read_wallet(path, file, upstream)
    except BaseException:
        os.close(file)
        raise
    try:
        yield wallet
    finally:
        wallet.close()


def put(file: int, content: bytes, at: int) -> None:
    """Write so that it is there whatever happens next; raise OSError when not all of it is."""
    written = os.pwrite(file, content, at)
    if written < len(content):
        raise OSError(errno.ENOSPC, f"{written} of {len(content)} bytes written")
    os.fsync(file)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_wallet(path: Path, file: int, upstream: str) -> Wallet:
    """Take the lock of an open file and read it; a torn end is cut off.

    Raises:
        WalletError: when it cannot be used.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = path.read_bytes()
        size = content.rfind(b"\n") + 1
        os.ftruncate(file, size)
    except BlockingIOError as error:
        raise WalletLocked(path) from error
    except OSError as error:
        raise WalletUnusable(path, error.strerror or str(error)) from error
    first, *lines = content[:size].splitlines() or [b""]
    past = [read_line(path, number, line) for number, line in enumerate(lines, 2)]
    wallet = Wallet(path, file, past, size)
    heading = Heading(paper_exchange=FORMAT, upstream=upstream)
    if not first:
        wallet.write(_ENCODER.encode(heading))
    elif (known := read_heading(path, first)) != heading:
        raise WalletForeign(path, known.upstream, upstream)
    return wallet


def read_heading(path: Path, line: bytes) -> Heading:
    """Return the first line."""
    try:
        heading = msgspec.json.decode(line, type=Heading)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WalletUnusable(path, "not the records of a paper exchange") from error
    if heading.paper_exchange != FORMAT:
        raise WalletUnusable(path, f"format {heading.paper_exchange}, this version knows {FORMAT}")
    return heading


def read_line(path: Path, number: int, line: bytes) -> AnyRecord:
    """Return the record of a line."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WalletUnusable(path, f"line {number} is damaged") from error
