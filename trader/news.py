"""What was told last of each subject, so that the same thing is told once and not at every step."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class News:
    """The last words about each subject."""

    _told: dict[str, str] = field(default_factory=dict)

    def is_new(self, subject: str, words: str) -> bool:
        """Return whether this is not what was told of `subject` last; from now on it is."""
        if self._told.get(subject) == words:
            return False
        self._told[subject] = words
        return True
