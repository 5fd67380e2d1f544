"""What goes wrong with requests: lost, late, slow, other and outdated answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from sandbox.faults.chance import fits, fits_market
from sandbox.faults.lies import Lie, Memory, Refusal, tell
from sandbox.faults.plan import Altered, Answered, Late, Lost, RefusedAnswer, Slow, Stale, Unseen
from sandbox.faults.wrong_answers import WEBSOCKET, other, refusal, send, send_half, vanish
from sandbox.refusals import ApiError, refuse
from sandbox.rest.api import JSON
from sandbox.wire import to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime

    from aiohttp import web

    from sandbox.faults.chance import Dice
    from sandbox.faults.exchange_faults import Sleep
    from sandbox.faults.plan import CallRule, Calls
    from sandbox.rest.api import Response
    from sandbox.rest.call import Call

    Proceed = Callable[[], Awaitable[web.StreamResponse]]

OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What the faults of requests need of the exchange they happen to."""

    answer: Callable[[Call], Response]  # carries a request out
    group: Callable[[Call], str]  # of the limits, or WEBSOCKET or WEBHOOK
    held: Callable[[], Iterable[str]]  # markets of the coins the account holds
    unsettled_ms: Callable[[], int]  # since a balance changed
    age_ms: Callable[[str], int | None]  # of the order of a uuid; None: there is none
    later: Callable[[int, Callable[[], None]], None]  # after milliseconds of market time
    sleep: Sleep
    clock: Callable[[], datetime]


class CallFaults:
    """The rules about requests of the plan in force."""

    def __init__(self, context: CallContext) -> None:
        self.dice: list[tuple[CallRule, Dice]] = []
        self._context = context
        self._memory = Memory()
        self._settled: dict[str, Response] = {}  # what a request was answered before the last change of balances

    def clear(self) -> None:
        """Forget the rules and what was remembered for them."""
        self.dice.clear()
        self._settled.clear()

    async def serve(self, request: web.BaseRequest, call: Call, proceed: Proceed) -> web.StreamResponse:
        """Answer a request as the first rule that strikes wants; as usual (`proceed`) when none does."""
        group = self._context.group(call)
        for rule, dice in self.dice:
            if isinstance(rule, Unseen | Stale):
                continue  # they change what is answered
            if self._fits(rule.on, call, group) and dice.strikes():
                return await self._strike(rule, dice, request=request, call=call, group=group, proceed=proceed)
        if group == WEBSOCKET:
            return await proceed()
        return send(self._answer(call, group))

    def _fits(self, on: Calls, call: Call, group: str) -> bool:
        if not (fits(on.methods, call.method) and fits(on.paths, call.path) and fits(on.groups, group)):
            return False
        if not on.markets and not on.sides:
            return True
        asked = named(call)
        market, side = asked.get("market", ""), asked.get("side", "")
        return fits(on.sides, side) and fits_market(on.markets, market, self._context.held)

    async def _strike(
        self,
        rule: Lost | Late | Slow | Answered | RefusedAnswer | Altered,
        dice: Dice,
        *,
        request: web.BaseRequest,
        call: Call,
        group: str,
        proceed: Proceed,
    ) -> web.StreamResponse:
        acts = group != WEBSOCKET  # a handshake is carried out by being answered
        if isinstance(rule, Slow):
            return await self._slowly(dice.draw_ms(rule.seconds), call, group, proceed, at_once=rule.accepted and acts)
        if isinstance(rule, Late):
            if acts:
                self._context.later(dice.draw_ms(rule.after_s), lambda: self._carry_out(call))
            return await vanish(request, rule.how, self._context.sleep)
        real = self._context.answer(call) if getattr(rule, "accepted", False) and acts else None
        if isinstance(rule, Lost):
            return await vanish(request, rule.how, self._context.sleep)
        if isinstance(rule, RefusedAnswer):
            return send(refusal(rule, dice.left_ms(), group, self._context.clock()))
        if isinstance(rule, Altered):
            return send(self._altered(rule, call)) if acts else await proceed()
        answer = other(rule, real, group, self._context.clock())
        return await send_half(request, answer) if rule.body == "truncated" else send(answer)

    async def _slowly(
        self, wait_ms: int, call: Call, group: str, proceed: Proceed, *, at_once: bool
    ) -> web.StreamResponse:
        answer = self._answer(call, group) if at_once else None
        await self._context.sleep(wait_ms)
        return await proceed() if answer is None else send(answer)

    def _altered(self, rule: Altered, call: Call) -> Response:
        """Carry a request out, and say something else about it."""
        real = self._context.answer(call)
        if real.content_type != JSON or not real.body:
            return real
        key, true = f"{call.method} {call.path}", msgspec.json.decode(real.body)
        said = tell(Lie(rule.where, rule.say), key, true, self._memory, None)
        self._memory.take(key, true)
        if isinstance(said, Refusal):
            headers = {"Retry-After": said.retry_after} if said.retry_after else {}
            return replace(real, status=said.status, body=said.body, headers={**real.headers, **headers})
        return replace(real, body=msgspec.json.encode(said))

    def _carry_out(self, call: Call) -> None:
        self._context.answer(call)

    # -- answers that show the past

    def _answer(self, call: Call, group: str) -> Response:
        """Carry a request out; then show what is too new for a rule as it was."""
        answer = self._context.answer(call)
        for rule, dice in self.dice:
            if isinstance(rule, Unseen) and call.path.startswith("/v1/order") and call.method == "GET":
                answer = self._without_new(rule, dice, answer)
            elif isinstance(rule, Stale) and self._fits(rule.on, call, group):
                answer = self._as_before(rule, dice, call, answer)
        return answer

    def _as_before(self, rule: Stale, dice: Dice, call: Call, answer: Response) -> Response:
        asked = f"{call.path}?{call.query}"
        before = self._settled.get(asked)
        if before is not None and self._context.unsettled_ms() < dice.draw_ms(rule.seconds) and dice.strikes():
            return replace(answer, body=before.body)
        if answer.status == OK:
            self._settled[asked] = answer
        return answer

    def _without_new(self, rule: Unseen, dice: Dice, answer: Response) -> Response:
        if answer.status != OK:
            return answer
        shown = msgspec.json.decode(answer.body)
        if isinstance(shown, list):
            old = [order for order in shown if not self._is_new(rule, dice, order)]
            return answer if len(old) == len(shown) else replace(answer, body=to_json(old))
        if not self._is_new(rule, dice, shown):
            return answer
        error = refuse("order_not_found")
        return replace(answer, status=error.status, body=to_json(error.body()))

    def _is_new(self, rule: Unseen, dice: Dice, shown: dict[str, object]) -> bool:
        uuid = str(shown.get("uuid"))
        age = self._context.age_ms(uuid)
        return age is not None and age < dice.draw_ms(rule.seconds, of=uuid) and dice.strikes()


def named(call: Call) -> dict[str, str]:
    """Return the parameters of a request by name, of whatever a client sent; empty when it is not to be read."""
    try:
        fields = dict(call.fields) if call.method != "POST" else call.json
    except (ApiError, ValueError):
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}
