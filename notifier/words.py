"""Texts in both languages, and what keeps a machine's words out of them."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_QUOTE = 200
PAGE = re.compile(r"(?is)<\s*(?:!doctype|html|head|body|\?xml)\b.*")
TAG = re.compile(r"(?s)<[^<>]{0,200}>")
CLASS_NAME = re.compile(r"\b(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Warning)\b(?:\(\))?:? *")
"""What Python calls a failure; a person can do nothing with it."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, writes its title or turns the order of letters; a tab and the end of a line stay."""


class Words(NamedTuple):
    """What a person reads, in Korean and in English."""

    ko: str
    en: str

    def say(self, language: str) -> str:
        """Return the text in a language of the settings."""
        return self.ko if language == "ko" else self.en


def readable(text: str) -> str:
    """Return a text without pages of HTML, their tags, and the names Python gives to failures, on one line."""
    return harmless(" ".join(CLASS_NAME.sub("", TAG.sub(" ", PAGE.sub("", text))).split()))


def harmless(text: str) -> str:
    """Return a text without what only a terminal obeys: names and sentences may come from outside."""
    return CONTROL.sub("", text)


def quoted(text: str) -> str:
    """Return what somebody else said, fit to stand in a sentence; nothing of a page."""
    return "" if "<" in text else readable(text)[:LONGEST_QUOTE]
