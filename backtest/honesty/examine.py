"""What a strategy must be asked before it is believed: does it look ahead, is it warmed up, does it stand odd markets?

The markets are made up (`backtest/honesty/odd_markets.py`): nothing here needs a history on disk.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.honesty.odd_markets import (
    COLUMNS,
    Suspect,
    changed,
    holding,
    made_up,
    moments_of,
    scrambled,
    with_columns,
)
from strategy.base import PASSED, Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strategy.base import Floats, Numbers, Window

DAEMON_MARKETS = 289
CUTS = 12
"""Moments at which the past is compared with itself."""
MORE_HISTORY = (1, 2, 4)
"""Multiples of the history a strategy asks for, between which its last verdict must not change."""
SLOW_MS = 2_000.0
"""Processor time of one `compute` over all markets from which a daemon that decides each minute is told."""
AT_LEAST = 5e-3
"""Relative change of a number that is worth telling."""
NEVER_SETTLED = ("candles",)
"""Numbers that count the candles of the window, whatever its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One question and its answer."""

    code: str
    passed: bool
    ko: str
    en: str


def examine(suspect: Suspect) -> list[Finding]:
    """Ask everything; a question that raises is answered with what was raised."""
    questions: tuple[tuple[str, Callable[[Suspect], Finding]], ...] = (
        ("shape", ask_shape), ("pure", ask_pure), ("look_ahead", ask_look_ahead), ("warm_up", ask_warm_up),
        ("one_or_many", ask_one_or_many), ("still", ask_still), ("unknown", ask_unknown), ("short", ask_short),
        ("marks", ask_marks), ("cost", ask_cost),
    )  # fmt: skip
    return [answer(code, question, suspect) for code, question in questions]


def answer(code: str, question: Callable[[Suspect], Finding], suspect: Suspect) -> Finding:
    """Ask one question."""
    try:
        return replace(question(suspect), code=code)
    except Exception as error:  # noqa: BLE001 - whatever a strategy of the user's does, the user is told in one line
        said = f"{type(error).__name__}: {error}"
        return Finding(code=code, passed=False, ko=f"계산 중 오류: {said}", en=f"it raised {said}")


def found(ko: str, en: str, *, passed: bool) -> Finding:
    """Return an answer."""
    return Finding(code="", passed=passed, ko=ko, en=en)


def ask_shape(suspect: Suspect) -> Finding:
    """Are all numbers of the window's shape, and do gates and exits fit their names?"""
    window = made_up(suspect, suspect.history)
    numbers, strategy = suspect.compute(window), suspect.strategy
    wrong = [name for name, values in numbers.items() if np.shape(values) != window.close.shape]
    if wrong:
        return found(f"모양이 다른 값: {', '.join(wrong)}", f"of another shape: {', '.join(wrong)}", passed=False)
    gate = suspect.select(window).gate
    fits = bool(((gate >= PASSED) & (gate < len(strategy.gates))).all())
    answers = strategy.sells(holding(window, 1), moments_of(window, numbers, 1), suspect.parameters)
    if not fits or len(answers) != len(strategy.exits):
        return found(
            "gates나 exits의 수가 답의 수와 다릅니다", "gates or exits are not as many as the answers", passed=False
        )
    count = int((suspect.select(window, slice(0, None)).gate == PASSED).sum())
    return found(f"모양이 맞음, 대상 {count:,}번", f"fits; {count:,} targets on made-up markets", passed=True)


def ask_pure(suspect: Suspect) -> Finding:
    """Does it answer the same twice, and leave its window alone?"""
    window = made_up(suspect, suspect.history)
    kept = changed(window, np.copy)
    first, second = suspect.compute(window), suspect.compute(window)
    same = all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)
    left = all(np.array_equal(getattr(window, name), getattr(kept, name)) for name in COLUMNS)
    if same and left:
        return found("같은 답을 두 번", "the same answer twice", passed=True)
    return found("두 번째 답이 다르거나 캔들을 바꿈", "a second answer differs, or candles are changed", passed=False)


def ask_look_ahead(suspect: Suspect) -> Finding:
    """Does a past decision change when the future is cut off, or made another one?"""
    window = made_up(suspect, 2 * suspect.history)
    whole, count = suspect.compute(window), window.close.shape[1]
    culprits: set[str] = set()
    for cut in np.linspace(suspect.history, count - 2, CUTS).astype(int).tolist():
        end = window.closed_at - (count - 1 - cut) * window.unit
        short = suspect.compute(changed(window, lambda values, cut=cut: values[:, : cut + 1], end))  # type: ignore[misc]
        other = suspect.compute(changed(window, lambda values, cut=cut: scrambled(values, cut)))  # type: ignore[misc]
        for name, values in whole.items():
            past = values[:, : cut + 1]
            if not (same_numbers(past, short[name]) and same_numbers(past, other[name][:, : cut + 1])):
                culprits.add(name)
    if culprits:
        names = ", ".join(sorted(culprits))
        return found(f"미래를 봅니다: {names}", f"looks into the future: {names}", passed=False)
    return found(
        f"미래를 자르거나 뒤섞어도 같음 ({CUTS}곳)",
        f"the past stays when the future changes ({CUTS} cuts)",
        passed=True,
    )


def same_numbers(one: Floats, other: Floats) -> bool:
    """Return whether numbers are the same but for the rounding of sums."""
    return bool(np.allclose(one, other, rtol=1e-9, atol=1e-9, equal_nan=True))


def ask_warm_up(suspect: Suspect) -> Finding:
    """Does the last verdict change with more history than it asks for?"""
    history = suspect.history
    longest = made_up(suspect, MORE_HISTORY[-1] * history + CUTS * 10)
    flips, worst, count = 0, ("", 0.0), longest.close.shape[1]
    for cut in range(count - CUTS * 10, count, 10):
        last = [self_at(suspect, longest, cut, times * history) for times in MORE_HISTORY]
        flips += int(sum((one[0] != last[-1][0]).sum() for one in last[:-1]))
        for name, values in last[0][1].items():
            if name not in NEVER_SETTLED:
                worst = max(worst, (name, largest_change(values, last[-1][1][name])), key=lambda pair: pair[1])
    told = f"{worst[0]} {worst[1]:.2%}" if worst[1] >= AT_LEAST else f"< {AT_LEAST:.1%}"
    if flips:
        return found(
            f"history={history}로는 판정 {flips}개가 더 긴 기록에서 바뀝니다 (변화 {told}). history를 늘리세요",
            f"with history={history} {flips} verdicts change when there is more (by {told}). Raise history",
            passed=False,
        )
    return found(
        f"history={history}, 4배까지 판정이 같음 (값의 변화 {told})",
        f"history={history}: no verdict changes up to four times that (numbers change {told})",
        passed=True,
    )


def self_at(suspect: Suspect, window: Window, cut: int, candles: int) -> tuple[Any, dict[str, Floats]]:
    """Return the verdicts and numbers at one candle, seen with so many candles before it."""
    end = window.closed_at - (window.close.shape[1] - 1 - cut) * window.unit
    seen = changed(window, lambda values: values[:, cut + 1 - candles : cut + 1], end)
    return suspect.select(seen).gate, {name: values[:, -1] for name, values in suspect.compute(seen).items()}


def largest_change(one: Floats, other: Floats) -> float:
    """Return the largest relative change between two columns of numbers; 0 where nothing is known."""
    scale = np.where(np.abs(other) > 0, np.abs(other), 1.0)
    change = np.abs(one - other) / scale
    return float(np.nanmax(change)) if np.isfinite(change).any() else 0.0


def ask_one_or_many(suspect: Suspect) -> Finding:
    """Does it say of many candles at once what it says of each alone?"""
    window = made_up(suspect, suspect.history + 60)
    numbers, count = suspect.compute(window), window.close.shape[1]
    many = suspect.strategy.select(window, numbers, slice(0, None), suspect.parameters).gate
    wrong = sum(
        not np.array_equal(many[:, at], suspect.strategy.select(window, numbers, at, suspect.parameters).gate)
        for at in range(count - 60, count)
    )
    moments, position = moments_of(window, numbers, 1), holding(window, 1)
    whole = suspect.strategy.sells(position, moments, suspect.parameters)
    for at in range(0, len(moments.price), 7):
        one = Moments(
            numbers={name: float(values[at]) for name, values in moments.numbers.items()},
            price=float(moments.price[at]),
            highest=float(moments.highest[at]),
            at_s=float(moments.at_s[at]),
        )
        alone = suspect.strategy.sells(position, one, suspect.parameters)
        wrong += sum(
            bool(single) != bool(np.broadcast_to(each, np.shape(moments.price))[at])
            for single, each in zip(alone, whole, strict=True)
        )
    if wrong:
        return found(f"{wrong}번 다른 답", f"{wrong} answers differ", passed=False)
    return found("캔들 하나와 여럿의 답이 같음", "says of many candles what it says of each", passed=True)


def ask_still(suspect: Suspect) -> Finding:
    """What does it know of a market that stands still, and of one on coarse ticks?"""
    window = made_up(suspect, suspect.history)
    still = changed(window, lambda values: np.repeat(values[:, :1], values.shape[1], axis=1))
    numbers = suspect.compute(still)
    unknown = sorted(name for name, values in numbers.items() if not np.isfinite(values[:, -1]).all())
    targets = int(suspect.select(still).passed().sum())
    if unknown:
        names = ", ".join(unknown)
        return found(
            f"멈춘 마켓에서 모르는 값: {names}", f"unknown in a market that stands still: {names}", passed=False
        )
    return found(
        f"멈춘 마켓도 계산됨 (대상 {targets}개)", f"stands a market that does not move ({targets} targets)", passed=True
    )


def ask_unknown(suspect: Suspect) -> Finding:
    """Is a market bought of which nothing is known?"""
    window = made_up(suspect, suspect.history)
    columns = {name: np.array(getattr(window, name)) for name in COLUMNS}
    for values in columns.values():
        values[2] = np.nan  # not listed at all
        values[4, :-1] = np.nan  # one candle old
    columns["turnover_24h"][5] = np.nan
    gate = suspect.select(with_columns(window, columns)).gate
    bought = [text for row, text in ((2, "no candle"), (4, "one candle")) if gate[row] == PASSED]
    without_bitcoin = {name: np.array(getattr(window, name)) for name in COLUMNS}
    for values in without_bitcoin.values():
        values[0] = np.nan
    suspect.select(with_columns(window, without_bitcoin))
    if bought:
        told = ", ".join(bought)
        return found(f"모르는 마켓을 삽니다: {told}", f"buys a market of which there is {told}", passed=False)
    return found("모르는 마켓은 사지 않음", "buys nothing it does not know", passed=True)


def ask_short(suspect: Suspect) -> Finding:
    """Does it stand windows shorter than it asked for?"""
    window = made_up(suspect, suspect.history)
    lengths = [length for length in (1, 2, 3, 10, suspect.history // 2) if length]
    early = sum(
        int(suspect.select(changed(window, lambda values, n=length: values[:, -n:])).passed().sum())  # type: ignore[misc]
        for length in lengths[:4]
    )
    if early:
        return found(f"캔들 10개 이하로 대상 {early}개", f"{early} targets on ten candles or fewer", passed=False)
    return found("짧은 기록과 새 마켓을 견딤", "stands short histories and new markets", passed=True)


def ask_marks(suspect: Suspect) -> Finding:
    """Do exits that say they rest on numbers alone do so?"""
    window = made_up(suspect, suspect.history)
    numbers = suspect.compute(window)
    one, other = answers_of(suspect, window, numbers)
    independent = {at for at in one if np.array_equal(one[at], other[at])}
    wrong = [cause.code for at, cause in enumerate(suspect.strategy.exits) if cause.of_market and at not in independent]
    if wrong:
        names = ", ".join(wrong)
        return found(f"of_market 표시가 틀림: {names}", f"marked of_market and is not: {names}", passed=False)
    faster = [
        cause.code
        for at, cause in enumerate(suspect.strategy.exits)
        if at in independent and not (cause.of_market or cause.at_once)
    ]
    hint = ", ".join(faster)
    return found(
        f"표시가 맞음{f'; of_market으로 표시하면 빨라질 수 있음: {hint}' if hint else ''}",
        f"marks are right{f'; may be marked of_market, which is faster: {hint}' if hint else ''}",
        passed=True,
    )


def answers_of(suspect: Suspect, window: Window, numbers: Numbers) -> Iterator[dict[int, Any]]:
    """Yield what every exit says of a market, for two different positions, prices and times."""
    moments, position = moments_of(window, numbers, 1), holding(window, 1)
    strange = replace(
        position,
        entry_price=position.entry_price * 3,
        opened_at=position.opened_at - 5_000 * window.unit,
        stop_price=position.entry_price * 5,
        highest_price=position.highest_price * 9,
    )
    elsewhere = replace(moments, price=moments.price * 0.2, highest=moments.highest * 4, at_s=moments.at_s + 1e7)
    for held, seen in ((position, moments), (strange, elsewhere)):
        answers = suspect.strategy.sells(held, seen, suspect.parameters)
        yield {at: np.broadcast_to(each, np.shape(moments.price)) for at, each in enumerate(answers)}


def ask_cost(suspect: Suspect) -> Finding:
    """What does one decision about all markets cost?"""
    window = made_up(suspect, suspect.history, markets=DAEMON_MARKETS)
    began = time.process_time()
    suspect.select(window)
    cost_ms = (time.process_time() - began) * 1_000
    told = f"{cost_ms:,.0f} ms, {DAEMON_MARKETS} x {suspect.history}"
    return found(f"계산 시간 {told}", f"processor time of one decision {told}", passed=cost_ms < SLOW_MS)
