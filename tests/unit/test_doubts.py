"""What is halted and told when what Upbit says of an order cannot be ours: in whose words, and what ends it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from config.settings import Config
from journal.records import Ends, Halt, Level
from notifier.explain import explain
from notifier.messages import Messages
from tests.helpers.journals import NOW, intent
from tests.helpers.orders import executed
from tests.helpers.parts import make_app
from trader.control import Control
from trader.orders.doubts import (
    halt_buys_beside_another,
    halt_buys_on_odd_fills,
    halt_buys_on_other,
    tell_unknown_refusal,
)
from upbit.errors import UnknownRefusal
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from journal.journal import Journal

ORDER = executed(NewOrder(market="KRW-A", side=Side.BID, total=Decimal(6000), identifier="ub1-x"))


def control_of(journal: Journal, language: str = "ko") -> Control:
    """Return the control of a journal."""
    return Control(journal, Messages(language=language, mode="live"), lambda: NOW)


def only_halt(control: Control) -> Halt:
    """Return the one reason that stands, which halts buys alone."""
    (halt,) = control.reasons
    assert halt.level is Level.HALT_BUYS
    return halt


def test_fills_that_do_not_add_up_halt_buys_until_they_do(journal: Journal) -> None:
    """By itself; with the market, what was executed and Upbit's name of it."""
    control = control_of(journal)
    halt_buys_on_odd_fills(control, ORDER)
    halt = only_halt(control)
    assert (halt.code, halt.ends) == ("fills_differ", Ends.ITSELF)
    assert halt.evidence == {"market": "KRW-A", "executed": Decimal(60), "uuid": "u-ub1-x"}
    for sentence in (halt.ko, halt.en):
        assert sentence.startswith("KRW-A ub1-x ")


def test_an_order_that_is_not_ours_halts_buys_until_a_person_has_looked(journal: Journal) -> None:
    """What was meant and what is shown stand beside each other; or whose name another daemon has used."""
    control, meant = control_of(journal), intent("ub1-x")
    halt_buys_on_other(control, meant, ORDER)
    halt = only_halt(control)
    assert (halt.code, halt.ends) == ("wrong_answer", Ends.PERSON)
    assert (halt.evidence["meant"], halt.evidence["market"]) == (meant.request, meant.market)
    assert "KRW-A" in json.dumps(halt.evidence["shown"])
    assert "ub1-x" in halt.ko
    assert "ub1-x" in halt.en
    control.resume()
    halt_buys_beside_another(control, meant, ORDER)
    halt = only_halt(control)
    assert (halt.code, halt.ends) == ("second_instance", Ends.PERSON)
    assert halt.evidence == {"market": meant.market, "uuid": ORDER.uuid}
    assert "ub1-x" in halt.ko
    assert "ub1-x" in halt.en


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_refusal_nobody_knows_is_told_in_upbits_words_and_halts_buys_in_a_second_market(
    journal: Journal, language: str
) -> None:
    """In the language of the settings; the same market again is no second one."""
    control, error = control_of(journal, language), UnknownRefusal("Its sentence.", name="odd_name", status=400)
    messages = Messages(language=language, mode="live")
    app = make_app(config=replace(Config(), language=language), journal=journal, control=control, messages=messages)
    for _ in range(2):
        tell_unknown_refusal(app, replace(intent(), market="KRW-A"), error)
    assert control.reasons == []
    (note,) = journal.pending_notes(9)
    assert note == messages.problem("refusal:odd_name", f"KRW-A: {explain(error, language)}", at=NOW)
    tell_unknown_refusal(app, replace(intent(), market="KRW-B"), error)
    halt = only_halt(control)
    assert (halt.code, halt.ends, halt.evidence) == ("unknown_refusal", Ends.PERSON, {"name": "odd_name"})
    assert explain(error, "ko") in halt.ko
    assert explain(error, "en") in halt.en
