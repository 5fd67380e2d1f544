"""The catalogue of lies: made from what is answered and from the fields that are read, and true everywhere else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from sandbox.faults.lies import REFUSALS, Lie, Memory, Refusal, lies_about, number_of, tell
from upbit.models import Wire
from worlds.lies.catalogue import READ, fields_read
from worlds.lies.excuses import is_excused
from worlds.lies.liar import Listed, Point, Trial
from worlds.lies.trials import choose

ORDER: dict[str, Any] = {
    "uuid": "a1",
    "market": "KRW-ETH",
    "side": "bid",
    "ord_type": "price",
    "state": "cancel",
    "created_at": "2026-11-02T12:00:00+09:00",
    "executed_volume": "0.5",
    "trades_count": 2,
    "trades": [
        {"uuid": "f1", "price": "100", "volume": "0.25", "funds": "25"},
        {"uuid": "f2", "price": "100", "volume": "0.25", "funds": "25"},
    ],
    "nobody_reads_this": 1,
}


def told(lie: Lie, answer: object) -> Any:
    """Return what is said instead of an answer that was not asked for before."""
    return tell(lie, "GET /x", answer, Memory(), READ)


def test_every_field_that_is_read_is_lied_about_and_a_new_one_without_being_named() -> None:
    """Null, absent and text for each; and for a model of tomorrow, in an answer of an endpoint nobody knows."""
    assert "executed_volume" in READ
    assert "candle_date_time_utc" in READ  # the name on the wire, not ours

    class Tomorrow(Wire, frozen=True, kw_only=True):
        later: int = msgspec.field(name="never_seen_before")

    lies = lies_about([{"never_seen_before": 7}], fields_read(), {})
    found = {lie.what for lie in lies if lie.where == (0, "never_seen_before")}
    assert {"null", "absent", "text", "0", "negative", "tiny", "huge", "half", "double", "one more"} <= found
    assert Tomorrow.__struct_fields__ == ("later",)


@pytest.mark.parametrize("lie", lies_about(ORDER, READ, {"state": {"wait", "done", "cancel"}}), ids=str)
def test_a_lie_changes_something_and_leaves_the_true_answer_alone(lie: Lie) -> None:
    """What is said is another answer, still JSON; the exchange's own is as before."""
    before = json.dumps(ORDER)
    said = told(lie, ORDER)
    assert json.dumps(ORDER) == before
    if lie.what in {"old", "of another time"}:
        assert said == ORDER  # nothing else was ever answered
    elif isinstance(said, Refusal):
        assert said.status >= 400
    else:
        assert json.dumps(said) != before


def test_a_lie_about_a_field_changes_nothing_else() -> None:
    """Neither beside it nor below it."""
    said = told(Lie(("trades", 0, "volume"), "double"), ORDER)
    assert number_of(said["trades"][0]["volume"]) == 2 * number_of("0.25")  # type: ignore[operator]
    assert said | {"trades": ORDER["trades"]} == ORDER
    assert said["trades"][1] == ORDER["trades"][1]


def test_several_fields_of_an_order_can_be_wrong_together() -> None:
    """Ended with nothing, although it was executed: the lie that made a bot elsewhere sell five times."""
    said = told(Lie((), "cancelled with nothing"), ORDER)
    assert (said["state"], said["executed_volume"], said["trades"], said["trades_count"]) == ("cancel", "0", [], 0)
    assert said["uuid"] == ORDER["uuid"]


def test_lists_lose_double_and_turn_their_rows_and_fields_nobody_reads_go_away() -> None:
    """An empty list is lied about no further."""
    rows = [{"market": "KRW-ETH", "more": 1}, {"market": "KRW-XRP", "more": 2}]
    assert told(Lie((), "empty"), rows) == []
    assert told(Lie((), "without its last row"), rows) == rows[:1]
    assert told(Lie(("*",), "unread fields absent"), rows) == [{"market": "KRW-ETH"}, {"market": "KRW-XRP"}]
    assert {lie.where for lie in lies_about([], READ, {})} == {()}


def test_an_old_answer_is_the_first_of_its_kind() -> None:
    """And another one is the last that was different."""
    memory = Memory()
    for number in (1, 2, 3):
        memory.take("GET /x", [number])
    assert tell(Lie((), "old"), "GET /x", [3], memory, READ) == [1]
    assert tell(Lie((), "of another time"), "GET /x", [3], memory, READ) == [2]


def test_refusals_are_of_upbits_form_or_plain_text() -> None:
    """Also those whose names nobody knows."""
    assert REFUSALS["400 unknown name"].status == 400
    assert json.loads(REFUSALS["400 unknown name"].body)["error"]["name"] == "something_new"


def listed() -> dict[str, Listed]:
    """Return two flows of a few points."""
    shape = [json.dumps([["state"], "null"]), json.dumps([[], "empty"])]
    points = [Point(key="GET /a", in_hand=False, shape=0), Point(key="GET /b", in_hand=True, shape=0)]
    return {name: Listed(points=list(points), shapes=[shape]) for name in ("one", "two")}


def test_every_kind_of_lie_is_told_once_before_any_is_told_twice_and_a_seed_repeats_it() -> None:
    """A kind is an answer, a field and a way."""
    chosen = choose(listed(), seed=1, trials=4)
    trials = [trial for flow in chosen.values() for trial in flow]
    assert len({(trial.key, trial.where, trial.what) for trial in trials}) == len(trials) == 4
    assert choose(listed(), seed=1, trials=4) == chosen
    assert sum(map(len, choose(listed(), seed=1, trials=9).values())) == 9


OTHER_DAEMON = "I24 a halt without a cause: {'code': 'second_instance', 'evidence': '{}'}"
HALTED = "I26 halted over a lie: {'code': 'second_instance', 'level': 'HALT_BUYS', 'evidence': '{}'}"
UNPROTECTED = "I12 bought and not protected: {'market': 'KRW-ETH', 'why': 'there is no stop'}"
BOUGHT_TWICE = "I5 a second buy of a market that is held: {'identifier': 'ub1-L140c-KRWETH-2611020301-b-0-0'}"
UNDELIVERED = "I18 a message was not delivered: {'failed': 'HTTP 400'}"


@pytest.mark.parametrize(
    ("key", "what", "seconds", "broken", "excused"),
    [
        ("GET /v1/orders/closed", "empty", 150.0, BOUGHT_TWICE, False),
        ("GET /v1/order", "double", 20.0, BOUGHT_TWICE, False),
        ("GET /v1/order", "double", 20.0, OTHER_DAEMON, True),
        ("GET /v1/order", "double", 0.0, OTHER_DAEMON, False),
        ("GET /v1/orders/closed", "double", 20.0, OTHER_DAEMON, False),
        ("GET /v1/order", "double", 150.0, UNPROTECTED, False),
        ("POST /v1/orders", "400 insufficient_funds_ask", 0.0, HALTED, True),
        ("POST /v1/orders", "400 insufficient_funds_ask", 0.0, UNPROTECTED, False),
        ("POST /v1/orders", "400 unknown name", 0.0, HALTED, False),
        ("POST /api/webhooks/1/world", "400 unknown name", 0.0, UNDELIVERED, True),
        ("POST /api/webhooks/1/world", "503", 0.0, UNDELIVERED, False),
        ("GET /v1/order", "400 unknown name", 0.0, UNDELIVERED, False),
    ],
)
def test_an_excuse_is_for_its_own_lie_and_never_for_what_is_bought_and_not_protected(
    key: str,
    what: str,
    seconds: float,
    broken: str,
    excused: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """What no look tells apart is excused while it can be: a slip of one answer can be told apart."""
    trial = Trial(point=1, key=key, where=(), what=what, seconds=seconds)
    assert is_excused(trial, broken) is excused
