"""What candles must be before they are taken: whole, of the unit that was said, closed, and in won."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from backtest.files.market_names import written
from backtest.history.candles import Fault, first_bad
from backtest.units import DAY, UNITS, from_ms, unit_ms

if TYPE_CHECKING:
    import numpy.typing as npt

    from backtest.files.times import Zone
    from backtest.history.candles import Candles, Times

SURE = 10
"""Candles from which on a coarser grid is no chance any more; below, most of their distances must say so too."""
FEW = 3
MOST = 0.9
"""Share of candles that says something about all of them."""
HOUR_MS = 3_600_000
SHORTEST_MONTH_MS = 28 * 24 * HOUR_MS


NO_TRADE = Fault("거래량 0인데 가격이 움직임", "a price that moved without a volume")


def first_fault(
    candles: Candles, unit: timedelta, now_ms: int, zone: Zone | None = None, *, told: bool = False
) -> tuple[int | None, Fault] | None:
    """Return why candles cannot be taken, and which one it is; None instead of a candle: all of them."""
    times = candles.opened_at_ms
    if zone and (shifted := off_grid_hint(times, unit)):
        return None, shifted
    moved = np.flatnonzero((candles.volume == 0) & (candles.high > candles.low))
    for one in (
        first_bad(candles, unit_ms(unit)),
        (int(moved[0]), NO_TRADE) if len(moved) else None,
        in_future(times, now_ms),
    ):
        if one:
            return one
    fault = other_unit(times, unit, told=told) or swapped(candles)
    return (None, fault) if fault else None


def resting(candles: Candles) -> npt.NDArray[np.bool_]:
    """Return which candles somebody filled in where nobody traded: one price, no volume."""
    flat: npt.NDArray[np.bool_] = (candles.volume == 0) & (candles.high == candles.low)
    return flat


def distances_of(times: Times) -> Times:
    """Return how far the moments lie apart, in order of time; one that stands there twice counts once."""
    ordered = np.sort(times)
    distances: Times = ordered[1:] - ordered[:-1]
    return distances[distances > 0]


def step_of(times: Times) -> tuple[int, bool]:
    """Return the widest grid on which all times lie, milliseconds, and whether it is surely their unit; 0: too few."""
    distances = distances_of(times)
    if len(distances) < FEW - 1:
        return 0, False
    step = int(np.gcd.reduce(distances))
    return step, len(distances) >= SURE - 1 or 2 * int((distances == step).sum()) >= len(distances)


def likely_unit(times: Times) -> timedelta | None:
    """Return the unit that the distances of candles show beyond doubt; None when they do not."""
    step, _ = step_of(times)
    distances = distances_of(times)
    if not step or 2 * int((distances == step).sum()) < len(distances):
        return None
    return next((unit for unit in UNITS.values() if unit_ms(unit) == step), None)


def other_unit(times: Times, unit: timedelta, *, told: bool) -> Fault | None:
    """Say when candles are of a coarser unit than was said; finer ones fall off its grid.

    Args:
        times: when they open.
        unit: what was said.
        told: by the file itself, and not by a person: a few candles far apart prove nothing against that.
    """
    step, sure = step_of(times)
    distances = distances_of(times) if unit == DAY else np.empty(0, np.int64)
    months = len(distances) >= FEW - 1 and int(distances.min()) >= SHORTEST_MONTH_MS
    if told and len(distances_of(times)) < SURE - 1:
        return None
    if not months and not (sure and step > unit_ms(unit)):
        return None
    found = "1M" if months and step == unit_ms(DAY) else written(timedelta(milliseconds=step))
    said = written(unit)
    return Fault(
        f"{said} 캔들이 아니라 {found} 간격의 캔들입니다. --unit을 확인하세요",
        f"these are not {said} candles: they lie {found} apart. Look at --unit",
    )


def off_grid_hint(times: Times, unit: timedelta) -> Fault | None:
    """Say when times miss their grid by the nine hours of Korea, which is a wrong zone."""
    length = unit_ms(unit)
    if (times % length == 0).all() or length % HOUR_MS != 0:
        return None
    if ((times + 9 * HOUR_MS) % length == 0).all():
        return Fault(
            "시각이 9시간 어긋나 있습니다. --zone utc가 맞는지 보세요",
            "the times are nine hours off. Is it --zone utc?",
        )
    if ((times - 9 * HOUR_MS) % length == 0).all():
        return Fault(
            "시각이 9시간 어긋나 있습니다. --zone kst가 맞는지 보세요",
            "the times are nine hours off. Is it --zone kst?",
        )
    return None


def in_future(times: Times, now_ms: int) -> tuple[int, Fault] | None:
    """Return the first candle that opens later than now, and what that means."""
    late = times > now_ms
    if not late.any():
        return None
    moment = f"{from_ms(int(times[late].max()) + 9 * HOUR_MS):%Y-%m-%d %H:%M} KST"
    return int(late.argmax()), Fault(
        f"미래의 캔들입니다 ({moment}). 시간대(--zone)가 맞나요",
        f"a candle of the future ({moment}). Is the zone (--zone) right?",
    )


def swapped(candles: Candles) -> Fault | None:
    """Say when volume and turnover stand in each other's columns: then volume over turnover is the price."""
    known = np.isfinite(candles.turnover) & (candles.turnover > 0) & (candles.volume > 0)
    if not known.any():
        return None
    some = candles.take(np.flatnonzero(known))
    usual = some.turnover / some.volume
    inside = (some.low * 0.5 <= usual) & (usual <= some.high * 2)
    turned = (some.low * 0.99 <= 1 / usual) & (1 / usual <= some.high * 1.01)
    if inside.mean() < 1 - MOST and turned.mean() > MOST:
        return Fault("거래량과 거래대금의 열이 바뀌어 있습니다", "volume and turnover stand in each other's columns")
    return None
