"""`Why`: for a market and a minute every gate with its value, threshold and distance; for all markets a funnel.

Everything is computed from what the journal keeps of that minute; nothing is asked of the exchange or of the strategy.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING

from failure import Failure
from notifier.formats import kst, number, won
from notifier.words import Words
from strategy.portfolio import MIN_TOTAL, is_resting
from views.reasons import COOLDOWN, HALTED, HELD, NO_PLACE, NO_WON, NOT_DRAWN, why_it_rests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from journal.queries import Queries
    from journal.scans import Look
    from journal.verdicts import GateRow, Scan

NOTHING_MORE = Words("", "")
SHUT = {">": "≤", ">=": "<", "<": "≥", "<=": ">", "==": "≠"}
"""How value and threshold stand to each other where a gate is shut."""
OPEN = {">": ">", ">=": "≥", "<": "<", "<=": "≤", "==": "="}
NEAREST = 5
LATE = timedelta(minutes=3)
"""So much older than the moment that was asked for, a look is not of that moment: the daemon did not look."""


class NothingKnown(Failure):
    """The journal says nothing about that moment, or that market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateView:
    """One gate of one market."""

    code: str
    name: Words  # what is so while it is shut
    passed: bool
    value: float | None  # None: not known then
    relation: str  # what value must be to the threshold
    threshold: float | None
    distance: float | None  # how far the value is from opening it, a fraction of the threshold; below 0: it is open

    def say(self, language: str) -> str:
        """Return the gate with its numbers in one line."""
        told = [number(side) if side is not None else "?" for side in (self.value, self.threshold)]
        sign = (OPEN if self.passed else SHUT)[self.relation] if None not in {self.value, self.threshold} else "?"
        name = self.name.say(language)
        return f"{name}: {told[0]} {sign} {told[1]}{self._short(language)}"

    def _short(self, language: str) -> str:
        if self.passed or self.distance is None:
            return ""
        share = 100 * self.distance
        told = f"{share:.0f}" if share >= 10 else f"{share:.2g}"  # noqa: PLR2004 - from here on decimals tell nothing
        return Words(f" ({told} % 차이)", f" ({told} % away)").say(language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """A reason outside the strategy."""

    code: str
    name: Words
    detail: Words = NOTHING_MORE

    def say(self, language: str) -> str:
        """Return it in one line."""
        detail = self.detail.say(language)
        return f"{self.name.say(language)} ({detail})" if detail else self.name.say(language)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyMarket:
    """Why one market was bought or not, at one minute."""

    market: str
    at: datetime  # the minute of the look, UTC
    closed_at: datetime  # end of the candle it rests on, UTC
    strategy: str
    price: Decimal | None  # last trade then, KRW
    verdict: str | None  # code of the gate that fails first; None for a target
    gates: tuple[GateView, ...]  # of the strategy, all of them
    obstacles: tuple[Obstacle, ...]  # besides it, what is in the way first comes first
    late: bool  # the look is older than was asked for: there was none then

    def sentence(self, language: str) -> str:
        """Return what stands in the way, in one sentence."""
        shut = [gate.say(language) for gate in self.gates if not gate.passed]
        lines = [obstacle.say(language) for obstacle in self.obstacles] + shut
        if not lines:
            ko = f"{self.market}: 막는 것이 없습니다. 매수 대상입니다."
            return Words(ko, f"{self.market}: nothing stands in the way. It is a target.").say(language)
        more = Words(f" 외 {len(lines) - 1}개", f", and {len(lines) - 1} more").say(language) if len(lines) > 1 else ""
        head = Words(f"{self.market}을(를) 막는 것", f"What stands in the way of {self.market}").say(language)
        return f"{head}: {lines[0]}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How many markets are left behind one gate."""

    code: str
    name: Words
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """All markets at one minute: how many are left behind each gate, and who is nearest to a signal."""

    at: datetime
    closed_at: datetime
    strategy: str
    steps: tuple[Step, ...]
    targets: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]  # what stands in the way of every market
    nearest: tuple[WhyMarket, ...]
    late: bool

    def sentence(self, language: str) -> str:
        """Return what stands in the way now, in one sentence."""
        head = Words("지금 막는 것", "What stands in the way now").say(language)
        if self.obstacles:
            return f"{head}: {self.obstacles[0].say(language)}"
        if self.targets:
            count = len(self.targets)
            return Words(
                f"막는 것이 없습니다: 매수 대상 {count}개.", f"Nothing stands in the way: {count} targets."
            ).say(language)
        if not self.nearest:
            return f"{head}: {Words('캔들이 있는 마켓이 없음', 'no market has candles yet').say(language)}"
        best = self.nearest[0]
        shut = [gate.say(language) for gate in best.gates if not gate.passed]
        return f"{head}: {shut[0]} ({best.market})" if shut else best.sentence(language)

    def told(self, language: str) -> str:
        """Return the funnel in one line."""
        return " → ".join(f"{step.name.say(language)} {step.left}" for step in self.steps)


def market_of(text: str) -> str:
    """Return the name of a market of one that was typed in haste: `xrp` is `KRW-XRP`."""
    name = text.strip().upper()
    return name if "-" in name else f"KRW-{name}"


def why_market(journal: Queries, market: str, moment: datetime) -> WhyMarket:
    """Return why a market was bought or not at the last look at or before a moment.

    Raises:
        NothingKnown: there is no look, or it does not know the market.
    """
    look, scan = look_at(journal, moment)
    if market not in scan.everywhere():
        raise NothingKnown(
            f"{kst(look.minute)}에 {market}이라는 원화 마켓은 없었습니다. 이름을 확인하세요 (예: KRW-BTC).",
            f"There was no market {market} at {kst(look.minute)}. Check its name, e.g. KRW-BTC.",
        )
    return judge(journal, look, scan, market, moment)


def look_at(journal: Queries, moment: datetime) -> tuple[Look, Scan]:
    """Return the last look at or before a moment.

    Raises:
        NothingKnown: there is none, or it cannot be told any more.
    """
    look = journal.scan_at(moment)
    if look is None or look.scan is None:
        raise NothingKnown(
            f"{kst(moment)}의 판단 기록이 없습니다. 기록은 14일 동안 보관합니다. 데몬이 실행 중이었는지 확인하세요.",
            f"No verdicts are kept of {kst(moment)}. They are kept for 14 days; check whether the daemon was running.",
        )
    return look, look.scan


def judge(journal: Queries, look: Look, scan: Scan, market: str, moment: datetime) -> WhyMarket:
    """Return everything the journal knows about a market at a look."""
    at = scan.markets.index(market) if market in scan.markets else None
    verdict = scan.failed(market)
    return WhyMarket(
        market=market,
        at=look.minute,
        closed_at=look.closed_at,
        strategy=look.strategy,
        price=None if at is None else scan.prices[at],
        verdict=verdict,
        gates=() if at is None else tuple(view_of(gate, at) for gate in scan.gates),
        obstacles=tuple(obstacles(journal, look, scan, market)),
        late=moment - look.minute > LATE,
    )


def view_of(gate: GateRow, at: int) -> GateView:
    """Return what a gate looked at in one market."""
    value, threshold = known(gate.values[at]), known(gate.thresholds[at])
    return GateView(
        code=gate.code,
        name=Words(gate.ko, gate.en),
        passed=gate.passes(at),
        value=value,
        relation=gate.relation,
        threshold=threshold,
        distance=distance(value, gate.relation, threshold),
    )


def known(value: float) -> float | None:
    """Return a number; None for one that was not known."""
    return float(value) if isfinite(value) else None


def distance(value: float | None, relation: str, threshold: float | None) -> float | None:
    """Return how far a value is from what is asked of it, a fraction of the threshold; None where that says nothing."""
    if value is None or not threshold or relation == "==":
        return None
    short = threshold - value if relation.startswith(">") else value - threshold
    return short / abs(threshold)


def obstacles(journal: Queries, look: Look, scan: Scan, market: str) -> Iterator[Obstacle]:
    """Yield what stood in the way of a market besides its strategy, as far as the journal knows."""
    yield from of_everybody(journal, look, scan, counted=False)
    if market in scan.barred:
        gate = scan.barred[market]
        yield Obstacle(code=gate["code"], name=Words(gate["ko"], gate["en"]))
    traded = journal.markets_open_at(look.minute + LATE / 3)
    if market in traded:
        yield Obstacle(code="held", name=HELD)
        return
    yield from resting(journal, look, scan, market)
    yield from of_account(scan)
    draw = journal.last_draw(look.minute + LATE / 3)
    if scan.failed(market) is None and draw and look.minute <= draw.at and market not in draw.markets:
        drawn = ", ".join(draw.markets)
        yield Obstacle(
            code="not_drawn",
            name=NOT_DRAWN,
            detail=Words(
                f"{kst(draw.at)}, 후보 {draw.candidates}개 중 {len(draw.markets)}개: {drawn}",
                f"{kst(draw.at)}, {len(draw.markets)} of {draw.candidates}: {drawn}",
            ),
        )


def of_everybody(journal: Queries, look: Look, scan: Scan, *, counted: bool = True) -> Iterator[Obstacle]:
    """Yield what stood in the way of every market."""
    for halt in journal.halts_at(look.minute + LATE / 3):
        yield Obstacle(code="halted", name=HALTED, detail=Words(halt.ko, halt.en))
    if counted:
        yield from of_account(scan)


def of_account(scan: Scan) -> Iterator[Obstacle]:
    """Yield what the account could not do then: no place, or no won."""
    facts = scan.facts
    if "places" in facts and facts["taken"] >= facts["places"]:
        told = f"{facts['taken']}/{facts['places']}"
        yield Obstacle(code="no_place", name=NO_PLACE, detail=Words(told, told))
    if "won" in facts and Decimal(facts["won"]) < MIN_TOTAL:
        free = Decimal(facts["won"])
        yield Obstacle(code="no_won", name=NO_WON, detail=Words(won(free, "ko"), won(free, "en")))


def resting(journal: Queries, look: Look, scan: Scan, market: str) -> Iterator[Obstacle]:
    """Yield until when a market is left alone, and why."""
    rest = journal.rests(look.minute).get(market)
    if rest is not None:
        name = why_it_rests(rest.why)
        until = Words(f"{kst(rest.until)}까지 쉼", f"rests until {kst(rest.until)}")
        yield Obstacle(code=f"rests:{rest.why}", name=name, detail=until)
    ended = journal.ended_before(market, look.minute)
    cooldown = timedelta(seconds=scan.facts.get("rest_s", 0))
    if ended is not None and is_resting(ended, look.minute, cooldown):
        until = Words(f"{kst(ended + cooldown)}까지", f"until {kst(ended + cooldown)}")
        yield Obstacle(code="cooldown", name=COOLDOWN, detail=until)


def funnel(journal: Queries, moment: datetime) -> Funnel:
    """Return all markets at the last look at or before a moment.

    Raises:
        NothingKnown: there is none.
    """
    look, scan = look_at(journal, moment)
    targets = [market for market in scan.everywhere() if scan.failed(market) is None]
    traded = journal.markets_open_at(look.minute + LATE / 3)
    steps = [*steps_of(scan), Step(code="targets", name=Words("매수 대상", "targets"), left=len(targets))]
    if "taken" in scan.facts:
        steps.append(Step(code="taken", name=Words("뽑힘", "drawn"), left=scan.facts["taken"]))
    steps.append(Step(code="bought", name=Words("보유", "held"), left=sum(traded.values())))
    return Funnel(
        at=look.minute,
        closed_at=look.closed_at,
        strategy=look.strategy,
        steps=tuple(steps),
        targets=tuple(targets),
        obstacles=tuple(of_everybody(journal, look, scan)),
        nearest=tuple(judge(journal, look, scan, market, moment) for market in nearest(scan)),
        late=moment - look.minute > LATE,
    )


def steps_of(scan: Scan) -> Iterator[Step]:
    """Yield how many markets are left behind who is barred, and behind each gate of the strategy."""
    everywhere = scan.everywhere()
    yield Step(code="markets", name=Words("전체 마켓", "markets"), left=len(everywhere))
    left = len(everywhere)
    for code, name in {gate["code"]: Words(gate["ko"], gate["en"]) for gate in scan.barred.values()}.items():
        left -= sum(1 for gate in scan.barred.values() if gate["code"] == code)
        yield Step(code=code, name=but(name), left=left)
    free = [at for at, market in enumerate(scan.markets) if market not in scan.barred]
    for gate in scan.gates:
        free = [at for at in free if gate.passes(at)]
        yield Step(code=gate.code, name=but(Words(gate.ko, gate.en)), left=len(free))


def but(name: Words) -> Words:
    """Return what is taken off at a step: a gate is named by what is so while it is shut."""
    return Words(f"'{name.ko}' 제외", f"without '{name.en}'")


def nearest(scan: Scan) -> Sequence[str]:
    """Return the markets nearest to a signal."""
    waiting = (market for market in ranked(scan) if market not in scan.barred and scan.failed(market) is not None)
    return list(waiting)[:NEAREST] if scan.gates else []


def ranked(scan: Scan) -> list[str]:
    """Return the markets with candles: the fewest shut gates first, then the shortest way to the farthest."""
    places = []
    for at, market in enumerate(scan.markets):
        shut = [gate for gate in scan.gates if not gate.passes(at)]
        ways = [distance(known(gate.values[at]), gate.relation, known(gate.thresholds[at])) for gate in shut]
        farthest = max((float("inf") if way is None else way for way in ways), default=0.0)
        places.append((len(shut), farthest, market))
    return [market for _, _, market in sorted(places)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every market at one minute beside every gate of the strategy, nearest to a signal first, barred ones last."""

    at: datetime
    gates: tuple[Words, ...]
    rows: tuple[tuple[str, Words | None, tuple[GateView, ...]], ...]  # market, what bars it besides the strategy, gates


def matrix(journal: Queries, moment: datetime) -> Matrix:
    """Return all markets beside all gates at the last look at or before a moment.

    Raises:
        NothingKnown: there is none.
    """
    look, scan = look_at(journal, moment)
    rows = []
    for market in sorted(ranked(scan), key=lambda market: market in scan.barred):  # these need more than a signal
        at, barred = scan.markets.index(market), scan.barred.get(market)
        name = None if barred is None else Words(barred["ko"], barred["en"])
        rows.append((market, name, tuple(view_of(gate, at) for gate in scan.gates)))
    return Matrix(at=look.minute, gates=tuple(Words(gate.ko, gate.en) for gate in scan.gates), rows=tuple(rows))
