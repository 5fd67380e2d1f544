"""Every answer that is not a success, and what it lets us believe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from upbit import errors
from upbit.errors import ExchangeError, OutcomeUnknown, RateLimited, Rejected, error_from


def told(name: str | int, message: str = "") -> bytes:
    """Spell an error body."""
    return json.dumps({"error": {"name": name, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (400, "insufficient_funds_bid", errors.InsufficientFunds),
        (400, "insufficient_funds_ask", errors.InsufficientFunds),
        (400, "under_min_total_market_ask", errors.UnderMinTotal),
        (400, "over_krw_funds_bid", errors.InvalidOrder),
        (400, "invalid_price_bid", errors.InvalidOrder),
        (400, "invalid_post_only", errors.InvalidOrder),
        (400, "create_ask_error", errors.InvalidOrder),
        (400, "validation_error", errors.InvalidOrder),
        (400, "notfoundmarket", errors.MarketUnavailable),
        (403, "market_offline", errors.MarketUnavailable),
        (403, "thirdparty_agreement_required", errors.AgreementNeeded),
        (401, "jwt_verification", errors.InvalidKey),
        (401, "invalid_access_key", errors.InvalidKey),
        (401, "invalid_query_payload", errors.InvalidKey),
        (401, "no_authorization_ip", errors.IpNotAllowed),
        (401, "no_authorization_i_p", errors.IpNotAllowed),
        (401, "expired_access_key", errors.KeyExpired),
        (401, "out_of_scope", errors.OutOfScope),
        (403, "out_of_scope", errors.OutOfScope),
        (429, "too_many_requests", errors.RateLimited),
        (400, "duplicated_identifier", errors.DuplicatedIdentifier),
        (401, "nonce_used", errors.NonceUsed),
        (400, "too_many_request_order", OutcomeUnknown),
        (400, "never_seen", errors.UnknownRefusal),
        (400, 400, OutcomeUnknown),
        (404, "order_not_found", OutcomeUnknown),
        (400, "order_not_found", OutcomeUnknown),
        (404, "not_found", OutcomeUnknown),
        (409, "invalid_parameter", OutcomeUnknown),
        (502, "insufficient_funds_bid", OutcomeUnknown),
    ],
)
def test_what_an_answer_to_an_order_means(status: int, name: str | int, kind: type[ExchangeError]) -> None:
    """The name decides, where the status allows it; whatever is not on the list is a doubt."""
    error = error_from(status, told(name), placing=True)
    assert type(error) is kind
    assert (error.name, error.status) == (str(name), status)


@pytest.mark.parametrize("kind", [errors.DuplicatedIdentifier, errors.NonceUsed])
def test_signs_of_an_earlier_copy_are_doubts(kind: type[ExchangeError]) -> None:
    """Neither may ever be taken for a refusal."""
    assert issubclass(kind, OutcomeUnknown)
    assert not issubclass(kind, Rejected)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, told("order_not_found"), errors.OrderNotFound),
        (404, told("not_found", "no Route matched with those values"), OutcomeUnknown),
        (404, b"<html>", OutcomeUnknown),
        (404, told(404, "Code not found"), errors.MarketUnavailable),
        (400, told(400), errors.InvalidOrder),
        (429, b"Too many API requests.", RateLimited),
        (418, b"<html>", RateLimited),
        (500, told(500), OutcomeUnknown),
        (503, b"", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
    ],
)
def test_what_an_answer_to_a_question_means(status: int, body: bytes, kind: type[ExchangeError]) -> None:
    """Only Upbit's own words are evidence."""
    assert type(error_from(status, body)) is kind


@pytest.mark.parametrize(
    ("body", "kind"), [(b"Too many API requests.", RateLimited), (b"<html>slow down</html>", OutcomeUnknown)]
)
def test_a_429_to_an_order_is_believed_only_in_upbits_words(body: bytes, kind: type[ExchangeError]) -> None:
    """A proxy in between may say 429 after it passed the order on."""
    assert type(error_from(429, body, placing=True)) is kind


@pytest.mark.parametrize(
    ("message", "header", "seconds"),
    [
        ("", "7", 7.0),
        ("blocked for 90 seconds", None, 90.0),
        ("2분 동안 차단", None, 120.0),
        ("blocked", None, None),
        ("until 2026-11-24", None, None),
        ("", "Tue, 24 Nov 2026 00:00:00 GMT", None),
        ("", "999999999", None),
        ("", "-5", None),
        ("", "1e9", None),
        ("", "٣", None),
        ("Limit of 12 has been reached", None, None),
        ("12 hits in 5 market groups", None, None),
        ("1,000 seconds", None, None),
        ("Try again after 10 seconds.", None, 10.0),
        ("1 hour", None, 3600.0),
    ],
)
def test_the_time_of_a_block_is_read_where_it_is_told(message: str, header: str | None, seconds: float | None) -> None:
    """A duration has a unit; a date is not one."""
    error = error_from(418, told("rate_limit_exceeded_penalty", message), retry_after=header)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def test_a_refusal_by_a_name_nobody_knows_carries_upbits_own_sentence() -> None:
    """It proves nothing, and a person can act on it: one line, short, without what a terminal would obey."""
    message = "Your account has been suspended from ordering.\n\x1b[31mPlease contact\x07 us." + "!" * 9999
    error = error_from(400, told("order_disabled_member", message), placing=True)
    assert type(error) is errors.UnknownRefusal
    assert error.name == "order_disabled_member"
    assert error.message.startswith("Your account has been suspended from ordering. [31mPlease contact us.!")
    assert len(error.message) <= 300
    assert type(error_from(404, told("not_found", "no Route matched"), placing=False)) is OutcomeUnknown
    assert type(error_from(502, told("order_disabled_member"), placing=True)) is OutcomeUnknown


@pytest.mark.parametrize("message", ["Limit of 12 has been reached", "blocked for 12 hours", "12h", "5 초"])
def test_no_number_in_the_text_of_a_429_is_a_duration(message: str) -> None:
    """It counts requests; the next second is another."""
    error = error_from(429, told("too_many_requests", message))
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"error":"x"}', b'{"error":{"name":null}}', b"\xff", b"[" * 9999]
)
def test_no_body_breaks_the_reader(body: bytes) -> None:
    """Whatever a gateway says becomes a typed error."""
    assert type(error_from(400, body, placing=True)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "why"),
        ({"status": 502}, "502: why"),
        ({"name": "a_name"}, "a_name: why"),
        ({"name": "a_name", "status": 400}, "400 a_name: why"),
    ],
)
def test_an_error_says_what_is_known_of_it(known: dict[str, Any], said: str) -> None:
    """Status, Upbit's name and the words; what is not known leaves nothing behind."""
    error = OutcomeUnknown("why", **known)
    assert (str(error), repr(error)) == (said, "OutcomeUnknown('why')")
