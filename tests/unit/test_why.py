"""`why`: what a person is told of a minute is what the journal says of it, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import nan
from typing import TYPE_CHECKING

import pytest

from cli.why import korean_time
from journal.journal import Journal
from journal.records import Ends, Halt, Level
from journal.scans import Draw, Rest
from journal.verdicts import GateRow, Scan
from main import main
from trader.orders.risk import REFUSED
from views.lines import why_in_lines
from views.reasons import RESTS, why_it_rests
from views.why import NothingKnown, distance, funnel, market_of, matrix, why_market

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 30, 5, 3, tzinfo=UTC)
FACTS = {"places": 5, "taken": 2, "won": "123456", "rest_s": 3600}
SCAN = Scan(
    markets=("KRW-A", "KRW-B", "KRW-C", "KRW-D"),
    gates=(
        GateRow(
            code="turnover",
            ko="24시간 거래대금 부족",
            en="24 h turnover is too low",
            relation=">=",
            values=(4.1e9, 9e9, 6e9, nan),
            thresholds=(5e9,) * 4,
        ),
        GateRow(
            code="quiet",
            ko="변동성이 큼",
            en="it swings too much",
            relation="<",
            values=(1.0, 5.0, 2.0, 2.0),
            thresholds=(2.5,) * 4,
        ),
    ),
    prices=(Decimal(100), Decimal(200), Decimal("0.1234"), None),
    barred={"KRW-E": {"code": "excluded", "ko": "설정에서 제외한 마켓", "en": "excluded by configuration"}},
    facts=FACTS,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Lend a journal that saw one minute."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        opened.record_scan(NOW, "quiet_trend", NOW - timedelta(minutes=3), SCAN)
        yield opened


def test_all_markets_stand_beside_all_gates_nearest_first(journal: Journal) -> None:
    """A target before all, then by how much is missing; one without a value is the farthest of its like."""
    found = matrix(journal, NOW)
    assert [gate.en for gate in found.gates] == ["24 h turnover is too low", "it swings too much"]
    told = [(market, [gate.passed for gate in gates]) for market, _, gates in found.rows]
    assert told == [
        ("KRW-C", [True, True]),
        ("KRW-A", [False, True]),
        ("KRW-B", [True, False]),
        ("KRW-D", [False, True]),
    ]
    barred = {"KRW-C": {"code": "excluded", "ko": "제외", "en": "excluded"}}
    journal.record_scan(NOW, "quiet_trend", NOW, replace(SCAN, barred=barred))
    last, name, _ = matrix(journal, NOW).rows[-1]
    assert (last, name and name.en) == ("KRW-C", "excluded")
    with pytest.raises(NothingKnown):
        matrix(journal, NOW - timedelta(days=1))


def test_every_gate_is_told_not_only_the_first_that_failed(journal: Journal) -> None:
    """Value, relation, threshold and distance of each, from the journal alone."""
    found = why_market(journal, "KRW-A", NOW)
    assert [(gate.code, gate.passed) for gate in found.gates] == [("turnover", False), ("quiet", True)]
    assert found.verdict == "turnover"
    assert found.gates[0].distance == pytest.approx(0.18)
    assert found.gates[1].distance == pytest.approx(-0.6)
    assert found.sentence("en") == (
        "What stands in the way of KRW-A: 24 h turnover is too low: 4,100,000,000 < 5,000,000,000 (18 % away)"
    )
    assert found.sentence("ko").endswith("24시간 거래대금 부족: 4,100,000,000 < 5,000,000,000 (18 % 차이)")
    assert found.price == 100


def test_what_was_not_known_is_said_to_be_unknown(journal: Journal) -> None:
    """A number that is missing fails its gate, and no distance is made up."""
    gate = why_market(journal, "KRW-D", NOW).gates[0]
    assert (gate.value, gate.passed, gate.distance) == (None, False, None)
    assert gate.say("en") == "24 h turnover is too low: ? ? 5,000,000,000"


def test_the_funnel_counts_down_to_who_was_bought(journal: Journal) -> None:
    """Five markets, one excluded, two that are traded enough, one that is calm: one target; two places are taken."""
    found = funnel(journal, NOW)
    assert [(step.code, step.left) for step in found.steps] == [
        ("markets", 5),
        ("excluded", 4),
        ("turnover", 2),
        ("quiet", 1),
        ("targets", 1),
        ("taken", 2),
        ("bought", 0),
    ]
    assert found.targets == ("KRW-C",)
    assert [near.market for near in found.nearest] == ["KRW-A", "KRW-B", "KRW-D"]
    assert found.sentence("en") == "Nothing stands in the way: 1 targets."


@pytest.mark.parametrize(
    ("facts", "code", "words"),
    [
        ({"taken": 5}, "no_place", "no place is free (5/5)"),
        ({"won": "4999"}, "no_won", "too little free won (4,999 KRW)"),
    ],
)
def test_what_the_account_could_not_do_stands_in_every_markets_way(
    journal: Journal, facts: dict[str, object], code: str, words: str
) -> None:
    """No place, no won: said of a target and of all."""
    journal.record_scan(NOW, "s", NOW, replace(SCAN, facts=FACTS | facts))
    assert [one.code for one in why_market(journal, "KRW-C", NOW).obstacles] == [code]
    assert funnel(journal, NOW).sentence("en") == f"What stands in the way now: {words}"


def test_a_rest_is_told_with_its_reason_and_its_end_and_no_longer_than_it_lasts(journal: Journal) -> None:
    """A wide spread a moment ago; a minute later it is over."""
    journal.record_rest(Rest(market="KRW-C", at=NOW, until=NOW + timedelta(minutes=1), why="spread"))
    (obstacle,) = why_market(journal, "KRW-C", NOW).obstacles
    assert obstacle.say("en") == "the spread is too wide (rests until 11-30 14:04 KST)"
    assert why_market(journal, "KRW-B", NOW).obstacles == ()
    journal.record_scan(NOW + timedelta(minutes=1), "s", NOW, SCAN)
    assert why_market(journal, "KRW-C", NOW + timedelta(minutes=1)).obstacles == ()


def test_a_draw_that_went_to_others_is_named(journal: Journal) -> None:
    """A target that was not drawn is told by which draw; who was drawn is told nothing of it."""
    journal.record_draw(Draw(at=NOW + timedelta(seconds=9), candidates=3, free=1, markets=("KRW-Z",)))
    (obstacle,) = why_market(journal, "KRW-C", NOW).obstacles
    assert obstacle.say("en") == "not drawn (11-30 14:03 KST, 1 of 3: KRW-Z)"
    assert why_market(journal, "KRW-A", NOW).obstacles == ()


def test_a_halt_comes_before_all_else_and_only_while_it_stands(journal: Journal) -> None:
    """It stands in everybody's way; of a minute before it nothing is said."""
    halt = Halt(code="x", level=Level.HALT_BUYS, ends=Ends.PERSON, ko="멈춤", en="Look at it, then resume.", since=NOW)
    journal.begin_halt(halt, [])
    assert funnel(journal, NOW).sentence("en") == (
        "What stands in the way now: trading is halted (Look at it, then resume.)"
    )
    journal.record_scan(NOW - timedelta(minutes=2), "s", NOW, SCAN)
    assert funnel(journal, NOW - timedelta(minutes=2)).obstacles == ()


def test_a_look_that_is_older_than_the_moment_says_so(journal: Journal) -> None:
    """The daemon did not look then; what is told is the last before, with a warning."""
    assert not funnel(journal, NOW + timedelta(minutes=2)).late
    late = funnel(journal, NOW + timedelta(hours=2))
    assert late.late
    assert "⚠ There was no look at that time; this is the last one before it." in why_in_lines(late, "en")


@pytest.mark.parametrize(("name", "before"), [("KRW-NOPE", 0), ("KRW-A", 60)])
def test_what_the_journal_does_not_know_is_one_sentence(journal: Journal, name: str, before: int) -> None:
    """A market that never was, a minute before the first."""
    with pytest.raises(NothingKnown) as caught:
        why_market(journal, name, NOW - timedelta(minutes=before))
    assert "KST" in caught.value.ko
    assert "KST" in caught.value.en


@pytest.mark.parametrize(
    ("value", "relation", "threshold", "far"),
    [
        (90.0, ">", 100.0, 0.1),
        (110.0, "<", 100.0, 0.1),
        (1.0, "==", 2.0, None),
        (1.0, ">", 0.0, None),
        (-3.0, ">", -2.0, 0.5),
    ],
)
def test_the_distance_is_a_share_of_the_threshold(
    value: float, relation: str, threshold: float, far: float | None
) -> None:
    """Where a share says nothing, none is told."""
    assert distance(value, relation, threshold) == (None if far is None else pytest.approx(far))


def test_every_refusal_of_a_buy_has_words_in_both_languages() -> None:
    """A code that the daemon may write and nobody can read would be a riddle; an error's name is told as one."""
    assert set(REFUSED) <= set(RESTS)
    assert all(words.ko and words.en for words in RESTS.values())
    assert why_it_rests("NotSent").en == "Upbit could not be asked"


def test_a_time_is_korean_and_a_market_may_be_typed_in_haste() -> None:
    """14:03 in Seoul is 05:03 UTC; whoever writes an offset means it."""
    assert korean_time("2026-11-30 14:03") == NOW
    assert korean_time("2026-11-30T05:03+00:00") == NOW
    assert (market_of("xrp"), market_of("krw-xrp")) == ("KRW-XRP", "KRW-XRP")


def test_the_verb_prints_one_sentence_first_and_json_for_machines(
    tmp_path: Path, journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a daemon that has the journal open."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    assert main(["why", "a", "--at", "2026-11-30 14:03"]) == 0
    assert capsys.readouterr().out.startswith("What stands in the way of KRW-A: 24 h turnover is too low")
    assert main(["why", "--json", "--at", "2026-11-30 14:03"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sentence"] == "Nothing stands in the way: 1 targets."
    assert said["nearest"][0]["gates"][0]["value"] == 4.1e9
    assert main(["why", "nope", "--at", "2026-11-30 14:03"]) == 1
    assert "no market KRW-NOPE" in capsys.readouterr().err
    assert main(["why", "--at", "yesterday"]) == 2
    assert journal.broken is None
