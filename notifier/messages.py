"""What a person is told: Discord embeds in Korean or English, each under a key that is unique for what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from config.version import VERSION
from journal.records import Ends, Level
from notifier import watchers
from notifier.cards import Cards
from notifier.digest import Digests
from notifier.formats import KST, number, signed_won, units, won
from notifier.words import Words, readable
from notifier.writer import ALARM, BLUE, GREY, ORANGE, plain
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from journal.records import Halt, Intent, Note, Totals, Trade
    from strategy.base import Strategy
    from upbit.models import Order

EVIDENCE = {
    "market": Words("마켓", "Market"),
    "loss_krw": Words("손실 (원)", "Loss (won)"),
    "percent": Words("최대 투자금 대비 (%)", "Share of the budget (%)"),
    "seconds": Words("초", "Seconds"),
    "free": Words("주문 가능 원화", "Available KRW"),
    "error": Words("업비트 오류 이름", "Upbit's name for it"),
    "uuid": Words("업비트 주문 UUID", "Upbit's order"),
    "evidence": Words("증거 파일", "Evidence"),
}
"""Which facts about a halt are shown to a person, and under which name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages(Cards, Digests):
    """Writes every message in one language; `mode` says whether it is about real money."""

    def started(self, *, strategy: Strategy, unit: timedelta, most_spent_krw: Decimal, seed: int, at: datetime) -> Note:
        """Tell that trading begins, and what it may spend at most."""
        fields = [
            (
                self._say("전략", "Strategy"),
                f"{strategy.ko if self.language == 'ko' else strategy.en} ({strategy.name})",
            ),
            (
                self._say("캔들", "Candles"),
                self._say(f"{unit.total_seconds() / 60:g}분", f"{unit.total_seconds() / 60:g} min"),
            ),
            (self._say("최대 투자 금액", "Most in positions"), won(most_spent_krw, self.language)),
            (self._say("시드", "Seed"), str(seed)),
            (self._say("버전", "Version"), VERSION),
        ]
        title = self._say("자동매매 시작", "Trading started")
        return self._note(f"started:{at.isoformat()}", "started", title, color=BLUE, at=at, fields=fields)

    def stopped(self, *, open_trades: list[Trade], totals: Totals, at: datetime) -> Note:
        """Tell that trading has stopped, and what is still held."""
        held_markets = ", ".join(trade.market for trade in open_trades) or "-"
        fields = [
            (self._say("보유 종목", "Open positions"), held_markets),
            (self._say("누적 실현손익", "Realised profit"), signed_won(totals.realised_pnl, self.language)),
            (self._say("수수료 합계", "Fees"), won(totals.fees, self.language)),
        ]
        title = self._say("자동매매 종료", "Trading stopped")
        return self._note(f"stopped:{at.isoformat()}", "stopped", title, color=GREY, at=at, fields=fields)

    def halted(self, halt: Halt) -> Note:
        """Tell that trading is halted and why: each time, however soon after the last."""
        until = self._say("원인이 해소되면 자동으로 재개합니다.", "It resumes by itself once the cause is gone.")
        if halt.ends is Ends.PERSON:
            until = self._say(
                "확인 후 재개: `python main.py resume`", "Once you have checked, resume with `python main.py resume`"
            )
        title = self._say("매수 중단", "Buying halted")
        if halt.level is Level.HALTED:
            title = self._say("전체 주문 중단", "All trading halted")
        key = f"halted:{halt.code}:{halt.level}:{halt.since.isoformat()}"
        text, fields = f"{self._why(halt)}\n{until}", self._evidence(halt)
        return self._note(key, "halted", title, color=ALARM, at=halt.since, fields=fields, text=text)

    def resumed(self, halt: Halt, left: Sequence[Halt], *, by: str, at: datetime) -> Note:
        """Tell that a reason to halt is over, and which others are left."""
        title = self._say("중단 원인 해소", "One halt is over") if left else self._say("매매 재개", "Trading resumed")
        whose = self._say("사용자", "you") if by == "person" else self._say("자동", "by itself")
        others = "\n".join(self._why(other) for other in left)
        fields = [
            (self._say("해제", "Ended"), whose),
            (
                self._say("남은 중단 원인", "Still halted because of"),
                others or self._say("없음", "nothing"),
            ),
        ]
        key = f"resumed:{halt.code}:{at.isoformat()}"
        return self._note(key, "resumed", title, color=BLUE, at=at, fields=fields, text=self._why(halt))

    def _why(self, halt: Halt) -> str:
        return plain(readable(getattr(halt, self.language)))

    def _evidence(self, halt: Halt) -> list[tuple[str, str]]:
        """Return the numbers a person can use, under names a person knows; the journal keeps all of them."""
        known = ((label.say(self.language), halt.evidence.get(name)) for name, label in EVIDENCE.items())
        return [(label, plain(readable(number(value)))) for label, value in known if value is not None]

    def watcher_stopped(self, watcher: str, *, at: datetime) -> Note:
        """Tell that a part of the daemon has stopped, what that means and what to do: each part by itself."""
        return self.problem(f"loop_dead:{watcher}", watchers.sentence(watcher, self.language), at=at)

    def frozen(self, where: str, *, evidence: str, at: datetime) -> Note:
        """Tell that a market or a part of the daemon is frozen: it is tried again, and the rest goes on."""
        name = watchers.name_of(where, self.language) if where in watchers.WATCHERS else where
        text = self._say(
            f"{name}: 예상하지 못한 오류로 이 부분만 멈추고 다시 시도합니다. 나머지는 계속 거래합니다. "
            f"보유 중이면 업비트에서 직접 확인하세요. 기록: evidence/{evidence}",
            f"{name}: an unexpected error has paused this part, and it is retried; everything else keeps trading. "
            f"If you hold it, keep an eye on it at Upbit. Details: evidence/{evidence}",
        )
        return self.problem(f"frozen:{where}", text, at=at)

    def strategy_failed(self, market: str, *, at: datetime) -> Note:
        """Tell that the strategy failed in a market: nothing is decided there until somebody mends it."""
        text = self._say(
            f"{market}: 전략이 오류를 내어 이 마켓에서는 사지도 팔지도 않습니다. 보유 중이면 직접 확인하세요. "
            "로그의 'strategy failed'를 보고 전략 파일을 고친 뒤 다시 시작하세요.",
            f"{market}: the strategy failed, so nothing is bought or sold there. If you hold it, look after it "
            "yourself. Search the log for 'strategy failed', fix the strategy's file and restart.",
        )
        return self.problem(f"strategy:{market}", text, at=at)

    def long_doubt(self, intent: Intent, *, burnt: bool, at: datetime) -> Note:
        """Tell that Upbit has not said what became of an order, at most once an hour, and what a person can do."""
        side = self._say("매수", "buy") if intent.side is Side.BID else self._say("매도", "sell")
        since = f"{intent.decided_at + KST:%m-%d %H:%M:%S} KST"
        text = self._say(
            f"{intent.market} {side} 주문({since})의 결과를 업비트가 아직 알려 주지 않습니다. 확인될 때까지 이 마켓은 "
            "거래하지 않고 계속 조회합니다.",
            f"Upbit has not confirmed yet what happened to the {side} order in {intent.market} ({since}). Until it "
            "does, this market is not traded, and the bot keeps asking.",
        )
        if burnt:
            text += self._say(
                " 업비트 앱의 주문 내역에 그 시각의 주문이 없다면, 데몬을 끄고 실행하세요: ",
                " If the order history in Upbit's app shows no order at that time, stop the daemon and run: ",
            )
            text += f"python main.py recover --never {intent.identifier}"
        return self.problem(f"{'lost' if burnt else 'unknown'}:{intent.identifier}", text, at=at)

    def expiry(self, expires_at: datetime, left: timedelta, *, threshold: int, at: datetime) -> Note:
        """Tell that the key's end comes near; one message for each threshold of days."""
        days = max(0, -(-left // timedelta(days=1)))
        title = self._say(f"API 키가 {days}일 뒤 만료됩니다", f"The API key expires in {days} days")
        text = self._say(
            "업비트 키는 연장되지 않습니다. 새 키를 발급하고 서버 IP를 등록한 뒤 두 키를 바꿔 다시 시작하세요.",
            "Upbit keys cannot be extended. Issue a new one, register this server's address, and restart with it.",
        )
        key = f"expiry:{expires_at:%Y%m%d}:{threshold}"
        fields = [(self._say("만료", "Expires"), f"{expires_at + KST:%Y-%m-%d %H:%M} KST")]
        return self._note(key, "expiry", title, color=ORANGE, at=at, fields=fields, text=text)

    def adopted(self, order: Order, *, at: datetime) -> Note:
        """Tell that an order of ours was found at the exchange that the journal did not know."""
        side = self._say("매수", "buy") if order.side is Side.BID else self._say("매도", "sell")
        text = self._say(
            f"기록에 없던 봇 주문을 업비트에서 찾아 기록했습니다: {order.market} {side} {units(order.executed_volume)} "
            f"({order.identifier})",
            f"An order of this bot that was missing from the journal was found at Upbit and recorded: {order.market} "
            f"{side} {units(order.executed_volume)} ({order.identifier})",
        )
        return self.problem(f"adopted:{order.identifier}", text, at=at)

    def taken(self, trade: Trade, volume: Decimal, *, at: datetime) -> Note:
        """Tell that coins the bot held are not in the account any more."""
        text = self._say(
            f"{trade.market}: 봇이 산 {units(trade.volume)} 중 {units(volume)}이(가) 계정에 없습니다"
            "(직접 매도 또는 출금). 기록에서 빼고, 다시 사지 않습니다.",
            f"{trade.market}: {units(volume)} of the {units(trade.volume)} the bot holds are in the account no "
            "longer (sold or withdrawn by you). They are written off and will not be bought back.",
        )
        return self.problem(f"taken:{trade.id}", text, at=at, always=True)

    def there_again(self, trade: Trade, volume: Decimal, *, at: datetime) -> Note:
        """Tell that coins which were written off are in the account after all."""
        text = self._say(
            f"{trade.market}: 계정에 없어서 기록에서 뺐던 {units(volume)}이(가) 다시 확인됩니다. 다시 보유로 기록하고 "
            "손절가를 지킵니다. 직접 옮겼다가 되돌린 코인이라면 이 점을 확인하세요.",
            f"{trade.market}: {units(volume)} that were written off are in the account after all. They are held again, "
            "with their stop. If you moved them away and back yourself, note that the bot will sell them again.",
        )
        return self.problem(f"there_again:{trade.id}", text, at=at, always=True)

    def locked(self, trade: Trade, volume: Decimal, *, at: datetime) -> Note:
        """Tell that a sale waits because the coins are locked, or gone."""
        text = self._say(
            f"{trade.market}: 매도할 {units(volume)}개가 주문 가능 상태가 아닙니다. 미체결 주문에 묶여 있으면 "
            "업비트에서 그 주문을 취소하세요. 직접 팔거나 출금했다면 몇 분 안에 기록에서 뺍니다.",
            f"{trade.market}: {units(volume)} should be sold but are not available. If one of your own orders locks "
            "them, cancel it at Upbit. If you sold or withdrew them, they are written off within minutes.",
        )
        return self.problem(f"locked:{trade.id}", text, at=at)

    def suspended(self, trade: Trade, *, at: datetime) -> Note:
        """Tell that a position cannot be sold because its market is not traded now."""
        text = self._say(
            f"{trade.market}: 거래가 중단되어 {units(trade.volume)} (매수 금액 {won(trade.cost_krw, 'ko')})을 팔 수 "
            "없습니다. 거래가 재개되면 바로 팝니다. 업비트 공지를 확인하세요.",
            f"Trading in {trade.market} is suspended, so {units(trade.volume)} (bought for "
            f"{won(trade.cost_krw, 'en')}) cannot be sold. It is sold as soon as trading resumes. See Upbit's notices.",
        )
        return self.problem(f"suspended:{trade.id}", text, at=at)

    def unlisted(self, market: str, *, at: datetime) -> Note:
        """Tell that a market in which something is held has vanished from the list."""
        text = self._say(
            f"{market}이(가) 업비트 마켓 목록에서 사라졌습니다(거래 지원 종료 또는 이름 변경). 보유 코인은 그대로 두고 "
            "이 마켓은 거래하지 않습니다. 업비트 공지를 확인하고 직접 처리하세요.",
            f"{market} has disappeared from Upbit's list of markets (delisted or renamed). What you hold stays as it "
            "is, and the bot no longer trades this market. See Upbit's notices and take care of it yourself.",
        )
        return self.problem(f"unlisted:{market}", text, at=at)

    def many_files(self, used: float, *, at: datetime) -> Note:
        """Tell that the process will soon be able to open no file and no connection."""
        text = self._say(
            f"열 수 있는 파일과 소켓의 {100 * used:.0f} %를 쓰고 있습니다. 다 쓰면 업비트에 연결할 수 없으니 데몬을 "
            "다시 시작하세요.",
            f"{100 * used:.0f} % of the files and sockets this process may open are in use. Once all are, Upbit can no "
            "longer be reached: restart the daemon.",
        )
        return self.problem("many_files", text, at=at)

    def too_little_won(self, order_krw: Decimal, *, at: datetime) -> Note:
        """Tell once a day (in Korea) that buys wait for won; they go on by themselves when there is enough."""
        title = self._say("원화가 부족해 매수를 기다립니다", "Buys wait: too little KRW")
        text = self._say(
            f"1회 매수 금액은 {order_krw:,.0f}원인데 쓸 수 있는 원화가 모자랍니다. 매도나 입금으로 원화가 생기면 "
            "저절로 다시 매수합니다.",
            f"A buy takes {order_krw:,.0f} KRW, and less than that is free. Buys go on by themselves when a sale or a "
            "deposit brings enough.",
        )
        return self._note(f"no_money:{at + KST:%Y%m%d}", "problem", title, color=ORANGE, at=at, fields=[], text=text)

    def problem(self, kind: str, text: str, *, at: datetime, always: bool = False) -> Note:
        """Tell something that needs a person; the same thing at most once an hour, unless each time is another."""
        title = self._say("확인이 필요합니다", "Needs attention")
        key = f"problem:{kind}:{at.isoformat() if always else f'{at:%Y%m%d%H}'}"
        return self._note(key, "problem", title, color=ORANGE, at=at, fields=[], text=plain(readable(text)))
