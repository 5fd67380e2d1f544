"""What an error of the exchange means for a person: one sentence, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from notifier.words import Words, quoted
from upbit import errors

if TYPE_CHECKING:
    from upbit.errors import ExchangeError

SENTENCES: tuple[tuple[type[ExchangeError], str, str], ...] = (
    (
        errors.IpNotAllowed,
        "이 컴퓨터의 IP가 API 키에 등록되어 있지 않습니다. 업비트 Open API 관리에서 이 서버의 공인 IP를 등록하세요.",
        "This machine's address is not on the key's list. Register its public IP in Upbit's Open API management.",
    ),
    (
        errors.KeyExpired,
        "API 키의 유효 기간(1년)이 지났습니다. 업비트에서 새 키를 발급해 ACCESS_KEY와 SECRET_KEY를 바꾸세요.",
        "The API key is older than a year. Issue a new one at Upbit and replace ACCESS_KEY and SECRET_KEY.",
    ),
    (
        errors.OutOfScope,
        "API 키에 권한이 없습니다. 자산조회, 주문조회, 주문하기 권한으로 키를 다시 발급하세요. 출금 권한은 빼세요.",
        "The API key lacks a permission. Issue it again with view assets, view orders, make orders; never withdrawal.",
    ),
    (
        errors.InvalidKey,
        "API 키가 올바르지 않습니다. ACCESS_KEY와 SECRET_KEY를 빠짐없이 다시 복사하세요.",
        "The API keys are wrong. Copy ACCESS_KEY and SECRET_KEY again, completely.",
    ),
    (
        errors.RateLimited,
        "요청이 너무 많아 업비트가 잠시 막았습니다. 같은 계정이나 IP의 다른 프로그램을 확인하세요.",
        "Upbit refuses more requests for now. Look for other programs on this account or address, and try again later.",
    ),
    (
        errors.MarketUnavailable,
        "이 마켓은 지금 거래할 수 없습니다(점검, 거래 중단 또는 없는 마켓). 업비트 공지를 확인하세요.",
        "This market cannot be traded now (maintenance, suspension, or it does not exist). See Upbit's notices.",
    ),
    (
        errors.AgreementNeeded,
        "업비트에서 동의(개인정보 제3자 제공 등)를 먼저 해야 합니다. 업비트 웹이나 앱에서 동의한 뒤 다시 시작하세요.",
        "Upbit wants an agreement first (third-party consent). Agree on Upbit's site or app, then resume.",
    ),
    (
        errors.InsufficientFunds,
        "주문할 잔고가 부족합니다. 입금하거나 trading.order_krw를 줄이세요.",
        "The balance is too small for the order. Deposit, or lower trading.order_krw.",
    ),
    (
        errors.NotSent,
        "거래소에 연결할 수 없습니다. 인터넷 연결과 UPBIT_BASE_URL을 확인하세요.",
        "The exchange cannot be reached. Check the network and UPBIT_BASE_URL.",
    ),
    (
        errors.UnknownRefusal,
        "업비트가 거절했습니다. 괄호 안에 있는 업비트의 답을 읽고 그대로 해 주세요.",
        "Upbit refused. Its own words are in the brackets: do what they say.",
    ),
    (
        errors.OutcomeUnknown,
        "거래소가 알아들을 수 있는 답을 주지 않았습니다. UPBIT_BASE_URL과 업비트 점검 공지를 확인하세요.",
        "The exchange gave no usable answer. Check UPBIT_BASE_URL and Upbit's maintenance notices.",
    ),
    (
        errors.ExchangeError,
        "거래소가 요청을 거절했습니다.",
        "The exchange refused the request.",
    ),
)
"""The first row whose kind fits."""


def explain(error: ExchangeError, language: str) -> str:
    """Return one sentence in the language of the settings, with Upbit's own words behind it where there are any."""
    _, ko, en = next(row for row in SENTENCES if isinstance(error, row[0]))
    sentence, own = Words(ko, en).say(language), own_words(error)
    return f"{sentence} ({own})" if own else sentence


def own_words(error: ExchangeError) -> str:
    """Return what Upbit itself said: a name and its sentence. What a gateway or a library says is for the log."""
    if isinstance(error, errors.NotSent):
        return ""
    status = f"HTTP {error.status}" if error.status else ""
    if not error.name or error.name.isdigit():
        return status
    return quoted(f"{error.name}: {error.message}") or status
