"""Try a strategy of one's own before a won depends on it: every function is called once on a made-up market.

What would fail in the middle of a trade fails here, at the start, with a sentence that names the function. A strategy
without `sells`, for one, would buy and could never sell.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from strategy.base import PASSED, Entry, Moments, Numbers, Position, Selection, Snapshot, Strategy, Window

if TYPE_CHECKING:
    from collections.abc import Callable

FUNCTIONS = ("history", "cooldown", "compute", "select", "enter", "sells")
"""What a strategy answers itself; `exit` comes with the base class."""
UNIT = timedelta(minutes=240)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARKETS = ("KRW-BTC", "KRW-ALT", "KRW-NEW")
WHOLE = (0, 1)
"""Rows whose markets have every candle; the last one is new and has half of them."""
SETTLED = 20
"""Candles at the end in which every number should be known."""
MOST_CANDLES = 20_000


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a strategy cannot be used."""

    ko: str
    en: str


class _Wrong(Exception):
    """A function answers otherwise than it should."""

    def __init__(self, where: str, ko: str, en: str) -> None:
        super().__init__(en)
        self.fault = Fault(f"{where}: {ko}", f"{where}: {en}")


def try_out(strategy: Strategy, parameters: Any) -> Fault | None:
    """Call every function once; return what is wrong, None when nothing is."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            _live(strategy, parameters)
    except _Wrong as wrong:
        return wrong.fault
    return None


def unwritten(strategy: object) -> list[str]:
    """Return the functions that are missing: absent, or only promised by the base class."""
    kind = type(strategy)
    return [
        name
        for name in FUNCTIONS
        if not callable(getattr(kind, name, None)) or getattr(kind, name) is getattr(Strategy, name)
    ]


def _live(strategy: Strategy, parameters: Any) -> None:
    """Go through the life of a strategy: look, select, buy, sell."""
    candles = _ask("history", lambda: strategy.history(parameters, UNIT))
    rest = _ask("cooldown", lambda: strategy.cooldown(parameters))
    for where, number in (("history", candles), ("cooldown", rest)):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= MOST_CANDLES:
            raise _Wrong(where, f"0 ~ {MOST_CANDLES} 사이의 정수가 아닙니다", f"no whole number of 0 ~ {MOST_CANDLES}")
    window = made_up(max(candles, 1) + SETTLED)
    numbers = _ask("compute", lambda: strategy.compute(window, parameters))
    _check_numbers(window, numbers)
    for at in (-1, slice(-SETTLED, None)):
        selection = _ask("select", partial(strategy.select, window, numbers, at, parameters))
        _check_selection(strategy, selection, window.close[:, at].shape)
    row = {name: values[WHOLE[1]] for name, values in numbers.items()}
    last = {name: float(values[-1]) for name, values in row.items()}
    snapshot = Snapshot(
        market=MARKETS[1],
        candle_closed_at=NOW,
        numbers=last,
        failed_gate=None,
        price=Decimal(repr(float(window.close[WHOLE[1], -1]))),
        price_as_of=NOW,
    )
    _check_entry(_ask("enter", lambda: strategy.enter(snapshot, parameters)))
    prices = window.close[WHOLE[1]]
    at_s = NOW.timestamp() + UNIT.total_seconds() * np.arange(len(prices))
    one = Moments(numbers=last, price=float(prices[-1]), highest=float(prices.max()), at_s=float(at_s[-1]))
    many = Moments(numbers=row, price=prices, highest=prices, at_s=at_s)
    for moments in (one, many):
        told = _ask("sells", partial(strategy.sells, _held(snapshot), moments, parameters))
        _check_sales(strategy, told, np.shape(moments.price))
    _ask("exit", lambda: strategy.exit(_held(snapshot), snapshot, parameters))


def _ask(where: str, question: Callable[[], Any]) -> Any:
    """Call a function of the user's; whatever it fails with is told by its name."""
    try:
        return question()
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise _Wrong(where, f"오류가 났습니다: {told}", f"it failed: {told}") from error


def _check_numbers(window: Window, numbers: Numbers) -> None:
    shape = window.close.shape
    if not isinstance(numbers, dict) or not numbers:
        raise _Wrong("compute", "이름이 붙은 배열들을 돌려주어야 합니다", "it must return arrays by name")
    for name, values in numbers.items():
        if np.shape(values) != shape or not np.issubdtype(np.asarray(values).dtype, np.floating):
            told = f"{name}, {np.shape(values)}, {np.asarray(values).dtype}"
            raise _Wrong(
                "compute", f"{told}: 모양이 {shape}인 실수 배열이어야 합니다", f"{told}: must be floats, {shape}"
            )
        if np.isnan(np.asarray(values)[list(WHOLE), -SETTLED:]).all():
            raise _Wrong(
                "compute",
                f"{name}의 값이 마지막까지 NaN입니다. history가 너무 짧거나 계산이 잘못되었습니다",
                f"{name} is NaN to the end: history is too short, or it is computed wrongly",
            )


def _check_selection(strategy: Strategy, selection: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(selection, Selection) or np.shape(selection.gate) != shape:
        raise _Wrong("select", f"모양이 {shape}인 Selection이어야 합니다", f"it must return a Selection, {shape}")
    gates = len(strategy.gates)
    asked = len(selection.tests)
    named = [condition.gate or gate for condition, gate in zip(selection.tests, strategy.gates, strict=False)]
    if selection.tests and (asked != gates or named != list(strategy.gates)):
        raise _Wrong(
            "select",
            f"검사가 {asked}개인데 gates는 {gates}개입니다. 수와 순서를 맞추세요",
            f"{asked} tests and {gates} gates: they must be as many, and in one order",
        )
    if not np.isin(selection.gate, range(PASSED, gates)).all():
        raise _Wrong("select", "gates에 없는 번호가 있습니다", "it names a gate that is not among `gates`")


def _check_entry(entry: Any) -> None:
    if not isinstance(entry, Entry):
        raise _Wrong("enter", "Entry를 돌려주어야 합니다", "it must return an Entry")
    if entry.stop_distance is not None and not (np.isfinite(entry.stop_distance) and entry.stop_distance > 0):
        raise _Wrong(
            "enter", f"stop_distance가 {entry.stop_distance}입니다", f"its stop_distance is {entry.stop_distance}"
        )


def _check_sales(strategy: Strategy, told: Any, shape: tuple[int, ...]) -> None:
    exits = len(strategy.exits)
    if not isinstance(told, tuple | list) or len(told) != exits:
        many = len(told) if isinstance(told, tuple | list) else type(told).__name__
        raise _Wrong(
            "sells",
            f"답이 {many}개인데 exits는 {exits}개입니다. 수와 순서를 맞추세요",
            f"{many} answers and {exits} exits: they must be as many, and in one order",
        )
    for cause, answer in zip(strategy.exits, told, strict=True):
        if np.shape(answer) not in {shape, ()} or np.asarray(answer).dtype != np.bool_:
            raise _Wrong(
                "sells", f"{cause.code}의 답이 참/거짓이 아닙니다", f"the answer for {cause.code} is not true or false"
            )


def _held(snapshot: Snapshot) -> Position:
    """Return a position in the market of a snapshot, bought a little below it."""
    entry = snapshot.price * Decimal("0.9")
    return Position(
        market=snapshot.market,
        entry_price=entry,
        volume=Decimal(1),
        opened_at=NOW - timedelta(days=1),
        stop_price=entry * Decimal("0.8"),
        highest_price=snapshot.price,
    )


def made_up(candles: int) -> Window:
    """Return a window of random walks, always the same: two markets with every candle, and a new one."""
    rng = np.random.default_rng(1)
    close = 1000 * np.exp(np.cumsum(rng.normal(0.0005, 0.01, (len(MARKETS), candles)), axis=1))
    swing = 1 + np.abs(rng.normal(0, 0.005, close.shape))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    volume = rng.uniform(1e6, 2e6, close.shape)
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * swing,
        "low": np.minimum(opened, close) / swing,
        "close": close,
        "volume": volume,
        "turnover_24h": 6 * close * volume,
    }
    for values in columns.values():
        values[len(MARKETS) - 1, : candles // 2] = np.nan
    return Window(markets=MARKETS, unit=UNIT, closed_at=NOW, **columns)
