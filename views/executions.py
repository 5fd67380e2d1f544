"""Every execution as Upbit lists them itself, so that anybody can compare, and so that the sums are the wallet's."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING

from notifier.formats import KST
from notifier.words import Words
from upbit.rules import base_of, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from journal.queries import Queries
    from journal.records import Fill, Intent

FEE_STEP = Decimal("0.00000001")
COLUMNS = (
    Words("체결시간", "Executed at"),
    Words("코인", "Coin"),
    Words("마켓", "Market"),
    Words("종류", "Side"),
    Words("거래수량", "Volume"),
    Words("거래단가", "Price"),
    Words("거래금액", "Amount"),
    Words("수수료", "Fee"),
    Words("정산금액(수수료반영)", "Settled (with fee)"),
    Words("주문시간", "Ordered at"),
    Words("uuid", "uuid"),
    Words("identifier", "identifier"),
    Words("거래", "Trade"),
)
"""The ten columns of Upbit's own list, and behind them what ties a row to the order and the trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill of one of our orders, with its part of the order's fee. Money is KRW."""

    at: datetime  # UTC
    market: str
    side: str  # "bid" or "ask"
    volume: Decimal  # units
    price: Decimal
    funds: Decimal
    fee: Decimal
    ordered_at: datetime  # UTC
    uuid: str | None  # Upbit's name of the order
    identifier: str  # our name of it
    trade: str

    @property
    def settled(self) -> Decimal:
        """What was paid for a buy with its fee, or received of a sale without it: a positive amount, as Upbit shows."""
        return self.funds + self.fee if self.side == "bid" else self.funds - self.fee

    @property
    def krw(self) -> Decimal:
        """Change of the won in the wallet."""
        return -self.settled if self.side == "bid" else self.settled

    @property
    def coins(self) -> Decimal:
        """Change of the coins in the wallet."""
        return self.volume if self.side == "bid" else -self.volume


def executions(journal: Queries, begin: datetime | None = None, end: datetime | None = None) -> list[Execution]:
    """Return the executions from `begin` on and before `end`, oldest first."""
    found = of_fills(journal.executions())
    return [one for one in found if (begin is None or one.at >= begin) and (end is None or one.at < end)]


def of_fills(filled: Sequence[tuple[Intent, Fill]]) -> list[Execution]:
    """Return the executions of fills beside their orders."""
    orders: dict[str, list[int]] = defaultdict(list)
    for place, (intent, _) in enumerate(filled):
        orders[intent.identifier].append(place)
    fees: dict[int, Decimal] = {}
    for places in orders.values():
        parts = share(filled[places[0]][0].paid_fee, [filled[place][1].funds for place in places])
        fees |= dict(zip(places, parts, strict=True))
    return [
        Execution(
            at=fill.at,
            market=intent.market,
            side=intent.side.value,
            volume=fill.volume,
            price=fill.price,
            funds=fill.funds,
            fee=fees[place],
            ordered_at=intent.decided_at,
            uuid=intent.uuid,
            identifier=intent.identifier,
            trade=intent.trade_id,
        )
        for place, (intent, fill) in enumerate(filled)
    ]


def share(fee: Decimal, funds: Sequence[Decimal]) -> list[Decimal]:
    """Share an order's fee among its fills by their funds; the last one takes what is left, so that nothing is lost."""
    whole = sum(funds, Decimal(0))
    shares = [
        (fee * part / whole).quantize(FEE_STEP, rounding=ROUND_DOWN) if whole else Decimal(0) for part in funds[:-1]
    ]
    return [*shares, fee - sum(shares, Decimal(0))]


def to_csv(found: Iterable[Execution], language: str) -> str:
    """Return a table that a spreadsheet reads; numbers are exact, times are Korean."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([column.say(language) for column in COLUMNS])
    sides = {"bid": Words("매수", "buy"), "ask": Words("매도", "sell")}
    for one in found:
        numbers = (one.volume, one.price, one.funds, one.fee, one.settled)
        table.writerow(
            [
                clock(one.at),
                base_of(one.market),
                one.market,
                sides[one.side].say(language),
                *(plain(number) for number in numbers),
                clock(one.ordered_at),
                one.uuid or "",
                one.identifier,
                one.trade,
            ]
        )
    return text.getvalue()


def clock(moment: datetime) -> str:
    """Return a Korean time to the second."""
    return f"{moment + KST:%Y-%m-%d %H:%M:%S}"
