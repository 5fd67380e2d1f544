"""What can go wrong with the exchange, sorted by what the caller must do next.

* ExchangeError
  - NotSent              no byte left: nothing happened, sending again is safe
  - OutcomeUnknown       no usable answer: an order may exist, go and look
    . DuplicatedIdentifier, NonceUsed   some copy of this very request was seen
  - Rejected             understood, said no: nothing happened
    . InsufficientFunds, UnderMinTotal, InvalidOrder, MarketUnavailable, OrderNotFound
    . RateLimited        nothing happened, and slow down (`retry_after` seconds)
    . Unauthorized       nothing happened, and nothing will until a person acts
      InvalidKey, IpNotAllowed, KeyExpired, OutOfScope

Upbit's `error.name` decides, never the status alone: `out_of_scope` comes as 401 or 403, and a 404 without a known name
is a gateway that found no route, not an order that does not exist.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExchangeError(Exception):
    """Anything that kept a request from being answered as meant."""

    def __init__(self, message: str, *, name: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.status = status

    def __str__(self) -> str:
        told = " ".join(str(part) for part in (self.status, self.name) if part)
        return f"{told}: {self.message}" if told else self.message


class NotSent(ExchangeError):
    """No byte left this machine: nothing happened."""


class OutcomeUnknown(ExchangeError):
    """No usable answer: what was asked may have happened."""


class DuplicatedIdentifier(OutcomeUnknown):
    """The identifier is used: by an earlier copy of this request, or by somebody else."""


class NonceUsed(OutcomeUnknown):
    """The token was seen before: some copy of this request arrived."""


class Rejected(ExchangeError):
    """Upbit understood and said no: nothing happened."""


class InsufficientFunds(Rejected):
    """Not enough free balance."""


class UnderMinTotal(Rejected):
    """Worth less than Upbit takes."""


class InvalidOrder(Rejected):
    """A price, volume or combination that Upbit does not take."""


class MarketUnavailable(Rejected):
    """The market does not exist, is closed, or needs an agreement."""


class OrderNotFound(Rejected):
    """No order of that name is known now. It may still be on its way."""


class RateLimited(Rejected):
    """Too many requests; `retry_after` seconds until the next, when Upbit said so."""

    retry_after: float | None = None


class Unauthorized(Rejected):
    """The keys do not allow it; nothing will work until a person acts."""


class InvalidKey(Unauthorized):
    """The access key is unknown, or the secret does not belong to it."""


class IpNotAllowed(Unauthorized):
    """This machine's address is not on the key's list."""


class KeyExpired(Unauthorized):
    """The key is older than a year."""


class OutOfScope(Unauthorized):
    """The key lacks a permission."""


BY_NAME: Mapping[str, type[ExchangeError]] = {
    "insufficient_funds_bid": InsufficientFunds,
    "insufficient_funds_ask": InsufficientFunds,
    "under_min_total_bid": UnderMinTotal,
    "under_min_total_ask": UnderMinTotal,
    "under_min_total_market_bid": UnderMinTotal,
    "under_min_total_market_ask": UnderMinTotal,
    "over_krw_funds_bid": InvalidOrder,
    "over_krw_funds_ask": InvalidOrder,
    "over_max_total_price_bid": InvalidOrder,
    "volume_too_large": InvalidOrder,
    "create_bid_error": InvalidOrder,
    "create_ask_error": InvalidOrder,
    "validation_error": InvalidOrder,
    "invalid_parameter": InvalidOrder,
    "invaild_parameter": InvalidOrder,  # so spelled in Upbit's own table
    "invalid_price_bid": InvalidOrder,
    "invalid_price_ask": InvalidOrder,
    "invalid_volume_bid": InvalidOrder,
    "invalid_volume_ask": InvalidOrder,
    "invalid_funds": InvalidOrder,
    "invalid_funds_bid": InvalidOrder,
    "invalid_time_in_force": InvalidOrder,
    "invalid_post_only": InvalidOrder,
    "notfoundmarket": MarketUnavailable,
    "market_does_not_exist": MarketUnavailable,
    "market_offline": MarketUnavailable,
    "thirdparty_agreement_required": MarketUnavailable,
    "order_not_found": OrderNotFound,
    "duplicated_identifier": DuplicatedIdentifier,
    "nonce_used": NonceUsed,
    "too_many_requests": RateLimited,
    "too_many_request_order": RateLimited,
    "rate_limit_exceeded_penalty": RateLimited,
    "no_authorization_token": InvalidKey,
    "invalid_access_key": InvalidKey,
    "jwt_verification": InvalidKey,
    "invalid_query_payload": InvalidKey,
    "no_authorization_ip": IpNotAllowed,
    "no_authorization_i_p": IpNotAllowed,
    "expired_access_key": KeyExpired,
    "out_of_scope": OutOfScope,
}
"""Every name whose meaning is certain. A name that is not here is no proof of anything."""

QUOTATION: Mapping[int, type[ExchangeError]] = {
    400: InvalidOrder,
    404: MarketUnavailable,
    429: RateLimited,
    418: RateLimited,
}
"""The quotation API answers with the status as an integer name."""


class Told(NamedTuple):
    """What an error body says; `name` is empty when it is no error of Upbit's form."""

    name: str
    message: str
    integer: bool


class _Inner(msgspec.Struct):
    name: str | int
    message: str = ""


class _Body(msgspec.Struct):
    error: _Inner


def read_body(body: bytes) -> Told:
    """Read an error body; one that is HTML, plain text or nothing has no name."""
    try:
        inner = msgspec.json.decode(body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Told("", body[:200].decode(errors="replace"), integer=False)
    return Told(str(inner.name), inner.message, integer=isinstance(inner.name, int))


def error_from(status: int, body: bytes, retry_after: str | None = None) -> ExchangeError:
    """Return the most specific error for an answer that is not a success."""
    told = read_body(body)
    if told.integer:
        kind: type[ExchangeError] = QUOTATION.get(int(told.name), OutcomeUnknown)
    elif status in {418, 429}:
        kind = RateLimited
    else:
        kind = BY_NAME.get(told.name, OutcomeUnknown)
    error = kind(told.message or f"HTTP {status}", name=told.name, status=status)
    if isinstance(error, RateLimited):
        error.retry_after = seconds_to_wait(status, told.message, retry_after)
    return error


def seconds_to_wait(status: int, message: str, retry_after: str | None) -> float | None:
    """Return how long Upbit wants to be left alone, by its header or text; None when it does not say."""
    for text in (retry_after or "", message if status == 418 else ""):  # noqa: PLR2004 - the teapot is the penalty
        found = re.search(r"\d+(\.\d+)?", text)
        if found:
            return float(found.group())
    return None
