"""What somebody who helps may see of a daemon: versions, settings, the log's end and what happened; never who it is.

Each text passes the one function that hides secrets. The journal is told as rows without the names of orders: Upbit's
uuids and our identifiers lead to the person's account, and are replaced by numbers that only say which are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from journal.rows import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from journal.queries import Queries

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
IP = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
HOME = re.compile(r"(/(?:home|Users)/)[^/\s\"']+")
EVENTS = 2000
"""The newest events: some weeks of trading."""


@dataclass
class Names:
    """Replaces what names a person, an account or a machine: the same name always by the same word."""

    redact: Callable[[str], str]  # hides keys, tokens and addresses of webhooks
    known: dict[str, str] = field(default_factory=dict)

    def stand_in(self, name: str) -> str:
        """Return the word for a name."""
        return self.known.setdefault(name, f"id-{len(self.known) + 1}")

    def __call__(self, text: str) -> str:
        """Return a text in which nobody is named."""
        for name in sorted(self.known, key=len, reverse=True):
            text = text.replace(name, self.known[name])
        text = UUID.sub(lambda found: self.stand_in(found.group()), text)
        return HOME.sub(r"\1***", IP.sub("*.*.*.*", self.redact(text)))


def bundle(
    journal: Queries | None,
    settings: Sequence[tuple[str, str, str]],
    versions: Mapping[str, str],
    log_end: str,
    redact: Callable[[str], str],
    *,
    persons: Sequence[str] = (),
) -> dict[str, str]:
    """Return the files of a bundle by name; without a journal what there is besides.

    Args:
        journal: the open journal, if there is one.
        settings: key, value and source of each; secrets are told as set or not by whoever gathers them.
        versions: of the program, of Python and of what decides.
        log_end: the last lines of the log, empty where none is written to a file.
        redact: hides secrets in a text.
        persons: ids by which somebody elsewhere knows the person.
    """
    names = Names(redact)
    for person in persons:
        names.stand_in(person)
    files = {}
    if journal is not None:
        for name in journal.names_of_orders():
            names.stand_in(name)
        files = {f"journal/{table}.jsonl": names(lines(rows)) for table, rows in journal.told(EVENTS).items()}
        files["journal/halts.json"] = names(canonical([plain(halt) for halt in journal.standing_halts()]))
    files["settings.json"] = names(canonical([list(row) for row in settings]))
    files["versions.json"] = canonical(dict(versions))
    files["log.txt"] = names(log_end)
    return files


def lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one JSON document a line."""
    return "".join(canonical(dict(row)) + "\n" for row in rows)


def plain(halt: Any) -> dict[str, object]:
    """Return what a halt says."""
    return {"code": halt.code, "level": halt.level, "since": halt.since, "ko": halt.ko, "en": halt.en}
