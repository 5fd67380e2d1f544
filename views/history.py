"""Trades that have ended: a period of them, what they earned by day, month, market or reason, and one trade's story."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from notifier.formats import KST, gain, kst, price, units, won
from notifier.words import Words
from views.attempts import message, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from journal.queries import Queries
    from journal.records import Trade

ZERO = Decimal(0)
GROUPS: dict[str, Callable[[Trade], str]] = {
    "day": lambda trade: f"{ended(trade) + KST:%Y-%m-%d}",
    "month": lambda trade: f"{ended(trade) + KST:%Y-%m}",
    "market": lambda trade: trade.market,
    "reason": lambda trade: str((trade.exit_reason or {}).get("code", "-")),
}
"""What trades can be added up by; days and months are Korean."""
TURNS = {
    "entering": Words("매수를 결정함", "the buy was decided"),
    "holding": Words("보유 시작", "holding"),
    "leaving": Words("매도를 결정함", "the sale was decided"),
    "closed": Words("거래 끝", "the trade has ended"),
    "abandoned": Words("아무것도 사지 못하고 끝남", "it ended without having bought anything"),
}
SIDES = {"bid": Words("매수", "bought"), "ask": Words("매도", "sold")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What some trades have earned together. KRW."""

    name: str
    trades: int
    gained: int  # how many of them earned something
    paid: Decimal
    profit: Decimal  # after fees
    fees: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened to a trade."""

    at: datetime
    what: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStory:
    """A trade from the candle that caused it to its last message, each with its time."""

    trade: Trade
    moments: tuple[Moment, ...]


def ended(trade: Trade) -> datetime:
    """Return when a trade ended; when it was decided, while it has not."""
    return trade.closed_at or trade.decided_at


def sums(trades: Iterable[Trade], by: str) -> list[Sum]:
    """Add trades up by a key of `GROUPS`, in its order."""
    grouped: dict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        grouped[GROUPS[by](trade)].append(trade)
    return [
        Sum(
            name=name,
            trades=len(some),
            gained=sum(trade.profit_krw > 0 for trade in some),
            paid=sum((trade.cost_krw for trade in some), ZERO),
            profit=sum((trade.profit_krw for trade in some), ZERO),
            fees=sum((trade.fees_krw for trade in some), ZERO),
        )
        for name, some in sorted(grouped.items())
    ]


def story(journal: Queries, trade_id: str) -> TradeStory:
    """Return everything the journal knows of a trade, oldest first."""
    trade = journal.trade(trade_id)
    told = [*beginning(journal, trade), *turns(journal, trade), *orders(journal, trade), *messages(journal, trade)]
    return TradeStory(trade=trade, moments=tuple(sorted(told, key=lambda one: one.at)))


def beginning(journal: Queries, trade: Trade) -> Iterator[Moment]:
    """Yield the candle and the draw that a trade came from, as far as they are still kept."""
    look = journal.scan_at(trade.decided_at)
    if look is not None and trade.decided_at - look.closed_at < 2 * trade.unit:
        yield Moment(at=look.closed_at, what=Words("캔들이 닫힘", "the candle closed"))
    draw = journal.draw_of(trade.market, trade.decided_at)
    if draw is not None:
        ko, en = f"후보 {draw.candidates}개 중에서 뽑힘", f"drawn, one of {draw.candidates} candidates"
        yield Moment(at=draw.at, what=Words(ko, en))


def turns(journal: Queries, trade: Trade) -> Iterator[Moment]:
    """Yield how far the trade had come, and why it was bought and sold."""
    reasons = {"entering": trade.entry_reason, "leaving": trade.exit_reason or {}}
    for at, kind, data in journal.turns_of(trade.id):
        phase = str(data.get("phase", ""))
        if kind == "trade" and phase in TURNS:
            reason = reasons.get(phase, {})
            ko, en = (f": {reason[word]}" if reason.get(word) else "" for word in ("ko", "en"))
            yield Moment(at=at, what=Words(TURNS[phase].ko + ko, TURNS[phase].en + en))
        elif kind == "stop":
            stop = price(Decimal(str(data["stop_price"])))
            yield Moment(at=at, what=Words(f"손절가 {stop}", f"stop at {stop}"))
        elif kind == "flow":
            volume = units(abs(Decimal(str(data["volume"]))))
            yield Moment(at=at, what=Words(f"주문 없이 옮겨진 코인 {volume}", f"{volume} moved without an order"))


def orders(journal: Queries, trade: Trade) -> Iterator[Moment]:
    """Yield every attempt and every fill of the trade's orders."""
    for intent in journal.intents_of(trade.id):
        side = SIDES[intent.side]
        for attempt in journal.attempts(intent.identifier):
            yield Moment(at=attempt.began_at, what=sent(intent.side, attempt))
        for fill in journal.fills_of(intent.identifier):
            told = f"{units(fill.volume)} × {price(fill.price)}"
            ko, en = f"{side.ko} 체결 {told} = {won(fill.funds, 'ko')}", f"{side.en} {told} = {won(fill.funds, 'en')}"
            yield Moment(at=fill.at, what=Words(ko, en))


def messages(journal: Queries, trade: Trade) -> Iterator[Moment]:
    """Yield the messages about the trade, when they were delivered or that they wait."""
    for kind, written_at, sent_at in journal.messages_about(trade.id):
        what = message(kind)
        if sent_at is None:
            yield Moment(at=written_at, what=Words(f"{what.ko} 전송을 기다림", f"{what.en} waits to be delivered"))
        else:
            yield Moment(at=sent_at, what=Words(f"{what.ko} 전송됨", f"{what.en} was delivered"))


def outcome(trade: Trade, language: str) -> str:
    """Return in one line what a trade has come to."""
    name = f"{trade.market} {trade.id}"
    if trade.closed_at is None:
        return f"{name}: {Words('진행 중', 'not ended').say(language)} ({kst(trade.decided_at)})"
    return f"{name}: {gain(trade.profit_krw, trade.cost_krw, language)} ({kst(trade.closed_at)})"
