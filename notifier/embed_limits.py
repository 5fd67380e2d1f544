"""What Discord takes in one message, and how waiting messages are made to fit.

https://docs.discord.com/developers/resources/message#embed-object-embed-limits. Characters are counted as UTF-16 does,
which is never less than Discord counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from journal.records import Note

MOST_EMBEDS = 10
MOST_TOGETHER = 6000
"""Characters of all embeds of a message, all their parts included."""
CONTENT, TITLE, TEXT, FOOTER, NAME, VALUE = 2000, 256, 4096, 2048, 256, 1024
MOST_FIELDS = 25
NOTHING = "-"
"""Stands where Discord does not take an empty text."""
MORE = "…"


def length(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)  # noqa: PLR2004 - the end of one unit


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters, which shows that something is missing; no escape is cut in two."""
    if length(text) <= most:
        return text
    if most < length(MORE):
        return ""
    kept, room = [], most - length(MORE)
    for character in text:
        room -= length(character)
        if room < 0:
            break
        kept.append(character)
    shown = "".join(kept)
    backslashes = len(shown) - len(shown.rstrip("\\"))
    return (shown[:-1] if backslashes % 2 else shown) + MORE


def fit(embed: object) -> dict[str, Any]:
    """Return an embed that Discord takes on its own: each part within its limit, and all of them together."""
    shown: dict[str, Any] = dict(embed) if isinstance(embed, dict) else {"description": str(embed)}
    left = MOST_TOGETHER
    for part, most in (("title", TITLE), ("footer", FOOTER), ("description", TEXT)):
        if part in shown:
            inner = shown[part].get("text", "") if part == "footer" else shown[part]
            text = cut(str(inner), min(most, left)) or NOTHING
            left -= length(text)
            shown[part] = {**shown[part], "text": text} if part == "footer" else text
    if "fields" in shown:
        shown["fields"] = list(fields_within(shown["fields"], left))
    return shown


def fields_within(fields: Iterable[dict[str, Any]], left: int) -> Iterable[dict[str, Any]]:
    """Yield as many fields as there is room for."""
    for field in list(fields)[:MOST_FIELDS]:
        name, value = cut(str(field["name"]), NAME) or NOTHING, cut(str(field["value"]), VALUE) or NOTHING
        left -= length(name) + length(value)
        if left < 0:
            return
        yield {**field, "name": name, "value": value}


def size(embed: dict[str, Any]) -> int:
    """Return how many characters of an embed count."""
    footer = embed.get("footer") or {}
    parts = [str(embed.get("title", "")), str(embed.get("description", "")), str(footer.get("text", ""))]
    for field in embed.get("fields") or []:
        parts += [str(field["name"]), str(field["value"])]
    return sum(length(part) for part in parts)


def embeds_of(note: Note) -> list[dict[str, Any]]:
    """Return the embeds of a message, each as Discord takes it."""
    embeds = note.body.get("embeds")
    return [fit(embed) for embed in embeds][:MOST_EMBEDS] if isinstance(embeds, list) else []


def pack(notes: Sequence[Note]) -> list[Note]:
    """Return the first of some messages, and those behind it that go with it in one: never another order."""
    batch: list[Note] = []
    embeds = characters = 0
    for note in notes:
        shown = embeds_of(note)
        embeds, characters = embeds + len(shown), characters + sum(size(embed) for embed in shown)
        if batch and (embeds > MOST_EMBEDS or characters > MOST_TOGETHER):
            break
        batch.append(note)
    return batch


def as_text(note: Note) -> str:
    """Return a message as plain text: when Discord does not take its embed it must be told all the same."""
    lines = []
    for embed in embeds_of(note):
        lines += [str(embed.get("title", "")), str(embed.get("description", ""))]
        lines += [f"{field['name']}: {field['value']}" for field in embed.get("fields") or []]
    return cut("\n".join(line for line in lines if line), CONTENT) or note.kind
