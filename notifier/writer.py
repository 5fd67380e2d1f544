"""The frame of every message: an embed of Discord in one language, under a key that is unique for what it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from journal.records import Note
from notifier.embed_limits import MOST_FIELDS, NOTHING, TEXT, TITLE, VALUE, cut
from notifier.labels import MODES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

BLUE, GREY, ORANGE = 0x1763B6, 0x95A5A6, 0xE67E22
SHADES = {"red": 0xE12343, "blue": BLUE, "green": 0x1A7F37}
"""Of the colours of gains and losses."""
ALARM = 0x992D22
MARKDOWN = re.compile(r"([\\`*_~|>@#\[\]()<:])")


def plain(text: str) -> str:
    """Return text that Discord shows as it is: names come from outside and may hold markup or mentions."""
    return MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes messages in one language; `mode` says whether it is about real money."""

    language: str  # "ko" or "en"
    mode: str  # one of `MODES`
    colors: str = "red_blue"  # a key of `PALETTES`

    def _say(self, ko: str, en: str) -> str:
        return ko if self.language == "ko" else en

    def _note(
        self,
        key: str,
        kind: str,
        title: str,
        *,
        color: int,
        at: datetime,
        fields: Iterable[tuple[str, str]],
        text: str = "",
        card: str | None = None,
        url: str | None = None,
    ) -> Note:
        embed: dict[str, object] = {
            "title": cut(title, TITLE),
            "color": color,
            "timestamp": at.isoformat(),
            "footer": {"text": MODES[self.mode].say(self.language).upper()},
            "fields": [
                {"name": name, "value": cut(value, VALUE) or NOTHING, "inline": True}
                for name, value in list(fields)[:MOST_FIELDS]
            ],
        }
        if text:
            embed["description"] = cut(text, TEXT)
        if url:
            embed["url"] = url
        return Note(key=key, kind=kind, body={"embeds": [embed], "allowed_mentions": {"parse": []}}, card=card)
