"""Tapes as tests need them: a few seconds of a market, written by the program's own recorder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tape.form import micros
from tape.market import MARKET
from tape.recorder import Recorder
from tape.writing import Writer

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2026, 11, 30, 21, 3, 5, tzinfo=UTC)
EXACT = msgspec.json.Encoder(decimal_format="number")
SOURCE = "http://127.0.0.1:1"


@dataclass
class Hand:
    """A recorder whose clock only moves when told, and the folder it writes to."""

    folder: Path
    now: datetime = BEGIN
    number: int = 0
    recorder: Recorder = field(init=False)
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(lambda: self.now)
        self.writer = Writer(self.folder, SOURCE)

    def write(self) -> None:
        """Write what waits, as the thread does twice a second."""
        batch = self.recorder.take()
        assert batch is not None
        self.writer.write(batch)

    def end(self) -> None:
        """Stop recording."""
        self.writer.close(micros(self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def open(self, *markets: str) -> None:
        """Connect."""
        self.recorder.state(MARKET, "open", json.dumps(markets).encode())

    def trade(self, market: str, price: str, volume: str, taker: str = "BID", *, late_ms: int = 40) -> None:
        """Hear of a trade that happened `late_ms` ago."""
        self.number += 1
        told = {"type": "trade", "code": market, "trade_price": Decimal(price), "trade_volume": Decimal(volume)}
        at_ms = ms(self.now) - late_ms
        self.frame({**told, "ask_bid": taker, "trade_timestamp": at_ms, "sequential_id": self.number})

    def book(self, market: str, bid: int, ask: int, size: str, levels: int = 30) -> None:
        """Hear of a book with a won between its levels."""
        units = [
            {"ask_price": ask + at, "bid_price": bid - at, "ask_size": Decimal(size), "bid_size": Decimal(size) * 2}
            for at in range(levels)
        ]
        self.frame({"type": "orderbook", "code": market, "timestamp": ms(self.now) - 30, "orderbook_units": units})

    def frame(self, shown: dict[str, object]) -> None:
        """Hear a frame of the market."""
        self.recorder.frame(MARKET, EXACT.encode(shown))


def ms(moment: datetime) -> int:
    """Return milliseconds since 1970."""
    return micros(moment) // 1000
