"""`support-bundle FILE`: a zip that one may send to whoever helps; what names a person or opens a door is left out."""

from __future__ import annotations

import io
import os
import platform
import sqlite3
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json
from config.redaction import Redaction
from config.tables import effective
from config.version import VERSION
from failure import Failure
from journal import JOURNAL_FILE
from journal.reader import NoJournal, open_reader
from views.bundle import bundle

if TYPE_CHECKING:
    import argparse

    from config.settings import Config

LOG_END = 512 * 1024
"""Bytes of the log's end."""


class NotWritten(Failure):
    """The file is there already, or its place cannot be written."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(
            f"{path}에 쓸 수 없습니다 ({reason}). 없는 파일 이름과 쓸 수 있는 폴더를 고르세요.",
            f"{path} cannot be written ({reason}). Choose a name that is not there yet, in a folder you may write to.",
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to, e.g. bundle.zip; it must not be there yet")


def run(config: Config, options: argparse.Namespace) -> int:
    """Gather, hide and write; a file that is there is left alone."""
    with ExitStack() as opened:
        try:
            journal = opened.enter_context(open_reader(config.data_dir / JOURNAL_FILE))
        except NoJournal:
            journal = None
        persons = [str(one) for one in (config.chat.owner, config.chat.channel) if one is not None]
        hide = Redaction.of(config)
        files = bundle(journal, effective(config), versions(), end_of_log(config), hide, persons=persons)
    write(options.file, files)
    if options.json:
        print_json({"file": str(options.file.resolve()), "files": sorted(files)})
        return OK
    ko = f"저장했습니다: {options.file}. 키, 토큰, 주문번호, IP는 뺐습니다. 보내기 전에 한 번 열어 보세요."
    en = f"Written: {options.file}. Keys, tokens, order numbers and addresses are left out. Look before you send it."
    print(ko if config.language == "ko" else en)
    return OK


def versions() -> dict[str, str]:
    """Return what decides how the program behaves."""
    return {
        "program": VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
    }


def end_of_log(config: Config) -> str:
    """Return the last lines of the log file; empty where none is written."""
    path = config.log_path
    if path is None:
        return ""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_END))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def write(path: Path, files: dict[str, str]) -> None:
    """Write a zip that nobody else may read.

    Raises:
        NotWritten: the file is there already, or cannot be made.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, text in sorted(files.items()):
            target.writestr(name, text)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed.getvalue())
    except OSError as error:
        raise NotWritten(path, error.strerror) from error
