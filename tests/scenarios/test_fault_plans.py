"""The unchanged daemon trades while things go wrong: every ready plan, for twenty market minutes, as fast as it can."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.faults.engine import tag_of
from sandbox.faults.plan import Occasional
from sandbox.faults.plan_file import find_plan, ready_plans
from tests.scenarios.test_whole_daemon import main

QUICK = ("lost-answers",)  # also in the default run
SLOW = [name for name in ready_plans() if name not in QUICK]
LIMITS = frozenset({"429", "418", "too_many_requests", "rate_limit_exceeded_penalty", "Too Many Requests"})


@dataclass(frozen=True)
class Rehearsal:
    """What a demo under a plan printed."""

    summary: dict[str, Any]
    log: str

    def outcome(self) -> tuple[Any, ...]:
        """Return what was traded, to the last decimal."""
        names = ("buys", "sells", "trades", "open_trades", "realised_pnl_krw", "fees_krw")
        return tuple(self.summary[name] for name in names)

    def identifiers(self, event: str) -> list[str]:
        """Return the identifiers of the orders an event was told of, in order."""
        return re.findall(rf" {event} .*?identifier=(\S+)", self.log)

    def warned(self, words: str) -> int:
        """Return how often a warning was given, also where the log only says how many more there were like it."""
        lines = [line for line in self.log.splitlines() if words in line]
        return len(lines) + sum(int(n) for line in lines for n in re.findall(r"\(and (\d+) more like it\)", line))


@functools.cache
def rehearse(plan: str | None) -> Rehearsal:
    """Let the demo run for twenty market minutes; the same plan is played once."""
    faults = () if plan is None else ("--faults", plan)
    done = main("demo", "--speed", "inf", "--minutes", "20", "--json", *faults)
    assert done.returncode == 0, done.stderr[-3000:]
    return Rehearsal(json.loads(done.stdout), done.stderr)


def check_sound(plan: str) -> None:
    """Nothing failed inside, journal and exchange agree, limits were kept, and the plan did happen."""
    found = rehearse(plan)
    assert "Traceback" not in found.log, found.log[-3000:]
    assert found.summary["ledger_equal"] is True
    assert found.summary["internal_errors"] == 0
    assert found.summary["market_minutes"] >= 20
    assert found.summary["buys"] > 0
    assert not LIMITS & set(found.summary["violations_by_rule"])
    struck = found.summary["faults"]
    assert sum(struck.values()) > 0
    assert [tag for tag in certain(plan) if not struck[tag]] == []


def certain(plan: str) -> set[str]:
    """Return the faults of a plan that do not depend on chance."""
    return {
        tag_of(rule) for rule in find_plan(plan).rules if not (isinstance(rule, Occasional) and rule.probability < 1)
    }


@pytest.mark.parametrize("plan", QUICK)
def test_the_daemon_survives(plan: str) -> None:
    """Ledger equal and no internal error, in the default run."""
    check_sound(plan)


@pytest.mark.slow
@pytest.mark.parametrize("plan", SLOW)
def test_the_daemon_survives_every_other_plan(plan: str) -> None:
    """Ledger equal and no internal error, under all the rest."""
    check_sound(plan)


@pytest.mark.slow
@pytest.mark.failure("A2")
def test_orders_whose_answer_is_lost_are_found_under_the_same_name() -> None:
    """Every doubtful order is found again, none is sent under another name, and the trades are those of a calm day."""
    found, calm = rehearse("lost-answers"), rehearse(None)
    doubtful = found.identifiers("order_unknown")
    assert len(doubtful) >= 3
    assert sorted(found.identifiers("order_found")) == sorted(doubtful)
    assert found.outcome() == calm.outcome()


@pytest.mark.slow
@pytest.mark.failure("A2")
def test_orders_behind_a_failing_gateway_are_found_under_the_same_name() -> None:
    """A 502 page or a 500 is no answer: the order is looked for and found."""
    found = rehearse("gateway-orders")
    assert found.identifiers("order_unknown")
    assert set(found.identifiers("order_found")) == set(found.identifiers("order_unknown"))
    assert found.outcome() == rehearse(None).outcome()


@pytest.mark.slow
@pytest.mark.failure("A11")
def test_a_used_nonce_means_that_the_order_may_exist() -> None:
    """`nonce_used` is a doubt and no refusal; every such order is found."""
    found = rehearse("echoed-orders")
    doubtful = found.identifiers("order_unknown")
    assert doubtful
    assert found.log.count("error=nonce_used") == len(doubtful)
    assert sorted(found.identifiers("order_found")) == sorted(doubtful)
    assert found.summary["rejected_orders"] == 0
    assert found.outcome() == rehearse(None).outcome()


@pytest.mark.slow
@pytest.mark.failure("A13")
def test_a_gateway_without_a_route_is_no_evidence() -> None:
    """Look-ups that end at the gateway are repeated, and every doubtful order is found."""
    found = rehearse("lost-routes")
    assert found.identifiers("order_unknown")
    assert set(found.identifiers("order_found")) == set(found.identifiers("order_unknown"))
    assert found.outcome() == rehearse(None).outcome()


@pytest.mark.slow
@pytest.mark.failure("A21")
def test_a_block_is_waited_out() -> None:
    """Of a minute's block the exchange sees the first request of each side and no more."""
    found = rehearse("teapot")
    assert found.summary["faults"]["refused"] <= 4
    assert "blocked for another" in found.log


@pytest.mark.slow
@pytest.mark.failure("B5")
def test_balances_that_lag_behind_fills_change_nothing() -> None:
    """Positions come from fills: the trades are those of a calm day."""
    found = rehearse("stale-balances")
    assert found.summary["faults"]["stale"] > 10
    assert found.outcome() == rehearse(None).outcome()


@pytest.mark.slow
@pytest.mark.failure("C4")
def test_a_silent_socket_is_noticed_and_replaced_by_questions() -> None:
    """It is reconnected about every half minute, and prices come over REST meanwhile: the trades are the same."""
    found = rehearse("silent-socket")
    assert found.warned("stream silent stream=TickerStream") >= 8
    assert found.outcome()[:4] == rehearse(None).outcome()[:4]


@pytest.mark.slow
@pytest.mark.failure("C9")
def test_frames_twice_out_of_order_or_spoiled_change_nothing() -> None:
    """The trades are those of a calm day."""
    assert rehearse("messy-frames").outcome() == rehearse(None).outcome()


@pytest.mark.slow
@pytest.mark.failure("D9")
def test_the_page_of_a_captive_portal_is_no_answer() -> None:
    """200 with HTML is not believed, trades nothing, and ends by itself."""
    found = rehearse("captive-portal")
    assert "an answer of another shape" in found.log
    assert "loop recovered" in found.log
    assert found.summary["rejected_orders"] == 0


@pytest.mark.failure("C1")
def test_a_coin_whose_end_is_announced_is_sold_before_it() -> None:
    """The notice comes at minute 3 and the end at minute 10: what is held is sold for it, and no loop dies."""
    found = rehearse("delisting")
    assert re.search(r" sold market=\S+ reason=delisting", found.log)
    assert "loop_dead" not in found.log
