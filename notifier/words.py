"""A text in both languages; the one place where a language is chosen."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """What a person reads, in Korean and in English."""

    ko: str
    en: str

    def say(self, language: str) -> str:
        """Return the text in a language of the settings."""
        return self.ko if language == "ko" else self.en
