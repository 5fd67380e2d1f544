"""An exchange that keeps its books straight and lies to its clients: answers lost, late, stale, or not its own.

The sandbox itself is untouched; what is decided here is which of its answers arrive, when, and when it hears of a
request at all. Rates are drawn per seed; `calm()` ends all lies.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.refusals import ApiError
from sandbox.rest.call import Call
from sandbox.server import Sandbox

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from sandbox.faults.plan import FaultPlan
    from sandbox.server import Opened, SandboxOptions
    from sandbox.stream.session import Session
    from worlds.story import Story

ORDERS, ORDER, ACCOUNTS, HOOKS = "/v1/orders", "/v1/order", "/v1/accounts", "/api/webhooks/"
HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
TOO_MANY = b'{"error":{"name":"too_many_requests","message":"..."}}'
POOR = b'{"error":{"name":"insufficient_funds_bid","message":"..."}}'
OF_ORDERS = ("late", "lost_answer", "html_after", "truncated", "hang_after", "never", "limited", "refused")
NOT_FOUND = b'{"error":{"name":"order_not_found","message":"..."}}'
SHORTEST_LATE_S, LONGEST_LATE_S = 1.0, 900.0
HANG_S = 30.0
LAG_S = 8.0
STALE_S = 6.0


@dataclass(frozen=True, kw_only=True)
class LieRates:
    """Probabilities, by kind of request."""

    late: float = 0.0  # POST: answered with an error at once, executed up to 15 minutes later
    lost_answer: float = 0.0  # POST: executed, and the connection breaks
    html_after: float = 0.0  # POST: executed, and answered with HTML 500
    truncated: float = 0.0  # POST: executed, and half of the answer arrives
    hang_after: float = 0.0  # POST: executed, and never answered
    never: float = 0.0  # POST: answered with HTML 502, never executed
    limited: float = 0.0  # POST: refused with 429
    refused: float = 0.0  # POST: refused for want of money
    slow: float = 0.0  # any: 2 to 12 seconds
    lag: float = 0.0  # GET order: a young order is not found
    error: float = 0.0  # any GET: 500, or HTML with 200
    partial: float = 0.0  # GET order: what was true after its first fill
    stale: float = 0.0  # GET accounts: what was true seconds ago
    webhook: float = 0.0  # Discord: 429, 500, a lost answer


def draw_lies(rng: random.Random, harshness: float) -> LieRates:
    """Draw the rates of one seed; `harshness` 0 is honest and 1 brutal. Each lie may be missing altogether."""
    most = {"late": 0.08, "slow": 0.02, "lag": 0.6, "partial": 0.5, "error": 0.03, "stale": 0.1, "webhook": 0.3}
    return LieRates(
        **{
            field.name: rng.choice((0.0, 1.0, 1.0)) * rng.random() * most.get(field.name, 0.06) * harshness
            for field in fields(LieRates)
        }
    )


class LyingSandbox(Sandbox):
    """A sandbox whose answers do not always arrive as they are."""

    def __init__(
        self,
        options: SandboxOptions,
        clock: Callable[[], object],
        source: Opened,
        *,
        rng: random.Random,
        story: Story,
        on_lie: Callable[[str, str | None], None],
    ) -> None:
        super().__init__(options, clock, source)  # type: ignore[arg-type]  # the clock of a loop is one of datetimes
        self.rates = LieRates()
        self.forced: list[str | None] = []  # what befalls the next orders, whatever the rates say; None: nothing
        self.spared: Callable[[Call], bool] = lambda _: False  # orders that nothing befalls
        self.partial_looks = 0  # so many looks at orders of several fills show only the first, whatever the rates say
        self.longest_late_s = LONGEST_LATE_S
        self._rng = rng
        self._story = story
        self._on_lie = on_lie
        self._remembered: tuple[float, web.Response] | None = None
        self.on_post: Callable[[Call], None] = lambda _: None
        opened = self._stream.on_open

        def on_open(session: Session, path: str) -> None:
            opened(session, path)
            spoil = session.spoil or (lambda frame: (frame,))
            session.spoil = lambda frame: (said for one in spoil(frame) for said in self.on_frame(one))

        self._stream.on_open = on_open
        self.on_message: Callable[[dict[str, object]], None] = lambda _: None
        self.on_answer: Callable[[web.BaseRequest, web.StreamResponse], web.StreamResponse] = lambda _, answer: answer
        self.on_frame: Callable[[bytes], Iterable[bytes]] = lambda frame: (frame,)
        self.lies = False  # whether answers may be others than the true ones besides
        self.late: list[str] = []  # identifiers of orders that were answered and will execute later

    def calm(self) -> None:
        """Lie no more."""
        self.rates = LieRates()
        self.end_plan()

    def begin_plan(self, plan: FaultPlan) -> None:
        """Let one of the sandbox's own fault plans happen besides."""
        assert self.faults is not None
        self.faults.start(plan)

    def end_plan(self) -> None:
        """End it, and count how often it struck."""
        if self.faults is not None and self.faults.plan is not None:
            for kind, times in self.faults.struck().items():
                self._story.counts["plan_" + kind] += times
            self.faults.stop()

    # -- which lie

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return self.on_answer(request, await self._answered(request))

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if self._rng.random() < self.rates.slow:
            self._lie("slow", None)
            await asyncio.sleep(self._rng.uniform(2.0, 12.0))
        if request.method == "POST" and path == ORDERS:
            return await self._order(request)
        if path.startswith(HOOKS):
            return await self._webhook(request)
        if request.method == "GET" and not path.startswith("/websocket"):
            return await self._look(request)
        return await super()._handle(request)

    def _lie(self, kind: str, identifier: str | None) -> None:
        self._story.counts[kind] += 1
        self._on_lie(kind, identifier)

    def _draw(self, *kinds: str) -> str | None:
        drawn = self._rng.random()
        for kind in kinds:
            drawn -= getattr(self.rates, kind)
            if drawn < 0:
                return kind
        return None

    async def _order(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        call = Call(method="POST", path=ORDERS, query="", headers=request.headers, ip=request.remote or "", body=body)
        identifier = str(call.json.get("identifier"))
        self.on_post(call)
        kind = None if self.spared(call) else self.forced.pop(0) if self.forced else self._draw(*OF_ORDERS)
        if kind is not None:
            self._lie(kind, identifier)
        if kind in {"never", "limited", "refused"}:
            self._story.tell("exchange", "not taken", kind=kind, identifier=identifier)
            return not_taken(kind)
        if kind == "late":
            return await self._late(call, identifier, request)
        if kind is None and self.faults is not None and self.faults.calls.dice:
            return await self.faults.calls.serve(request, call, lambda: self._serve(request, call))
        return await self._garble(kind, request, self._execute(call))

    async def _late(self, call: Call, identifier: str, request: web.BaseRequest) -> web.StreamResponse:
        seconds = SHORTEST_LATE_S * (self.longest_late_s / SHORTEST_LATE_S) ** self._rng.random()
        self._story.tell("exchange", "answers first", identifier=identifier, executes_in=round(seconds, 1))
        self.late.append(identifier)
        self._timers.later(int(seconds * 1000), lambda: self._execute_late(call, identifier))
        if self._rng.random() < 0.5:  # noqa: PLR2004 - either way is as likely
            return html(504)
        return lose(request)

    def _execute_late(self, call: Call, identifier: str) -> None:
        self.late.remove(identifier)
        self._story.tell("exchange", "executes late", identifier=identifier)
        self._execute(call)

    def _execute(self, call: Call) -> web.Response:
        self.catch_up()
        reply = self._api.answer(call)
        response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        response.content_type = "application/json"
        return response

    async def _garble(self, kind: str | None, request: web.BaseRequest, answer: web.Response) -> web.StreamResponse:
        if kind == "lost_answer":
            return lose(request)
        if kind == "html_after":
            return html(500)
        if kind == "truncated":
            body = bytes(answer.body)  # type: ignore[arg-type]  # the sandbox answers with bytes
            return web.Response(status=answer.status, body=body[: len(body) // 2], content_type="application/json")
        if kind == "hang_after":
            await asyncio.sleep(HANG_S)
            return lose(request)
        return answer

    async def _look(self, request: web.BaseRequest) -> web.StreamResponse:
        identifier = request.query.get("identifier")
        if self._draw("error"):
            self._lie("error", identifier)
            return html(self._rng.choice((200, 500, 500)))
        if request.path == ORDER and identifier and self._is_young(identifier) and self._draw("lag"):
            self._lie("lag", identifier)
            return says(404, NOT_FOUND)
        if request.path == ORDER and (self.partial_looks or self._draw("partial")):
            return self._half(await super()._handle(request))
        if request.path == ACCOUNTS:
            return await self._accounts(request)
        return await super()._handle(request)

    def _is_young(self, identifier: str) -> bool:
        try:
            order = self.exchange.find(None, identifier)
        except ApiError:
            return False
        return self._now_ms() - order.created_ms < LAG_S * 1000

    def _half(self, answer: web.StreamResponse) -> web.StreamResponse:
        """Answer with a truth that is some milliseconds old: only the first fill had happened."""
        order = shown(answer)
        if len(order.get("trades", ())) < 2:  # noqa: PLR2004 - there must be a part to show
            return answer
        self.partial_looks = max(0, self.partial_looks - 1)
        self._lie("partial", order["identifier"])
        first = order["trades"][0]
        order |= {"state": "wait", "trades": [first], "trades_count": 1, "executed_volume": first["volume"]}
        order["executed_funds"] = first["funds"]
        return says(200, json.dumps(order).encode())

    async def _accounts(self, request: web.BaseRequest) -> web.StreamResponse:
        now = asyncio.get_running_loop().time()
        if self._remembered and now - self._remembered[0] < STALE_S and self._draw("stale"):
            self._lie("stale", None)
            known = self._remembered[1]
            return says(known.status, known.body)
        answer = await super()._handle(request)
        if not isinstance(answer, web.Response):
            return answer
        if answer.status == 200 and (self._remembered is None or now - self._remembered[0] >= STALE_S):  # noqa: PLR2004
            self._remembered = now, answer
        return answer

    async def _webhook(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._draw("webhook"):
            return await self._take_message(request)
        kind = self._rng.choice(("429", "500", "lost"))
        self._lie("webhook_" + kind, None)
        if kind == "429":
            return web.json_response({"retry_after": round(self._rng.uniform(0.1, 3.0), 3)}, status=429)
        if kind == "500":
            return html(500)
        await self._take_message(request)
        return lose(request)

    async def _take_message(self, request: web.BaseRequest) -> web.StreamResponse:
        before = self.discord.taken
        answer = await super()._handle(request)
        if self.discord.taken > before and self.discord.last is not None:
            self.on_message(self.discord.last)
        return answer


def shown(answer: web.StreamResponse) -> dict[str, Any]:
    """Return the order an answer shows; nothing for one that shows none."""
    if not isinstance(answer, web.Response) or answer.status != 200:  # noqa: PLR2004 - the only success
        return {}
    try:
        order = json.loads(bytes(answer.body))  # type: ignore[arg-type]  # the sandbox answers with bytes
    except ValueError:
        return {}
    return order if isinstance(order, dict) else {}


def says(status: int, body: object) -> web.Response:
    """Return a JSON answer that did not come from the exchange's books."""
    return web.Response(status=status, body=body, content_type="application/json")


def not_taken(kind: str | None) -> web.Response:
    """Return the answer to an order that the exchange never heard of."""
    if kind == "limited":
        return says(429, TOO_MANY)
    return says(400, POOR) if kind == "refused" else html(502)


def html(status: int) -> web.Response:
    """Return the page a gateway answers with."""
    return web.Response(status=status, text=HTML, content_type="text/html")


def lose(request: web.BaseRequest) -> web.Response:
    """Break the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
