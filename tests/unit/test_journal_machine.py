"""The journal under any order of events: fills late, twice, out of order, reopened at any moment; sums stay exact."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from journal.journal import Journal, JournalBreach
from journal.profits import EXACT
from journal.records import EDGES, Intent, IntentState
from tests.helpers.journals import intent
from tests.helpers.orders import a_trade
from upbit.models import Fill

NOW = datetime(2026, 11, 2, tzinfo=UTC)
AMOUNTS = st.integers(1, 10**12).map(lambda number: Decimal(number).scaleb(-8))
ZERO = Decimal(0)


class JournalMachine(RuleBasedStateMachine):
    """One market: trades follow each other, each bought once and sold in legs. A model in memory beside the file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.journal = Journal.open(self.folder / "j.sqlite3", lambda: NOW)
        self.number = 0
        self.trade = ""
        self.intent = ""
        self.side = "bid"
        self.state = IntentState.PLANNED
        self.fills: dict[str, Fill] = {}  # of the exchange, of the order in hand
        self.told: dict[str, tuple[str, Fill]] = {}  # what the journal was told, by uuid: side and fill
        self.dust = ZERO  # of trades that have ended
        self.taken = ZERO
        self.holding = False

    def teardown(self) -> None:
        """Close and remove the file."""
        self.journal.close()
        shutil.rmtree(self.folder)

    def new_intent(self, side: str) -> Intent:
        """Return the next order."""
        self.number += 1
        self.intent, self.side, self.state, self.fills = f"i{self.number}", side, IntentState.PLANNED, {}
        return intent(self.intent, replace(a_trade(), id=self.trade), side)

    @initialize()
    def begin(self) -> None:
        """A trade begins with a buy."""
        self.trade = f"t{self.number}"
        self.holding = False
        trade = replace(a_trade(), id=self.trade, decided_at=NOW)
        assert self.journal.begin_trade(trade, self.new_intent("bid"))
        self.journal.begin_attempt(self.intent)
        self.journal.end_attempt(self.intent, IntentState.ACCEPTED, outcome="accepted", uuid=self.intent)
        self.state = IntentState.ACCEPTED

    def sum_of(self, side: str) -> Decimal:
        """Return the volume told on a side."""
        return sum((fill.volume for told, fill in self.told.values() if told == side), ZERO)

    @property
    def position(self) -> Decimal:
        """Return what the model holds, dust included."""
        return self.sum_of("bid") - self.sum_of("ask") - self.taken

    @precondition(lambda self: self.state is IntentState.ACCEPTED)
    @rule(price=AMOUNTS, volume=AMOUNTS, share=st.integers(1, 100))
    def execute(self, price: Decimal, volume: Decimal, share: int) -> None:
        """The exchange executes a part of the order in hand; a sale never more than is held."""
        if self.side == "ask":
            open_ = self.position - self.dust - sum((f.volume for f in self.fills.values()), ZERO)
            open_ += sum((f.volume for _, f in self.told.values() if f.uuid in self.fills), ZERO)
            volume = (open_ * share / 100).quantize(Decimal("1e-8"), rounding="ROUND_DOWN")
            if volume <= 0:
                return
        uuid = f"{self.intent}-{len(self.fills)}"
        self.fills[uuid] = Fill(uuid=uuid, price=price, volume=volume, notional=price * volume)

    @precondition(lambda self: self.fills)
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """Some of the fills are told, in any order, some of them again."""
        some = data.draw(st.lists(st.sampled_from(sorted(self.fills)), min_size=1, max_size=6))
        self.journal.record_fills(self.intent, [self.fills[uuid] for uuid in some], Decimal(len(self.told)))
        self.told |= {uuid: (self.side, self.fills[uuid]) for uuid in some}

    @precondition(lambda self: self.state is IntentState.ACCEPTED)
    @rule()
    def finish(self) -> None:
        """Everything is listed, and the order is over."""
        self.journal.record_fills(self.intent, self.fills.values(), Decimal(0))
        self.told |= {uuid: (self.side, fill) for uuid, fill in self.fills.items()}
        self.journal.finish(self.intent)
        self.state = IntentState.FINAL
        if self.side == "bid" and not self.fills:
            self.journal.abandon_trade(self.trade, "nothing")
            self.begin()
        elif self.side == "bid":
            self.journal.enter_position(self.trade, opened_at=NOW, stop_price=None, highest_price=Decimal(1))
            self.holding, self.dust = True, ZERO  # it goes out with this trade

    @precondition(lambda self: self.holding and self.state is IntentState.FINAL)
    @rule()
    def leave(self) -> None:
        """A sale begins."""
        if self.journal.position_volume(self.trade) <= 0:
            return
        assert self.journal.leave(self.trade, {}, self.new_intent("ask"))
        self.journal.begin_attempt(self.intent)
        self.journal.end_attempt(self.intent, IntentState.UNKNOWN, outcome="lost")
        self.state = IntentState.UNKNOWN

    @precondition(lambda self: self.state is IntentState.UNKNOWN)
    @rule(fence=st.booleans())
    def see(self, fence: bool) -> None:  # noqa: FBT001 - drawn
        """The order in doubt, or its fence, is seen."""
        self.state = IntentState.FENCED if fence else IntentState.ACCEPTED
        self.journal.see(self.intent, self.state, self.intent)
        if fence:
            self.state = IntentState.FINAL  # nothing in hand any more

    @precondition(lambda self: self.holding and self.state is IntentState.FINAL)
    @rule(share=st.integers(1, 100))
    def take(self, share: int) -> None:
        """The user takes a part."""
        gone = (self.journal.position_volume(self.trade) * share / 100).quantize(Decimal("1e-8"), rounding="ROUND_DOWN")
        if gone > 0:
            self.journal.take_out(self.trade, gone, price=None)
            self.taken += gone

    @precondition(lambda self: self.holding and self.state is IntentState.FINAL)
    @rule()
    def close(self) -> None:
        """The trade ends and leaves what it holds as dust; the next begins."""
        self.dust = self.journal.position_volume(self.trade)
        self.journal.close_trade(self.trade, closed_at=NOW, dust=self.dust)
        self.begin()

    @rule(state=st.sampled_from(IntentState))
    def move(self, state: IntentState) -> None:
        """No illegal edge is taken, and the attempt changes nothing."""
        before = self.journal.intent(self.intent).state
        if state not in EDGES[before]:
            with pytest.raises(JournalBreach), self.journal._transaction():
                self.journal._move(self.intent, state)
            assert self.journal.intent(self.intent).state is before

    @rule()
    def reopen(self) -> None:
        """The process ends and starts again."""
        self.journal.close()
        self.journal = Journal.open(self.folder / "j.sqlite3", lambda: NOW)

    @invariant()
    def sums_are_exact(self) -> None:
        """Positions and dust are the model's, never negative, and coins are conserved."""
        if not self.trade:
            return
        held = self.journal.position_volume(self.trade)
        assert held >= 0
        assert held + self.dust == self.position
        assert self.journal.totals().coins.get("A", ZERO) == self.position
        earned = [trade.profit_krw for trade in self.journal.closed_trades(-1)]
        assert self.journal.realised() == reduce(EXACT.add, earned, ZERO)
        assert len(self.journal.live_intents()) <= 1


@pytest.mark.failure("A14", "A16", "A17")
def test_whatever_happens_in_whatever_order_the_sums_are_exact() -> None:
    """Fills late, twice and out of order, doubts, fences, dust, a user who takes coins, reopening: nothing is lost."""
    few = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(JournalMachine, settings=few)
