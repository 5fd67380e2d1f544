"""Volatility breakout, as Korean retail traders know it: a baseline, not a recommendation.

Buy a market that has risen since 09:00 KST by a fraction of the day before's range, sell at the next 09:00. Larry
Williams described it, and it became popular in Korea with a filter of the average of a few days.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import numpy as np

from strategy import indicators
from strategy.base import Cause, Entry, Gate, Reason
from strategy.gates import HISTORY, TURNOVER, shown_numbers
from strategy.parameters import Count, Multiple, Won
from strategy.scaffold import Scaffold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strategy.base import Condition, Floats, Moments, Numbers, Position, Snapshot, Window

DAY = timedelta(days=1)
DAY_S = 86_400
"""Upbit's day begins at 00:00 UTC, which is 09:00 in Korea."""

DAY_OPEN = Gate(code="day_open", ko="하루가 끝남", en="the day is over")
BREAKOUT = Gate(code="breakout", ko="돌파하지 않음", en="no breakout")
ABOVE_DAYS = Gate(code="above_days", ko="며칠 평균 아래", en="below the average of the last days")
DAY_END = Cause(code="day_end", ko="다음 날 09시", en="the next day has begun", at_once=True)


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Works on every unit; a shorter one sees a breakout sooner."""

    k: Multiple = 0.5  # fraction of the day before's range that makes a breakout
    ma_days: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5  # days of the average to be above; 0: no such filter
    min_turnover_krw: Won = 2e8  # least 24 h turnover, KRW
    min_candles: Count = 200  # least candles a market must have had
    cooldown_candles: Count = 1  # candles a market rests after an exit


class VolatilityBreakout(Scaffold):
    """Bought on the day's breakout, sold at the day's end."""

    name: ClassVar[str] = "volatility_breakout"
    ko: ClassVar[str] = "변동성 돌파"
    en: ClassVar[str] = "volatility breakout"
    parameter_class: ClassVar[type[Parameters]] = Parameters
    gates: ClassVar[tuple[Gate, ...]] = (HISTORY, TURNOVER, DAY_OPEN, ABOVE_DAYS, BREAKOUT)
    exits: ClassVar[tuple[Cause, ...]] = (DAY_END,)

    def refuses(self, parameters: Parameters, unit: timedelta) -> tuple[str, str] | None:
        """Refuse day candles: a breakout within the day is not seen in them, and a day's last candle is not bought."""
        del parameters
        if unit < DAY:
            return None
        return (
            "변동성 돌파는 하루 안의 돌파를 보므로 일봉으로는 거래할 수 없습니다. --unit 240m 이하를 쓰세요.",
            "Volatility breakout looks for breakouts within a day, and day candles show none. Use --unit 240m or less.",
        )

    def history(self, parameters: Parameters, unit: timedelta) -> int:
        """Return how many closed candles the window should hold: whole days before, and the day of now."""
        return max((max(parameters.ma_days, 1) + 2) * (DAY // unit), parameters.min_candles)

    def compute(self, window: Window, parameters: Parameters) -> Numbers:
        """Compute the day's opening, its trigger and the average of the days before, for every candle of the day."""
        unit_s = int(window.unit.total_seconds())
        count = window.close.shape[-1]
        opened_s = int(window.closed_at.timestamp()) - unit_s * np.arange(count, 0, -1)
        day = opened_s // DAY_S
        of_day = Days(window, lead=int(opened_s[0] % DAY_S) // unit_s if count else 0)
        trigger = of_day.open + parameters.k * of_day.range_before
        over = (opened_s + unit_s) % DAY_S == 0
        whole = np.zeros_like(window.close)
        return {
            "close": window.close,
            "day_open": of_day.open,
            "trigger": trigger,
            "days_average": of_day.average_before(parameters.ma_days) if parameters.ma_days else whole,
            "turnover_24h": window.turnover_24h,
            "candles": indicators.age(window.close),
            "day_over": whole + over,
            "day": whole + day,
        }

    def tests(self, now: Mapping[str, Any], parameters: Parameters) -> tuple[Condition, ...]:
        """Say what each gate asks, in the order of `gates`."""
        return (
            HISTORY.asks(now["candles"], ">=", parameters.min_candles),
            TURNOVER.asks(now["turnover_24h"], ">=", parameters.min_turnover_krw),
            DAY_OPEN.asks(now["day_over"], "==", 0),
            ABOVE_DAYS.asks(now["close"], ">", now["days_average"]),
            BREAKOUT.asks(now["close"], ">", now["trigger"]),
        )

    def enter(self, snapshot: Snapshot, parameters: Parameters) -> Entry:
        """Buy a target while its day lasts; there is no stop, the end of the day is one."""
        del parameters
        now = snapshot.numbers
        shown = shown_numbers(now, "close", "day_open", "trigger", "days_average", "turnover_24h")
        reason = Reason(code="volatility_breakout", ko="변동성 돌파", en="the day's breakout", numbers=shown)
        today = snapshot.price_as_of.timestamp() // DAY_S == now["day"]
        return Entry(buy=snapshot.failed_gate is None and today, reason=reason)

    def sells(self, position: Position, moments: Moments, parameters: Parameters) -> tuple[Any, ...]:
        """Sell as soon as a day begins that is not the day of the entry."""
        del parameters
        return (moments.at_s // DAY_S > position.opened_at.timestamp() // DAY_S,)


class Days:
    """The candles of a window cut into days; a day that is not wholly known has no range, one not over no close."""

    def __init__(self, window: Window, lead: int) -> None:
        self._per_day = DAY // window.unit
        self._count = window.close.shape[-1]
        self._lead = lead  # candles of the first day that the window does not hold
        self.open = self._spread(self._cut(window.open)[:, :, 0])
        self._close = self._cut(window.close)[:, :, -1]
        highs, lows = self._cut(window.high).max(axis=2), self._cut(window.low).min(axis=2)
        self.range_before = self._spread(day_before(highs - lows))

    def average_before(self, days: int) -> Floats:
        """Return the average close of the `days` days before the day of each candle."""
        return self._spread(day_before(indicators.sma(self._close, days)))

    def _cut(self, values: Floats) -> Floats:
        """Return ``(markets, days, candles of a day)``, NaN where the window does not reach."""
        tail = -(self._lead + self._count) % self._per_day
        padded = np.pad(values, ((0, 0), (self._lead, tail)), constant_values=np.nan)
        return np.asarray(padded.reshape(len(values), -1, self._per_day))

    def _spread(self, of_days: Floats) -> Floats:
        """Give every candle the value of its day."""
        return np.repeat(of_days, self._per_day, axis=1)[:, self._lead : self._lead + self._count]


def day_before(of_days: Floats) -> Floats:
    """Return for each day the value of the day before it; NaN for the first."""
    return np.concatenate([np.full((len(of_days), 1), np.nan), of_days[:, :-1]], axis=1)
