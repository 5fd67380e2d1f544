"""One minute's verdicts in a few bytes: what every gate looked at in every market, so that each can be computed again.

A frame holds a head (markets, gates, who is barred), one number where all markets share it, and a column of single
precision where they do not. A number that single precision would move across its threshold, or a price that it would
change, stands beside it in full: what is read back always gives the verdict that was decided. A frame is packed as its
difference from the minute before; the first of an hour is whole, so that an hour stands by itself.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from math import copysign, inf, isnan, nan
from typing import TYPE_CHECKING, Any

from journal.rows import canonical
from strategy.relations import RELATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHARED, SINGLE = "1", "f"
"""How a column is kept: one double for all markets, or a float for each."""
LENGTHS = struct.Struct("<IIII")
DIGITS = struct.Struct("<f")


class Unreadable(ValueError):
    """A frame cannot be told: the minute it differs from is gone, or was written anew when the clock was set back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """What one gate looked at, in every market."""

    code: str
    ko: str
    en: str
    relation: str  # a key of `strategy.relations.RELATIONS`
    values: Sequence[float]  # one for each market; NaN where unknown
    thresholds: Sequence[float]

    def passes(self, at: int) -> bool:
        """Return whether the market at `at` passes."""
        return bool(RELATIONS[self.relation](self.values[at], self.thresholds[at]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One look at all markets: everything its verdicts are computed from."""

    markets: Sequence[str]  # those with candles, in the order of the columns
    gates: Sequence[GateRow]  # of the strategy, in its order
    prices: Sequence[Decimal | None]  # last trades, KRW; None where Upbit told none
    barred: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # market: the gate before all others
    facts: Mapping[str, Any] = field(default_factory=dict)  # places, taken, won: what was known of the account then

    def failed(self, market: str) -> str | None:
        """Return the code of the gate that a market fails first; None for a target."""
        if market in self.barred:
            return self.barred[market]["code"]
        at = self.markets.index(market)
        return next((gate.code for gate in self.gates if not gate.passes(at)), None)

    def everywhere(self) -> list[str]:
        """Return every market it speaks of, also those without candles."""
        return sorted({*self.markets, *self.barred})


@dataclass(frozen=True, slots=True)
class Frame:
    """A scan as bytes: what rarely changes, the numbers, and what single precision cannot say."""

    head: bytes
    shared: bytes
    columns: bytes
    rest: bytes

    @property
    def sum(self) -> int:
        """Return the check sum."""
        return zlib.crc32(b"\0".join((self.head, self.shared, self.columns, self.rest)))


def to_frame(scan: Scan) -> Frame:
    """Return a scan as bytes."""
    columns = [column for gate in scan.gates for column in (gate.values, gate.thresholds)]
    prices = [nan if price is None else float(price) for price in scan.prices]
    kinds = "".join(SHARED if is_shared(column) else SINGLE for column in columns)
    head = {
        "markets": list(scan.markets),
        "gates": [[gate.code, gate.ko, gate.en, gate.relation] for gate in scan.gates],
        "kinds": kinds,
        "barred": {market: dict(gate) for market, gate in scan.barred.items()},
    }
    single = [column for column, kind in zip(columns, kinds, strict=True) if kind == SINGLE]
    rest = {"facts": dict(scan.facts), "exact": exact_numbers(scan, kinds), "prices": exact_prices(scan.prices)}
    return Frame(
        head=canonical(head).encode(),
        shared=array(
            "d", [first(column) for column, kind in zip(columns, kinds, strict=True) if kind == SHARED]
        ).tobytes(),
        columns=b"".join(array("f", column).tobytes() for column in [prices, *single]),
        rest=canonical(rest).encode(),
    )


def first(column: Sequence[float]) -> float:
    """Return the one number of a shared column."""
    return float(column[0]) if column else nan


def is_shared(column: Sequence[float]) -> bool:
    """Return whether all markets have one number, which may be unknown to all."""
    one = first(column)
    return all(value == one for value in column) or all(isnan(value) for value in column)


def exact_numbers(scan: Scan, kinds: str) -> list[list[Any]]:
    """Return [column, market, number] wherever rounding would change what a gate says."""
    found: list[list[Any]] = []
    for place, gate in enumerate(scan.gates):
        sides = (gate.values, gate.thresholds)
        single = [side for side in (0, 1) if kinds[2 * place + side] == SINGLE]
        for at in range(len(scan.markets)) if single else ():
            exact = [float(sides[side][at]) for side in (0, 1)]
            rounded = [shortest(exact[side]) if side in single else exact[side] for side in (0, 1)]
            if bool(RELATIONS[gate.relation](*rounded)) is not gate.passes(at):
                found += [[2 * place + side, at, repr(exact[side])] for side in single]
    return found


def exact_prices(prices: Sequence[Decimal | None]) -> list[list[Any]]:
    """Return [market, price] wherever single precision would show another price."""
    told = ((at, price) for at, price in enumerate(prices) if price is not None)
    return [[at, format(price, "f")] for at, price in told if as_price(shortest(float(price))) != price]


def as_price(value: float) -> Decimal:
    """Return a kept number as a price, without a needless zero behind it."""
    return Decimal(repr(value).removesuffix(".0"))


def shortest(value: float) -> float:
    """Return the number that single precision keeps, in the fewest digits that tell it from its neighbours."""
    try:
        packed = DIGITS.pack(value)
    except OverflowError:
        return copysign(inf, value)
    (kept,) = DIGITS.unpack(packed)
    for digits in (6, 7, 8):
        told = float(f"{kept:.{digits}g}")
        if DIGITS.pack(told) == packed:
            return told
    return float(f"{kept:.9g}")


def to_scan(frame: Frame, only: str | None = None) -> Scan:
    """Read a frame, or what it says of one market alone."""
    head, rest = json.loads(frame.head), json.loads(frame.rest)
    count, barred = len(head["markets"]), head["barred"]
    chosen = {n: place for place, n in enumerate(n for n in range(count) if only in {None, head["markets"][n]})}
    shared, numbers = array("d", frame.shared).tolist(), array("f", frame.columns).tolist()
    prices, at = numbers[:count], count
    columns: list[list[float]] = []
    for kind in head["kinds"]:
        if kind == SHARED:
            columns.append([shared.pop(0)] * len(chosen))
        else:
            columns.append([shortest(numbers[at + n]) for n in chosen])
            at += count
    for column, market, number in rest["exact"]:
        if market in chosen:
            columns[column][chosen[market]] = float(number)
    gates = [
        GateRow(code=code, ko=ko, en=en, relation=relation, values=columns[2 * n], thresholds=columns[2 * n + 1])
        for n, (code, ko, en, relation) in enumerate(head["gates"])
    ]
    exact = {market: Decimal(text) for market, text in rest["prices"]}
    told = [None if isnan(prices[n]) else exact.get(n, as_price(shortest(prices[n]))) for n in chosen]
    return Scan(
        markets=[head["markets"][n] for n in chosen],
        gates=gates,
        prices=told,
        barred={market: gate for market, gate in barred.items() if only in {None, market}},
        facts=rest["facts"],
    )


def pack(frame: Frame, before: Frame | None) -> bytes:
    """Return a frame as it is kept: in full, or what differs from the frame before it."""
    head, columns = frame.head, frame.columns
    if before is not None:
        head = b"" if head == before.head else head
        columns = changed(columns, before.columns)
    parts = (head, frame.shared, planes(columns), frame.rest)
    body = zlib.compress(b"".join(parts), 9)
    return LENGTHS.pack(frame.sum, *(len(part) for part in parts[:3])) + body


def unpack(packed: bytes, before: Frame | None) -> Frame:
    """Return the frame that `pack` was given.

    Raises:
        Unreadable: `before` is not the frame it differs from.
    """
    expected, *lengths = LENGTHS.unpack_from(packed)
    body = zlib.decompress(packed[LENGTHS.size :])
    ends = [sum(lengths[:n]) for n in range(4)]
    head, shared, columns = (body[begin:end] for begin, end in pairwise(ends))
    columns = gathered(columns)
    if before is not None:
        head, columns = head or before.head, changed(columns, before.columns)
    frame = Frame(head=head, shared=shared, columns=columns, rest=body[ends[3] :])
    if frame.sum != expected:
        raise Unreadable("it differs from another minute than the one that is there")
    return frame


def changed(new: bytes, old: bytes) -> bytes:
    """Return the bits that differ; the same again gives `new` back. Other shapes have nothing in common."""
    if len(new) != len(old):
        return new
    return (int.from_bytes(new) ^ int.from_bytes(old)).to_bytes(len(new))


def planes(columns: bytes) -> bytes:
    """Return the first bytes of all floats, then the second ones …: alike beside alike packs best."""
    return b"".join(columns[n::4] for n in range(4))


def gathered(planes_: bytes) -> bytes:
    """Return the floats of `planes`."""
    count = len(planes_) // 4
    joined = bytearray(len(planes_))
    for n in range(4):
        joined[n::4] = planes_[n * count : (n + 1) * count]
    return bytes(joined)
