"""Whether the daemon may trade: ACTIVE, HALT_BUYS or HALTED, why, and who may end it. It survives a restart.

Several reasons can stand at once; the most severe decides. A reason that ends by itself is ended by whoever raised it,
when its cause is gone; every other one only by a person (`python main.py resume`).

    ACTIVE      everything is allowed
    HALT_BUYS   exits go on, no buy is sent
    HALTED      no order is sent at all; looking is allowed
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from journal.records import Ends, Halt, Level, worst
from upbit.errors import Withheld
from upbit.models import Fence, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from journal.journal import Journal
    from notifier.messages import Messages
    from upbit.models import NewOrder

log = logging.getLogger("trader.control")

SELL_ALL = "sell_all"
"""While this reason stands, everything that is held is sold: over restarts, and once, however often it is asked for."""
STOPPED = "stopped_by_person"
"""While this reason stands nothing is bought, because a person said so."""


def meant_by_resume(halts: Iterable[Halt]) -> tuple[str, ...]:
    """Return the reasons that a resume without a name ends: all that wait for a person, `sell-all` only alone.

    Who resumes after a breach has not said that what he wanted sold may be bought again.
    """
    codes = tuple(halt.code for halt in halts if halt.ends is Ends.PERSON)
    return tuple(code for code in codes if code != SELL_ALL) or codes


class Control:
    """The standing reasons, in memory and in the journal. `on_change` is called after every change."""

    def __init__(self, journal: Journal, messages: Messages, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._messages = messages
        self._clock = clock
        self._standing = {halt.code: halt for halt in journal.standing_halts()}
        self._unwritten: dict[str, Halt] = {}
        self.on_change: Callable[[str, Halt], None] = lambda *_: None

    @property
    def state(self) -> Level:
        """How much is forbidden now."""
        return worst(self._standing.values())

    @property
    def reasons(self) -> list[Halt]:
        """Every reason that stands, oldest first."""
        return list(self._standing.values())

    def stands(self, code: str) -> bool:
        """Return whether trading stands still because of `code`."""
        return code in self._standing

    def may_buy(self) -> bool:
        """Return whether a buy may be sent."""
        return self.state is Level.ACTIVE

    def may_sell(self) -> bool:
        """Return whether a sell may be sent."""
        return self.state is not Level.HALTED

    def permits(self, side: str) -> bool:
        """Return whether an order of a side, "bid" or "ask", may be sent."""
        return self.may_buy() if side == Side.BID else self.may_sell()

    def gate(self, order: NewOrder | Fence) -> None:
        """Keep an order back that may not be sent; the client asks right before the first byte.

        A fence opens nothing, on whichever side: it may be sent as long as a sale may.

        Raises:
            Withheld: with the reasons.
        """
        if not self._standing:
            return  # as nearly always
        if not self.permits(Side.ASK if isinstance(order, Fence) else order.side):
            raise Withheld(f"{self.state.name}: {', '.join(self._standing)}", name=self.state.name.lower())

    # --- stopping -------------------------------------------------------------------------------------------------

    def halt_buys(self, code: str, *, ko: str, en: str, by_itself: bool = False, **evidence: object) -> bool:
        """Allow no buy from now on; return whether that is new.

        Args:
            code: stable name of the reason; raised again it changes nothing.
            ko: what happened and what to do, for a person, in Korean.
            en: the same in English.
            by_itself: whether whoever raises it will call `ended` when its cause is gone; else a person must resume.
            evidence: numbers and names to keep.
        """
        return self._begin(self._halt(Level.HALT_BUYS, code, ko, en, by_itself, evidence))

    def halt(self, code: str, *, ko: str, en: str, by_itself: bool = False, **evidence: object) -> bool:
        """Allow no order at all from now on; return whether that is new. The arguments are those of `halt_buys`.

        It ends by itself only where Upbit would take no order anyway, such as with an expired key.
        """
        return self._begin(self._halt(Level.HALTED, code, ko, en, by_itself, evidence))

    def _halt(  # noqa: PLR0917 - the arguments of the two above
        self,
        level: Level,
        code: str,
        ko: str,
        en: str,
        by_itself: bool,  # noqa: FBT001 - same
        evidence: dict[str, object],
    ) -> Halt:
        ends = Ends.ITSELF if by_itself else Ends.PERSON
        return Halt(code=code, level=level, ends=ends, ko=ko, en=en, since=self._clock(), evidence=evidence)

    def sell_all(self) -> bool:
        """Have everything that is held sold, because a person said so; return whether that is new."""
        return self.halt_buys(
            SELL_ALL,
            ko="사용자가 sell-all을 실행해 보유한 코인을 모두 팝니다. 매수는 resume 할 때까지 멈춥니다.",
            en="A person has run sell-all: everything that is held is sold, and nothing is bought before a resume.",
        )

    def stop_buying(self) -> bool:
        """Buy nothing, because a person said so; return whether that is new."""
        return self.halt_buys(
            STOPPED,
            ko="사용자가 매수를 멈췄습니다. 보유분은 계속 관리합니다. 다시 사려면 resume 하세요.",
            en="A person has stopped buys. What is held is managed on. To buy again, resume.",
        )

    def _begin(self, halt: Halt) -> bool:
        known = self._standing.get(halt.code)
        if known is not None and known.level.severity >= halt.level.severity:
            return False
        if known is not None:
            self._end(known, "escalation", told=False)
        self._standing[halt.code] = halt  # first: it holds even when it cannot be written
        self._write(halt)
        self.on_change("halted", halt)
        return True

    def _write(self, halt: Halt) -> None:
        try:
            self._journal.begin_halt(halt, [self._messages.halted(halt)])
        except sqlite3.Error as error:
            if halt.code not in self._unwritten:
                log.warning("a halt is not written down, it holds until the process ends code=%s: %s", halt.code, error)
            self._unwritten[halt.code] = halt
        else:
            self._unwritten.pop(halt.code, None)

    def write_again(self) -> None:
        """Try to write down what the disk did not take before."""
        for halt in list(self._unwritten.values()):
            self._write(halt)

    # --- going on -------------------------------------------------------------------------------------------------

    def ended(self, code: str) -> bool:
        """Say that the cause of a reason that ends by itself is gone; return whether that changed anything."""
        halt = self._standing.get(code)
        if halt is None or halt.ends is not Ends.ITSELF:
            return False
        try:
            self._end(halt, Ends.ITSELF)
        except sqlite3.Error as error:
            log.warning("the end of a halt is not written down, so it goes on standing code=%s: %s", code, error)
            return False
        return True

    def resume(self, codes: Collection[str] | None = None) -> list[Halt]:
        """End reasons that wait for a person, because one said so: those of some codes, or all of them; return them.

        One that ends by itself stands until its cause is gone: between a resume and the next look, prices of another
        hour would be bought on. A cause of the others that is still there will be raised again.
        """
        halts = [halt for halt in self.waiting_for_a_person() if codes is None or halt.code in codes]
        for halt in halts:
            self._end(halt, Ends.PERSON)
        return halts

    def waiting_for_a_person(self) -> list[Halt]:
        """Return the reasons that only a person ends."""
        return [halt for halt in self.reasons if halt.ends is Ends.PERSON]

    def _end(self, halt: Halt, by: str, *, told: bool = True) -> None:
        left = [other for code, other in self._standing.items() if code != halt.code]
        notes = [self._messages.resumed(halt, left, by=by, at=self._clock())] if told else []
        if self._unwritten.pop(halt.code, None) is None:
            self._journal.end_halt(halt.code, by, notes)
        else:
            self._journal.add_notes(notes)  # it was told, although it was never written down
        del self._standing[halt.code]  # last: what cannot be written down goes on standing
        if told:
            self.on_change("resumed", halt)
