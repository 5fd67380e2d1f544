"""A tape as files of other programs: trades and books, each as often and as large as they were recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from tape.market import Book, Trade, events
from tape.problems import unwritable
from tape.reading import records

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path


class Form(Protocol):
    """Files of one program, while they are written."""

    def trade(self, trade: Trade) -> None:
        """Write a trade."""

    def book(self, book: Book) -> None:
        """Write a book."""

    def close(self) -> list[Path]:
        """End every file, and return them."""


@dataclass(slots=True)
class Exported:
    """What was written."""

    trades: int = 0
    books: int = 0
    files: list[str] = field(default_factory=list)


def export(files: Iterable[Path], name: str, folder: Path, markets: Collection[str] = ()) -> Exported:
    """Write the trades and books of a tape into a folder; of `markets` alone, when any are named.

    Raises:
        TapeError: when the folder cannot be written, or a tape not read.
    """
    done = Exported()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        form: Form = import_module(f"tape.export.{name}").open_form(folder)
        for event in events(records(files)):
            if isinstance(event, Trade) and (not markets or event.market in markets):
                form.trade(event)
                done.trades += 1
            elif isinstance(event, Book) and (not markets or event.market in markets):
                form.book(event)
                done.books += 1
        done.files = [str(path) for path in form.close()]
    except OSError as error:
        raise unwritable(folder, error) from error
    return done
