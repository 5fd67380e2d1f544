"""Rate limits on a loop whose clock the test owns."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, call

import pytest
import uvloop

from sandbox.limits import Limits
from sandbox.refusals import ApiError
from tests.helpers.parts import mock
from tests.helpers.patience import PATIENCE_S
from upbit.errors import NotSent, RateLimited
from upbit.limits import (
    LONGEST_REFUSAL_S,
    MOST_WAITING,
    PER_ADDRESS,
    PER_POCKET,
    PROBE_S,
    WINDOW_S,
    Budget,
    Lane,
    RateLimiter,
    budget_of,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine


class OwnClock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    now = 1000.0

    def time(self) -> float:
        """Return the time the test lives in."""
        return self.now

    def _run_once(self) -> None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined] # no public way to see it
        if not self._ready and scheduled:  # type: ignore[attr-defined] # same
            self.now = max(self.now, min(handle.when() for handle in scheduled))
        super()._run_once()  # type: ignore[misc] # same


def story(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test on a clock of its own."""
    with asyncio.Runner(loop_factory=OwnClock) as runner:
        runner.run(coroutine)


async def ask(limiter: RateLimiter, group: str, left: list[float], *, takes: float = 0.0, urgent: bool = False) -> None:
    """Make one request that takes some time."""
    async with limiter.place(group, urgent=urgent):
        left.append(asyncio.get_running_loop().time())
        await asyncio.sleep(takes)


@pytest.mark.parametrize(
    ("group", "limit", "window"), [("order-test", 8, 1), ("order", 12, 1), ("order-cancel-all", 1, 2)]
)
@pytest.mark.parametrize("urgent", [False, True])
def test_no_window_ever_holds_more_than_the_limit(
    group: str,
    limit: int,
    window: float,
    urgent: bool,  # noqa: FBT001 - a column
) -> None:
    """However the requests come, `limit + 1` of them never fit into a second."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4 * limit):
                tasks.create_task(ask(limiter, group, left, urgent=urgent))
        assert len(left) == 4 * limit
        assert all(late - early > window for early, late in zip(left, left[limit:], strict=False))
        assert left[-1] - left[0] == pytest.approx(3 * window * WINDOW_S)

    story(tell())


def test_a_slow_request_holds_its_place_until_it_is_answered() -> None:
    """Upbit counts it somewhere between: the next one leaves a window after the answer."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(13):
                tasks.create_task(ask(limiter, "order", left, takes=3.0))
        assert left[12] - left[0] == pytest.approx(3.0 + WINDOW_S)

    story(tell())


@pytest.mark.failure("D8")
def test_the_urgent_go_first_and_then_whoever_came_first() -> None:
    """An exit overtakes entries; nobody else overtakes anybody, and other groups do not matter."""

    async def tell() -> None:
        limiter, order = RateLimiter(), list[str]()

        async def named(name: str, *, urgent: bool = False) -> None:
            async with limiter.place("order", urgent=urgent):
                order.append(name)

        async with asyncio.TaskGroup() as tasks:
            for n in range(50):
                tasks.create_task(ask(limiter, "candle", []))
                if n < 12:
                    tasks.create_task(named("early"))
            for name in ("a", "b"):
                tasks.create_task(named(name))
            tasks.create_task(named("exit", urgent=True))
        assert order == ["early"] * 12 + ["exit", "a", "b"]

    story(tell())


def test_whoever_is_cancelled_loses_no_place() -> None:
    """Cancelled while waiting, or in the very turn of admission: the place goes to the next."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        for _ in range(8):
            await ask(limiter, "order-test", left)
        waiting = [asyncio.create_task(ask(limiter, "order-test", left)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in waiting[:10]:
            task.cancel()
        await asyncio.wait(waiting)
        assert len(left) == 18
        for _ in range(12):
            await ask(limiter, "order", [])
        loop, unlucky = asyncio.get_running_loop(), asyncio.create_task(ask(limiter, "order", []))
        await asyncio.sleep(0)
        loop.call_at(loop.time() + WINDOW_S + 1e-10, unlucky.cancel)  # right behind its admission
        await asyncio.wait([unlucky])
        assert unlucky.cancelled()
        assert limiter.free()["order"] == 12

    story(tell())


def test_who_is_refused_and_cancelled_in_one_turn_gives_back_no_place_of_others() -> None:
    """It never had one."""

    async def tell() -> None:
        limiter = RateLimiter()
        holding = [asyncio.create_task(ask(limiter, "order", [], takes=9.0)) for _ in range(12)]
        await asyncio.sleep(0)
        waiting = asyncio.create_task(ask(limiter, "order", []))
        await asyncio.sleep(0)
        limiter.refused("order", 60.0, penalty=True)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert limiter._lanes["order"]._on_the_way == 12
        await asyncio.wait(holding)
        assert limiter._lanes["order"]._on_the_way == 0

    story(tell())


def test_upbits_own_count_is_believed_when_it_is_lower() -> None:
    """Somebody else spends from the same pocket: places are taken out of use for a window."""

    async def tell() -> None:
        limiter = RateLimiter()
        limiter.observe("ticker", "group=default; min=1800; sec=3")  # Upbit says itself which it has counted
        limiter.observe("candle", "group=candles; min=600; sec=0")
        limiter.observe("order", "group=order; min=700; sec=12")
        limiter.observe("order", "nonsense")
        limiter.observe("order", None)
        assert limiter.free() == {**RateLimiter().free(), "default": 3, "candle": 0}
        await asyncio.sleep(WINDOW_S)
        assert limiter.free() == RateLimiter().free()

    story(tell())


def test_a_pocket_is_ours_and_of_an_address_little_is_taken_at_first() -> None:
    """Others may be in the middle of something: one question about candles, three about anything else."""

    async def tell() -> None:
        few = {group: 1 if group == "candle" else 3 for group in PER_ADDRESS}
        assert RateLimiter().free() == few | {group: limit for group, (limit, _) in PER_POCKET.items()}
        assert RateLimiter({"ticker": 2}).free()["ticker"] == 2

    story(tell())


def test_a_429_empties_the_group_until_the_next_second() -> None:
    """Nothing leaves for a window, then everything goes on."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        began = asyncio.get_running_loop().time()
        limiter.refused("order", None, penalty=False)
        assert limiter.free() == RateLimiter().free() | {"order": 0}  # of its group alone
        await asyncio.sleep(WINDOW_S - 0.1)
        assert limiter.free()["order"] == 0
        await ask(limiter, "order", left)
        assert left[0] - began == pytest.approx(WINDOW_S)

    story(tell())


@pytest.mark.failure("A21")
def test_a_418_keeps_nobody_waiting_and_ends() -> None:
    """Who waits or comes is told at once, that side of Upbit is left alone, and afterwards all is well."""

    async def tell() -> None:
        limiter, left = RateLimiter(), list[float]()
        waiting = [asyncio.create_task(ask(limiter, "candle", left)) for _ in range(5)]
        await asyncio.sleep(0)
        limiter.refused("ticker", 30.0, penalty=True)
        for late in waiting[1:]:
            with pytest.raises(RateLimited) as told:
                await late
            assert told.value.retry_after == pytest.approx(30.0)
            assert told.value.status == 418  # as Upbit would answer, so nobody asks again at once
        await ask(limiter, "order", left)
        await asyncio.sleep(30.0)
        await ask(limiter, "candle", left)
        assert len(left) == 3

    story(tell())


@pytest.mark.case("L9")
@pytest.mark.parametrize("retry_after", [None, 0.1, 5.0, 999_999_999.0])
@pytest.mark.parametrize("urgent", [True, False])
def test_whatever_a_429_says_the_next_request_leaves_within_five_seconds(
    retry_after: float | None,
    urgent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Upbit counts seconds; a `Retry-After` of thirty years is somebody's mistake."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        for _ in range(5):  # in a row: ever longer, never longer than that
            began = loop.time()
            limiter.refused("order", retry_after, penalty=False)
            await ask(limiter, "order", left, urgent=urgent)
            assert WINDOW_S - 1e-6 <= left[-1] - began <= LONGEST_REFUSAL_S == 5.0

    story(tell())


@pytest.mark.parametrize("later", [0.0, PROBE_S - 0.5])
def test_something_urgent_tries_five_seconds_into_a_ban_and_ends_one_that_is_none(later: float) -> None:
    """A text about twelve hours delays no sale by twelve hours: when it is answered, all goes on."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        began = loop.time()
        limiter.refused("order", 43_200.0, penalty=True)
        with pytest.raises(RateLimited):
            await ask(limiter, "order", left)
        await asyncio.sleep(later)
        await ask(limiter, "order", left, urgent=True)
        assert left[0] - began == pytest.approx(PROBE_S)
        for group in PER_POCKET:
            await ask(limiter, group, left)
        assert loop.time() - began < PROBE_S + WINDOW_S

    story(tell())


@pytest.mark.parametrize(
    ("told", "seconds"), [(None, 60.0), (0.2, WINDOW_S), (90.0, 90.0), (600.0, 600.0), (43_200.0, 600.0)]
)
def test_a_ban_lasts_as_long_as_it_says_but_ten_minutes_at_most(told: float | None, seconds: float) -> None:
    """A minute where it does not say; then whatever is not urgent is asked again."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        began = loop.time()
        limiter.refused("order", told, penalty=True)
        assert limiter.rests_s("order", urgent=False) == pytest.approx(seconds)
        assert limiter.rests_s("candle", urgent=False) == 0
        await asyncio.sleep(seconds)
        await ask(limiter, "order", left)
        assert left[0] - began == pytest.approx(seconds)

    story(tell())


def test_a_ban_after_one_that_was_none_is_looked_into_as_soon_as_the_first() -> None:
    """What was answered in between ends it, and all that was learned of it."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        for number in range(3):
            began = loop.time()
            limiter.refused("order", 600.0, penalty=True)
            await ask(limiter, "order", left, urgent=True)
            assert left[number] - began == pytest.approx(PROBE_S)
            await asyncio.sleep(60)

    story(tell())


def test_something_urgent_that_waits_when_a_ban_begins_is_what_looks_into_it() -> None:
    """Once all that was on its way has come back; a ban told twice in one breath is no longer than one."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        began = loop.time()
        holding = [asyncio.create_task(ask(limiter, "order", [], takes=2.0)) for _ in range(12)]
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(ask(limiter, "order", left, urgent=urgent)) for urgent in (True, False)]
        await asyncio.sleep(0)
        for _ in range(2):
            limiter.refused("order", 600.0, penalty=True)
        with pytest.raises(RateLimited):
            await waiting[1]
        await waiting[0]
        assert left[0] - began == pytest.approx(PROBE_S)
        await asyncio.wait(holding)

    story(tell())


def test_a_look_into_a_ban_that_nobody_answers_is_not_repeated_at_once() -> None:
    """The next urgent one waits as long as the first."""

    async def tell() -> None:
        limiter, left, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        began = loop.time()
        limiter.refused("order", 600.0, penalty=True)

        async def look() -> None:
            async with limiter.place("order", urgent=True):
                left.append(loop.time() - began)
                raise NotSent("no way")

        for _ in range(3):
            with pytest.raises(NotSent):
                await look()
        assert left == pytest.approx([PROBE_S, 2 * PROBE_S, 3 * PROBE_S])

    story(tell())


@pytest.mark.parametrize(("held", "remaining", "crowded"), [(9, 0, 0), (8, 0, 1), (7, 0, 1), (7, 1, 0)])
def test_a_place_is_left_to_others_who_used_up_the_rest_of_a_window(held: int, remaining: int, crowded: int) -> None:
    """More than one of theirs, and none left; one may be ours, on its way."""

    async def tell() -> None:
        budget = mock(Budget, places=Mock(return_value=10))
        lane = Lane(10, WINDOW_S, budget)
        for _ in range(held):
            await lane.enter(urgent=False)
        lane.believe(remaining)
        assert len(budget.crowded.mock_calls) == crowded
        assert budget.beside.mock_calls == [call(10 - held - remaining, asyncio.get_running_loop().time())]

    story(tell())


def test_a_ban_that_is_one_is_asked_about_ever_less_often() -> None:
    """Upbit lengthens the ban of who goes on; one request at a time leaves, at last one a minute."""

    async def tell() -> None:
        limiter, tried, loop = RateLimiter(), list[float](), asyncio.get_running_loop()
        began = loop.time()
        limiter.refused("order", 600.0, penalty=True)
        while loop.time() - began < 400.0:
            try:
                async with limiter.place("order", urgent=True):
                    tried.append(loop.time() - began)
                    limiter.refused("order", 600.0, penalty=True)
                    raise RateLimited("banned", status=418)  # noqa: TRY301 - as the transport does
            except RateLimited:
                await asyncio.sleep(1.0)
        gaps = [late - early for early, late in pairwise([0.0, *tried])]
        assert gaps == pytest.approx([5, 10, 20, 40, 60, 60, 60, 60, 60], abs=1.1)

    story(tell())


def test_a_ban_of_the_quotation_side_delays_nothing_of_the_pocket() -> None:
    """Orders, cancellations and accounts leave at once; and the other way round prices do."""

    async def tell() -> None:
        for banned, others in (("candle", PER_POCKET), ("order", PER_ADDRESS)):
            limiter, left, began = RateLimiter(), list[float](), asyncio.get_running_loop().time()
            limiter.refused(banned, 600.0, penalty=True)
            for group in others:
                await ask(limiter, group, left)
            assert left == [began] * len(others)

    story(tell())


@pytest.mark.parametrize("offset", [0.0, 0.4])
def test_two_bots_behind_one_address_trade_for_an_hour_without_a_ban(offset: float) -> None:
    """Both sweep all markets and ask for prices; each slows down when it is refused, and neither is starved."""

    async def tell() -> None:
        upbit, rng = Limits(), random.Random(1)
        told = [Counter[int](), Counter[int]()]
        async with asyncio.TaskGroup() as tasks:
            for answers, wait in zip(told, (0.0, offset), strict=True):
                tasks.create_task(trade_beside(upbit, answers, wait, rng))
        assert all(answers[418] == 0 for answers in told)
        assert all(answers[429] < 20 for answers in told)
        assert min(answers[200] for answers in told) > 12 * 289 + 1000

    story(tell())


@pytest.mark.parametrize("later", [0.0, 0.3, 0.4, 0.6, 0.9, 3.0, 20.2])
@pytest.mark.parametrize("road", [0.007, 0.02, 0.15])
def test_two_first_loads_behind_one_address_meet_no_refusal(later: float, road: float) -> None:
    """Whoever comes listens first, whoever is there makes room, and both end with half of what the address may."""

    async def tell() -> None:
        upbit, rng = Limits(), random.Random(1)
        told, ends = [Counter[int](), Counter[int]()], list[float]()
        await asyncio.sleep(rng.random())
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for answers, wait in zip(told, (0.0, later), strict=True):
                tasks.create_task(load_all(upbit, answers, rng, begin=began + wait, road=road, ends=ends))
        assert told == [Counter({200: LOADED})] * 2
        assert max(ends) - began < later + 2 * LOADED / (10 / WINDOW_S) * 1.5

    story(tell())


LOADED = 300


async def load_all(
    upbit: Limits, answers: Counter[int], rng: random.Random, *, begin: float, road: float, ends: list[float]
) -> None:
    """Ask for candles four at a time, as a first start does, over a road of so many seconds at most."""
    limiter, loop, questions = RateLimiter(), asyncio.get_running_loop(), iter(range(LOADED))
    await asyncio.sleep(begin - loop.time())

    async def work() -> None:
        for _ in questions:
            async with limiter.place("candle"):
                await asyncio.sleep(rng.uniform(0.005, road))
                answers[answer_of(upbit, "candle", loop.time())] += 1
                header = upbit.header("candle", "address", int(loop.time() * 1000))
                await asyncio.sleep(rng.uniform(0.005, road))
                limiter.observe("candle", header)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(work())
    ends.append(loop.time())


async def trade_beside(upbit: Limits, answers: Counter[int], wait: float, rng: random.Random) -> None:
    """Live as a daemon does for an hour: 289 candles every five minutes, one ticker every two seconds."""
    limiter, loop = RateLimiter(), asyncio.get_running_loop()
    await asyncio.sleep(wait)
    end = loop.time() + 3600

    async def question(group: str) -> None:
        try:
            async with limiter.place(group):
                await asyncio.sleep(rng.uniform(0.01, 0.05))
                status = answer_of(upbit, group, loop.time())
                await asyncio.sleep(rng.uniform(0.01, 0.05))
                answers[status] += 1
                if status == 200:
                    limiter.observe(group, upbit.header(group, "address", int(loop.time() * 1000)))
                else:
                    limiter.refused(group, None, penalty=status == 418)
                    raise RateLimited("refused", status=status)  # noqa: TRY301 - as the transport does
        except RateLimited as error:
            await asyncio.sleep(error.retry_after or 0.2)

    async def sweep() -> None:
        markets = iter(range(289))

        async def work() -> None:
            for _ in markets:
                await question("candle")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(work())

    async def every(seconds: float, group: str) -> None:
        while loop.time() < end:
            await (sweep() if group == "candle" else question(group))
            await asyncio.sleep(seconds - (loop.time() - wait) % seconds)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(every(300.0, "candle"))
        tasks.create_task(every(2.0, "ticker"))


def answer_of(upbit: Limits, group: str, now_s: float) -> int:
    """Return the status with which Upbit answers a request of that address."""
    try:
        upbit.spend(group, "address", int(now_s * 1000))
    except ApiError as error:
        return error.status
    return 200


def test_a_group_that_was_refused_is_fast_again_after_an_hour_of_peace() -> None:
    """Whoever was there is gone."""
    budget = Budget(10, at_first=10)
    budget.refused(0.0)
    assert budget.places() == 5
    for second in range(2 * 3600):
        budget.answered(float(second))
        assert budget.places() <= (9 if second < 300 else 10)
    assert budget.places() == 10


def test_the_queue_is_bounded() -> None:
    """A caller that asks without end is told, and nothing is sent."""

    async def tell() -> None:
        limiter = RateLimiter()
        waiting = [asyncio.create_task(ask(limiter, "order", [], takes=9.0)) for _ in range(12 + MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotSent):
            await ask(limiter, "order", [])
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    story(tell())


def test_several_wait_for_a_place_that_is_free_in_an_instant_on_any_loop() -> None:
    """What uvloop gives for a timer that is nearly due does not say when that is."""

    async def story() -> list[bool]:
        lane = Lane(1, 0.0003, Budget(1, at_first=1))

        async def pass_through() -> bool:
            probe = await lane.enter(urgent=False)
            lane.leave()
            return probe

        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            passing = [tasks.create_task(pass_through()) for _ in range(50)]
        return [task.result() for task in passing]

    for loop_factory in (uvloop.new_event_loop, asyncio.new_event_loop):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(story()) == [False] * 50


def test_others_who_use_up_what_there_was_get_a_share_and_never_more_than_half() -> None:
    """One place a window, however often their spending is seen in it."""
    budget, found = Budget(10, at_first=10.0), list[int]()
    for now in (1.0, 1.1, 1.5, 2.2, 3.3, 4.4, 5.5, 6.6, 7.7):
        budget.crowded(now)
        found.append(budget.places())
    assert found == [10, 9, 9, 8, 7, 6, 5, 5, 5]


def grown(budget: Budget, *moments: float) -> list[int]:
    """Let answers come at some moments; return how many places there are after each."""
    found = []
    for moment in moments:
        budget.answered(moment)
        found.append(budget.places())
    return found


def test_who_sees_nobody_listens_and_then_takes_one_more_every_half_second_but_two() -> None:
    """The two are for whoever comes."""
    budget = Budget(10, at_first=3, room=2)
    assert grown(budget, 0.0, 2.4, 2.5, 2.9, 3.0, 3.5, 4.0, 4.5, 5.0) == [3, 3, 4, 4, 5, 6, 7, 8, 8]
    assert grown(Budget(10, at_first=9), 0.0, 2.5, 3.0) == [9, 10, 10]


def test_only_in_an_address_two_places_are_left_to_whoever_comes() -> None:
    """And an answer makes its own group grow, no other; nothing is urgent unless somebody says so."""
    assert grown(budget_of("candle", 10, {"candle": 8}), 0.0, 2.5) == [8, 8]
    assert grown(budget_of("order", 12, {}), 0.0) == [12]

    async def tell() -> None:
        limiter = RateLimiter()
        async with limiter.place("ticker"):
            pass
        assert {group for group, lane in limiter._lanes.items() if lane._budget._grown_at is not None} == {"ticker"}
        assert limiter.place("order")._urgent is False

    story(tell())


def test_who_sees_others_takes_half_at_most_and_only_what_they_leave() -> None:
    """What they used in the last seconds counts, the most of it; a minute and a half without them all is as before."""
    budget = Budget(10, at_first=8, room=2)
    budget.answered(0.0)
    budget.beside(7, 100.0)
    assert budget.places() == 2
    assert grown(budget, 103.1, 103.2, 106.1, 106.2, 109.2, 189.0) == [2, 3, 3, 4, 5, 5]
    assert grown(budget, 190.0, 190.4, 190.5) == [6, 6, 7]
    budget.beside(9, 200.0)
    budget.beside(2, 202.0)
    assert budget.places() == 2
    assert grown(budget, 204.05) == [2]  # those nine are still what the others may use
    budget.beside(2, 205.2)
    assert grown(budget, 205.5, 207.0, 210.0, 213.0) == [3, 3, 4, 5]


def test_others_who_were_seen_to_take_more_are_thought_to_take_two_more_for_four_seconds() -> None:
    """They may not have seen us; who stays at what he has sees us, or has enough."""
    budget, found = Budget(10, at_first=8, room=2), list[int]()
    budget.answered(0.0)
    for others, moment in ((3, 100.0), (4, 101.0), (4, 103.0), (4, 104.9)):
        budget.beside(others, moment)
        found.append(budget.places())
    assert found == [5, 4, 4, 4]
    assert grown(budget, 104.9, 105.0) == [4, 5]


def test_a_pocket_is_nobody_elses() -> None:
    """One bot has it, whatever else is seen."""
    budget = Budget(30, at_first=30)
    budget.beside(29, 0.0)
    assert budget.places() == 30


def test_a_refusal_halves_once_and_rests_ever_longer_while_they_come_in_a_row() -> None:
    """Those of one second are one; ten quiet seconds end the row; never less than one place is left."""
    budget, found = Budget(10, at_first=10), list[tuple[float, int]]()
    for moment in (0.0, 1.0, 1.5, 3.0, 5.0, 7.0, 17.0, 19.0, 29.05):
        found.append((budget.refused(moment), budget.places()))
    assert found == [
        (1.05, 5), (1.05, 5), (1.05, 5), (2.1, 2), (4.2, 1), (5.0, 1), (1.05, 1), (2.1, 1), (1.05, 1),
    ]  # fmt: skip


def test_a_window_after_a_refusal_the_next_is_another() -> None:
    """It halves again; and of one place nothing more is tried for five minutes."""
    budget = Budget(10, at_first=4)
    assert [(budget.refused(moment), budget.places()) for moment in (0.0, WINDOW_S)] == [(1.05, 2), (2.1, 1)]
    least = Budget(10, at_first=2)
    least.refused(0.0)
    assert grown(least, 20.0, 299.9, 300.0) == [1, 1, 2]


def test_a_minute_and_a_half_after_others_were_seen_it_grows_as_at_first() -> None:
    """Not a moment later."""
    budget = Budget(10, at_first=8, room=2)
    budget.answered(0.0)
    budget.beside(9, 100.0)
    assert grown(budget, 103.2, 189.0, 189.9, 190.0, 190.5) == [3, 4, 4, 5, 6]


def test_after_a_refusal_it_grows_slowly_to_what_was_fine_and_hardly_beyond() -> None:
    """Every twenty seconds; every five minutes; as ever after an hour of peace."""
    budget = Budget(10, at_first=8)
    budget.answered(-10.0)
    budget.refused(0.0)
    assert grown(budget, 19.9, 20.0, 39.9, 40.0, 60.0, 359.9, 360.0, 660.0, 960.0) == [4, 5, 5, 6, 7, 7, 8, 9, 10]
    budget.refused(1000.0)
    assert grown(budget, 1020.0, 4599.0, 4599.9, 4600.0, 4600.5) == [6, 7, 7, 8, 9]
    again = Budget(10, at_first=8)
    again.refused(0.0)
    assert grown(again, 3600.0, 3600.5) == [5, 6]


def test_who_makes_room_for_others_does_not_take_it_back_at_once() -> None:
    """What is beyond it is tried every five minutes."""
    budget = Budget(10, at_first=8)
    budget.crowded(10.0)
    assert grown(budget, 309.9, 310.0) == [7, 8]
    small = Budget(10, at_first=5)
    small.crowded(10.0)
    assert grown(small, 10.0, 12.5) == [5, 6]  # there was nothing to give
    young = Budget(10, at_first=8)
    young.crowded(WINDOW_S)
    assert young.places() == 7


@pytest.mark.parametrize(
    ("seen", "places"),
    [
        ([(9, 0.0)], {3.1: 2, 3.2: 3}),
        ([(9, 0.0), (4, 3.1)], {4.1: 2}),
        ([(9, 0.0), (4, 3.2)], {4.1: 3}),
        ([(4, 0.0), (9, 3.1)], {4.1: 2}),
    ],
)
def test_what_others_used_counts_for_three_windows(seen: list[tuple[int, float]], places: dict[float, int]) -> None:
    """The most of it; then half is ours again, if it is not ours already."""
    budget = Budget(10, at_first=2, room=2)
    budget.answered(-10.0)
    for others, moment in seen:
        budget.beside(others, moment)
    assert grown(budget, *places) == list(places.values())
