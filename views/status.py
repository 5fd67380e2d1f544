"""`Status`: what is held and what it is worth, places, won, what was earned, as the journal knew at its last look."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.queries import WEBHOOK
from journal.records import worst
from notifier.answers import Trouble
from notifier.formats import kst, signed_won, won
from notifier.words import Words
from strategy.portfolio import start_of_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journal.queries import Queries
    from journal.records import Counts, Halt, Level, Totals, Trade

ZERO = Decimal(0)
OLD = timedelta(minutes=3)
"""A look that is older says nothing of now: the daemon looks every minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An open trade beside the price of the last look. KRW; None where the journal does not know."""

    trade: str
    market: str
    volume: Decimal  # units
    entry: Decimal | None  # average price of what was bought
    price: Decimal | None  # last trade at the last look
    profit: Decimal | None  # after the fees so far, were it sold at that price
    share: Decimal | None  # of what was paid, a fraction
    stop: Decimal | None
    to_stop: Decimal | None  # how far the price would have to move to the stop, a fraction; below 0: it falls


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole at one moment."""

    at: datetime
    looked_at: datetime | None  # of prices, places and won; None: the daemon has never looked
    old: bool  # the last look says nothing of now
    held: tuple[Held, ...]
    taken: int
    places: int | None
    free_won: Decimal | None
    free_won_at: datetime | None
    open_profit: Decimal | None  # None where one of the positions has no price
    today: Decimal  # what trades that ended today in Korea have earned
    ended_today: int
    realised: Decimal  # since ever

    def sentence(self, language: str) -> str:
        """Return it in one sentence."""
        places = "" if self.places is None else f"/{self.places}"
        today = signed_won(self.today, language)
        told = Words(f"보유 {self.taken}{places}, 오늘 {today}", f"{self.taken}{places} places, {today} today").say(
            language
        )
        if self.open_profit is None:
            return told
        profit = signed_won(self.open_profit, language)
        return told + Words(f", 평가손익 {profit}", f", open profit {profit}").say(language)

    def warning(self, language: str) -> str | None:
        """Return that prices are old, and what to do; None while they are not."""
        if self.looked_at is None:
            ko = "데몬이 아직 시세를 기록하지 않았습니다. 실행 중인지 확인하세요: python main.py health"
            return Words(ko, "No prices are written down yet. See whether it runs: python main.py health").say(language)
        if not self.old:
            return None
        ko = f"가격은 {kst(self.looked_at)}의 것입니다. 데몬이 실행 중인지 확인하세요: python main.py health"
        en = f"Prices are of {kst(self.looked_at)}. See whether the daemon runs: python main.py health"
        return Words(ko, en).say(language)

    def account(self, language: str) -> str:
        """Return the free won as far as it is known."""
        if self.free_won is None or self.free_won_at is None:
            return Words("쓸 수 있는 원화: 아직 모름", "available won: not known yet").say(language)
        free = won(self.free_won, language)
        ko, en = f"쓸 수 있는 원화: {free}", f"available won: {free}"
        return f"{Words(ko, en).say(language)} ({kst(self.free_won_at)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen when somebody looked last: prices, places and won."""

    at: datetime | None = None  # None: nobody has looked
    prices: Mapping[str, Decimal | None] = field(default_factory=dict)
    places: int | None = None
    won: Decimal | None = None  # free
    won_at: datetime | None = None


def last_look(journal: Queries, now: datetime) -> Seen:
    """Return what was seen at the last look at all markets, as the journal has it."""
    look = journal.scan_at(now)
    scan = look.scan if look else None
    facts = scan.facts if scan else {}
    return Seen(
        at=look.minute if look else None,
        prices=dict(zip(scan.markets, scan.prices, strict=True)) if scan else {},
        places=facts.get("places"),
        won=Decimal(facts["won"]) if "won" in facts else None,
        won_at=datetime.fromisoformat(facts["won_at"]) if "won_at" in facts else None,
    )


def status(journal: Queries, now: datetime, seen: Seen | None = None) -> Status:
    """Return what the journal knows at a moment, beside what was seen; by default at its last look."""
    seen = last_look(journal, now) if seen is None else seen
    held = tuple(of_trade(trade, seen.prices.get(trade.market)) for trade in journal.open_trades())
    today = journal.closed_between(start_of_day(now), now + timedelta(milliseconds=1))
    return Status(
        at=now,
        looked_at=seen.at,
        old=seen.at is None or now - seen.at > OLD,
        held=held,
        taken=len(held),
        places=seen.places,
        free_won=seen.won,
        free_won_at=seen.won_at,
        open_profit=together(held),
        today=sum((trade.profit_krw for trade in today), ZERO),
        ended_today=len(today),
        realised=journal.realised(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What becomes of messages to a person."""

    waiting: int
    refused: int  # by Discord, for good
    trouble: Trouble | None  # why none arrives

    def warnings(self, language: str) -> list[str]:
        """Return what a person should know of messages that do not arrive: nothing while all do."""
        lines = [self.trouble.say(language)] if self.trouble else []
        if self.trouble and self.waiting:
            lines.append(Words(f"기다리는 알림: {self.waiting}개", f"messages that wait: {self.waiting}").say(language))
        if self.refused:
            ko, en = (
                f"디스코드가 받지 않은 알림: {self.refused}개",
                f"messages that Discord did not take: {self.refused}",
            )
            lines.append(Words(ko, en).say(language))
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All that `status` tells, and the page with it."""

    now: Status
    halts: tuple[Halt, ...]
    trades: tuple[Trade, ...]  # open ones
    totals: Totals
    counts: Counts
    messages: Messages

    @property
    def state(self) -> Level:
        """How much is forbidden."""
        return worst(self.halts)

    def warnings(self, language: str) -> list[str]:
        """Return what a person should know besides the halts."""
        old = self.now.warning(language)
        return [*([old] if old else []), *self.messages.warnings(language)]

    def document(self, language: str) -> dict[str, object]:
        """Return what `status --json` prints."""
        trouble = self.messages.trouble
        return {
            "state": self.state.name,
            "halts": self.halts,
            "sentence": self.now.sentence(language),
            "now": self.now,
            "open_trades": self.trades,
            "totals": self.totals,
            "counts": self.counts,
            "messages": {
                "waiting": self.messages.waiting,
                "refused": self.messages.refused,
                "trouble": trouble and trouble.name,
            },
        }


def overview(journal: Queries, now: datetime) -> Overview:
    """Return what is held, what it is worth, why trading stands still, and what was traded, at a moment."""
    waiting, refused = journal.waiting_notes()
    trouble = Trouble.__members__.get(journal.meta(WEBHOOK) or "")
    return Overview(
        now=status(journal, now),
        halts=tuple(journal.standing_halts()),
        trades=tuple(journal.open_trades()),
        totals=journal.totals(),
        counts=journal.counts(),
        messages=Messages(waiting=waiting, refused=refused, trouble=trouble),
    )


def of_trade(trade: Trade, price: Decimal | None) -> Held:
    """Return an open trade beside a price."""
    bought = trade.bought > 0
    profit = trade.profit_krw + trade.volume * price if price is not None and bought else None
    return Held(
        trade=trade.id,
        market=trade.market,
        volume=trade.volume,
        entry=trade.bought_krw / trade.bought if bought else None,
        price=price,
        profit=profit,
        share=profit / trade.cost_krw if profit is not None and trade.cost_krw else None,
        stop=trade.stop_price,
        to_stop=trade.stop_price / price - 1 if trade.stop_price and price else None,
    )


def together(held: tuple[Held, ...]) -> Decimal | None:
    """Return the open profit of all positions; None where one has bought something and has no price."""
    known = [one.profit for one in held if one.entry is not None]
    return None if None in known else sum((profit for profit in known if profit is not None), ZERO)
