"""What can go wrong with the exchange, sorted by what the caller must do next.

* ExchangeError
  - NotSent              no byte left: nothing happened, sending again is safe
    . Withheld           our own gate kept the order back
  - OutcomeUnknown       no usable answer: an order may exist, go and look
    . DuplicatedIdentifier, NonceUsed   some copy of this very request was seen
    . UnknownRefusal     refused by a name that is on no list; Upbit's own sentence is in `message`
  - Rejected             understood, said no: nothing happened
    . InsufficientFunds, UnderMinTotal, InvalidOrder, MarketUnavailable, AgreementNeeded, OrderNotFound
    . RateLimited        nothing happened, and slow down (`retry_after` seconds)
    . Unauthorized       nothing happened, and nothing will until a person acts
      InvalidKey, IpNotAllowed, KeyExpired, OutOfScope

Upbit's `error.name` decides, never the status alone: `out_of_scope` comes as 401 or 403, and a 404 without a known name
is a gateway that found no route, not an order that does not exist. What could place an order is read more strictly
than what only asks: a refusal is believed only when Upbit gives it a name that is on the list below.
"""

from __future__ import annotations

import re
from http import HTTPStatus
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


class Withheld(NotSent):
    """Our own gate kept an order back at the last moment: no byte left."""


class OutcomeUnknown(ExchangeError):
    """No usable answer: what was asked may have happened."""


class DuplicatedIdentifier(OutcomeUnknown):
    """The identifier is used: by an earlier copy of this request, or by somebody else."""


class NonceUsed(OutcomeUnknown):
    """The token was seen before: some copy of this request arrived."""


class UnknownRefusal(OutcomeUnknown):
    """Upbit refused by a name nobody knows: no proof that nothing happened, but its sentence is for a person."""


class Rejected(ExchangeError):
    """Upbit understood and said no: nothing happened."""


class InsufficientFunds(Rejected):
    """Not enough free balance."""


class UnderMinTotal(Rejected):
    """Worth less than Upbit takes."""


class InvalidOrder(Rejected):
    """A price, volume or combination that Upbit does not take."""


class MarketUnavailable(Rejected):
    """The market does not exist or is closed."""


class AgreementNeeded(Rejected):
    """The account's owner must agree to something on Upbit's pages first."""


class OrderNotFound(Rejected):
    """No order of that name is known now. It may still be on its way."""


class RateLimited(Rejected):
    """Too many requests; `retry_after` seconds until the next of its kind may leave, when that is known."""

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


def passes(error: ExchangeError) -> bool:
    """Return whether asking again may be answered otherwise, without anybody mending anything on our side."""
    return isinstance(error, NotSent | OutcomeUnknown | RateLimited | MarketUnavailable)


BY_NAME: Mapping[str, type[ExchangeError]] = {
    "create_bid_error": InvalidOrder,
    "create_ask_error": InvalidOrder,
    "validation_error": InvalidOrder,
    "invaild_parameter": InvalidOrder,  # so spelled in Upbit's own table
    "notfoundmarket": MarketUnavailable,
    "market_does_not_exist": MarketUnavailable,
    "market_offline": MarketUnavailable,
    "thirdparty_agreement_required": AgreementNeeded,
    "order_not_found": OrderNotFound,
    "duplicated_identifier": DuplicatedIdentifier,
    "nonce_used": NonceUsed,
    "too_many_request_order": OutcomeUnknown,  # the matching engine is busy; no limit of ours, and it passes
    "invalid_access_key": InvalidKey,
    "jwt_verification": InvalidKey,
    "invalid_query_payload": InvalidKey,
    "no_authorization_token": InvalidKey,
    "no_authorization_ip": IpNotAllowed,
    "no_authorization_i_p": IpNotAllowed,  # so spelled until 2024
    "expired_access_key": KeyExpired,
    "out_of_scope": OutOfScope,
}
"""Names of the exchange API whose meaning is certain. A name that is on neither list is no proof of anything."""

BY_PREFIX: Mapping[str, type[ExchangeError]] = {
    "insufficient_funds_": InsufficientFunds,
    "under_min_total_": UnderMinTotal,
    "over_krw_funds_": InvalidOrder,
    "invalid_": InvalidOrder,
    "no_authorization_": Unauthorized,
}
"""Families of names: one for each side, kind of order, or parameter."""

NO_ROUTE = "not_found"
"""What a gateway says that has no route: it is not Upbit who refuses."""

BY_NUMBER: Mapping[int, type[ExchangeError]] = {
    HTTPStatus.BAD_REQUEST: InvalidOrder,
    HTTPStatus.NOT_FOUND: MarketUnavailable,
}
"""The quotation API repeats the status as an integer name."""

REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Statuses under which a name is believed; `order_not_found` with a 502 in front of it is a gateway's confusion."""

LIMITED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})
LIMITED_TEXT = b"Too many API requests."
"""What a 429 sometimes says instead of JSON."""

UNITS_S = {
    1: ("s", "sec", "secs", "second", "seconds", "초"),
    60: ("m", "min", "mins", "minute", "minutes", "분"),
    3600: ("h", "hour", "hours", "시간"),
}
UNIT_S = {word: seconds for seconds, words in UNITS_S.items() for word in words}
DURATION = re.compile(
    rf"(?<![\d.,])(\d{{1,6}}) ?({'|'.join(sorted(UNIT_S, key=len, reverse=True))})(?![A-Za-z])", re.IGNORECASE
)
HEADER_S = re.compile(r"\d{1,6}(\.\d{1,9})?", re.ASCII)

LONGEST_SENTENCE, LONGEST_NAME = 300, 64

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading bytes ends in: they are no JSON, of another shape, or nested deeper than anybody can read."""


class Told(NamedTuple):
    """What an error body says; `name` is None when it is no error of Upbit's form."""

    name: str | int | None
    message: str


class _Inner(msgspec.Struct):
    name: str | int
    message: str = ""


class _Body(msgspec.Struct):
    error: _Inner


def read_body(body: bytes) -> Told:
    """Read an error body; one that is HTML, plain text or nothing has no name."""
    try:
        inner = msgspec.json.decode(body, type=_Body).error
    except UNREADABLE:
        return Told(None, one_line(body[:LONGEST_SENTENCE].decode(errors="replace")))
    name = one_line(inner.name)[:LONGEST_NAME] if isinstance(inner.name, str) else inner.name
    return Told(name, one_line(inner.message))


def one_line(text: str) -> str:
    """Return a text of somebody else's as a sentence can hold it: short, and without what a terminal would obey."""
    printable = "".join(one if one.isprintable() else " " for one in text[:LONGEST_SENTENCE])
    return " ".join(printable.split())


def error_from(status: int, body: bytes, *, retry_after: str | None = None, placing: bool = False) -> ExchangeError:
    """Return the most specific error for an answer that is not a success.

    Args:
        status: the HTTP status, whatever it is but the expected one.
        body: as it came; JSON or not.
        retry_after: the header of that name.
        placing: whether the request was a POST, which may have placed an order.
    """
    told = read_body(body)
    if status in LIMITED:
        kind = kind_of_limit(told.name, body, placing=placing)
    elif isinstance(told.name, int):
        kind = OutcomeUnknown if placing else BY_NUMBER.get(told.name, OutcomeUnknown)
    else:
        kind = kind_of_name(told.name or "", status, placing=placing)
    error = kind(told.message or f"HTTP {status}", name=str(told.name or ""), status=status)
    if isinstance(error, RateLimited):
        error.retry_after = seconds_to_wait(status, told.message, retry_after)
    return error


def kind_of_limit(name: str | int | None, body: bytes, *, placing: bool) -> type[ExchangeError]:
    """Tell a limit of Upbit's from a 429 or 418 that anybody between it and us may have made."""
    from_upbit = name is not None or body.strip() == LIMITED_TEXT
    return RateLimited if from_upbit or not placing else OutcomeUnknown


def kind_of_name(name: str, status: int, *, placing: bool) -> type[ExchangeError]:
    """Return what a name of the exchange API means."""
    if status not in REFUSALS or (placing and status == HTTPStatus.NOT_FOUND):
        return OutcomeUnknown
    unknown = UnknownRefusal if name and name != NO_ROUTE else OutcomeUnknown
    family = next((kind for prefix, kind in BY_PREFIX.items() if name.startswith(prefix)), unknown)
    kind = BY_NAME.get(name, family)
    return OutcomeUnknown if placing and kind is OrderNotFound else kind


def seconds_to_wait(status: int, message: str, retry_after: str | None) -> float | None:
    """Return how long Upbit wants to be left alone; None when it does not say so in so many words.

    The header may say so. A text only with a 418, which names its time: a number in the text of a 429 is a count.
    """
    if retry_after is not None and HEADER_S.fullmatch(retry_after.strip()):
        return float(retry_after)
    found = DURATION.search(message) if status == HTTPStatus.IM_A_TEAPOT else None
    return float(found[1]) * UNIT_S[found[2].lower()] if found else None
