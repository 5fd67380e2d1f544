"""A market that repeats recorded candles: inside each of them trades are made up that add up to it exactly."""

from __future__ import annotations

import gzip
import heapq
import random
import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING

from failure import Failure
from sandbox.market.candles import DAY, aggregate
from sandbox.market.feed import Candle, Listing, PublicTrade
from sandbox.market.sources.book import Books
from sandbox.market.sources.coins import COINS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from sandbox.market.feed import Book, Taker

COLUMNS = ["time_utc", "open", "high", "low", "close", "volume"]
NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
ROW = re.compile(rf"[^,]+(?:,{NUMBER}){{4}},(?:{NUMBER})?(?:,(?:{NUMBER})?)?\s*")
WARM_UP = 700
"""Candles before the start, so that indicators are ready at once."""
TRADES = (6, 10)
"""Trades made up in a candle, when its volume can be cut into so many."""
VOLUME_STEP = Decimal("1e-8")
MOST_MOVED = Decimal("0.95")
UNKNOWN_KRW = Decimal(100_000_000)
"""Worth of a candle whose volume was not recorded."""
IDS_A_MS, IDS_A_MARKET = 10_000, 20
"""Numbers of trades in a millisecond, and how many of them are of one market."""
DEPTH_KRW = 5e6
"""Worth at rest in a basis point of the made-up books."""
DAY_MS = DAY * 1000


class ReplayError(Failure):
    """A folder that cannot be replayed."""


@dataclass(slots=True)
class Recording:
    """The candles of one market, as lines until they are needed."""

    market: str
    path: Path
    opened: list[int]  # ms, ascending
    lines: list[str]
    unit_ms: int

    def row(self, at: int) -> tuple[Decimal, ...]:
        """Return open, high, low, close and, where they were recorded, volume and value."""
        texts = self.lines[at].rstrip().split(",")[1:]
        try:
            return tuple(Decimal(text) for text in texts if text)
        except InvalidOperation:
            raise bad_row(self.path, at + 2, self.lines[at]) from None

    def value(self, at: int) -> Decimal | None:
        """Return what was traded, KRW; None where it was not recorded."""
        row = self.row(at)
        return row[5] if len(row) > len(COLUMNS) - 1 else None

    def candle(self, at: int) -> Candle:
        """Return one recorded candle, exactly; volume and turnover only where they were recorded, else made up."""
        o, h, low, c, *rest = self.row(at)
        volume = rest[0] if rest else (UNKNOWN_KRW / c).quantize(VOLUME_STEP)
        turnover = rest[1] if len(rest) > 1 else volume * (o + h + low + c) / 4
        opened = self.opened[at]
        return Candle(opened, o, h, low, c, volume, turnover, opened + self.unit_ms - 1)


def bad_row(path: Path, line: int, text: str) -> ReplayError:
    """Return the error of a line that is no candle."""
    shown = text.strip()[:80]
    return ReplayError(
        f"{path} {line}번째 줄을 읽을 수 없습니다: '{shown}'. 열은 {','.join(COLUMNS)}[,value]이어야 합니다.",
        f"{path} line {line} cannot be read: '{shown}'. The columns must be {','.join(COLUMNS)}[,value].",
    )


def read_folder(folder: Path) -> list[Recording]:
    """Read every `KRW-XXX.csv` and `KRW-XXX.csv.gz` of a folder.

    Raises:
        ReplayError: when there is none, or one is not what it should be.
    """
    paths = sorted(path for path in folder.glob("KRW-*") if path.name.endswith((".csv", ".csv.gz")))
    if not paths:
        raise ReplayError(
            f"{folder} 폴더에 재생할 파일이 없습니다. KRW-BTC.csv.gz 같은 파일이 있는 폴더를 지정하세요.",
            f"There is nothing to replay in {folder}. Name a folder with files such as KRW-BTC.csv.gz.",
        )
    return [read_file(path) for path in paths]


def read_file(path: Path) -> Recording:
    """Read the candles of one market."""
    market = path.name.split(".")[0]
    opener = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as lines:
            header, *rows = lines.read().splitlines() or [""]
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReplayError(
            f"{path} 파일을 읽을 수 없습니다: {error}. 파일을 다시 받으세요.",
            f"{path} cannot be read: {error}. Fetch the file again.",
        ) from error
    if header.split(",")[: len(COLUMNS)] != COLUMNS or len(rows) < 2:  # noqa: PLR2004 - two candles tell the unit
        raise bad_row(path, 1, header)
    opened = [read_time(path, line, row) for line, row in enumerate(rows, 2)]
    steps = [later - earlier for earlier, later in pairwise(opened)]
    if min(steps) <= 0:
        raise bad_row(path, steps.index(min(steps)) + 3, rows[steps.index(min(steps)) + 1])
    return Recording(market, path, opened, rows, min(steps))


def read_time(path: Path, line: int, row: str) -> int:
    """Return the opening time of a row that looks like a candle, ms."""
    if not ROW.fullmatch(row):
        raise bad_row(path, line, row)
    try:
        moment = datetime.fromisoformat(row.partition(",")[0])
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except ValueError:
        raise bad_row(path, line, row) from None


class Replay:
    """A source that repeats a folder of recorded candles, after a part that serves as history."""

    takes_impact = False

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self._recordings = {recording.market: recording for recording in read_folder(folder)}
        self._seed = seed
        self.listings = tuple(listing_of(market) for market in leader_first(self._recordings))
        self.start_ms = self._choose_start()
        self.end_ms: int | None = max(r.opened[-1] + r.unit_ms for r in self._recordings.values())
        self._last: dict[str, PublicTrade] = {}
        self._books = Books(str(seed))
        self._streams = [self._trades(listing.market, index) for index, listing in enumerate(self.listings)]
        self._next: list[tuple[int, int, PublicTrade]] = []
        for index in range(len(self._streams)):
            self._push(index)

    def _choose_start(self) -> int:
        """Return when the repetition begins: after enough candles for the indicators, at a full day when one fits."""
        longest = max(self._recordings.values(), key=lambda recording: len(recording.opened))
        warm_up = min(WARM_UP, len(longest.opened) // 3)
        start = longest.opened[warm_up]
        midnight = -(-start // DAY_MS) * DAY_MS
        return midnight if midnight + DAY_MS <= longest.opened[-1] else start

    def _push(self, index: int) -> None:
        trade = next(self._streams[index], None)
        if trade is not None:
            heapq.heappush(self._next, (trade.at_ms, index, trade))

    def _trades(self, market: str, index: int) -> Iterator[PublicTrade]:
        """Yield the made-up trades of every recorded candle from the start on."""
        recording = self._recordings[market]
        for at, opened in enumerate(recording.opened):
            if opened >= self.start_ms:
                rng = random.Random(f"{self._seed}:{market}:{opened}")
                made = split(recording.candle(at), market, recording.unit_ms, rng, index)
                yield from true_to(recording.value(at), made)

    def next_ms(self) -> int | None:
        """Return when the next public trade happens; None after the last."""
        return self._next[0][0] if self._next else None

    def advance(self, to_ms: int) -> list[PublicTrade]:
        """Return the trades up to `to_ms` that were not given yet, in time order."""
        trades = []
        while self._next and self._next[0][0] <= to_ms:
            _, index, trade = heapq.heappop(self._next)
            self._last[trade.market] = trade
            trades.append(trade)
            self._push(index)
        return trades

    def book(self, market: str, at_ms: int) -> Book:
        """Return a made-up order book around the last trade."""
        trade = self._last.get(market)
        if trade is not None:
            return self._books.of(market, at_ms, trade.price, trade.taker, depth_krw=DEPTH_KRW)
        before = self.history(market, 60, self.start_ms, 1)
        last = before[0].close if before else self._recordings[market].candle(0).open
        return self._books.of(market, at_ms, last, "BID", depth_krw=DEPTH_KRW)

    def history(self, market: str, unit_s: int, before_ms: int, count: int) -> list[Candle]:
        """Return recorded candles of before the start that opened before `before_ms`, newest first."""
        recording = self._recordings[market]
        finest_s = recording.unit_ms // 1000
        unit_s = max(unit_s, finest_s)
        end = bisect_left(recording.opened, min(before_ms + unit_s * 1000, self.start_ms))
        parts_a_candle = unit_s // finest_s
        begin = max(0, end - (count + 2) * parts_a_candle)
        found = aggregate((recording.candle(at) for at in range(begin, end)), unit_s)
        if begin:
            found = found[1:]  # its beginning may be cut off
        return [candle for candle in reversed(found) if candle.opened_ms < before_ms][:count]


def leader_first(markets: Iterable[str]) -> list[str]:
    """Return the markets with bitcoin first."""
    return sorted(markets, key=lambda market: (market != "KRW-BTC", market))


def listing_of(market: str) -> Listing:
    """Return a recorded market's listing, without flags: they were not recorded."""
    code = market.removeprefix("KRW-")
    names = {coin.code: (coin.korean_name, coin.english_name) for coin in COINS}
    korean, english = names.get(code, (code, code))
    return Listing(market, korean, english, warning=False, caution=frozenset())


def split(candle: Candle, market: str, unit_ms: int, rng: random.Random, index: int) -> list[PublicTrade]:
    """Return trades that add up to a candle: its open first, its close last, its high and low in between."""
    corners = [candle.high, candle.low] if rng.random() < 1 / 2 else [candle.low, candle.high]
    units = int(candle.volume / VOLUME_STEP)
    count = max(1, min(rng.randint(*TRADES), units))
    prices = path(candle, corners, count, rng)
    volumes = shares(candle.volume, len(prices), rng)
    moments = sorted(rng.randrange(unit_ms) for _ in prices)
    moments[0] = moments[0] % min(1000, moments[-1] + 1)
    trades, before = [], candle.open
    for number, (price, volume, moment) in enumerate(zip(prices, volumes, moments, strict=True)):
        taker: Taker = "ASK" if price < before else "BID"
        before, at_ms = price, candle.opened_ms + moment
        trades.append(
            PublicTrade(market, price, volume, at_ms, taker, at_ms * IDS_A_MS + index * IDS_A_MARKET + number)
        )
    return trades


def path(candle: Candle, corners: list[Decimal], count: int, rng: random.Random) -> list[Decimal]:
    """Return the prices of the trades: those a candle cannot do without, filled up with prices it has seen."""
    needed = [candle.open]
    needed += [price for price in corners if price not in {candle.open, candle.close}]
    if candle.close != candle.open or len(needed) > 1 or count > 1:
        needed.append(candle.close)
    seen = (candle.open, candle.high, candle.low, candle.close)
    fill = [rng.choice(seen) for _ in range(max(0, count - len(needed)))]
    middle = needed[1:-1]
    for price in fill:
        middle.insert(rng.randint(0, len(middle)), price)
    return [needed[0], *middle, *needed[-1:]] if len(needed) > 1 else needed


def shares(volume: Decimal, count: int, rng: random.Random) -> list[Decimal]:
    """Cut a volume into positive parts that add up to it exactly; tiny volumes get more decimals than Upbit has."""
    weights = [rng.random() + 0.05 for _ in range(count)]
    whole = sum(weights)
    step = VOLUME_STEP if volume >= VOLUME_STEP * 1000 * count else Decimal(10) ** (volume.adjusted() - 6)
    parts = [(volume * Decimal(repr(weight / whole))).quantize(step) for weight in weights[:-1]]
    return [*parts, volume - sum(parts, Decimal(0))]


def true_to(value: Decimal | None, trades: list[PublicTrade]) -> list[PublicTrade]:
    """Return trades that are worth what was recorded; None: nothing was.

    Volume moves to the dearest trade, or to the cheapest, until the sum is right to the last step of a volume. What no
    volumes can express, because price steps do not divide it, the last trade counts in addition.
    """
    if value is None:
        return trades
    excess = value - worth_of(trades)
    *givers, taker = sorted(range(len(trades)), key=lambda at: trades[at].price, reverse=excess < 0)
    for giver in givers:
        distance, has = trades[taker].price - trades[giver].price, trades[giver].volume
        if not distance:
            break
        step = VOLUME_STEP if has > VOLUME_STEP * 100 else has / 100
        moved = min(excess / distance, has * MOST_MOVED) // step * step
        trades[giver] = replace(trades[giver], volume=has - moved)
        trades[taker] = replace(trades[taker], volume=trades[taker].volume + moved)
        excess -= moved * distance
    trades[-1] = replace(trades[-1], besides=value - worth_of(trades))
    return trades


def worth_of(trades: Iterable[PublicTrade]) -> Decimal:
    """Return the sum of price x volume, KRW."""
    return sum((trade.price * trade.volume for trade in trades), Decimal(0))
