"""The card of a trade: sent when it has bought, and edited when it has ended, so that one trade is one message."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from notifier.colours import PALETTES
from notifier.formats import average, gain, held, price, units, won
from notifier.labels import shown
from notifier.words import readable
from notifier.writer import GREY, SHADES, Writer, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from journal.records import Fill, Note, Trade

CHART = "https://upbit.com/exchange?code=CRIX.UPBIT."
TAKEN = "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is left for further trades right after a buy."""

    taken: int  # places
    places: int
    free_krw: Decimal | None  # None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Cards(Writer):
    """Writes the two states of a card."""

    def bought(
        self,
        trade: Trade,
        *,
        name: str,
        fills: list[Fill],
        fee: Decimal,
        stop_price: Decimal | None,
        at: datetime,
        room: Room | None = None,
    ) -> Note:
        """Tell a real buy: market, price, volume, amount, fee, reason with its numbers, stop, what is left."""
        funds = sum((fill.funds for fill in fills), Decimal(0))
        bought = sum((fill.volume for fill in fills), Decimal(0))
        fields = [
            (self._say("평균 매수가", "Average price"), average(funds / bought)),
            (self._say("수량", "Volume"), units(bought)),
            (self._say("매수 금액", "Amount"), won(funds, self.language)),
            (self._say("수수료", "Fee"), won(fee, self.language)),
            (self._say("손절가", "Stop"), price(stop_price) if stop_price is not None else self._say("없음", "none")),
        ]
        if room is not None:
            fields.append((self._say("보유 종목", "Positions"), f"{room.taken}/{room.places}"))
            if room.free_krw is not None:
                fields.append((self._say("주문 가능 원화", "Available KRW"), won(room.free_krw, self.language)))
        title = f"{self._say('매수', 'Bought')} {plain(name)} ({trade.market})"
        return self._card(f"bought:{trade.id}", "bought", title, trade, at=at, fields=fields, color=GREY)

    def sold(self, trade: Trade, *, name: str, dust: Decimal, at: datetime) -> Note:
        """Tell the end of a trade: profit after fees in won and percent, how long it was held, and why it ended."""
        moved = not trade.sold and bool(trade.taken_krw)
        fields = [
            (self._say("손익 (수수료 후)", "Profit after fees"), gain(trade.profit_krw, trade.cost_krw, self.language)),
            (self._say("진입가 → 청산가", "Entry → exit"), f"{average(trade.entry_price)} → {self._exit(trade)}"),
            (self._say("수량", "Volume"), units(trade.bought)),
            (self._say("매수 금액", "Paid"), won(trade.cost_krw, self.language)),
            (self._say("매도 금액", "Received"), won(trade.proceeds_krw, self.language)),
            (self._say("수수료 합계", "Fees"), won(trade.fees_krw, self.language)),
            (self._say("보유 기간", "Held for"), held(at - (trade.opened_at or trade.decided_at), self.language)),
        ]
        if trade.taken_krw:
            fields.append((self._say("직접 매도·출금", "Taken out by you"), won(trade.taken_krw, self.language)))
        if dust:
            fields.append((self._say("잔여 소액", "Dust left"), units(dust)))
        ended = self._say("직접 정리", "Taken out by you") if moved else self._say("매도", "Sold")
        title = f"{ended} {plain(name)} ({trade.market})"
        color = SHADES[PALETTES[self.colors].of(trade.profit_krw)]
        return self._card(f"sold:{trade.id}", "sold", title, trade, at=at, fields=fields, color=color)

    def _exit(self, trade: Trade) -> str:
        return average(trade.exit_price) if trade.sold else self._say("매도 없음", "no sale")

    def _card(
        self, key: str, kind: str, title: str, trade: Trade, *, at: datetime, fields: list[tuple[str, str]], color: int
    ) -> Note:
        reasons = [
            (self._say("매수", "Entry"), trade.entry_reason),
            (self._say("매도", "Exit"), trade.exit_reason or {}),
        ]
        if trade.exit_reason and trade.exit_reason.get("code") == TAKEN:
            reasons[1] = (self._say("끝", "End"), trade.exit_reason)
        lines = [f"**{label}** {words}" for label, reason in reasons if (words := self._reason(reason))]
        url = f"{CHART}{trade.market}"
        text = "\n".join(lines)
        return self._note(key, kind, title, color=color, at=at, fields=fields, text=text, card=trade.id, url=url)

    def _reason(self, reason: Mapping[str, object]) -> str:
        """Return why, with the numbers that decided, each under its label."""
        numbers = reason.get("numbers")
        words = plain(readable(str(reason.get(self.language, ""))))
        known = plain(shown(numbers, self.language)) if isinstance(numbers, dict) and numbers else ""
        return f"{words}: {known}" if known else words
