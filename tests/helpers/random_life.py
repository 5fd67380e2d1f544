"""What a daemon might write into its journal, drawn from a seed: trades, doubts, halts, looks, messages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import Ends, Halt, IntentState, Level, Note
from journal.verdicts import GateRow, Scan
from tests.helpers.journals import fill, intent, trade
from upbit.models import Side

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime

    from journal.journal import Journal

MARKETS = ("KRW-BTC", "KRW-XRP", "KRW-DOGE", "KRW-SHIB", "KRW-<B>AD")
CODES = ("breach", "disk", "key<i>")


class Life:
    """One daemon's journal, and what may happen next."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime], rng: random.Random) -> None:
        self.journal = journal
        self._clock = clock
        self._rng = rng
        self._number = 0
        self._steps: tuple[Callable[[], None], ...] = (
            *(self.buy, self.buy, self.fail_to_buy, self.sell, self.sell, self.take_out, self.stop),
            *(self.halt, self.go_on, self.look, self.look, self.write),
        )

    def step(self) -> None:
        """Let something happen."""
        self._rng.choice(self._steps)()

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number}"

    def _amount(self, low: str, high: str) -> Decimal:
        share = Decimal(self._rng.randrange(10**6)) / 10**6
        return (Decimal(low) + (Decimal(high) - Decimal(low)) * share).quantize(Decimal("0.00000001"))

    def _free(self) -> list[str]:
        held = {one.market for one in self.journal.open_trades()}
        return [market for market in MARKETS if market not in held]

    def buy(self) -> None:
        """Buy in a market that is free, perhaps after a doubt, in one fill or two."""
        free = self._free()
        if not free:
            return
        name, order, now = self._name("t"), self._name("i"), self._clock()
        reason: dict[str, object] = {"code": "trend", "ko": "상승 <추세>", "en": "a <trend> & more"}
        decided = replace(trade(name, self._rng.choice(free)), decided_at=now, entry_reason=reason)
        self.journal.begin_trade(decided, replace(intent(order, decided), decided_at=now))
        self.journal.begin_attempt(order)
        if self._rng.random() < 0.3:
            self.journal.end_attempt(order, IntentState.UNKNOWN, outcome="timeout")
            self.journal.see(order, IntentState.ACCEPTED, f"u-{order}")
        else:
            self.journal.end_attempt(order, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{order}")
        prices = [self._amount("0.01", "90000000") for _ in range(self._rng.choice((1, 2)))]
        fills = [
            fill(f"f-{order}-{at}", f"{price:f}", f"{self._amount('0.001', '9'):f}") for at, price in enumerate(prices)
        ]
        self.journal.record_fills(order, fills, self._amount("0", "50"))
        self.journal.finish(order)
        stop = prices[0] * Decimal("0.9") if self._rng.random() < 0.8 else None
        self.journal.enter_position(name, opened_at=now, stop_price=stop, highest_price=prices[0])

    def fail_to_buy(self) -> None:
        """Have a buy refused."""
        free = self._free()
        if not free:
            return
        name, order = self._name("t"), self._name("i")
        decided = replace(trade(name, self._rng.choice(free)), decided_at=self._clock())
        self.journal.begin_trade(decided, replace(intent(order, decided), decided_at=self._clock()))
        self.journal.begin_attempt(order)
        self.journal.end_attempt(order, IntentState.REJECTED, outcome="refused", http=400, name="under_min_total")
        self.journal.abandon_trade(name, "refused")

    def sell(self) -> None:
        """Sell a position, at any price."""
        held = [one for one in self.journal.open_trades() if one.volume > 0]
        if not held:
            return
        one, order, now = self._rng.choice(held), self._name("i"), self._clock()
        selling = replace(intent(order, one), side=Side.ASK, decided_at=now)
        assert self.journal.leave(one.id, {"code": "stop", "ko": "손절 <&>", "en": "the <stop>"}, selling)
        self.journal.begin_attempt(order)
        self.journal.end_attempt(order, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{order}")
        price = (one.entry_price * self._amount("0.5", "2")).quantize(Decimal("0.0001")) or Decimal("0.0001")
        sold = fill(f"f-{order}", f"{price:f}", f"{one.volume:f}")
        self.journal.record_fills(order, [sold], self._amount("0", "50"))
        self.journal.finish(order)
        self.journal.close_trade(one.id, closed_at=now, dust=Decimal(0))

    def take_out(self) -> None:
        """Let the owner take coins out of the account."""
        held = [one for one in self.journal.open_trades() if one.volume > 0]
        if held:
            one = self._rng.choice(held)
            self.journal.take_out(one.id, one.volume / 3, price=one.entry_price)

    def stop(self) -> None:
        """Find a stop again."""
        for one in self.journal.open_trades()[:1]:
            self.journal.set_stop(one.id, self._amount("0.01", "90000000"))

    def halt(self) -> None:
        """Let trading stand still."""
        code = self._rng.choice(CODES)
        if code not in {halt.code for halt in self.journal.standing_halts()}:
            level, ends = self._rng.choice((Level.HALT_BUYS, Level.HALTED)), self._rng.choice(list(Ends))
            ko, en = f"까닭 {code}", f"because of {code}"
            self.journal.begin_halt(Halt(code=code, level=level, ends=ends, since=self._clock(), ko=ko, en=en), [])

    def go_on(self) -> None:
        """Let it go on."""
        for halt in self.journal.standing_halts()[:1]:
            self.journal.end_halt(halt.code, "person", [])

    def look(self) -> None:
        """Look at all markets: some prices and values are not known."""
        now = self._clock()
        values = [self._rng.choice((float("nan"), self._rng.uniform(-1, 1e9))) for _ in MARKETS]
        gate = GateRow(
            code="turnover",
            ko="거래대금 <부족>",
            en="too <little> turnover",
            relation=self._rng.choice((">", ">=", "<")),
            values=values,
            thresholds=[self._rng.uniform(0, 1e9)] * len(MARKETS),
        )
        prices = [self._amount("0.01", "90000000") if self._rng.random() < 0.8 else None for _ in MARKETS]
        facts = {"places": 5, "taken": len(self.journal.open_trades()), "won": f"{self._amount('0', '1000000'):f}"}
        facts |= {"won_at": now.isoformat(), "rest_s": 60}
        self.journal.record_scan(now, "s", now, Scan(markets=MARKETS, gates=[gate], prices=prices, facts=facts))

    def write(self) -> None:
        """Write a message, which waits."""
        self.journal.add_notes([Note(key=self._name("n"), kind="bought", body={"a": 1})])
