"""The digest of 09:00 in Korea: what yesterday brought, what is held, and what a person should know today.

It comes every day: that it is missing says what nobody else could, that the daemon has died.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from notifier import watchers
from notifier.colours import PALETTES
from notifier.curve import KEPT, Curve
from notifier.formats import gain, percent, signed_won, won
from notifier.words import readable
from notifier.writer import GREY, ORANGE, SHADES, Writer, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from journal.records import Halt, Note, Trade
    from notifier.words import Words

KEY_ENDS_SOON = 30
"""Days before the end of the API key from which on the digest is a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What the daemon knows at 09:00; None where it does not."""

    day: date  # the calendar day in Korea that is over
    ended: Sequence[Trade]  # trades that ended on it
    open_trades: Sequence[Trade]
    open_krw: Decimal | None  # what the open trades have earned at the prices of now
    equity_krw: Decimal | None  # won of the account, and what the bot's positions are worth now
    before_krw: Decimal | None  # the same at the digest before
    realised_krw: Decimal  # of all trades that have ended, since ever
    halts: Sequence[Halt]
    dead: Sequence[str]  # parts of the daemon that have stopped
    key_days: int | None  # until the API key ends
    bitcoin: Decimal | None  # what holding bitcoin over the day would have earned, a fraction
    in_the_way: Words | None = None  # why nothing was bought for a day; None where something was
    curve: Sequence[Decimal] = ()  # equity of the newest days, KRW, oldest first, that of now last

    @property
    def profit_krw(self) -> Decimal:
        """What the trades that ended on the day have earned, after fees."""
        return sum((trade.profit_krw for trade in self.ended), Decimal(0))

    @property
    def paid_krw(self) -> Decimal:
        """What they had cost."""
        return sum((trade.cost_krw for trade in self.ended), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests(Writer):
    """Writes it."""

    def digest(self, digest: Digest, *, at: datetime) -> Note:
        """Tell yesterday's profit and trades, open profit, equity beside bitcoin, halts, and when the key ends."""
        wrong = [plain(readable(getattr(halt, self.language))) for halt in digest.halts]
        wrong += [watchers.sentence(part, self.language) for part in digest.dead]
        soon = digest.key_days is not None and digest.key_days <= KEY_ENDS_SOON
        title = self._say(f"{digest.day:%m-%d} 일일 결산", f"Daily summary {digest.day:%m-%d}")
        closing = self._say(
            "매일 09:00(KST)에 옵니다. 오지 않은 날에는 서버를 확인하세요.",
            "Sent every day at 09:00 KST. If it does not arrive, check the server.",
        )
        lines = [f"⚠ {line}" for line in wrong] + self._not_bought(digest) + [closing]
        note = self._note(
            f"digest:{digest.day:%Y-%m-%d}",
            "digest",
            title,
            color=ORANGE if wrong or soon else GREY,
            at=at,
            fields=self._facts(digest),
            text="\n".join(lines),
        )
        return self._drawn(note, digest.curve) if len(digest.curve) > 1 else note

    def _not_bought(self, digest: Digest) -> list[str]:
        if digest.in_the_way is None:
            return []
        nothing = self._say("하루 동안 아무것도 사지 않았습니다.", "Nothing was bought for a day.")
        return [f"{nothing} {plain(digest.in_the_way.say(self.language))}"]

    def _drawn(self, note: Note, curve: Sequence[Decimal]) -> Note:
        """Return the note with what its picture is drawn of when it is sent, and what it tells who cannot see it."""
        change, days = curve[-1] - curve[0], len(curve) - 1
        told = self._say(
            f"최근 {days}일의 총 보유자산: {won(curve[0], 'ko')} → {won(curve[-1], 'ko')}",
            f"Equity of {days} {'day' if days == 1 else 'days'}: {won(curve[0], 'en')} → {won(curve[-1], 'en')}",
        )
        drawn = Curve(levels=tuple(curve), color=SHADES[PALETTES[self.colors].of(change)], told=told)
        return replace(note, body={**note.body, KEPT: msgspec.to_builtins(drawn)})

    def _facts(self, digest: Digest) -> list[tuple[str, str]]:
        language, unknown = self.language, self._say("확인 전", "not known yet")
        held = ", ".join(trade.market.removeprefix("KRW-") for trade in digest.open_trades)
        days = unknown if digest.key_days is None else self._say(f"{digest.key_days}일", f"{digest.key_days} days")
        return [
            (
                self._say("어제 실현손익 (수수료 후)", "Realised yesterday, after fees"),
                gain(digest.profit_krw, digest.paid_krw, language),
            ),
            (self._say("어제 청산한 거래", "Trades closed yesterday"), self._ended(digest)),
            (self._say("보유 종목", "Open positions"), held or self._say("없음", "nothing")),
            (
                self._say("평가손익", "Unrealised profit"),
                unknown if digest.open_krw is None else signed_won(digest.open_krw, language),
            ),
            (
                self._say("총 보유자산", "Equity"),
                unknown if digest.equity_krw is None else won(digest.equity_krw, language),
            ),
            (self._say("자산 변동 (입출금 포함)", "Change, including deposits"), self._change(digest)),
            (
                self._say("같은 날 비트코인", "Bitcoin that day"),
                unknown if digest.bitcoin is None else percent(digest.bitcoin),
            ),
            (self._say("누적 실현손익", "Realised in total"), signed_won(digest.realised_krw, language)),
            (self._say("API 키 만료까지", "API key expires in"), days),
        ]

    def _ended(self, digest: Digest) -> str:
        won_, lost = (sum(1 for trade in digest.ended if (trade.profit_krw > 0) is good) for good in (True, False))
        return self._say(
            f"{len(digest.ended)}건 (이익 {won_}, 손실 {lost})", f"{len(digest.ended)} ({won_} up, {lost} down)"
        )

    def _change(self, digest: Digest) -> str:
        if digest.equity_krw is None or digest.before_krw is None:
            return self._say("확인 전", "not known yet")
        return gain(digest.equity_krw - digest.before_krw, digest.before_krw, self.language)
