"""The decisions of the order protocol: each rule by itself, and all of them in every world there can be."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journal.records import EDGES, Attempt, IntentState
from tests.helpers.orders import (
    attempt,
    book,
    intent,
    shown,
)
from trader.orders import protocol
from trader.orders.protocol import Doubt, Kind, SendAnswer, Sight, Step
from upbit.errors import (
    DuplicatedIdentifier,
    ExchangeError,
    InsufficientFunds,
    NonceUsed,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
    error_from,
)
from upbit.models import Book, BookLevel, Fence, NewOrder, Order, Side
from upbit.rules import tick_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.failure("A18", "A19", "A20", "D1")
@pytest.mark.parametrize(
    ("status", "name", "answer"),
    [
        (400, "insufficient_funds_bid", SendAnswer.REFUSED),
        (400, "under_min_total_market_ask", SendAnswer.REFUSED),
        (400, "invalid_volume_ask", SendAnswer.REFUSED),
        (400, "over_krw_funds_bid", SendAnswer.REFUSED),
        (400, "create_bid_error", SendAnswer.REFUSED),
        (400, "validation_error", SendAnswer.REFUSED),
        (400, "notfoundmarket", SendAnswer.REFUSED),
        (403, "market_offline", SendAnswer.REFUSED),
        (401, "jwt_verification", SendAnswer.REFUSED),
        (401, "expired_access_key", SendAnswer.REFUSED),
        (401, "no_authorization_ip", SendAnswer.REFUSED),
        (403, "out_of_scope", SendAnswer.REFUSED),
        (401, "invalid_query_payload", SendAnswer.REFUSED),
        (400, "duplicated_identifier", SendAnswer.DOUBT),
        (401, "nonce_used", SendAnswer.DOUBT),
        (400, "a_name_nobody_knows", SendAnswer.DOUBT),
        (404, "insufficient_funds_bid", SendAnswer.DOUBT),
        (404, "order_not_found", SendAnswer.DOUBT),
        (500, "internal_server_error", SendAnswer.DOUBT),
        (502, "insufficient_funds_bid", SendAnswer.DOUBT),
        (302, "validation_error", SendAnswer.DOUBT),
        (429, "too_many_requests", SendAnswer.NOT_TAKEN),
        (418, "rate_limit_exceeded_penalty", SendAnswer.NOT_TAKEN),
    ],
)
def test_an_answer_is_weighed_by_its_name_then_by_its_status(status: int, name: str, answer: SendAnswer) -> None:
    """Only names whose meaning is certain refuse; all else leaves a doubt."""
    body = f'{{"error": {{"name": "{name}", "message": "m"}}}}'.encode()
    assert protocol.weigh(error_from(status, body, placing=True)) is answer


@pytest.mark.failure("A2", "D5", "D9")
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":', b"\xff\xfe", b'{"error": {"name": 400}}'])
@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 418, 429, 500, 502, 503])
def test_what_is_no_answer_of_upbits_leaves_a_doubt(status: int, body: bytes) -> None:
    """HTML, half a body, nothing, or a number for a name: the order may exist."""
    error = error_from(status, body, placing=True)
    assert protocol.weigh(error) is (SendAnswer.NOT_TAKEN if isinstance(error, RateLimited) else SendAnswer.DOUBT)
    assert not isinstance(error, RateLimited) or b"name" in body


def test_an_error_of_no_known_kind_leaves_a_doubt() -> None:
    """What nobody has thought of proves nothing."""
    assert protocol.weigh(ExchangeError("?")) is SendAnswer.DOUBT


@pytest.mark.failure("A10")
@pytest.mark.parametrize("answer", [SendAnswer.REFUSED, SendAnswer.NOT_TAKEN, SendAnswer.DOUBT])
def test_after_a_doubt_no_refusal_counts(answer: SendAnswer) -> None:
    """The money may be gone because the first copy spent it; and a fence that was refused says nothing either."""
    assert protocol.after_send(answer, Kind.REAL, doubtful=True) is IntentState.UNKNOWN
    assert protocol.after_send(answer, Kind.FENCE, doubtful=True) is IntentState.UNKNOWN


@pytest.mark.failure("A11")
def test_a_used_nonce_and_a_used_identifier_are_no_refusals() -> None:
    """Some copy of this very request has arrived."""
    for error in (NonceUsed("m"), DuplicatedIdentifier("m")):
        assert protocol.after_send(protocol.weigh(error), Kind.REAL, doubtful=False) is IntentState.UNKNOWN


@pytest.mark.failure("A15", "A25")
@pytest.mark.parametrize(
    ("order", "sight"),
    [
        (shown(), Sight.REAL),
        (shown(state="cancel", executed_volume=Decimal(1)), Sight.REAL),
        (shown(identifier=None), Sight.NOTHING),
        (shown(identifier="ub1-y-0"), Sight.OTHER),
        (shown(market="KRW-B"), Sight.OTHER),
        (shown(side=Side.ASK, kind="market"), Sight.OTHER),
        (shown(kind="limit"), Sight.OTHER),
        (shown(Kind.FENCE), Sight.FENCE),
        (shown(Kind.FENCE, side=Side.ASK), Sight.FENCE),
        (shown(Kind.FENCE, state="wait"), Sight.NOTHING),
        (shown(Kind.FENCE, executed_volume=Decimal(1)), Sight.REAL),
        (shown(Kind.FENCE, executed_volume=Decimal(1), side=Side.ASK), Sight.OTHER),
        (shown(Kind.FENCE, identifier="ub1-y-0"), Sight.OTHER),
    ],
)
def test_what_is_shown_is_compared_with_what_was_meant(order: Order, sight: Sight) -> None:
    """Identifier, market, side and kind must be ours; a fence counts when it has ended without a trade."""
    assert protocol.judge(intent(), order) is sight


def test_the_first_and_only_send_that_finds_its_name_taken_was_not_the_first() -> None:
    """With an earlier send of ours in doubt the name may be taken by that one."""
    taken = attempt(outcome="DuplicatedIdentifier")
    assert protocol.is_foreign([taken])
    assert not protocol.is_foreign([attempt(), taken])
    assert not protocol.is_foreign([attempt()])
    poor = attempt(outcome="InsufficientFunds")
    assert protocol.is_foreign([poor])
    assert not protocol.is_foreign([attempt(), poor])


@pytest.mark.parametrize(
    ("side", "changes", "as_asked"),
    [
        (Side.BID, {"price": Decimal(10_000)}, True),
        (Side.BID, {"price": Decimal(10_001)}, False),
        (Side.BID, {"price": None}, True),
        (Side.ASK, {"volume": Decimal("2.50")}, True),
        (Side.ASK, {"volume": Decimal(3)}, False),
        (Side.ASK, {"kind": "limit", "volume": Decimal(3)}, True),
    ],
)
def test_an_order_of_another_size_is_not_the_one_that_was_sent(
    side: Side,
    changes: dict[str, Any],
    as_asked: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Another daemon gives its orders our names, but sells what it holds; a fence has a size of its own."""
    asked = NewOrder(
        market="KRW-A",
        side=side,
        identifier="ub1-x-0",
        total=Decimal(10_000) if side is Side.BID else None,
        volume=None if side is Side.BID else Decimal("2.5"),
    )
    assert protocol.is_as_asked(asked, shown(**({"side": side} | changes))) is as_asked


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 10_000))
def test_pauses_between_looks_grow_and_stay_bounded(missed: int, failed: int, attempts: int) -> None:
    """Never a hammer, never asleep."""
    pause = protocol.pause_before_look(missed=missed, failed=failed, attempts=attempts)
    assert protocol.FIRST_PAUSE_S <= pause <= protocol.LONGEST_PAUSE_S
    assert pause <= protocol.pause_before_look(missed=missed + 1, failed=failed, attempts=attempts)


@pytest.mark.failure("A3")
@given(st.decimals("0.0000001", "500000000", places=8), st.sampled_from(Side), st.booleans())
def test_a_fence_can_be_taken_but_not_trade(near: Decimal, side: Side, rich: bool) -> None:  # noqa: FBT001 - drawn
    """Its price is on a step and far from the book, its value just over the least; paid from the side that can pay."""
    price = max(near // tick_size(near), Decimal(1)) * tick_size(near)
    krw = Decimal(10**9) if rich else Decimal(0)
    fence = protocol.make_fence(intent(side), book(price), krw=krw, coins=Decimal(10**12))
    assert fence is not None
    assert fence.side is (side if rich else Side.ASK)
    assert fence.price % tick_size(fence.price) == 0
    assert 5000 < fence.total < 5000 * 2 or fence.volume <= Decimal("0.00000002")
    assert fence.volume == round(fence.volume, 8)
    assert fence.total >= protocol.FENCE_TOTAL
    top = book(price).levels[0]
    assert fence.price < top.ask_price if fence.side is Side.BID else fence.price > top.bid_price
    assert fence.identifier == intent().identifier


@pytest.mark.parametrize("near", ["0.0123", "7.77", "123.4", "1237", "98765", "1234567", "151515000"])
def test_a_fence_is_rounded_away_from_the_market(near: str) -> None:
    """A price between two steps goes to the one that trades even less."""
    levels = book(Decimal(near))
    top = levels.levels[0]
    bid = protocol.make_fence(intent(Side.BID), levels, krw=Decimal(10**9), coins=Decimal(0))
    ask = protocol.make_fence(intent(Side.ASK), levels, krw=Decimal(0), coins=Decimal(10**9))
    assert bid is None or bid.price <= top.bid_price / protocol.FAR
    assert ask is not None
    assert ask.price >= top.ask_price * protocol.FAR


def test_a_fence_is_paid_for_with_its_fee_to_the_last_won() -> None:
    """One that the balance just covers is taken, one without room for the fee is not."""
    levels = book(Decimal(1000))
    rich = protocol.make_fence(intent(Side.BID), levels, krw=Decimal(10**9), coins=Decimal(0))
    assert rich is not None
    enough = rich.total * protocol.FEE_ROOM
    assert protocol.make_fence(intent(Side.BID), levels, krw=enough, coins=Decimal(0)) == rich
    assert protocol.make_fence(intent(Side.BID), levels, krw=rich.total, coins=Decimal(0)) is None
    coin = protocol.make_fence(intent(Side.ASK), levels, krw=Decimal(0), coins=Decimal(10**9))
    assert coin is not None
    assert protocol.make_fence(intent(Side.ASK), levels, krw=Decimal(0), coins=coin.volume) == coin


def test_a_fence_nobody_can_pay_for_is_none() -> None:
    """A refusal would use the identifier up and prove nothing; an empty book gives no price."""
    assert protocol.make_fence(intent(), book(Decimal(100)), krw=Decimal(5000), coins=Decimal(0)) is None
    empty = Book(market="KRW-A", levels=[])
    assert protocol.make_fence(intent(), empty, krw=Decimal(10**9), coins=Decimal(10**9)) is None
    one_sided = BookLevel(ask_price=Decimal(0), bid_price=Decimal(0), ask_size=Decimal(0), bid_size=Decimal(0))
    nothing = Book(market="KRW-A", levels=[one_sided])
    assert protocol.make_fence(intent(), nothing, krw=Decimal(10**9), coins=Decimal(10**9)) is None


def test_a_fence_is_said_in_upbits_words() -> None:
    """A limit order, immediate or cancelled, that meets nobody's own orders."""
    fence = Fence(market="KRW-A", side=Side.ASK, identifier="i", price=Decimal("1E+3"), volume=Decimal("5.10"))
    assert fence.to_wire() == {
        "market": "KRW-A",
        "side": "ask",
        "ord_type": "limit",
        "price": "1000",
        "volume": "5.1",
        "time_in_force": "ioc",
        "identifier": "i",
        "smp_type": "none",
    }


@pytest.mark.parametrize("funds", [{"krw": Decimal(6015), "coins": Decimal(0)}, {"krw": Decimal(6014)}])
def test_a_buy_is_sent_again_only_with_the_money_for_it(funds: dict[str, Decimal]) -> None:
    """Its total and the fee must be free."""
    order = protocol.to_order(intent())
    assert protocol.affordable(order, krw=funds["krw"], coins=Decimal(0), bid=Decimal(0)) is (funds["krw"] > 6014)


@pytest.mark.parametrize(
    ("coins", "bid", "sent"), [("2", "2500", True), ("1.99", "2500", False), ("2", "2499.9", False), ("2", "0", False)]
)
def test_a_sale_is_sent_again_only_with_its_coins_and_while_it_is_worth_enough(
    coins: str, bid: str, *, sent: bool
) -> None:
    """Upbit would refuse it, and a refusal may use its name up without an order: nobody could end that doubt."""
    order = NewOrder(market="KRW-BTC", side=Side.ASK, volume=Decimal(2), identifier="i")
    assert protocol.affordable(order, krw=Decimal(0), coins=Decimal(coins), bid=Decimal(bid)) is sent


# --- every world ------------------------------------------------------------------------------------------------------

MOST_SENDS, MOST_DEATHS = 3, 2


class World(NamedTuple):
    """Our knowledge, the exchange's, what is on its way, and how often we died."""

    state: IntentState = IntentState.PLANNED
    reals: int = 0  # sends, as the journal counts them
    fences: int = 0
    doubtful: bool = False  # one of the earlier ones may have arrived
    told: bool = False  # one was answered with duplicated_identifier
    under_way: Kind | None = None  # the send whose answer is awaited
    travelling: tuple[Kind, ...] = ()  # copies that may still arrive
    exists: Kind | None = None  # the order under the identifier at the exchange
    burnt: bool = False  # a refused request has used the identifier up
    deaths: int = 0


def known(world: World) -> list[Attempt]:
    """Return attempts as the journal would give them to the protocol."""
    some = [attempt()] if world.doubtful else []
    return [*some, attempt(outcome=DuplicatedIdentifier.__name__)] if world.told else some


def send(world: World, kind: Kind) -> World:
    """Write an attempt down and let its first byte leave."""
    return world._replace(
        state=IntentState.SENT,
        reals=world.reals + (kind is Kind.REAL),
        fences=world.fences + (kind is Kind.FENCE),
        under_way=kind,
        travelling=tuple(sorted((*world.travelling, kind))),
    )


def arrive(world: World, kind: Kind, *, refuse: bool, burns: bool) -> tuple[World, ExchangeError | None]:
    """Let a copy reach the exchange, and return what it says: None for 201."""
    left = list(world.travelling)
    left.remove(kind)
    world = world._replace(travelling=tuple(left))
    if refuse:  # money is looked at before the identifier
        burnt = world.burnt or (burns and world.exists is None)
        return world._replace(burnt=burnt), InsufficientFunds("m")
    if world.exists is not None or world.burnt:
        return world, DuplicatedIdentifier("m")
    return world._replace(exists=kind), None


def hear(world: World, error: ExchangeError | None) -> World:
    """Weigh an answer as the daemon does."""
    kind = world.under_way
    assert kind is not None
    answer = SendAnswer.TAKEN if error is None else protocol.weigh(error)
    state = protocol.after_send(answer, kind, doubtful=protocol.is_doubtful(known(world)))
    assert state in EDGES[IntentState.SENT]
    doubtful = world.doubtful or protocol.is_doubtful([attempt(state)])
    told = world.told or isinstance(error, DuplicatedIdentifier)
    return world._replace(state=state, doubtful=doubtful, told=told, under_way=None)


def die(world: World) -> World:
    """End the process and start the next one."""
    state = protocol.after_death(world.state)
    doubtful = world.doubtful or protocol.is_doubtful([attempt(state)])
    return world._replace(state=state, doubtful=doubtful, under_way=None, deaths=world.deaths + 1)


def answers(world: World) -> Iterator[World]:
    """Yield what can come of the send under way."""
    kind = world.under_way
    assert kind is not None
    yield hear(world, OutcomeUnknown("time-out"))  # it travels on, and may arrive at any time
    left = list(world.travelling)
    left.remove(kind)
    yield hear(world._replace(travelling=tuple(left)), NotSent("no byte left"))
    yield hear(world._replace(travelling=tuple(left)), RateLimited("slow"))
    yield hear(world._replace(travelling=tuple(left)), OutcomeUnknown("lost on the way"))
    for refuse, burns in ((False, False), (True, False), (True, True)):
        arrived, error = arrive(world, kind, refuse=refuse, burns=burns)
        yield hear(arrived, error)
        yield hear(arrived, OutcomeUnknown("the answer was lost"))


def looks(world: World) -> Iterator[World]:
    """Yield what can come of a look-up, by the protocol's own judgement; every look may find nothing."""
    if world.exists is not None:
        yield world._replace(state=protocol.after_sight(protocol.judge(intent(), shown(world.exists))))


def sends_again(world: World) -> Iterator[World]:
    """Yield what the protocol sends in doubt, after looks that found nothing, wanted or not."""
    for wanted in (True, False):
        doubt = Doubt(
            missed=protocol.LOOKS_BEFORE_SENDING,
            sends=world.reals,
            burnt=protocol.is_burnt(known(world)),
            wanted=wanted,
            may_send=True,
        )
        step = protocol.next_step(doubt)
        if step is not Step.LOOK:
            kind = Kind.REAL if step is Step.SEND else Kind.FENCE
            if (world.reals if kind is Kind.REAL else world.fences) < MOST_SENDS:
                yield send(world, kind)


def moves(world: World) -> Iterator[World]:
    """Yield every world that can come next."""
    for kind in set(world.travelling):  # late arrivals: nobody hears what the exchange says to them
        if world.under_way is None or world.travelling.count(kind) > 1 or kind is not world.under_way:
            for refuse, burns in ((False, False), (True, False), (True, True)):
                yield arrive(world, kind, refuse=refuse, burns=burns)[0]
    if world.deaths < MOST_DEATHS and world.state in IntentState.live():
        yield die(world)
    match world.state:
        case IntentState.PLANNED:
            if world.reals < MOST_SENDS:
                yield send(world, Kind.REAL)
            yield world._replace(state=IntentState.ABANDONED)
        case IntentState.SENT:
            yield from answers(world)
        case IntentState.UNKNOWN:
            yield from looks(world)
            yield from sends_again(world)


def is_unsafe(world: World) -> bool:
    """Return whether we believe in an end while an order exists or may still come to exist, or in one that is none."""
    can_come = Kind.REAL in world.travelling and world.exists is None and not world.burnt
    if world.state in {IntentState.REJECTED, IntentState.FENCED, IntentState.ABANDONED}:
        return world.exists is Kind.REAL or can_come
    return world.state is IntentState.ACCEPTED and world.exists is not Kind.REAL


def explore(rules: Callable[[World], Iterator[World]]) -> tuple[int, int]:
    """Return how many worlds can be reached by `rules`, and how many of them are unsafe."""
    seen, queue, unsafe = {World()}, deque([World()]), 0
    while queue:
        world = queue.popleft()
        unsafe += is_unsafe(world)
        for after in rules(world):
            if after not in seen:
                seen.add(after)
                queue.append(after)
    return len(seen), unsafe


@pytest.mark.failure("A1", "A3", "A4", "A5", "A6", "A8", "A12")
def test_no_world_is_unsafe() -> None:
    """Up to 3 real sends and 3 fences, each lost, refused or arriving at any time, and 2 deaths anywhere."""
    worlds, unsafe = explore(moves)
    assert worlds > 2000
    assert unsafe == 0


@pytest.mark.failure("A12")
def test_giving_up_after_counting_would_be_unsafe() -> None:
    """The same worlds with the rule of others, "not found often enough means refused", lose and double orders."""

    def with_giving_up(world: World) -> Iterator[World]:
        yield from moves(world)
        if world.state is IntentState.UNKNOWN and protocol.next_step(
            Doubt(missed=5, sends=9, burnt=False, wanted=False, may_send=True)
        ):
            yield world._replace(state=IntentState.REJECTED)

    worlds, unsafe = explore(with_giving_up)
    assert unsafe > worlds // 10


def test_believing_a_refusal_after_a_doubt_would_be_unsafe() -> None:
    """The rule that a clear no is a no, whatever came before it."""

    def credulous(world: World) -> Iterator[World]:
        for after in moves(world):
            heard = world.state is IntentState.SENT and after.state is IntentState.UNKNOWN and world.doubtful
            refused = heard and len(after.travelling) < len(world.travelling) and after.exists == world.exists
            yield after._replace(state=IntentState.REJECTED) if refused else after

    assert explore(credulous)[1] > 0


def test_every_unknown_world_can_still_end_well() -> None:
    """Unless a refusal that nobody heard has used the identifier up, a doubt can always be resolved from where it is.

    In that one case no answer differs from those about an order that is not shown yet: a person decides.
    """
    seen, queue, before = {World()}, deque([World()]), dict[World, set[World]]()
    while queue:
        world = queue.popleft()
        for after in moves(world):
            before.setdefault(after, set()).add(world)
            if after not in seen:
                seen.add(after)
                queue.append(after)
    good = {world for world in seen if world.state not in IntentState.live() - {IntentState.ACCEPTED}}
    reach = deque(good)
    while reach:
        for world in before.get(reach.popleft(), ()):
            if world not in good:
                good.add(world)
                reach.append(world)
    stuck = [world for world in seen - good if world.reals < MOST_SENDS or world.fences < MOST_SENDS]
    assert all(world.burnt and world.exists is None for world in stuck)


def test_a_revoked_key_is_a_refusal_too() -> None:
    """A key that is not allowed to order has ordered nothing."""
    assert protocol.weigh(Unauthorized("m")) is SendAnswer.REFUSED
