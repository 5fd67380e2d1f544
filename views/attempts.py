"""What became of one sending of an order, and which message is meant, in words: the journal keeps codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.records import IntentState
from notifier.words import Words

if TYPE_CHECKING:
    from journal.records import Attempt

ORDERS = {"bid": Words("매수 주문", "an order to buy"), "ask": Words("매도 주문", "an order to sell")}
FENCE = Words("대신 체결될 수 없는 확인 주문", "in its place an order that cannot trade")
"""Sent under the same name: whichever of the two is seen says what became of the doubtful one."""
BECAME = {
    None: Words("답을 기다리는 중", "its answer is awaited"),
    IntentState.PLANNED: Words("업비트에 닿지 않음", "it did not reach Upbit"),
    IntentState.ACCEPTED: Words("업비트가 받음", "Upbit took it"),
    IntentState.FINAL: Words("업비트가 받음", "Upbit took it"),
    IntentState.REJECTED: Words("업비트가 거절함", "Upbit refused it"),
    IntentState.UNKNOWN: Words("결과를 알 수 없어 확인함", "nobody knows whether it was taken, so it is looked for"),
    IntentState.FENCED: Words("업비트가 받음: 원래 주문은 없음", "Upbit took it: the order itself does not exist"),
    IntentState.ABANDONED: Words("보내지 않음", "it was not sent"),
}
"""What the journal says of an attempt."""
WHY = {
    "AgreementNeeded": Words("업비트에서 동의가 필요함", "Upbit wants an agreement"),
    "DuplicatedIdentifier": Words("이미 쓰인 주문 이름", "the name is used already"),
    "InsufficientFunds": Words("잔고 부족", "the balance is too small"),
    "InvalidKey": Words("잘못된 API 키", "the API key is wrong"),
    "InvalidOrder": Words("업비트가 받지 않는 가격이나 수량", "Upbit does not take such a price or volume"),
    "IpNotAllowed": Words("등록되지 않은 IP", "this machine's address is not on the key's list"),
    "KeyExpired": Words("API 키 만료", "the API key has expired"),
    "MarketUnavailable": Words("거래할 수 없는 마켓", "the market cannot be traded"),
    "NonceUsed": Words("이미 쓰인 요청", "the request was seen before"),
    "NotSent": Words("연결 실패", "no connection"),
    "OrderNotFound": Words("찾을 수 없는 주문", "there is no such order"),
    "OutOfScope": Words("API 키 권한 부족", "the API key lacks a permission"),
    "OutcomeUnknown": Words("쓸 수 있는 답이 없음", "no usable answer"),
    "RateLimited": Words("요청이 너무 많음", "too many requests"),
    "Rejected": Words("업비트의 거절", "Upbit said no"),
    "Unauthorized": Words("API 키 거절", "the API key is refused"),
    "UnderMinTotal": Words("최소 주문 금액 미만", "it is worth less than Upbit takes"),
    "UnknownRefusal": Words("알 수 없는 이유의 거절", "a refusal nobody knows"),
    "Withheld": Words("매매가 멈춰 있음", "trading stands still"),
    "answered with fence": Words("확인 주문이 보임", "the order that cannot trade was shown"),
    "answered with nothing": Words("답이 주문을 증명하지 않음", "the answer proves nothing"),
    "answered with other": Words("답이 다른 주문을 보임", "the answer shows another order"),
    "answered with real": Words("원래 주문이 보임", "the order itself was shown"),
    "cancelled": Words("답을 기다리다 멈춤", "it was not waited for"),
    "the process ended": Words("프로그램이 끝남", "the program ended"),
}
"""Why, by what the journal keeps of it; that it was taken needs no reason."""
MESSAGES = {
    "bought": Words("매수 카드", "the card of the buy"),
    "sold": Words("매도 결과 카드", "the card of the result"),
    "problem": Words("문제 알림", "a problem"),
    "halted": Words("중단 알림", "a halt"),
    "resumed": Words("재개 알림", "a resume"),
}
"""Messages that are about a trade."""


def sent(side: str, attempt: Attempt) -> Words:
    """Return one sending of an order in a sentence."""
    order, became = ORDERS[side], BECAME[attempt.state]
    what = order if attempt.kind == "real" else FENCE
    again = attempt.number > 0 and attempt.kind == "real"
    nth = Words(f" {attempt.number + 1}번째 전송", f" was sent, time {attempt.number + 1}")
    ko = f"{what.ko}{nth.ko if again else ' 전송'}: {became.ko}"
    en = f"{what.en}{nth.en if again else ' was sent'}: {became.en}"
    why = WHY.get(attempt.outcome or "")
    return Words(ko, en) if why is None else Words(f"{ko} ({why.ko})", f"{en} ({why.en})")


def message(kind: str) -> Words:
    """Return what a message about a trade is called."""
    return MESSAGES.get(kind, Words("알림", "a message"))
