"""Upbit's rate limits, kept on our side: never more requests in any second than a group allows.

Upbit counts fixed seconds by its own clock, so two bursts on both sides of one of *our* boundaries may meet in one of
*its* seconds. Hence places instead of seconds: a group has as many places as it allows requests, a request holds one
from before it leaves until a window after its answer came, and Upbit counted it somewhere between. Whatever the
clocks and the road do, no second of Upbit's can hold more answered requests than there are places.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from upbit.errors import LIMITED, ExchangeError, NotSent, RateLimited

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW_S = 1.05
"""A second and a margin."""

PER_ADDRESS: Mapping[str, tuple[int, float]] = {
    "market": (10, WINDOW_S),
    "candle": (10, WINDOW_S),
    "trade": (10, WINDOW_S),
    "ticker": (10, WINDOW_S),
    "orderbook": (10, WINDOW_S),
}
"""Quotation: requests per window, by group, counted for our IP address (documentation of October 2026)."""

PER_POCKET: Mapping[str, tuple[int, float]] = {
    "default": (30, WINDOW_S),
    "order": (12, WINDOW_S),
    "order-test": (8, WINDOW_S),
    "order-cancel-all": (1, 2 * WINDOW_S),
}
"""Exchange: the same, counted for all keys of a pocket together."""

LIMITS: Mapping[str, tuple[int, float]] = {**PER_ADDRESS, **PER_POCKET}

PENALTY_S = 60.0
"""How long a 418 blocks that does not say so."""
LONGEST_BLOCK_S = 600.0
"""Whatever a 418 says: then it is asked again."""
LONGEST_REFUSAL_S = 5.0
"""Whatever a 429 says: Upbit counts seconds, so the next one is another."""
PATIENCE_S = 5.0
"""No request waits for a block longer than this: what it asks for would be stale when the block is over."""
PROBE_S, LONGEST_PROBE_S = 5.0, 60.0
"""How soon into a block something urgent leaves all the same, to see whether it is one; refused, ever less often."""
MOST_WAITING = 1000

CAREFUL: Mapping[str, int] = {"candle": 1}
"""Requests of a group that leave at once before anything is known about who else spends from it; of others three. A
first start asks for thousands of candles, and whoever is there may be in the middle of that."""
ROOM = 2
"""Places of an address that nobody uses who sees nobody else: who comes with as many is heard without being refused."""
LISTENS_S = 2.0
"""Whoever comes asks this long with what it may use at first, and hears who is there."""
LATELY_S = 3 * WINDOW_S
"""How long what others were seen to use counts, the most of it: a burst of theirs may lie in two of Upbit's seconds."""
GROWING, GROWING_S = 2, 4.0
"""So many places more they are thought to use until they were not seen to use more for so long. Whoever asks late in
each of Upbit's seconds is not seen by whoever asks early, who takes one more every half second."""
BESIDE_EVERY_S = 3.0
"""How often one more is used beside others, who have to notice."""
COMPANY_S = 90.0
"""So long after others were seen to spend no more than half is used, which is as much as they will use. It is more than
a minute: whoever loads candles rests after most of one, and goes on with the next."""
BEGINNING_EVERY_S = 0.5
"""How often a group that was never refused asks for one more in a window, until it uses all."""
FASTER_EVERY_S, DARING_EVERY_S = 20.0, 300.0
"""How often a group that was refused once may ask for one more in a window: up to what was fine before the refusal, and
beyond it."""
FORGOTTEN_S = 3600.0
"""After so long without a 429 nobody else is thought to spend."""

REMAINING = re.compile(r"group=([a-z\-]{1,40});.*\bsec=([0-9]{1,6})\b", re.ASCII)


class Budget:
    """How many of its places a group uses: others may spend from the same ones, and Upbit does not say who they are.

    It begins with a few and grows quickly while all is answered, but not into what others are seen to use, and beside
    them not beyond half. A refusal halves it; then it grows slowly to what was fine, and hardly beyond, for an hour. So
    several programs behind one address share what it may, and none is banned.
    """

    def __init__(self, limit: int, *, at_first: float, room: int = 0) -> None:
        self._room = room
        self._limit = float(limit - room)
        self._half = limit / 2
        self._whole = limit
        self._allowed = at_first
        self._fine = self._limit  # the most that is thought to be answered
        self._others = 0  # places that others were lately seen to use
        self._others_at = -math.inf
        self._risen_at = -math.inf  # when they were last seen to use more than before
        self._refused_at: float | None = None
        self._shared_at: float | None = None  # when others were last seen to spend
        self._grown_at: float | None = None  # None: nothing was answered yet
        self._rest = WINDOW_S

    def places(self) -> int:
        """Return how many may be in use now."""
        return int(self._allowed)

    def answered(self, now: float) -> None:
        """Grow after an answer, at once or slowly."""
        if self._grown_at is None:
            self._grown_at = now + LISTENS_S
        if now - self._grown_at < self._pause(now) or self._allowed + 1 > self._most(now):
            return
        self._grown_at = now
        self._allowed = min(self._limit, self._allowed + 1)
        self._fine = max(self._fine, self._allowed)

    def _most(self, now: float) -> float:
        """Return how many it may come to use."""
        if now - self._others_at >= COMPANY_S:
            return self._whole
        return min(self._half, self._whole - self._beside(now))

    def _beside(self, now: float) -> int:
        """Return how many places others may use now."""
        if now - self._others_at >= LATELY_S:
            return 0
        return self._others + (GROWING if now - self._risen_at < GROWING_S else 0)

    def beside(self, others: int, now: float) -> None:
        """Hear that others used so many places in a second: from now on half is ours at most."""
        if not self._room:
            return  # nobody else is expected
        known = self._others if now - self._others_at < LATELY_S else 0
        if others > known:
            self._risen_at = now
        self._others, self._others_at = max(others, known), now
        most = max(self._room, min(self._half, self._whole - self._beside(now)))
        if self._allowed > most:
            self._allowed, self._grown_at = most, now

    def crowded(self, now: float) -> None:
        """Leave some to others who have used up what there was, but never less than half to ourselves."""
        if now - (self._grown_at or 0.0) >= WINDOW_S and self._allowed > self._half:
            self._allowed = self._fine = max(self._half, self._allowed - 1)
            self._grown_at = self._shared_at = now

    def _pause(self, now: float) -> float:
        """Return how long to wait before one more is tried."""
        if self._shared_at is None or now - self._shared_at >= FORGOTTEN_S:
            return BEGINNING_EVERY_S if now - self._others_at >= COMPANY_S else BESIDE_EVERY_S
        return DARING_EVERY_S if self._allowed + 1 > self._fine else FASTER_EVERY_S

    def refused(self, now: float) -> float:
        """Halve after a refusal, once for all that came together; return how long to rest, ever longer, seconds."""
        since = None if self._refused_at is None else now - self._refused_at
        if since is None or since >= WINDOW_S:
            self._fine = max(1.0, self._allowed - 1)
            self._allowed = max(1.0, self._allowed / 2)
            in_a_row = since is not None and since < 2 * LONGEST_REFUSAL_S
            self._rest = min(LONGEST_REFUSAL_S, 2 * self._rest) if in_a_row else WINDOW_S
        self._refused_at = self._shared_at = self._grown_at = now
        return self._rest


class Lane:
    """One group: its places, and who waits for one."""

    def __init__(self, limit: int, window: float, budget: Budget) -> None:
        self._limit = limit
        self._window = window
        self._budget = budget
        self._on_the_way = 0
        self._free_at: deque[float] = deque()  # when places of answered requests become free, ascending
        self._foreign: deque[float] = deque()  # until when places are somebody else's, ascending
        self._blocked_until = 0.0
        self._probe_at = 0.0  # when something urgent may leave although the group is blocked
        self._probe_pause = PROBE_S
        self._probing = False
        self._urgent: deque[asyncio.Future[bool]] = deque()
        self._patient: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0  # loop time; the handle does not say on every loop

    def free(self, *, urgent: bool = False) -> int:
        """Return how many requests could leave at once now; what is urgent spares nobody else's share."""
        now = asyncio.get_running_loop().time()
        for times in (self._free_at, self._foreign):
            while times and times[0] <= now:
                times.popleft()
        if self.blocked_s() > 0:
            return 1 if urgent and self.blocked_s(urgent=True) <= 0 and not self._on_the_way else 0
        ours = self._on_the_way + len(self._free_at)
        room = self._limit - ours - len(self._foreign)
        return room if urgent else min(room, self._budget.places() - ours)

    def blocked_s(self, *, urgent: bool = False) -> float:
        """Return for how long nothing may leave, 0 or less when something may; the urgent may try early."""
        until = min(self._blocked_until, self._probe_at) if urgent else self._blocked_until
        return until - asyncio.get_running_loop().time()

    async def enter(self, *, urgent: bool) -> bool:
        """Take a place; the urgent go first, then whoever came first.

        Returns:
            Whether it is one that may leave although the group is blocked, to see whether it is.

        Raises:
            RateLimited: when Upbit has blocked the group for longer than anybody should wait.
            NotSent: when too many wait already.
        """
        if not self._urgent and not self._patient and self.free(urgent=urgent) > 0 and self.blocked_s() <= 0:
            self._on_the_way += 1  # as nearly always
            return False
        if refusal := self._refusal(urgent=urgent):
            raise refusal
        if len(self._urgent) + len(self._patient) >= MOST_WAITING:
            raise NotSent(f"{MOST_WAITING} requests of this group wait already")
        queue = self._urgent if urgent else self._patient
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        queue.append(waiter)
        self._admit()
        try:
            return await waiter
        except asyncio.CancelledError:
            with suppress(ValueError):  # it may have been taken out already
                queue.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._on_the_way -= 1  # admitted in the very turn of the cancellation: the place was never used
                self._admit()
            raise

    def leave(self) -> None:
        """Give a place back: it becomes free a window from now."""
        self._on_the_way -= 1
        self._free_at.append(asyncio.get_running_loop().time() + self._window)
        self._admit()

    def answered(self, *, probe: bool) -> None:
        """Note an answer that was no refusal for asking too often."""
        self._budget.answered(asyncio.get_running_loop().time())
        if probe:
            self.unblock()

    def believe(self, remaining: int) -> None:
        """Take places out of use for a window where Upbit has fewer left than we: somebody else spends too."""
        now = asyncio.get_running_loop().time()
        foreign = max(0, self.free(urgent=True) - remaining)
        self._foreign.extend([now + self._window] * foreign)
        if foreign > 1 and not remaining:
            self._budget.crowded(now)
        if foreign:
            self._budget.beside(len(self._foreign), now)

    def block(self, seconds: float) -> None:
        """Let nothing leave for some seconds, and keep nobody waiting for a long block."""
        now = asyncio.get_running_loop().time()
        seconds = max(seconds, self._budget.refused(now))
        self._probe_pause = min(LONGEST_PROBE_S, 2 * self._probe_pause) if self._probing else PROBE_S
        self._probing = False
        self._blocked_until = max(self._blocked_until, now + seconds)
        self._probe_at = now + self._probe_pause
        for urgent, queue in ((True, self._urgent), (False, self._patient)):
            for waiter in queue:
                refusal = self._refusal(urgent=urgent)
                if refusal and not waiter.done():
                    waiter.set_exception(refusal)

    def unblock(self) -> None:
        """End a block that is none: something was answered."""
        self._probing = False
        self._blocked_until = 0.0
        self._admit()

    def _refusal(self, *, urgent: bool) -> RateLimited | None:
        seconds = self.blocked_s(urgent=urgent)
        if seconds <= PATIENCE_S:
            return None
        error = RateLimited(f"blocked for another {seconds:.0f} s, so nothing was sent", status=418)
        error.retry_after = seconds
        return error

    def _admit(self) -> None:
        while queue := self._next_queue():
            if self.free(urgent=queue is self._urgent) <= 0:
                self._wake_later(urgent=queue is self._urgent)
                return
            self._on_the_way += 1
            blocked = self.blocked_s() > 0
            if blocked:
                self._probing = True
                self._probe_at = asyncio.get_running_loop().time() + self._probe_pause
            queue.popleft().set_result(blocked)

    def _next_queue(self) -> deque[asyncio.Future[bool]] | None:
        for queue in (self._urgent, self._patient):
            while queue and queue[0].done():  # cancelled or refused while it waited
                queue.popleft()
            if queue:
                return queue
        return None

    def _wake_later(self, *, urgent: bool) -> None:
        """Look again when time alone can have made a place free; a place on its way wakes us by itself."""
        loop = asyncio.get_running_loop()
        blocked_s = self.blocked_s(urgent=urgent)
        soonest = [times[0] for times in (self._free_at, self._foreign) if times]
        at = loop.time() + blocked_s if blocked_s > 0 else min(soonest, default=None)
        if at is None or (self._timer is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = loop.call_at(at, self._on_timer), at

    def _on_timer(self) -> None:
        self._timer = None
        self._admit()


class Place:
    """What `RateLimiter.place` holds."""

    __slots__ = ("_group", "_lanes", "_probe", "_urgent")

    def __init__(self, lanes: Mapping[str, Lane], group: str, *, urgent: bool) -> None:
        self._lanes = lanes
        self._group = group
        self._urgent = urgent
        self._probe = False

    async def __aenter__(self) -> None:
        self._probe = await self._lanes[self._group].enter(urgent=self._urgent)

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None or (
            isinstance(error, ExchangeError) and error.status is not None and error.status not in LIMITED
        ):
            for one in together(self._group) if self._probe else (self._group,):
                self._lanes[one].answered(probe=self._probe)
        self._lanes[self._group].leave()


class RateLimiter:
    """All groups of one account on one machine. Groups are separate: candles can never starve an order."""

    def __init__(self, at_first: Mapping[str, int] = CAREFUL) -> None:
        self._lanes = {
            group: Lane(limit, window, budget_of(group, limit, at_first)) for group, (limit, window) in LIMITS.items()
        }

    def place(self, group: str, *, urgent: bool = False) -> Place:
        """Wait until a request of `group` may leave, and hold its place until it is answered or given up."""
        return Place(self._lanes, group, urgent=urgent)

    async def acquire(self, group: str, *, urgent: bool = False) -> None:
        """Wait until something of `group` may leave, however long that is; it counts as answered at once."""
        while True:
            try:
                async with self.place(group, urgent=urgent):
                    return
            except RateLimited as error:
                await asyncio.sleep(error.retry_after or PENALTY_S)

    def observe(self, group: str, header: str | None) -> None:
        """Compare our count with Upbit's `Remaining-Req`; a group it calls otherwise than we do is `group`."""
        if found := REMAINING.search(header or ""):
            lane = self._lanes.get(found[1]) or self._lanes[group]
            lane.believe(int(found[2]))

    def refused(self, group: str, retry_after: float | None, *, penalty: bool) -> None:
        """Note a 429: the group is empty until Upbit's next second; or a 418, a penalty, and its time, in bounds.

        A penalty is for all that is counted together with `group`, by address or by pocket.
        """
        if penalty:
            seconds = min(max(retry_after or PENALTY_S, WINDOW_S), LONGEST_BLOCK_S)
        else:
            seconds = min(max(retry_after or 0.0, WINDOW_S), LONGEST_REFUSAL_S)
        for refused in together(group) if penalty else (group,):
            self._lanes[refused].block(seconds)

    def rests_s(self, group: str, *, urgent: bool) -> float:
        """Return how many seconds pass until the next request of a group may leave."""
        return max(0.0, self._lanes[group].blocked_s(urgent=urgent))

    def free(self) -> dict[str, int]:
        """Return how many requests could leave at once, by group."""
        return {group: lane.free() for group, lane in self._lanes.items()}


def budget_of(group: str, limit: int, at_first: Mapping[str, int]) -> Budget:
    """Return what a group uses at first and at most: all of a pocket's, for a pocket has one bot."""
    if group in PER_POCKET:
        return Budget(limit, at_first=limit)
    return Budget(limit, at_first=at_first.get(group, 3), room=ROOM)


def together(group: str) -> Mapping[str, tuple[int, float]]:
    """Return all groups that Upbit counts for the same address, or the same pocket."""
    return PER_ADDRESS if group in PER_ADDRESS else PER_POCKET
