"""Fault plans as documents: read strictly, refused with the place and the reason, and listed with their sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from sandbox.faults.engine import tag_of
from sandbox.faults.plan import AnyRule, FaultPlan
from sandbox.faults.plan_file import PlanError, find_plan, read_plan, ready_plans
from tests.helpers.fault_page import document


def read(*rules: dict[str, Any], **more: object) -> FaultPlan:
    """Read a plan of some rules."""
    return read_plan(json.dumps({"description": "x", "rules": rules} | more).encode(), "plan.json")


WRONG = [
    ({"fault": "lots"}, "$.rules[0].fault", "Invalid value 'lots'"),
    ({"fault": "lost", "probabilty": 1}, "$.rules[0]", "unknown field `probabilty`"),
    ({"fault": "lost", "probability": 1.5}, "$.rules[0].probability", "<= 1"),
    ({"fault": "lost", "on": {"method": ["POST"]}}, "$.rules[0].on", "unknown field `method`"),
    ({"fault": "lost", "minutes": [3, 2]}, "$.rules[0]", "from < until"),
    ({"fault": "refused", "error": "no_such"}, "$.rules[0]", "no error named 'no_such'"),
    ({"fault": "slow", "seconds": [1, 2, 3]}, "$.rules[0].seconds", "length <= 2"),
    ({"fault": "slow", "seconds": "3"}, "$.rules[0].seconds", "got `str`"),
    ({"fault": "gap", "percent": 3}, "$.rules[0]", "missing required field `markets`"),
    ({"fault": "delisted", "markets": ["KRW-XRP"], "ends": 5, "gone": 4}, "$.rules[0]", "then it is gone"),
    ({"fault": "user", "act": "sell", "share": 1}, "$.rules[0]", "needs a market"),
    ({"fault": "user", "act": "deposit"}, "$.rules[0]", "exactly one of amount and share"),
    ({"fault": "key", "permissions": ["fly"]}, "$.rules[0]", "no permission ['fly']"),
    ({"fault": "altered", "say": "bananas"}, "$.rules[0]", "no way to lie named 'bananas'"),
    ({"fault": "webhook", "state": "open"}, "$.rules[0].state", "Invalid enum value"),
    ({"fault": "hung_up", "close": 7}, "$.rules[0].close", ">= 1000"),
]


@pytest.mark.parametrize(("rule", "place", "reason"), WRONG)
def test_a_wrong_plan_is_refused_with_the_place_and_the_reason(rule: dict[str, Any], place: str, reason: str) -> None:
    """One sentence in each language, both with the path inside the document."""
    with pytest.raises(PlanError) as refused:
        read(rule)
    assert f"at {place}: " in refused.value.en
    assert reason in refused.value.en
    assert f"'plan.json'의 {place}: " in refused.value.ko
    assert refused.value.ko.count("\n") == refused.value.en.count("\n") == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b'{"rules":[]}', b'{"description":"","rules":[]}'])
def test_what_is_no_plan_at_all_is_refused_too(text: bytes) -> None:
    """Broken JSON, another shape, no description."""
    with pytest.raises(PlanError, match=r"^Fault plan 'plan\.json', at "):
        read_plan(text, "plan.json")


def test_a_plan_is_found_by_its_file_or_by_the_name_of_a_ready_one(tmp_path: Path) -> None:
    """A name that is neither gets the nearest one as a suggestion, and the list."""
    path = tmp_path / "mine.json"
    path.write_text('{"description": "mine", "rules": []}')
    assert find_plan(str(path)).description == "mine"
    assert find_plan("lost-answers").rules
    with pytest.raises(PlanError, match=r"Did you mean 'lost-answers'\? Ready plans: ") as refused:
        find_plan("lost-answer")
    assert "'lost-answers'을(를) 뜻했나요?" in refused.value.ko


@pytest.mark.parametrize("name", ready_plans())
def test_every_ready_plan_is_sound_and_says_what_it_does_in_one_sentence(name: str) -> None:
    """It reads, has rules, survives a round trip, and its description is one sentence."""
    plan = find_plan(name)
    assert plan.rules
    assert plan.description.endswith(".")
    assert plan.description.count(". ") == 0
    assert msgspec.json.decode(msgspec.json.encode(plan), type=FaultPlan) == plan


def test_the_page_about_faults_is_fresh() -> None:
    """`docs/faults.md` lists every plan with its sentence and every fault with its terms: `make docs` writes it."""
    page = Path(__file__).resolve().parent.parent.parent / "docs" / "faults.md"
    assert page.read_text(encoding="utf-8") == document()
    assert all(f"| `{name}` | {find_plan(name).description} |" in document() for name in ready_plans())


def test_the_catalogue_is_worth_its_name() -> None:
    """At least twenty-five plans, and every fault there is stands in one of them."""
    used = {tag_of(rule) for name in ready_plans() for rule in find_plan(name).rules}
    assert len(ready_plans()) >= 25
    assert used == {str(kind.__struct_config__.tag) for kind in get_args(AnyRule)}


@pytest.mark.parametrize(("name", "words"), [("README.md", "준비된 계획 {}개"), ("README.en.md", "The {} ready plans")])
def test_the_readme_counts_the_plans_right(name: str, words: str) -> None:
    """A plan that comes along is counted in both languages."""
    readme = Path(__file__).resolve().parent.parent.parent / name
    assert words.format(len(ready_plans())) in readme.read_text(encoding="utf-8")
