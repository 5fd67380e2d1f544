"""Exports hold what the tape does: as many trades and books, of the same sums, in the columns their programs read."""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from main import main
from tape.market import Book, Trade, events
from tape.reading import files_of, records
from tests.helpers.tapes import BEGIN, Hand

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")

TARDIS_TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
"""https://docs.tardis.dev/downloadable-csv-files#trades"""
TARDIS_BOOK = ["exchange", "symbol", "timestamp", "local_timestamp"] + [
    f"{side}[{level}].{what}" for level in range(25) for side in ("asks", "bids") for what in ("price", "amount")
]
"""https://docs.tardis.dev/downloadable-csv-files#book_snapshot_25"""
BUY, SELL, TRADE = 1 << 29, 1 << 28, 2


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Return a tape of two markets, with a trade that is told twice and one level less in the last book."""
    hand = Hand(tmp_path / "tape")
    hand.open("KRW-BTC", "KRW-XRP")
    hand.book("KRW-BTC", 99, 100, "0.5")
    hand.wait(0.3)
    hand.trade("KRW-BTC", "100", "0.00000001")
    hand.trade("KRW-XRP", "1.6E+3", "12.5", "ASK")
    hand.write()
    hand.wait(0.7)
    hand.number -= 1
    hand.trade("KRW-XRP", "1.6E+3", "12.5", "ASK", late_ms=740)
    hand.book("KRW-XRP", 1599, 1600, "7", levels=2)
    hand.trade("KRW-BTC", "99", "0.3", "ASK")
    hand.book("KRW-BTC", 98, 100, "0.5")
    hand.write()
    hand.end()
    return tmp_path / "tape"


def export(tape: Path, form: str, folder: Path, *more: str) -> None:
    """Export a tape by the command line."""
    assert main(["tape", "export", str(tape), "--to", form, "--out", str(folder), *more]) == 0


def on_tape(tape: Path) -> tuple[list[Trade], list[Book]]:
    """Return what is on a tape."""
    found = list(events(records(files_of(tape))))
    return [one for one in found if isinstance(one, Trade)], [one for one in found if isinstance(one, Book)]


def test_parquet_holds_every_trade_and_level_exactly(tape: Path, tmp_path: Path) -> None:
    """To the last decimal, with both times."""
    parquet = pytest.importorskip("pyarrow.parquet")
    export(tape, "parquet", tmp_path / "out")
    trades, books = on_tape(tape)
    rows = parquet.read_table(tmp_path / "out" / "trades.parquet").to_pylist()
    assert len(rows) == len(trades) == 3
    assert sum(row["price"] * row["volume"] for row in rows) == sum(one.price * one.volume for one in trades)
    assert {row["market"] for row in rows} == {"KRW-BTC", "KRW-XRP"}
    assert (rows[0]["arrived_at"] - rows[0]["traded_at"]).total_seconds() == 0.04
    shown = parquet.read_table(tmp_path / "out" / "books.parquet").to_pylist()
    assert len(shown) == len(books) == 3
    assert sum(sum(row["ask_sizes"]) for row in shown) == sum(level.size for one in books for level in one.asks)
    assert shown[1]["bid_prices"] == [Decimal(1599), Decimal(1598)]


def test_tardis_files_have_the_columns_of_its_documents(tape: Path, tmp_path: Path) -> None:
    """A file for each market, kind and day; the best twenty-five levels of each book."""
    export(tape, "tardis", tmp_path / "out")
    trades, books = on_tape(tape)
    names = [f"upbit_{kind}_2026-11-30_{market}.csv.gz" for kind in ("book_snapshot_25", "trades") for market in
             ("KRW-BTC", "KRW-XRP")]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    texts = {name: gzip.decompress((tmp_path / "out" / name).read_bytes()).decode() for name in names}
    rows = [row for name in names[2:] for row in csv.DictReader(texts[name].splitlines())]
    assert texts[names[2]].splitlines()[0] == TARDIS_TRADES
    assert len(rows) == len(trades)
    assert sum(Decimal(row["amount"]) for row in rows) == sum(one.volume for one in trades)
    assert [row["side"] for row in rows] == ["buy", "sell", "sell"]
    assert int(rows[0]["local_timestamp"]) - int(rows[0]["timestamp"]) == 40_000
    assert int(rows[0]["local_timestamp"]) == int(BEGIN.timestamp()) * 1_000_000 + 300_000
    shown = [row for name in names[:2] for row in csv.DictReader(texts[name].splitlines())]
    assert list(shown[0]) == TARDIS_BOOK
    assert len(shown) == len(books)
    amounts = sum(Decimal(row[f"bids[{at}].amount"] or 0) for row in shown for at in range(25))
    assert amounts == sum(level.size for one in books for level in one.bids[:25])
    assert shown[2]["asks[2].price"] == ""


def test_tardis_files_that_were_closed_for_others_go_on(
    tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 289 markets, kinds and days there are more files than a process may open."""
    monkeypatch.setattr("tape.export.tardis.MOST_OPEN", 1)
    export(tape, "tardis", tmp_path / "out")
    text = gzip.decompress((tmp_path / "out" / "upbit_trades_2026-11-30_KRW-BTC.csv.gz").read_bytes()).decode()
    assert [line.split(",")[-2] for line in text.splitlines()] == ["price", "100", "99"]


def test_hftbacktest_gets_its_own_kind_of_array_and_rebuilds_every_book(tape: Path, tmp_path: Path) -> None:
    """The documented dtype; trades of the same count and sum; depth that adds up to the last book of the tape."""
    export(tape, "hftbacktest", tmp_path / "out")
    trades, books = on_tape(tape)
    bitcoin = np.load(tmp_path / "out" / "KRW-BTC.npz")["data"]
    assert bitcoin.dtype == np.dtype(
        [("ev", "u8"), ("exch_ts", "i8"), ("local_ts", "i8"), ("px", "f8"), ("qty", "f8"), ("order_id", "u8"),
         ("ival", "i8"), ("fval", "f8")], align=True,
    )  # fmt: skip
    kinds = bitcoin["ev"] & 0xFF
    assert (bitcoin["ev"] >> 30 == 3).all()  # at the exchange, and heard
    assert np.diff(bitcoin["exch_ts"]).min() >= 0
    assert np.diff(bitcoin["local_ts"]).min() >= 0
    assert (bitcoin["local_ts"] >= bitcoin["exch_ts"]).all()
    traded = bitcoin[kinds == TRADE]
    ours = [one for one in trades if one.market == "KRW-BTC"]
    assert len(traded) == len(ours) == 2
    assert traded["qty"].sum() == pytest.approx(float(sum(one.volume for one in ours)), rel=1e-15)
    assert [bool(ev & BUY) for ev in traded["ev"].tolist()] == [True, False]
    for side, levels in ((BUY, books[-1].bids), (SELL, books[-1].asks)):
        depth: dict[float, float] = {}
        for event in bitcoin[(kinds != TRADE) & (bitcoin["ev"] & side > 0)]:
            depth[float(event["px"])] = float(event["qty"])
        assert {px: qty for px, qty in depth.items() if qty} == {float(px): float(qty) for px, qty in levels}


def test_only_the_markets_that_are_named_are_exported(
    tape: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the counts that are printed are theirs."""
    export(tape, "hftbacktest", tmp_path / "out", "--markets", "KRW-XRP", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["trades"], told["books"]) == (1, 1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["KRW-XRP.npz"]
