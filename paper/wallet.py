"""The file in which a paper exchange keeps everything that happens to its orders and balances, a line each.

A line is on the disk before what it says happens. The end may be torn: that never happened. Whatever else is damaged
ends the start, because half a history is another one.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from failure import SECOND_DAEMON, Failure
from sandbox.exchange.ledger import LedgerError
from sandbox.exchange.records import AnyRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sandbox.exchange.desk import Exchange

WALLET_FILE = "exchange.jsonl"
FORMAT = 1
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

    def keep(self, record: AnyRecord) -> None:
        """Write a record so that it is there whatever happens next; raise OSError when it is not, and nothing is."""
        self.write(_ENCODER.encode(record))

    def write(self, line: bytes) -> None:
        """Write a line, whole or not at all."""
        whole = line + b"\n"
        try:
            self._put(whole)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(whole)

    def _put(self, whole: bytes) -> None:
        written = os.pwrite(self._file, whole, self._size)
        if written < len(whole):
            raise OSError(errno.ENOSPC, f"{written} of {len(whole)} bytes written")
        os.fsync(self._file)

    def restore(self, exchange: Exchange) -> None:
        """Let an exchange be what this says, and say from now on what it does.

        Raises:
            WalletUnusable: when the records do not fit together, or nothing can be added to them.
        """
        try:
            exchange.restore(self.past, self.keep)
        except (LedgerError, AssertionError, KeyError, ValueError, OSError) as error:
            raise WalletUnusable(self._path, f"{type(error).__name__}: {error}") from error


@contextmanager
def open_wallet(path: Path, upstream: str) -> Iterator[Wallet]:
    """Open the wallet of a folder, or begin one, and hold it alone.

    Raises:
        WalletError: when it cannot be used.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WalletUnusable(path, error.strerror or str(error)) from error
    try:
        yield read_wallet(path, file, upstream)
    finally:
        os.close(file)


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
