"""What became of each sending of an order is a sentence in both languages: no code of the journal reaches a person."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from journal.records import Attempt, IntentState
from tests.helpers.journals import NOW
from trader.orders.protocol import Kind, Sight
from upbit import errors
from upbit.errors import ExchangeError
from views.attempts import BECAME, WHY, message, sent

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = re.compile(r"[A-Z]{4,}|[a-z]+[A-Z]|_")
"""What a name of Python or of the journal looks like."""


def kinds_of(of: type[ExchangeError]) -> Iterator[str]:
    """Yield the names under which a failure is written down."""
    yield of.__name__
    for one in of.__subclasses__():
        yield from kinds_of(one)


def outcomes() -> list[str]:
    """Return everything that is written down of an attempt."""
    named = [name for name in kinds_of(ExchangeError) if getattr(errors, name) is not ExchangeError]
    seen = [f"answered with {sight.name.lower()}" for sight in Sight]
    return ["accepted", "cancelled", "the process ended", *named, *seen]


def test_every_reason_that_can_be_written_down_has_its_words_and_no_other() -> None:
    """A new kind of failure is found here before a person reads its name."""
    assert {*outcomes()} - {"accepted"} == {*WHY}
    assert {*BECAME} == {None, *IntentState} - {IntentState.SENT}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", BECAME)
@pytest.mark.parametrize("number", [0, 1])
def test_an_attempt_is_a_sentence_without_codes(number: int, state: IntentState | None, kind: Kind) -> None:
    """Whatever it was, whatever became of it, and why."""
    for outcome in (None, *outcomes()):
        attempt = Attempt(number=number, kind=kind, began_at=NOW, state=state, outcome=outcome)
        for side in ("bid", "ask"):
            words = sent(side, attempt)
            assert re.search("[가-힣]", words.ko)
            assert not re.search("[가-힣]", words.en)
            assert CODE.search(words.en.replace("API", "").replace("Upbit", "")) is None, words.en
            assert CODE.search(words.ko.replace("API", "").replace("IP", "")) is None, words.ko


def test_an_order_that_is_sent_again_says_so_and_one_in_its_place_what_it_is() -> None:
    """A person reads what happened, in order."""
    again = Attempt(number=1, kind=Kind.REAL, began_at=NOW, state=IntentState.REJECTED, outcome="InsufficientFunds")
    assert sent("bid", again).ko == "매수 주문 2번째 전송: 업비트가 거절함 (잔고 부족)"
    assert sent("bid", again).en == "an order to buy was sent, time 2: Upbit refused it (the balance is too small)"
    fence = Attempt(number=1, kind=Kind.FENCE, began_at=NOW, state=IntentState.FENCED, outcome="answered with fence")
    assert sent("ask", fence).en.startswith("in its place an order that cannot trade was sent: Upbit took it")
    lost = Attempt(number=0, kind=Kind.REAL, began_at=NOW, state=None, outcome=None)
    assert sent("ask", lost).ko == "매도 주문 전송: 답을 기다리는 중"


def test_a_message_of_any_kind_has_a_name() -> None:
    """One that nobody has named is a message."""
    assert (message("sold").ko, message("of tomorrow").en) == ("매도 결과 카드", "a message")
