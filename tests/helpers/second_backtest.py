"""A second backtest in plain Python, written from docs/backtest.md and Strategy.md alone.

It imports nothing of `strategy/` or `backtest/`: candle by candle, market by market, with its own indicators, so that a
mistake has to be made twice to stay hidden. It is slow and says nothing but its trades.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from statistics import fmean

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOLE_MS = 3 * DAY_MS
BITCOIN = "KRW-BTC"


@dataclass
class Bar:
    """One candle of the grid; without a trade it carries the close before it."""

    open: float
    high: float
    low: float
    close: float
    traded: bool
    turnover: float  # of this candle
    day_turnover: float = 0.0  # of the last 24 hours


@dataclass
class Series:
    """An unbroken stretch of a market: bars from one column to another."""

    market: str
    first: int
    bars: list[Bar]
    numbers: list[dict[str, float]] = field(default_factory=list)

    def at(self, column: int) -> Bar | None:
        """Return its bar of a column, if it has one."""
        return self.bars[column - self.first] if self.first <= column < self.first + len(self.bars) else None

    def known(self, column: int) -> dict[str, float] | None:
        """Return its numbers of a column."""
        return self.numbers[column - self.first] if self.first <= column < self.first + len(self.bars) else None


@dataclass
class Held:
    """A position."""

    series: Series
    bought: int
    price: float
    volume: float
    cost: float
    stop: float | None
    order: int
    due: str | None = None  # why it is to be sold when it trades next


@dataclass
class Row:
    """One trade, as the two backtests are compared."""

    market: str
    bought: int
    sold: int | None
    inside: bool
    cause: str | None
    entry: float
    exit: float | None
    cost: float
    proceeds: float


Candle = tuple[int, float, float, float, float, float, float]
"""Opening in milliseconds, open, high, low, close, volume, turnover (NaN: not known)."""


def ema(values: list[float], length: int) -> list[float]:
    """Return the exponential average, which starts at the first value; unknown for length - 1 candles."""
    out: list[float] = []
    average = math.nan
    for at, value in enumerate(values):
        average = value if at == 0 else average + 2 / (length + 1) * (value - average)
        out.append(average if at >= length - 1 else math.nan)
    return out


def wilder_range(bars: list[Bar], length: int) -> list[float]:
    """Return Wilder's average of the true range; unknown for length - 1 candles."""
    ranges = [
        bar.high - bar.low
        if at == 0
        else max(bar.high - bar.low, abs(bar.high - bars[at - 1].close), abs(bar.low - bars[at - 1].close))
        for at, bar in enumerate(bars)
    ]
    out: list[float] = []
    average = math.nan
    for at, value in enumerate(ranges):
        if at == length - 1:
            average = fmean(ranges[:length])
        elif at >= length:
            average += (value - average) / length
        out.append(average)
    return out


def deviation(values: list[float], mean: float) -> float:
    """Return the deviation of a population."""
    return math.sqrt(fmean([(value - mean) ** 2 for value in values]))


def strength(values: list[float], length: int) -> list[float]:
    """Return Wilder's relative strength index; 50 where nothing moved."""
    out = [math.nan] * min(length, len(values))
    rise = fall = 0.0
    for at in range(1, len(values)):
        change = values[at] - values[at - 1]
        up, down = max(change, 0.0), max(-change, 0.0)
        if at <= length:
            rise, fall = rise + up / length, fall + down / length
        else:
            rise, fall = rise + (up - rise) / length, fall + (down - fall) / length
        if at >= length:
            out.append(100 * rise / (rise + fall) if rise + fall > 0 else 50.0)
    return out


class Second:
    """One account over some markets."""

    def __init__(self, candles: dict[str, list[Candle]], unit_ms: int, period: tuple[int, int], warm_up: int) -> None:
        self.unit = unit_ms
        self.begin, self.end = (one // unit_ms * unit_ms for one in period)
        inside = {
            market: [one for one in rows if self.begin - warm_up * unit_ms <= one[0] < self.end]
            for market, rows in sorted(candles.items())
        }
        self.origin = min(rows[0][0] for rows in inside.values() if rows)
        self.count = (max(rows[-1][0] for rows in inside.values() if rows) - self.origin) // unit_ms + 1
        self.first = max(1, (self.begin - self.origin) // unit_ms)
        self.series = [one for market, rows in inside.items() for one in self.cut(market, rows)]

    def cut(self, market: str, rows: list[Candle]) -> list[Series]:
        """Return the unbroken stretches of a market."""
        parts: list[list[Candle]] = []
        for row in rows:
            if not parts or row[0] - parts[-1][-1][0] - self.unit > HOLE_MS:
                parts.append([])
            parts[-1].append(row)
        return [self.stretch(market, part) for part in parts]

    def stretch(self, market: str, rows: list[Candle]) -> Series:
        """Return a stretch on the grid; one that reaches to within three days of the end stands still to the end."""
        first = (rows[0][0] - self.origin) // self.unit
        last = (rows[-1][0] - self.origin) // self.unit
        if (self.count - 1 - last) * self.unit <= HOLE_MS:
            last = self.count - 1
        by_column = {(row[0] - self.origin) // self.unit: row for row in rows}
        bars: list[Bar] = []
        for column in range(first, last + 1):
            row = by_column.get(column)
            if row is None:
                close = bars[-1].close
                bars.append(Bar(close, close, close, close, traded=False, turnover=0.0))
            else:
                _, open_, high, low, close, volume, turnover = row
                worth = turnover if math.isfinite(turnover) else volume * (open_ + high + low + close) / 4
                bars.append(Bar(open_, high, low, close, traded=True, turnover=worth))
        day = max(1, DAY_MS // self.unit)
        for at, bar in enumerate(bars):
            bar.day_turnover = sum(one.turnover for one in bars[max(0, at + 1 - day) : at + 1])
        return Series(market, first, bars)

    def slippage(self, turnover: float) -> float:
        """Return what an order costs each side, by the turnover of 24 hours."""
        if turnover >= 1e9:
            return 0.0010
        return 0.0030 if turnover >= 2e8 else 0.0100

    def run(self, rule: Rule, seed: int, *, krw: float, slots: int) -> list[Row]:
        """Trade one seed and return the trades in the order of their purchases."""
        for one in self.series:
            one.numbers = rule.numbers(self, one)
        self.add_bitcoin(rule)
        account = Book(self, rule, random.Random(seed), krw, slots)
        for column in range(self.first, self.count):
            account.sell_at_open(column)
            account.draw(column)
            account.buy(column)
            account.sell_inside(column)
        rows = [*account.rows, *((one.order, account.still_held(one)) for one in account.held.values())]
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]

    def add_bitcoin(self, rule: Rule) -> None:
        """Give every market bitcoin's close and average of the same candle."""
        leaders = [one for one in self.series if one.market == BITCOIN]
        averages = [ema([bar.close for bar in one.bars], rule.btc_ema) for one in leaders]
        for one in self.series:
            for at, known in enumerate(one.numbers):
                column = one.first + at
                known["btc_close"] = known["btc_ema"] = math.nan
                for leader, average in zip(leaders, averages, strict=True):
                    if (bar := leader.at(column)) is not None:
                        known["btc_close"], known["btc_ema"] = bar.close, average[column - leader.first]

    def day(self, column: int) -> int:
        """Return the day, which begins at 09:00 in Korea, in which a candle opens."""
        return (self.origin + column * self.unit) // DAY_MS


@dataclass
class Book:
    """The money, the positions and the trades of one account, candle after candle in the order the document gives."""

    second: Second
    rule: Rule
    rng: random.Random
    cash: float
    slots: int
    held: dict[str, Held] = field(default_factory=dict)
    waiting: dict[str, tuple[Series, int]] = field(default_factory=dict)  # and the candle at whose open it was drawn
    rested: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[int, Row]] = field(default_factory=list)
    bought: int = 0

    def sell(self, position: Held, column: int, reference: float, cause: str, *, inside: bool) -> None:
        """Sell a position; what is worth less than Upbit takes brings nothing."""
        before = position.series.at(column - 1)
        price = reference * (1 - self.second.slippage(before.day_turnover if before else math.nan))
        worth = price * position.volume
        proceeds = worth * (1 - 0.0005) if worth >= 5000 else 0.0
        self.cash += proceeds
        market = position.series.market
        self.rested[market] = column + inside
        del self.held[market]
        row = Row(market, position.bought, column, inside, cause, position.price, price, position.cost, proceeds)
        self.rows.append((position.order, row))

    def still_held(self, one: Held) -> Row:
        """Return the row of a position that is held to the end."""
        return Row(
            one.series.market,
            one.bought,
            None,
            inside=False,
            cause=None,
            entry=one.price,
            exit=None,
            cost=one.cost,
            proceeds=0.0,
        )

    def sell_at_open(self, column: int) -> None:
        """Sell what gapped through its stop, whose day is over, or that was to be sold when it trades next."""
        for position in sorted(self.held.values(), key=lambda one: one.order):
            if position.due is None:
                position.due = self.rule.leaves(self.second, position, column)
            bar = position.series.at(column)
            if bar is None or not bar.traded:
                continue
            cause = self.at_open(position, bar, column)
            if cause is not None:
                self.sell(position, column, bar.open, cause, inside=False)

    def at_open(self, position: Held, bar: Bar, column: int) -> str | None:
        """Return why a position is sold at the open of a candle that traded."""
        if position.stop is not None and bar.open <= position.stop:
            return "stop"
        if self.rule.day_end and self.second.day(column) > self.second.day(position.bought):
            return "day_end"
        return position.due

    def draw(self, column: int) -> None:
        """Fill free places at random."""
        free = self.slots - len(self.held) - len(self.waiting)
        able = {
            one.market: one
            for one in self.second.series
            if (known := one.known(column - 1)) is not None and self.may(one.market, column) and self.rule.wants(known)
        }
        if free > 0:
            for market in self.rng.sample(sorted(able), min(free, len(able))):
                self.waiting[market] = (able[market], column)

    def may(self, market: str, column: int) -> bool:
        """Return whether a market is neither taken nor resting."""
        resting = market in self.rested and column - self.rested[market] < self.rule.cooldown
        return market not in self.held and market not in self.waiting and not resting

    def buy(self, column: int) -> None:
        """Buy what was drawn, where something trades; let go of what is no target any more."""
        for market, (one, drawn) in list(self.waiting.items()):
            bar, known = one.at(column), one.known(column - 1)
            if column > drawn and (known is None or not self.rule.wants(known)):
                del self.waiting[market]
            elif bar is not None and bar.traded and known is not None and self.rule.enters(self.second, column):
                del self.waiting[market]
                self.take(one, bar, known, column)

    def take(self, one: Series, bar: Bar, known: dict[str, float], column: int) -> None:
        """Buy an equal share of the account, as much as the money and the stop allow."""
        before = one.at(column - 1)
        assert before is not None
        price = bar.open * (1 + self.second.slippage(before.day_turnover))
        marks = ((other.series.at(column - 1), other.volume) for other in self.held.values())
        own = sum(mark.close * volume for mark, volume in marks if mark is not None)
        total = min(math.floor((self.cash + own) / self.slots), math.floor(self.cash / 1.0005))
        distance = self.rule.stop(known)
        if total < 5000 or total * (1 - distance / bar.open) < 5000 * 1.02:
            return
        volume = math.floor(total / price * 1e8) / 1e8
        cost = volume * price * 1.0005
        self.cash -= cost
        self.bought += 1
        stop = max(price - distance, 0.0) if distance else None
        self.held[one.market] = Held(one, column, price, volume, cost, stop, self.bought)

    def sell_inside(self, column: int) -> None:
        """Sell at stops inside the candle, what was just bought and says sell already, and series that end in it."""
        for position in sorted(self.held.values(), key=lambda one: one.order):
            bar = position.series.at(column)
            if bar is None:
                continue
            if position.bought == column:
                position.due = self.rule.leaves(self.second, position, column)
            fresh = self.at_open(position, bar, column) if position.bought == column and bar.traded else None
            if fresh is not None:
                self.sell(position, column, bar.open, fresh, inside=False)
            elif bar.traded and position.stop is not None and bar.low <= position.stop:
                self.sell(position, column, position.stop, "stop", inside=True)
            elif column == position.series.first + len(position.series.bars) - 1 and column < self.second.count - 1:
                self.sell(position, column, bar.close, "series_end", inside=True)


class Rule:
    """What the five strategies of Strategy.md have in common."""

    btc_ema, cooldown, min_turnover, min_candles, stop_atr, day_end = 200, 6, 2e8, 200, 5.0, False

    def numbers(self, second: Second, one: Series) -> list[dict[str, float]]:
        """Return the numbers of every bar of a series."""
        columns = {"close": [bar.close for bar in one.bars], **self.more(second, one)}
        columns["turnover"] = [bar.day_turnover for bar in one.bars]
        columns["candles"] = [float(at + 1) for at in range(len(one.bars))]
        return [{name: values[at] for name, values in columns.items()} for at in range(len(one.bars))]

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return the numbers of this strategy alone."""
        raise NotImplementedError

    def open_gates(self, now: dict[str, float]) -> bool:
        """Return whether bitcoin, turnover and candles let it buy."""
        enough = now["turnover"] >= self.min_turnover and now["candles"] >= self.min_candles
        return enough and now["btc_close"] > now["btc_ema"]

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether a market is a target."""
        raise NotImplementedError

    def enters(self, second: Second, column: int) -> bool:
        """Return whether a target is bought now."""
        del second, column
        return True

    def stop(self, now: dict[str, float]) -> float:
        """Return how far below the entry the stop lies."""
        return self.stop_atr * now["atr"] if self.stop_atr else 0.0

    def leaves(self, second: Second, position: Held, column: int) -> str | None:
        """Return why a position is sold at the open of a candle, from the numbers of the candle before."""
        del second
        now = position.series.known(column - 1)
        return None if now is None else self.ends(now)

    def ends(self, now: dict[str, float]) -> str | None:
        """Return why it is sold, from numbers alone."""
        raise NotImplementedError


class QuietTrend(Rule):
    """EMA(10) above EMA(50), price above the first, average range below 2.5 % of the price."""

    max_natr = 2.5

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return averages and range."""
        del second
        closes = [bar.close for bar in one.bars]
        return {"fast": ema(closes, 10), "slow": ema(closes, 50), "atr": wilder_range(one.bars, 14)}

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether it rises calmly."""
        calm = 100 * now["atr"] / now["close"] < self.max_natr
        return self.open_gates(now) and now["fast"] > now["slow"] and now["close"] > now["fast"] and calm

    def ends(self, now: dict[str, float]) -> str | None:
        """Return whether a trend is over."""
        if now["fast"] < now["slow"]:
            return "trend_end"
        return "gate_closed" if now["btc_close"] <= now["btc_ema"] else None


class QuietBreakout(Rule):
    """Close above the highest of 40 candles, sold below the lowest of 20."""

    max_natr = 2.5

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return channels of the candles before, and range."""
        del second
        highs, lows = [bar.high for bar in one.bars], [bar.low for bar in one.bars]
        count = len(one.bars)
        return {
            "top": [max(highs[at - 40 : at]) if at >= 40 else math.nan for at in range(count)],
            "floor": [min(lows[at - 20 : at]) if at >= 20 else math.nan for at in range(count)],
            "atr": wilder_range(one.bars, 14),
        }

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether it breaks out calmly."""
        calm = 100 * now["atr"] / now["close"] < self.max_natr
        return self.open_gates(now) and now["close"] > now["top"] and calm

    def ends(self, now: dict[str, float]) -> str | None:
        """Return whether the channel is broken."""
        if now["close"] < now["floor"]:
            return "channel_broken"
        return "gate_closed" if now["btc_close"] <= now["btc_ema"] else None


class RareDip(Rule):
    """RSI(14) below 20 and close below the lower band, sold at the average or after 12 candles."""

    max_rsi, hold = 20.0, 12

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return strength, bands and range."""
        del second
        closes = [bar.close for bar in one.bars]
        windows = [closes[at - 19 : at + 1] if at >= 19 else [] for at in range(len(closes))]
        middle = [fmean(window) if window else math.nan for window in windows]
        lower = [
            mean - 2 * deviation(window, mean) if window else math.nan
            for mean, window in zip(middle, windows, strict=True)
        ]
        return {
            "rsi": strength(closes, 14), "middle": middle, "lower": lower, "atr": wilder_range(one.bars, 14),
        }  # fmt: skip

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether it fell hard."""
        return self.open_gates(now) and now["rsi"] < self.max_rsi and now["close"] < now["lower"]

    def leaves(self, second: Second, position: Held, column: int) -> str | None:
        """Return whether it is back at its average, or time is over."""
        del second
        now = position.series.known(column - 1)
        if now is None:
            return None
        if now["close"] > now["middle"]:
            return "rebound"
        return "time" if column - position.bought >= self.hold else None


class BtcOnly(Rule):
    """Bitcoin while it is above its average."""

    cooldown, stop_atr = 1, 0.0

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return whether it is bitcoin."""
        del second
        return {"leader": [float(one.market == BITCOIN)] * len(one.bars)}

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether bitcoin rises."""
        return now["leader"] > 0 and now["candles"] >= self.min_candles and now["btc_close"] > now["btc_ema"]

    def ends(self, now: dict[str, float]) -> str | None:
        """Return whether its trend is over."""
        return "gate_closed" if now["btc_close"] <= now["btc_ema"] else None


class VolatilityBreakout(Rule):
    """Risen since 09:00 by half of the day before's range, sold at the next 09:00."""

    cooldown, stop_atr, day_end = 1, 0.0, True

    def more(self, second: Second, one: Series) -> dict[str, list[float]]:
        """Return the day's trigger, the average of five days before, and whether the day is over."""
        days: dict[int, list[Bar]] = {}
        for at, bar in enumerate(one.bars):
            days.setdefault(second.day(one.first + at), []).append(bar)
        per_day = DAY_MS // second.unit
        whole = {day for day, bars in days.items() if len(bars) == per_day}
        trigger, average, over = [], [], []
        for at in range(len(one.bars)):
            day = second.day(one.first + at)
            bars = days.get(day - 1, [])
            opened = days[day][0].open if len(days[day]) == per_day or self.begins(second, one, day) else math.nan
            known = day - 1 in whole
            reach = max(bar.high for bar in bars) - min(bar.low for bar in bars) if known else math.nan
            trigger.append(opened + 0.5 * reach)
            before = [day - back for back in range(5, 0, -1)]
            closes = [days[one_day][-1].close for one_day in before if one_day in days]
            average.append(fmean(closes) if len(closes) == len(before) else math.nan)
            over.append(float(second.day(one.first + at + 1) != day))
        return {"trigger": trigger, "average": average, "over": over}

    def begins(self, second: Second, one: Series, day: int) -> bool:
        """Return whether a series has the first candle of a day."""
        return second.origin + one.first * second.unit <= day * DAY_MS

    def wants(self, now: dict[str, float]) -> bool:
        """Return whether it broke out today."""
        enough = now["turnover"] >= self.min_turnover and now["candles"] >= self.min_candles and not now["over"]
        return enough and now["close"] > now["average"] and now["close"] > now["trigger"]

    def enters(self, second: Second, column: int) -> bool:
        """Return whether the breakout is of the day in which it would be bought."""
        return second.day(column) == second.day(column - 1)

    def ends(self, now: dict[str, float]) -> str | None:
        """Return that nothing else ends it."""
        del now
        return None
