"""What a person is told: Discord embeds in Korean or English, each under a key that is unique for what it tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from config.version import VERSION
from journal.records import Ends, Level, Note
from notifier.limits import MOST_FIELDS, NOTHING, TEXT, TITLE, VALUE, cut
from notifier.watchers import stopped
from notifier.words import Words, readable
from upbit.models import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from journal.records import Fill, Halt, Intent, Totals, Trade
    from strategy.base import Strategy
    from upbit.models import Order

KST = timedelta(hours=9)
"""Korea has no summer time."""
GREEN, RED, BLUE, GREY, ORANGE = 0x2ECC71, 0xE74C3C, 0x3498DB, 0x95A5A6, 0xE67E22
EVIDENCE = {
    "market": Words("마켓", "Market"),
    "loss_krw": Words("손실 (원)", "Loss (won)"),
    "percent": Words("최대 투자금 대비 (%)", "Share of the budget (%)"),
    "seconds": Words("초", "Seconds"),
    "free": Words("쓸 수 있는 원화", "Free won"),
    "error": Words("업비트 오류 이름", "Upbit's name for it"),
    "uuid": Words("업비트 주문 UUID", "Upbit's order"),
    "evidence": Words("증거 파일", "Evidence"),
}
"""Which facts about a halt are shown to a person, and under which name."""
MARKDOWN = re.compile(r"([\\`*_~|>@#\[\]()<:])")


def plain(text: str) -> str:
    """Return text that Discord shows as it is: names come from outside and may hold markup or mentions."""
    return MARKDOWN.sub(r"\\\1", text.replace("\n", " "))


def won(amount: Decimal) -> str:
    """Return an amount of won for a person: whole won, thousands separated."""
    return f"{amount:,.0f}"


def number(value: object) -> str:
    """Return a number of any size in a form that can be read."""
    if not isinstance(value, (int, float, Decimal)):
        return str(value)
    amount = float(value)
    if abs(amount) >= 1000:  # noqa: PLR2004 - from here on decimals tell nothing
        return f"{amount:,.0f}"
    return f"{amount:.4g}" if abs(amount) >= 1 else f"{amount:.8f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """Writes every message in one language; `mode` says whether it is about real money."""

    language: str  # "ko" or "en"
    mode: str  # "live" or "sandbox"

    def _say(self, ko: str, en: str) -> str:
        return ko if self.language == "ko" else en

    def _note(
        self,
        key: str,
        kind: str,
        title: str,
        *,
        color: int,
        at: datetime,
        fields: Iterable[tuple[str, str]],
        text: str = "",
    ) -> Note:
        mode = self._say("실거래", "LIVE") if self.mode == "live" else self._say("샌드박스", "SANDBOX")
        embed: dict[str, object] = {
            "title": cut(title, TITLE),
            "color": color,
            "timestamp": at.isoformat(),
            "footer": {"text": mode},
            "fields": [
                {"name": name, "value": cut(value, VALUE) or NOTHING, "inline": True}
                for name, value in list(fields)[:MOST_FIELDS]
            ],
        }
        if text:
            embed["description"] = cut(text, TEXT)
        return Note(key=key, kind=kind, body={"embeds": [embed], "allowed_mentions": {"parse": []}})

    def bought(
        self,
        trade: Trade,
        *,
        korean_name: str,
        fills: list[Fill],
        fee: Decimal,
        stop_price: Decimal | None,
        at: datetime,
    ) -> Note:
        """Tell a real buy: market, price, volume, amount, fee, reason with its numbers, stop."""
        funds = sum((fill.funds for fill in fills), Decimal(0))
        volume = sum((fill.volume for fill in fills), Decimal(0))
        stop = number(stop_price) if stop_price is not None else self._say("없음", "none")
        fields = [
            (self._say("평균 체결가", "Average price"), f"{number(funds / volume)} KRW"),
            (self._say("수량", "Volume"), f"{volume:f}"),
            (self._say("매수 금액", "Amount"), f"{won(funds)} KRW"),
            (self._say("수수료", "Fee"), f"{fee:,.2f} KRW"),
            (self._say("손절가", "Stop"), stop),
        ]
        title = f"{self._say('매수', 'Bought')} {plain(korean_name)} ({trade.market})"
        text = self._reason(trade.entry_reason)
        return self._note(f"bought:{trade.id}", "bought", title, color=GREEN, at=at, fields=fields, text=text)

    def sold(self, trade: Trade, *, korean_name: str, dust: Decimal, at: datetime) -> Note:
        """Tell the end of a trade: profit after fees in won and percent, how long it was held, and why it ended."""
        percent = 100 * trade.profit_krw / trade.cost_krw if trade.cost_krw else Decimal(0)
        fields = [
            (self._say("손익 (수수료 후)", "Profit after fees"), f"{trade.profit_krw:+,.0f} KRW ({percent:+.2f} %)"),
            (self._say("매도 금액", "Received"), f"{won(trade.proceeds_krw)} KRW"),
            (self._say("매수 금액", "Paid"), f"{won(trade.cost_krw)} KRW"),
            (self._say("수수료 합계", "Fees"), f"{trade.fees_krw:,.2f} KRW"),
            (self._say("보유 시간", "Held"), held(at - (trade.opened_at or trade.decided_at))),
        ]
        if trade.taken_krw:
            fields.append((self._say("직접 옮긴 코인", "Moved by hand"), f"{won(trade.taken_krw)} KRW"))
        if dust:
            fields.append((self._say("남은 소액", "Dust left"), f"{dust:f}"))
        color = GREEN if trade.profit_krw > 0 else RED
        title = f"{self._say('매도', 'Sold')} {plain(korean_name)} ({trade.market})"
        text = self._reason(trade.exit_reason or {})
        return self._note(f"sold:{trade.id}", "sold", title, color=color, at=at, fields=fields, text=text)

    def _reason(self, reason: Mapping[str, object]) -> str:
        """Return why, with the numbers that decided."""
        numbers = reason.get("numbers")
        shown = (
            ", ".join(f"{name} {number(value)}" for name, value in numbers.items()) if isinstance(numbers, dict) else ""
        )
        words = plain(str(reason.get(self.language, "")))
        return f"{words}\n`{shown}`" if shown else words

    def started(self, *, strategy: Strategy, unit: timedelta, most_spent_krw: Decimal, seed: int, at: datetime) -> Note:
        """Tell that trading begins, and what it may spend at most."""
        fields = [
            (
                self._say("전략", "Strategy"),
                f"{strategy.ko if self.language == 'ko' else strategy.en} ({strategy.name})",
            ),
            (self._say("캔들", "Candles"), f"{unit.total_seconds() / 60:g} min"),
            (self._say("최대 매수 금액", "Buys at most"), f"{won(most_spent_krw)} KRW"),
            (self._say("시드", "Seed"), str(seed)),
            (self._say("버전", "Version"), VERSION),
        ]
        title = self._say("매매를 시작합니다", "Trading begins")
        return self._note(f"started:{at.isoformat()}", "started", title, color=BLUE, at=at, fields=fields)

    def stopped(self, *, open_trades: list[Trade], totals: Totals, at: datetime) -> Note:
        """Tell that trading has stopped, and what is still held."""
        held_markets = ", ".join(trade.market for trade in open_trades) or "-"
        fields = [
            (self._say("보유 중", "Still held"), held_markets),
            (self._say("실현 손익", "Realised profit"), f"{totals.realised_pnl:+,.0f} KRW"),
            (self._say("수수료 합계", "Fees"), f"{totals.fees:,.2f} KRW"),
        ]
        title = self._say("매매를 멈췄습니다", "Trading has stopped")
        return self._note(f"stopped:{at.isoformat()}", "stopped", title, color=GREY, at=at, fields=fields)

    def alive(
        self,
        *,
        halts: Sequence[Halt],
        dead: Iterable[str],
        open_trades: Sequence[Trade],
        realised: Decimal,
        fees: Decimal,
        at: datetime,
    ) -> Note:
        """Tell once a day that the daemon lives, and in which state: that it is missing says what nobody else could."""
        wrong = [*(self._why(halt) for halt in halts), *(stopped(part, self.language) for part in dead)]
        fields = [
            (self._say("멈춘 원인", "Halted because of"), "\n".join(wrong) or self._say("없음", "nothing")),
            (self._say("보유 중", "Held"), ", ".join(trade.market for trade in open_trades) or "-"),
            (self._say("실현 손익", "Realised profit"), f"{realised:+,.0f} KRW"),
            (self._say("수수료 합계", "Fees"), f"{fees:,.2f} KRW"),
        ]
        title = self._say("데몬이 살아 있습니다", "The daemon lives")
        text = self._say(
            "이 알림은 매일 09:00(KST)에 옵니다. 오지 않은 날에는 서버를 확인하세요.",
            "This message comes every day at 09:00 in Korea. On a day without it, look at the machine.",
        )
        color = ORANGE if wrong else GREY
        return self._note(f"alive:{at:%Y-%m-%d}", "alive", title, color=color, at=at, fields=fields, text=text)

    def halted(self, halt: Halt) -> Note:
        """Tell that trading is halted and why: each time, however soon after the last."""
        until = self._say("원인이 사라지면 스스로 다시 시작합니다.", "It goes on by itself when the cause is gone.")
        if halt.ends is Ends.PERSON:
            until = self._say(
                "확인한 뒤 다시 시작: `python main.py resume`", "When you have looked: `python main.py resume`"
            )
        title = self._say("매수를 멈췄습니다", "Buys have stopped")
        if halt.level is Level.HALTED:
            title = self._say("모든 주문을 멈췄습니다", "All orders have stopped")
        key = f"halted:{halt.code}:{halt.level}:{halt.since.isoformat()}"
        text, fields = f"{self._why(halt)}\n{until}", self._evidence(halt)
        return self._note(key, "halted", title, color=RED, at=halt.since, fields=fields, text=text)

    def resumed(self, halt: Halt, left: Sequence[Halt], *, by: str, at: datetime) -> Note:
        """Tell that a reason to halt is over, and which others are left."""
        title = self._say("멈춘 원인이 해소되었습니다", "A reason to halt is over")
        whose = self._say("사람", "a person") if by == "person" else self._say("저절로", "by itself")
        others = "\n".join(self._why(other) for other in left)
        fields = [
            (self._say("해제", "Ended"), whose),
            (
                self._say("남은 원인", "Still halted because of"),
                others or self._say("없음: 거래합니다", "nothing: trading goes on"),
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
        return self.problem(f"loop_dead:{watcher}", stopped(watcher, self.language), at=at)

    def frozen(self, where: str, *, evidence: str, at: datetime) -> Note:
        """Tell that a market or a part of the daemon is frozen: it is tried again, and the rest goes on."""
        text = self._say(
            f"{where}: 처리하지 못한 오류가 났습니다. 이 부분만 멈추고 다시 시도하며, 나머지는 계속 거래합니다. "
            f"보유 중이면 업비트에서 직접 확인하세요. 기록: evidence/{evidence}",
            f"{where}: something went wrong that nobody had foreseen. Only this part waits and is tried again, "
            f"the rest trades on. If you hold it, look after it at Upbit. Kept in: evidence/{evidence}",
        )
        return self.problem(f"frozen:{where}", text, at=at)

    def strategy_failed(self, market: str, *, at: datetime) -> Note:
        """Tell that the strategy failed in a market: nothing is decided there until somebody mends it."""
        text = self._say(
            f"{market}: 전략이 오류를 내어 이 마켓에서는 사지도 팔지도 않습니다. 보유 중이면 직접 확인하세요. "
            "로그의 'strategy failed'를 보고 전략 파일을 고친 뒤 다시 시작하세요.",
            f"{market}: the strategy failed, so nothing is bought or sold there. If you hold it, look after it "
            "yourself. See 'strategy failed' in the log, mend the strategy's file and restart.",
        )
        return self.problem(f"strategy:{market}", text, at=at)

    def long_doubt(self, intent: Intent, *, burnt: bool, at: datetime) -> Note:
        """Tell that Upbit has not said what became of an order, at most once an hour, and what a person can do."""
        side = self._say("매수", "buy") if intent.side is Side.BID else self._say("매도", "sell")
        since = f"{intent.decided_at + KST:%m-%d %H:%M:%S} KST"
        text = self._say(
            f"{intent.market} {side} 주문({since})의 결과를 업비트가 아직 알려 주지 않습니다. 확인될 때까지 이 마켓은 "
            "거래하지 않고 계속 조회합니다.",
            f"Upbit has not said yet what became of the {side} order in {intent.market} ({since}). Until it does, this "
            "market is not traded, and it is asked again and again.",
        )
        if burnt:
            text += self._say(
                " 업비트 앱의 주문 내역에 그 시각의 주문이 없다면, 데몬을 끄고 실행하세요: ",
                " If Upbit's own list of orders shows none of that time, stop the daemon and run: ",
            )
            text += f"python main.py recover --never {intent.identifier}"
        return self.problem(f"{'lost' if burnt else 'unknown'}:{intent.identifier}", text, at=at)

    def expiry(self, expires_at: datetime, left: timedelta, *, threshold: int, at: datetime) -> Note:
        """Tell that the key's end comes near; one message for each threshold of days."""
        days = max(0, -(-left // timedelta(days=1)))
        title = self._say(f"API 키가 {days}일 뒤 만료됩니다", f"The API key expires in {days} days")
        text = self._say(
            "업비트 키는 연장되지 않습니다. 새 키를 발급하고 서버 IP를 등록한 뒤 두 키를 바꿔 다시 시작하세요.",
            "Upbit's keys cannot be extended. Issue a new one, register this machine's IP, and restart with its keys.",
        )
        key = f"expiry:{expires_at:%Y%m%d}:{threshold}"
        fields = [(self._say("만료", "Expires"), f"{expires_at:%Y-%m-%d %H:%M} UTC")]
        return self._note(key, "expiry", title, color=ORANGE, at=at, fields=fields, text=text)

    def adopted(self, order: Order, *, at: datetime) -> Note:
        """Tell that an order of ours was found at the exchange that the journal did not know."""
        text = self._say(
            f"기록에 없던 우리 주문을 업비트에서 찾아 기록에 넣었습니다: {order.market} {order.side} "
            f"{order.executed_volume:f} ({order.identifier})",
            f"An order of ours that the journal did not know was found at Upbit and written down: {order.market} "
            f"{order.side} {order.executed_volume:f} ({order.identifier})",
        )
        return self.problem(f"adopted:{order.identifier}", text, at=at)

    def taken(self, trade: Trade, volume: Decimal, *, at: datetime) -> Note:
        """Tell that coins the bot held are not in the account any more."""
        text = self._say(
            f"{trade.market}: 봇이 산 {trade.volume:f} 중 {volume:f}이(가) 계정에 없습니다(직접 매도 또는 출금). "
            "기록에서 빼고, 다시 사지 않습니다.",
            f"{trade.market}: {volume:f} of the {trade.volume:f} the bot holds are not in the account any more "
            "(sold or withdrawn by hand). They are written off, and not bought back.",
        )
        return self.problem(f"taken:{trade.id}", text, at=at, always=True)

    def locked(self, trade: Trade, volume: Decimal, *, at: datetime) -> Note:
        """Tell that a sale waits because the coins are locked, or gone."""
        text = self._say(
            f"{trade.market}: 팔아야 할 {volume:f} 중 쓸 수 있는 것이 없습니다. 다른 주문에 묶여 있으면 업비트에서 "
            "그 주문을 취소하세요. 직접 팔거나 옮긴 것이면 몇 분 안에 기록에서 뺍니다.",
            f"{trade.market}: {volume:f} should be sold and are not free. If another order locks them, cancel it at "
            "Upbit. If you sold or moved them, they are written off within minutes.",
        )
        return self.problem(f"locked:{trade.id}", text, at=at)

    def suspended(self, trade: Trade, *, at: datetime) -> Note:
        """Tell that a position cannot be sold because its market is not traded now."""
        text = self._say(
            f"{trade.market}: 거래가 중단되어 {trade.volume:f} (매수 금액 {won(trade.cost_krw)}원)을 팔 수 없습니다. "
            "다시 열리면 바로 팝니다. 업비트 공지를 확인하세요.",
            f"{trade.market} is not traded now, so {trade.volume:f} (bought for {won(trade.cost_krw)} KRW) cannot be "
            "sold. It is sold when the market opens again. See Upbit's notices.",
        )
        return self.problem(f"suspended:{trade.id}", text, at=at)

    def unlisted(self, market: str, *, at: datetime) -> Note:
        """Tell that a market in which something is held has vanished from the list."""
        text = self._say(
            f"{market}이(가) 업비트 마켓 목록에서 사라졌습니다(거래 지원 종료 또는 이름 변경). 보유 코인은 그대로 두고 "
            "이 마켓은 거래하지 않습니다. 업비트 공지를 확인하고 직접 처리하세요.",
            f"{market} has vanished from Upbit's list of markets (delisted, or renamed). What is held stays as it is, "
            "and this market is not traded. See Upbit's notices and act yourself.",
        )
        return self.problem(f"unlisted:{market}", text, at=at)

    def many_files(self, used: float, *, at: datetime) -> Note:
        """Tell that the process will soon be able to open no file and no connection."""
        text = self._say(
            f"열 수 있는 파일과 소켓의 {100 * used:.0f} %를 쓰고 있습니다. 다 쓰면 업비트에 연결할 수 없으니 데몬을 "
            "다시 시작하세요.",
            f"{100 * used:.0f} % of the files and sockets this process may open are open. When all are, Upbit cannot "
            "be reached: restart the daemon.",
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


def held(time: timedelta) -> str:
    """Return a duration as days, hours and minutes."""
    minutes = int(time.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days}d {hours}h {minutes % 60}m" if days else f"{hours}h {minutes % 60}m"
