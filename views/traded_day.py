"""What the daemon did on a day in Korea, as its journal keeps it: its positions, and why it did not buy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Phase
from views.divergence import Cause, Deal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from journal.queries import Queries
    from journal.records import Halt, Trade
    from journal.scans import Look

ZERO = Decimal(0)
LATE = timedelta(minutes=3)
"""A first look this long after a candle's end came too late, or somebody slept."""
NOT_LOADED = "not_loaded"
BARRED = frozenset({"excluded", "warning", "caution"})
"""Gates of the settings, which candles do not show."""
BY_A_PERSON = frozenset({"stopped_by_person", "sell_all"})
SOLD_BY_A_PERSON = frozenset({"sell_all", "sell", "taken"})
ADOPTED = "adopted"
STOP = "stop"


def opening_of(moment: datetime, unit: timedelta) -> datetime:
    """Return when the candle of a moment opened, UTC."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // unit * unit


def deals_of(
    journal: Queries, begin: datetime, end: datetime, unit: timedelta, close_of: Callable[[str], Decimal | None]
) -> list[Deal]:
    """Return the positions whose purchase was decided in a stretch of time; `close_of` is a market's last close."""
    trades = [trade for trade in journal.decided_between(begin, end) if trade.bought]
    return [deal for trade in trades if (deal := deal_of(trade, unit, close_of(trade.market))) is not None]


def deal_of(trade: Trade, unit: timedelta, close: Decimal | None) -> Deal | None:
    """Return a trade as a deal; None for one that is held in a market without a close."""
    is_over = trade.phase is Phase.CLOSED
    if not is_over and close is None:
        return None
    held = ZERO if is_over or close is None else trade.volume * close
    return Deal(
        market=trade.market,
        entered=opening_of(trade.opened_at or trade.decided_at, unit),
        left=opening_of(trade.closed_at, unit) if is_over and trade.closed_at else None,
        why=str(trade.exit_reason["code"]) if is_over and trade.exit_reason else None,
        volume=trade.bought,
        paid_krw=trade.bought_krw,
        got_krw=trade.sold_krw + trade.taken_krw + held,
        fees_krw=trade.fees_krw,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFacts:
    """Why the day went as it did, from what the journal keeps of every candle."""

    journal: Queries
    unit: timedelta
    wanted: Callable[[str, datetime], bool]  # whether the backtester has a target at the opening of a candle

    def not_bought(self, market: str, entered: datetime) -> Cause:
        """Return why the daemon did not buy a target of the candle that closed at `entered`."""
        look = self._look(market, entered)
        if look is None:
            return self._why_no_look(market, entered)
        verdict = verdict_of(look, market)
        if verdict is not None:
            return Cause.REFUSAL if verdict in BARRED else Cause.LATE_CANDLE
        if halts := self.journal.halts_at(look.minute + timedelta(minutes=1)):
            return who_halted(halts)
        end = entered + self.unit
        refused = any(
            trade.market == market and not trade.bought for trade in self.journal.decided_between(entered, end)
        )
        return Cause.REFUSAL if refused or self.journal.rests_of(market, entered, end) else Cause.DRAW

    def bought(self, market: str, entered: datetime) -> Cause:
        """Return why the daemon bought in the candle that opened at `entered`."""
        for trade in self.journal.trades_in(market, entered):
            if trade.entry_reason.get("code") == ADOPTED and opening_of(trade.decided_at, self.unit) == entered:
                return Cause.PERSON
        return Cause.DRAW if self.wanted(market, entered) else Cause.LATE_CANDLE

    def left_otherwise(self, ours: Deal, theirs: Deal) -> Cause:
        """Return why the daemon sold in another candle, or for another reason."""
        if ours.why in SOLD_BY_A_PERSON:
            return Cause.PERSON
        if theirs.left is not None and (ours.left is None or ours.left > theirs.left):
            look = self._look(ours.market, theirs.left)
            if look is None:
                return self._why_no_look(ours.market, theirs.left)
            if verdict_of(look, ours.market) == NOT_LOADED:
                return Cause.LATE_CANDLE
            if halts := [halt for halt in self.journal.halts_at(look.minute) if halt.level.severity > 1]:
                return who_halted(halts)
        return Cause.SLIPPAGE if STOP in {ours.why, theirs.why} else Cause.LATE_CANDLE

    def _look(self, market: str, closed_at: datetime) -> Look | None:
        """Return the first look at a market after a candle's close; None when there was none in time."""
        look = next(self._looks(market, closed_at), None)
        in_time = look is not None and look.closed_at == closed_at and look.minute - closed_at <= LATE
        return look if in_time else None

    def _looks(self, market: str, closed_at: datetime) -> Iterator[Look]:
        return self.journal.looks_at(market, closed_at)

    def _why_no_look(self, market: str, closed_at: datetime) -> Cause:
        """Return whether it slept, or ran and could not see: when it looks again without a start, it had not slept."""
        after = next(self._looks(market, closed_at), None)
        if after is None or self.journal.starts_between(closed_at - self.unit, after.minute + timedelta(minutes=1)):
            return Cause.RESTART
        return Cause.LATE_CANDLE


def verdict_of(look: Look, market: str) -> str | None:
    """Return the gate a market failed first in a look, None for a target; what it does not speak of is not loaded."""
    if look.scan is None or market not in look.scan.everywhere():
        return NOT_LOADED
    return look.scan.failed(market)


def who_halted(halts: list[Halt]) -> Cause:
    """Return whether a person stopped it, or the daemon itself."""
    return Cause.PERSON if any(halt.code in BY_A_PERSON for halt in halts) else Cause.REFUSAL
