"""Lets a plan happen to a running sandbox, and says what happened so far."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from sandbox.faults.calls import CallContext, CallFaults
from sandbox.faults.chance import Dice, moment_ms
from sandbox.faults.exchange_faults import apply
from sandbox.faults.frames import FrameFaults
from sandbox.faults.order_faults import OrderFaults
from sandbox.faults.plan import CallRule, FrameRule, OrderRule, User
from sandbox.faults.user import AccountOwner
from sandbox.wire import to_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sandbox.faults.exchange_faults import FragileExchange, Undo
    from sandbox.faults.plan import AnyRule, FaultPlan, StateRule
    from sandbox.rest.api import Response
    from sandbox.rest.call import Call

LOOK_AGAIN_MS = 1_000  # between two looks for a coin the account may hold by now


class Faults:
    """What goes wrong with one sandbox. Without a plan nothing does, and nothing is asked of anybody."""

    def __init__(
        self, fragile: FragileExchange, *, seed: int, answer: Callable[[Call], Response], group: Callable[[Call], str]
    ) -> None:
        self.plan: FaultPlan | None = None
        self._fragile = fragile
        self._seed = seed
        self._undo: dict[int, Undo] = {}  # by rule
        self._dice: list[Dice] = []
        self._began_ms = self._changed_ms = 0
        self._number = 0  # of the plan: timers of an earlier one do nothing
        context = CallContext(
            answer=answer,
            group=group,
            held=fragile.held,
            unsettled_ms=lambda: self._real_ms() - self._changed_ms,
            age_ms=self._age_ms,
            later=fragile.later,
            sleep=fragile.sleep,
            clock=fragile.clock,
        )
        self.calls = CallFaults(context)
        self.frames = FrameFaults(fragile.held)
        self.orders = OrderFaults(fragile.held)
        self.person = AccountOwner(fragile, self.orders)

    def start(self, plan: FaultPlan) -> None:
        """Put a plan in force in place of the one before; its minutes count from now."""
        self.stop()
        self.plan = plan
        self._began_ms = self._real_ms()
        for index, rule in enumerate(plan.rules):
            dice = Dice(rule, f"{self._seed}:{plan.seed}:{index}:{type(rule).__name__}", self._passed_ms)
            self._dice.append(dice)
            self._place(rule, dice)
        self._fragile.exchange.delay_ms = self.orders.delay_ms
        self._fragile.exchange.offered = self.orders.offers

    def _place(self, rule: AnyRule, dice: Dice) -> None:
        match rule:
            case _ if isinstance(rule, CallRule):
                self.calls.dice.append((rule, dice))
            case _ if isinstance(rule, FrameRule):
                self.frames.dice.append((rule, dice))
            case _ if isinstance(rule, OrderRule):
                self.orders.dice.append((rule, dice))
            case _:
                self._at(rule.minutes[0], lambda: self._begin(rule, dice))

    def stop(self) -> None:
        """Let everything be right again; what the person did stays done."""
        self.plan = None
        self._number += 1
        for faults in (self.calls, self.frames, self.orders):
            faults.clear()
        self._dice.clear()
        for undo in list(self._undo.values()):
            undo()
        self._undo.clear()

    # -- rules about the state of the exchange begin and end

    def _at(self, minute: float, do: Callable[[], None]) -> None:
        number = self._number

        def run() -> None:
            if number == self._number:
                do()

        self._fragile.later(max(0, moment_ms(minute) - self._passed_ms()), run)

    def _begin(self, rule: StateRule, dice: Dice) -> None:
        market = rule.market if isinstance(rule, User) else None
        names = (market,) if market else getattr(rule, "markets", ())
        if "held" in names and not self._fragile.held():
            if dice.in_time():
                self._at(self._passed_ms() / 60_000 + LOOK_AGAIN_MS / 60_000, lambda: self._begin(rule, dice))
            return
        if not dice.strikes():
            return
        if isinstance(rule, User):
            self.person.act(rule, self._fragile.held()[0] if market == "held" else market)
            return
        undo = apply(rule, self._fragile)
        if undo is not None:
            self._undo[id(rule)] = undo
            if rule.minutes[1] is not None:
                self._at(rule.minutes[1], lambda: self._end(rule))

    def _end(self, rule: StateRule) -> None:
        self._undo.pop(id(rule))()

    # -- time

    def _real_ms(self) -> int:
        return to_ms(self._fragile.clock.real())

    def _passed_ms(self) -> int:
        return self._real_ms() - self._began_ms

    def _age_ms(self, uuid: str) -> int | None:
        order = self._fragile.exchange.orders.get(uuid)
        return None if order is None else to_ms(self._fragile.clock()) - order.created_ms

    # -- what the exchange tells

    def on_assets(self, *_: object) -> None:
        """Remember when a balance changed."""
        self._changed_ms = self._real_ms()

    def on_order(self, *_: object) -> None:
        """Nothing depends on what becomes of an order."""

    def struck(self) -> dict[str, int]:
        """Return how often what went wrong, by the name of the fault."""
        counts: Counter[str] = Counter()
        for dice in self._dice:
            counts[tag_of(dice.rule)] += dice.struck
        return dict(counts)

    def report(self) -> dict[str, object]:
        """Return the plan in force and how often each rule fitted and struck."""
        rules = [
            {"rule": msgspec.to_builtins(dice.rule), "fitted": dice.fitted, "struck": dice.struck}
            for dice in self._dice
        ]
        return {
            "description": self.plan.description if self.plan else None,
            "minute": round(self._passed_ms() / 60_000, 3) if self.plan else None,
            "rules": rules,
            "person_refused": self.person.refused,
        }

    def flows(self) -> dict[str, Decimal]:
        """Return what the person's doings changed of each currency."""
        return self.person.flows()


def tag_of(rule: object) -> str:
    """Return the name of a fault as plans write it."""
    return str(type(rule).__struct_config__.tag)  # type: ignore[attr-defined]  # every rule is a Struct
