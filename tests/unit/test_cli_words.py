"""What a person reads when the exchange says no, or when something is wrong: one sentence, two languages, a code."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cli.common.failures import explain_failure
from config.problems import ConfigError, Problem
from journal.errors import JournalCorrupt, JournalLocked, JournalUnwritable
from notifier.explain import explain
from sandbox.market.sources.replay import ReplayError
from strategy.registry import StrategyError
from trader.books.owner import WrongAccountError
from upbit.errors import ExchangeError, NotSent, OutcomeUnknown, error_from


def refused(status: int, name: str) -> BaseException:
    """Return what Upbit's refusal becomes."""
    return error_from(status, f'{{"error":{{"name":"{name}","message":"m"}}}}'.encode())


@pytest.mark.parametrize(
    ("error", "code", "english", "korean"),
    [
        (refused(401, "no_authorization_ip"), 4, "Register its public IP", "공인 IP"),
        (refused(401, "expired_access_key"), 4, "older than a year", "1년"),
        (refused(403, "out_of_scope"), 4, "lacks a permission", "자산조회, 주문조회, 주문하기"),
        (refused(401, "jwt_verification"), 4, "keys are wrong", "키가 올바르지 않습니다"),
        (refused(429, "too_many_requests"), 1, "refuses more requests", "요청이 너무 많아"),
        (refused(403, "market_offline"), 1, "cannot be traded now", "점검"),
        (refused(502, "x"), 1, "no usable answer", "답을 주지 않았습니다"),
        (ConfigError((Problem(ko="가", en="a"), Problem(ko="나", en="b"))), 4, "a\nb", "가\n나"),
        (StrategyError("가", "a"), 4, "a", "가"),
        (JournalLocked(Path("d")), 3, "Another daemon", "다른 데몬"),
        (JournalCorrupt(Path("d"), "x"), 1, "is damaged", "손상"),
        (JournalUnwritable(Path("d"), "x"), 1, "cannot be written", "쓸 수 없습니다"),
        (WrongAccountError(), 1, "another API key", "다른 API 키"),
        (ReplayError("가", "a"), 1, "a", "가"),
        (OSError(errno.EADDRINUSE, "x"), 1, "Name another one with --port.", "--port로 다른 포트를 지정하세요."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_failure_a_person_can_mend_is_one_sentence_with_its_code(
    error: BaseException, code: int, english: str, korean: str
) -> None:
    """What, and what to do."""
    for language, words in (("en", english), ("ko", korean)):
        told = explain_failure(error, language)
        assert told is not None
        assert words in told[0]
        assert told[1] == code


def test_a_fault_of_our_own_is_not_hidden_behind_a_sentence() -> None:
    """It keeps its traceback: somebody must mend the program."""
    for error in (KeyError("x"), OSError(errno.ENOENT, "x")):
        assert explain_failure(error, "en") is None


def test_upbits_own_words_stand_behind_the_explanation() -> None:
    """For whoever searches for them."""
    error = error_from(401, b'{"error":{"name":"no_authorization_ip","message":"This is not a verified IP."}}')
    assert "no_authorization_ip: This is not a verified IP." in explain(error, "ko")


@pytest.mark.parametrize(
    ("error", "behind"),
    [
        (error_from(502, b"<!doctype html><title>Bad gateway</title>"), " (HTTP 502)"),
        (error_from(400, b'{"error":{"name":"order_disabled_member","message":"Talk to\\n support"}}'), None),
        (NotSent("ClientConnectorError: Cannot connect"), ""),
        (OutcomeUnknown("TimeoutError: "), ""),
    ],
)
@pytest.mark.parametrize("language", ["ko", "en"])
def test_what_a_gateway_or_a_library_says_is_not_told_to_a_person(
    error: ExchangeError, behind: str | None, language: str
) -> None:
    """No page, no name of Python's; a sentence that Upbit itself wrote is, whatever its name."""
    sentence = explain(error, language)
    assert "Error" not in sentence
    assert "<" not in sentence
    if behind is None:
        assert sentence.endswith(" (order_disabled_member: Talk to support)")
    elif behind:
        assert sentence.endswith(behind)
    else:
        assert not sentence.endswith(")")
