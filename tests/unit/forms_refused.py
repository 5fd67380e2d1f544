"""Files that must be refused, each by name and with the words that say why."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

from backtest.files.times import Zone
from tests.helpers.values import changed
from tests.unit.forms_of_files import (
    DAY,
    FORMING,
    H4,
    HOUR,
    MINUTE,
    OWN,
    OWN_CSV,
    PLAIN,
    ROWS,
    START,
    Case,
    frame,
    freqtrade,
    iso,
    listed,
    official,
    rest,
    rows,
    saved,
    table,
    zipped,
)

REFUSED: dict[str, Case] = {}
"""By name."""


def refuse(name: str, words: str, content: bytes | str, *, file: str = "KRW-BTC.csv", **more: object) -> None:
    """Enter a case of one file that is refused."""
    body = content.encode() if isinstance(content, str) else content
    REFUSED[name] = changed(Case(files={file: body}, refused=words), **more)


refuse("pyupbit to_csv without --zone", "the times name no zone", frame().to_csv())
refuse("parquet without a zone", "the times name no zone", saved(frame().to_parquet), file="KRW-BTC.parquet")
refuse("pyupbit to_csv with the wrong zone", "nine hours off. Is it --zone kst?", frame().to_csv(), zone=Zone.UTC)
refuse("UTC said to be Korean", "nine hours off. Is it --zone utc?", table(PLAIN, lambda at: f"{at:%Y-%m-%d %H:%M}"),
       zone=Zone.KST)  # fmt: skip
refuse("some times with a zone, some without", "some times name a zone, and some do not",
       table(PLAIN, lambda at: iso(at) + ("Z" if at > ROWS[2][0] else "")), zone=Zone.UTC)  # fmt: skip
refuse("a candle of the future", "a candle of the future",
       table(OWN, lambda at: f"{iso(at)}Z", rows(start=FORMING)))  # fmt: skip
refuse("nothing but a forming candle", "nothing but a candle that is still forming",
       table(OWN, lambda at: f"{iso(at)}Z", rows(start=FORMING, count=1)), unit=H4)  # fmt: skip
refuse("hours said to be minutes", "these are not 1m candles: they lie 60m apart",
       table(OWN, lambda at: f"{iso(at)}Z", rows(HOUR)), unit=MINUTE)  # fmt: skip
refuse("three hours said to be minutes", "these are not 1m candles: they lie 60m apart",
       table(OWN, lambda at: f"{iso(at)}Z", rows(HOUR, count=3)), unit=MINUTE)  # fmt: skip
refuse("minutes said to be hours", "row 3: it does not begin at a multiple of the unit",
       table(OWN, lambda at: f"{iso(at)}Z", rows(MINUTE)), unit=HOUR)  # fmt: skip
refuse("weeks said to be days", "they lie 7d apart",
       table(OWN, lambda at: f"{iso(at)}Z", rows(timedelta(days=7))), unit=DAY)  # fmt: skip
refuse(
    "ten hours that call themselves minutes",
    "these are not 1m candles: they lie 60m apart",
    json.dumps(rest(rows(HOUR), unit=MINUTE)),
    file="x.json",
)
refuse("the rows' unit is not --unit", "these are 240m candles, but --unit says 60m", json.dumps(rest()), file="x.json",
       unit=HOUR)  # fmt: skip
refuse("the name's unit is not --unit", "these are 240m candles, but --unit says 60m", json.dumps(listed()),
       file="BTC_KRW-4h.json", unit=HOUR)  # fmt: skip
refuse("two units in one file", "several units are mixed: 60, 240 minutes",
       json.dumps(rest() + rest(rows(HOUR), unit=HOUR)), file="x.json")  # fmt: skip
refuse("candles of weeks", "weeks, months and years are not used",
       json.dumps([{**one, "first_day_of_period": "2024-01-01"} for one in rest(unit=DAY)]), file="x.json")  # fmt: skip
refuse("candles of seconds", "1s candles are not used here", official(rows(timedelta(seconds=1))),
       file="KRW-BTC_candle-1s_20240101.csv")  # fmt: skip
refuse("one candle, and nobody says its unit", "nothing says how long its candles are",
       table(OWN, lambda at: f"{iso(at)}Z", ROWS[:1]))  # fmt: skip
refuse("a name that says nothing", "nothing says of which market it is", OWN_CSV, file="bitcoin.csv")
refuse("a name that is no market", "nothing says of which market it is", OWN_CSV, file="KRW-비트코인.csv")
refuse("KRW- and nothing", "nothing says of which market it is", OWN_CSV, file="KRW-.csv")
refuse("a market in bitcoin", "BTC-ETH is no won market", OWN_CSV, file="BTC-ETH.csv")
refuse("a market in dollars", "BTCUSDT is no won market", OWN_CSV, file="Binance_BTCUSDT_4h.csv")
refuse("rows of a market in dollars", "USDT-BTC is no won market", json.dumps(rest(market="USDT-BTC")), file="x.json")
refuse("the name says another market than the rows", "the file's name says KRW-ETH, its rows say KRW-BTC",
       json.dumps(rest()), file="KRW-ETH.json")  # fmt: skip
refuse("two markets in the name", "has several markets in it", OWN_CSV, file="my KRW-BTC and KRW-ETH.csv")


def spoiled(at: int, column: int, value: object) -> str:
    """Return our own CSV with one cell changed."""
    lines = OWN_CSV.splitlines()
    cells = lines[at + 1].split(",")
    cells[column] = str(value)
    lines[at + 1] = ",".join(cells)
    return "\n".join(lines)


refuse("an infinite turnover", "row 5: an infinite turnover", spoiled(3, 6, "inf"))
refuse("a negative turnover", "row 5: a turnover below 0", spoiled(3, 6, -1))
refuse("a negative volume", "row 2: a volume below 0", spoiled(0, 5, -1))
refuse("no volume", "row 4: the volume is missing", spoiled(2, 5, ""))
refuse("a price of nothing", "row 3: a price that is not above 0", spoiled(1, 3, 0))
refuse("a missing price", "row 3: a price that is not above 0", spoiled(1, 3, "nan"))
refuse("a high below the close", "row 13: low <= open, close <= high does not hold", spoiled(11, 2, 56_790_000))
refuse("a price that moved without a volume", "row 7: a price that moved without a volume", spoiled(5, 5, 0))
refuse("text in a cell", "row 6: close 'many' is no number", spoiled(4, 4, "many"))
refuse("a decimal comma", "is no number", OWN_CSV.replace(",", ";").replace(".", ","))
refuse("a comma that is no thousand", "row 4: volume '0,123' is no number", spoiled(2, 5, '"0,123"'))
refuse("a thousand that is none", "row 4: volume '12,34' is no number", spoiled(2, 5, '"12,34"'))
refuse("no time in a row", "row 4: a row without a time", spoiled(2, 0, ""))
refuse("a time that is none", "'yesterday' is no time", spoiled(2, 0, "yesterday"))
refuse("the 30th of February", "'2024.02.30 00:00' is no time", spoiled(2, 0, "2024.02.30 00:00"), zone=Zone.UTC)
refuse(
    "the 30th of February in digits",
    "'20240230' is no time",
    table(PLAIN, lambda at: f"{at:%Y}0230", rows(DAY)),
    unit=DAY,
)
refuse("digits with an hour, and no zone", "the times name no zone", table(PLAIN, lambda at: f"{at:%Y%m%d%H%M}"))
refuse("points, and no zone", "the times name no zone", table(PLAIN, lambda at: f"{at:%Y.%m.%d %H:%M}"))
refuse("an endless time", "is no time", json.dumps([[float("inf"), 1, 1, 1, 1, 1]]), file="KRW-BTC.json")
refuse("epochs of two sizes", "is no time", table(PLAIN, lambda at: 1704067200 if at == START else 1704067200000))
refuse(
    "nothing but empty rows",
    "there is no candle in it",
    PLAIN + "\n,,,,,,\n,,,,,,\n",
)
refuse(
    "nothing but rows without a trade",
    "not one of its candles has a trade",
    OWN + "".join(f"\n{iso(row[0])}Z,5,5,5,5,0,0" for row in ROWS),
)
refuse("an archive of nothing", "the archive holds no file", zipped(**{"a.checksum": b"x"}), file="KRW-BTC.zip")
refuse("half a feather file", "the file is broken", saved(freqtrade().to_feather)[:-20], file="BTC_KRW-4h.feather")
refuse("half a letter", "a letter is broken", '[{"market": "\\ud800"}]', file="KRW-BTC.json")
refuse("a line with a quote that never ends", "number of columns", OWN_CSV + '"')
refuse("lists of lists", "it is no list of candles", "[[1, 2], [3]]", file="KRW-BTC.json")
refuse(
    "cells that hold lists",
    "close '[1]' is no number",
    json.dumps([{**one, "trade_price": [1]} for one in rest()]),
    file="x.json",
)
refuse(
    "rows that name no market",
    "is not the name of a won market",
    OWN_CSV.replace("value", "value,market", 1).replace("\n", ",upbit\n").replace(",upbit\n", "\n", 1),
    file="all.csv",
)
refuse("month before day", "is no time", table(PLAIN, lambda at: f"{at:%m/%d/%Y %H:%M}"), zone=Zone.UTC)
refuse("days of Excel", "is no time", table(PLAIN, lambda at: 45292 + (at - START) / DAY), zone=Zone.UTC)
refuse(
    "a row that is too short",
    "row 4: it has another number of columns",
    OWN_CSV.replace(OWN_CSV.splitlines()[3], "1,2"),
)
refuse("volume and turnover in each other's columns", "stand in each other's columns",
       OWN_CSV.replace("volume,value", "value,volume"))  # fmt: skip
refuse("a column is lacking", "columns that are lacking: volume", table(OWN[:-13], lambda at: f"{iso(at)}Z", width=4))
refuse("two columns of one meaning", "two columns mean the same",
       table("time_utc,open,high,low,close,volume,거래량", lambda at: f"{iso(at)}Z"))  # fmt: skip
refuse("no header", "no header names", "\n".join(OWN_CSV.splitlines()[1:]))
refuse("a header and nothing", "no candles below the header", OWN + "\n")
refuse("an empty file", "the file is empty", "")
refuse("prose", "no header names", "Dear diary,\ntoday I bought bitcoin.\n")
refuse("a web page", "this is a web page", "<!DOCTYPE html><html><body>404</body></html>")
refuse("an Excel workbook", "this is an Excel workbook", zipped(**{"xl/workbook.xml": b"<x/>"}), file="KRW-BTC.xlsx")
refuse("an SQLite database", "this is an SQLite database", b"SQLite format 3\0" + bytes(100), file="KRW-BTC.db")
refuse("half a gzip archive", "the archive is broken", gzip.compress(OWN_CSV.encode())[:80], file="KRW-BTC.csv.gz")
refuse(
    "half a zip archive", "the archive is broken", zipped(**{"KRW-BTC.csv": OWN_CSV.encode()})[:200], file="KRW-BTC.zip"
)
refuse("half a parquet file", "the file is broken", saved(freqtrade().to_parquet)[:-20], file="KRW-BTC.parquet")
refuse("half a JSON file", "the JSON is broken", json.dumps(rest())[:-20], file="KRW-BTC.json")
refuse("an error of Upbit", "it is no list of candles",
       json.dumps({"error": {"name": 404, "message": "Code not found"}}), file="KRW-BTC.json")  # fmt: skip
refuse("an empty list", "there is no candle in it", "[]", file="KRW-BTC.json")
refuse("single trades", "these are single trades", official(), file="KRW-BTC_trade_20240101.csv")
