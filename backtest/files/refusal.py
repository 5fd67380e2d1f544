"""Why a file is not taken, in both languages."""

from __future__ import annotations

from backtest.history.candles import Fault
from backtest.problems import Damaged


class Refused(Damaged):
    """A file, or a part of it, cannot be taken; the others can."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(ko, en)
        self.why = Fault(ko, en)


class ZoneNeeded(Refused):
    """The times name no zone, and nobody has said one: asked for once, never guessed."""

    def __init__(self) -> None:
        super().__init__(
            "시각에 시간대가 없습니다. --zone kst 또는 --zone utc로 알려 주세요",
            "the times name no zone. Say --zone kst or --zone utc",
        )
