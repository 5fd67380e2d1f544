"""What the command line leaves for the daemon that runs: a file in the data folder, taken away once it was obeyed.

In it stand the id of the command, and behind it the reasons that `resume` ends or the trade that `sell` sells, one a
line. That a file is gone proves nothing: one that lies there when a daemon starts is dropped. What was obeyed, and with
which outcome, says the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.records import Command, Order

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path


def place_of(folder: Path, order: Order) -> Path:
    """Return where a request lies while it is not taken."""
    return folder / f"{order}.request"


def ask(folder: Path, order: Order, *, command_id: str = "", codes: Collection[str] = ()) -> Path:
    """Leave a request for the daemon that runs on `folder`; it takes the returned file away when it has obeyed.

    Without an id it is a command of its own each time it is taken.
    """
    request = place_of(folder, order)
    draft = request.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text("\n".join([command_id, *codes]), encoding="utf-8")
    draft.replace(request)  # never half of one
    return request


def deliver(folder: Path, command: Command) -> None:
    """Leave a command for the daemon that runs, unless a request of its kind lies there: that one is taken first.

    Called again it is left again where a daemon that started has dropped it; by its id it is done once all the same.
    """
    if not place_of(folder, command.name).exists():
        ask(folder, command.name, command_id=command.id, codes=command.codes)


def withdraw(folder: Path, command: Command) -> None:
    """Take back a command that no daemon has taken; the request of somebody else stays."""
    waiting = read_request(folder, command.name, command.asked_at)
    if waiting is not None and waiting.id == command.id:
        take_request(folder, command.name)


def read_request(folder: Path, order: Order, now: datetime) -> Command | None:
    """Return what was asked for; None when nothing was."""
    try:
        command_id, *codes = place_of(folder, order).read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return None
    return Command(
        id=command_id or f"{order}@{now.isoformat()}", name=order, by="cli", asked_at=now, codes=tuple(codes)
    )


def take_request(folder: Path, order: Order) -> bool:
    """Return whether somebody has asked for something, and take the request away."""
    try:
        place_of(folder, order).unlink()
    except FileNotFoundError:
        return False
    return True
