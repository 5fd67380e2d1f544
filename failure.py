"""What a person can mend: a sentence in two languages that says what to do, and the exit code of a process it ends.

Every room may know this file, and it knows none. `cli/common/failures.py` prints the sentence.
"""

from __future__ import annotations

from typing import ClassVar

ERROR = 1
USAGE = 2
SECOND_DAEMON = 3
CONFIGURATION = 4


class Failure(Exception):
    """Something a person can mend.

    Args:
        ko: what, where, and what to do, in Korean.
        en: the same in English.
    """

    exit_code: ClassVar[int] = ERROR

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(ko, en)  # both, so that it comes whole out of another process
        self.ko = ko
        self.en = en

    def __str__(self) -> str:
        return self.en

    def sentence(self, language: str) -> str:
        """Return what a person reads, in "ko" or "en"."""
        return self.ko if language == "ko" else self.en
