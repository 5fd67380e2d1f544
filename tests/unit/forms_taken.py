"""Files of candles that must come in, each by name: what programs write, and how people save it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from decimal import Decimal

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from backtest.files.times import Zone
from tests.helpers.values import changed
from tests.unit.forms_of_files import (
    COUNT,
    DAY,
    FORMING,
    H4,
    HOUR,
    KOREAN,
    KST,
    MINUTE,
    NAMES,
    OWN,
    OWN_CSV,
    PLAIN,
    ROWS,
    Case,
    downloaded,
    frame,
    freqtrade,
    iso,
    listed,
    ms,
    official,
    rest,
    rows,
    saved,
    spaced,
    table,
    zipped,
)

TAKEN: dict[str, Case] = {}
"""By name."""


def taken(name: str, form: str, content: bytes | str, *, file: str = "KRW-BTC.csv", **more: object) -> None:
    """Enter a case of one file that is taken."""
    body = content.encode() if isinstance(content, str) else content
    TAKEN[name] = changed(Case(files={file: body}, form=form), **more)


# --- the forms of programs ------------------------------------------------------------------------------------


taken("own csv", "csv", OWN_CSV)
taken("own csv, gzip", "csv", gzip.compress(OWN_CSV.encode()), file="KRW-BTC.csv.gz")
taken("own csv, bzip2", "csv", bz2.compress(OWN_CSV.encode()), file="KRW-BTC.csv.bz2")
taken("own csv, xz", "csv", lzma.compress(OWN_CSV.encode()), file="KRW-BTC.csv.xz")
taken("own csv without turnover", "csv", table(OWN[:-6], lambda at: f"{iso(at)}Z", width=5), turnover=False)
taken("pyupbit to_csv", "pyupbit", frame().to_csv(), zone=Zone.KST)
taken("pyupbit to_csv, one hour", "pyupbit", frame(rows(HOUR)).to_csv(), zone=Zone.KST, holds=rows(HOUR), unit=HOUR)
taken("pyupbit to_csv, days", "pyupbit", frame(rows(DAY)).to_csv(), zone=Zone.KST, holds=rows(DAY), unit=DAY)
taken("pyupbit to_csv, saved twice", "pyupbit", frame().reset_index(names="time").to_csv(), zone=Zone.KST)
taken("pyupbit to_csv, index named", "table-csv", frame().to_csv(index_label="date"), zone=Zone.KST)
taken("pyupbit index in UTC", "pyupbit", frame().tz_localize("Asia/Seoul").tz_convert("UTC").to_csv())
taken("pyupbit to_parquet", "table-parquet", saved(frame().to_parquet), file="KRW-BTC.parquet", zone=Zone.KST)
taken("pyupbit to_json, records", "table-json",
       frame().reset_index(names="date").assign(date=lambda one: one["date"].astype(str)).to_json(orient="records"),
       file="KRW-BTC.json", zone=Zone.KST)  # fmt: skip
taken("upbit REST, minutes, JSON", "upbit-json", json.dumps(rest()), file="candles.json")
taken(
    "upbit REST, days, JSON",
    "upbit-json",
    json.dumps(rest(rows(DAY), unit=DAY)),
    file="x.json",
    holds=rows(DAY),
    unit=DAY,
)
taken("upbit REST, a line a candle", "upbit-json", "\n".join(json.dumps(one) for one in rest()), file="x.jsonl")
taken("upbit REST, inside an object", "upbit-json", json.dumps({"ok": True, "data": rest()}), file="x.json")
taken("upbit REST, JSON, gzip", "upbit-json", gzip.compress(json.dumps(rest()).encode()), file="x.json.gz")
taken("upbit REST, numbers as text", "upbit-json",
       json.dumps([{name: str(value) for name, value in one.items()} for one in rest()]), file="x.json")  # fmt: skip
taken("upbit REST, csv", "upbit-csv", pd.DataFrame(rest()).to_csv(index=False), file="x.csv")
taken("upbit REST, csv with row numbers", "upbit-csv", pd.DataFrame(rest()).to_csv(), file="x.csv")
taken("upbit REST, csv, Korean time alone", "upbit-csv",
       pd.DataFrame(rest()).drop(columns=["candle_date_time_utc"]).to_csv(index=False), file="x.csv")  # fmt: skip
taken("upbit of old, camel case", "upbit-json", json.dumps([
    {"code": "CRIX.UPBIT.KRW-BTC", "candleDateTime": f"{iso(at)}+00:00", "openingPrice": o, "highPrice": h,
     "lowPrice": lo, "tradePrice": c, "candleAccTradeVolume": v, "candleAccTradePrice": t}
    for at, o, h, lo, c, v, t in ROWS]),
       file="x.json")  # fmt: skip
taken("upbit WebSocket frames", "upbit-json", "\n".join(
    json.dumps({"type": "candle.240m", "code": "KRW-BTC", **dict(list(one.items())[1:-1])})
    for one in reversed(rest())), file="frames.jsonl", unit=H4)  # fmt: skip
taken("upbit REST, several markets", "upbit-json", json.dumps(rest() + rest(market="KRW-ETH")), file="all.json",
       markets=("KRW-BTC", "KRW-ETH"))  # fmt: skip
taken("upbit official download, zip", "upbit-download", zipped(**{"KRW-BTC_candle-240m_202401.csv": official()}),
       file="KRW-BTC_candle-240m_202401.zip")  # fmt: skip
taken("upbit official download, unpacked", "upbit-download", official(), file="KRW-BTC_candle-240m_202401.csv")
taken("ccxt fetch_ohlcv, JSON", "ccxt-json", json.dumps(listed()), file="KRW-BTC.json", turnover=False)
taken("ccxt csv", "ccxt-csv", table("timestamp,open,high,low,close,volume", ms, width=5), turnover=False)
taken("ccxt csv without a header", "ccxt-csv", "\n".join(table("x", ms, width=5).splitlines()[1:]), turnover=False)
taken("ccxt csv, pandas UTC", "ccxt-csv",
       table("timestamp,open,high,low,close,volume", lambda at: f"{at:%Y-%m-%d %H:%M:%S}+00:00", width=5),
       turnover=False)  # fmt: skip
taken("ccxt csv, pandas Asia/Seoul", "ccxt-csv",
       table("timestamp,open,high,low,close,volume", lambda at: f"{spaced(at)}+09:00", width=5), file="btc-krw_4h.csv",
       turnover=False)  # fmt: skip
taken("CryptoDataDownload, milliseconds", "cryptodatadownload",
       downloaded(lambda at: f"{ms(at)},{at:%Y-%m-%d %H:%M:%S}",
                  "unix,date,symbol,open,high,low,close,Volume BTC,Volume KRW"),
       file="Upbit_BTCKRW_4h.csv")  # fmt: skip
taken("CryptoDataDownload, seconds, upper case", "cryptodatadownload",
       downloaded(lambda at: f"{ms(at) // 1000},{at:%Y-%m-%d %H:%M:%S}",
                  "Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume", width=5),
       file="Upbit_BTCKRW_4h.csv", turnover=False)  # fmt: skip
taken("CryptoDataDownload, 12-AM", "cryptodatadownload",
       downloaded(lambda at: f"{at:%Y-%m-%d %I-%p}", "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume KRW"),
       file="Upbit_BTCKRW_4h.csv", zone=Zone.UTC)  # fmt: skip


taken(
    "freqtrade feather", "freqtrade-feather", saved(freqtrade().to_feather), file="BTC_KRW-4h.feather", turnover=False
)
taken("freqtrade json", "freqtrade-json", json.dumps(listed()), file="BTC_KRW-4h.json", turnover=False)
taken("freqtrade json, gzip", "freqtrade-json", gzip.compress(json.dumps(listed()).encode()),
       file="BTC_KRW-4h.json.gz", turnover=False)  # fmt: skip
taken("freqtrade parquet", "table-parquet", saved(freqtrade().to_parquet), file="BTC_KRW-4h.parquet", turnover=False)
taken("own parquet", "parquet", saved(
    lambda file: freqtrade().rename(columns={"date": "opened_at"})
    .assign(turnover=[row[6] for row in ROWS]).to_parquet(file, index=False)), file="KRW-BTC.parquet")  # fmt: skip
taken("parquet in Korean time", "table-parquet", saved(
    frame().tz_localize("Asia/Seoul").reset_index(names="time").to_parquet), file="KRW-BTC.parquet")  # fmt: skip
taken("parquet with a category of markets", "table-parquet", saved(
    frame().tz_localize("Asia/Seoul").reset_index(names="time")
    .assign(market=pd.Categorical(["KRW-BTC"] * COUNT)).to_parquet), file="all.parquet")  # fmt: skip
taken("parquet of decimals", "table-parquet", saved(lambda file: parquet.write_table(pa.table({
    "time_utc": pa.array([row[0].replace(tzinfo=None) for row in ROWS]),
    **{name: pa.array([Decimal(repr(row[1 + at])) for row in ROWS]) for at, name in enumerate(NAMES)}}), file)),
    file="KRW-BTC.parquet")  # fmt: skip

# --- the dialects of people -----------------------------------------------------------------------------------

KOREAN_CSV = table(KOREAN, spaced)
taken("Korean header", "korean", KOREAN_CSV, zone=Zone.KST)
taken("Korean header that names its zone", "korean", table(KOREAN.replace("일시", "일시(KST)"), spaced))
taken(
    "Korean header with units in brackets",
    "korean",
    table("일시(한국),시가(원),고가(원),저가(원),종가(원),거래량(BTC),거래대금(원)", spaced),
)
taken(
    "TradingView export",
    "table-csv",
    table("time,open,high,low,close,Volume", lambda at: ms(at) // 1000, width=5),
    file="UPBIT_BTCKRW, 240.csv",
    turnover=False,
)
taken(
    "parquet of days",
    "table-parquet",
    saved(
        lambda file: parquet.write_table(
            pa.table(
                {
                    "date": pa.array([row[0].date() for row in rows(DAY)]),
                    **{name: pa.array([row[1 + at] for row in rows(DAY)]) for at, name in enumerate(NAMES)},
                }
            ),
            file,
        )
    ),
    file="KRW-BTC.parquet",
    holds=rows(DAY),
    unit=DAY,
)
taken(
    "parquet of polars and DuckDB",
    "table-parquet",
    saved(
        lambda file: parquet.write_table(
            pa.table(
                {
                    "market": pa.array(["KRW-BTC"] * COUNT, pa.string_view()),
                    "time": pa.array([f"{iso(row[0])}Z" for row in ROWS], pa.large_string()),
                    **{name: pa.array([row[1 + at] for row in ROWS]) for at, name in enumerate(NAMES)},
                }
            ),
            file,
        )
    ),
    file="all.parquet",
)
taken(
    "three quiet candles whose rows say their unit",
    "upbit-json",
    json.dumps(rest([*rows(HOUR, count=3)], unit=MINUTE)),
    file="x.json",
    holds=rows(HOUR, count=3),
    unit=MINUTE,
)
taken("sep=, as Excel likes it", "csv", "sep=,\n" + OWN_CSV)
taken("a name with other words around", "csv", OWN_CSV, file="my_KRW-BTC_240m_upbit.csv")
taken(
    "a column that names its zone, whatever --zone says",
    "korean",
    table(KOREAN.replace("일시", "일시(KST)"), spaced),
    zone=Zone.UTC,
)
taken("Korean header, CP949", "korean", KOREAN_CSV.encode("cp949"), zone=Zone.KST)
taken("Korean header, CP949, thousands in quotes", "korean",
       "\r\n".join([KOREAN, *(f"{spaced(row[0])}," + ",".join(f'"{value:,}"' for value in row[1:]) for row in ROWS)])
       .encode("cp949"), zone=Zone.KST)  # fmt: skip
taken("Korean morning and afternoon", "korean", table(
    KOREAN, lambda at: f"{(at + KST):%Y. %m. %d.} {'오전' if (at + KST).hour < 12 else '오후'} {(at + KST):%I:%M:%S}"),
    zone=Zone.KST)  # fmt: skip
taken(
    "Korean year, month, day",
    "korean",
    table(KOREAN, lambda at: f"{(at + KST):%Y년 %m월 %d일 %H시 %M분}"),
    zone=Zone.KST,
)
taken("UTF-8 with a byte order mark", "csv", b"\xef\xbb\xbf" + OWN_CSV.encode())
taken(
    "UTF-16, tabs, as Excel saves Unicode text", "csv", OWN_CSV.replace(",", "\t").encode("utf-16"), file="KRW-BTC.txt"
)
taken("UTF-16 big-endian without a mark", "csv", OWN_CSV.encode("utf-16-be"))
taken("semicolons", "csv", OWN_CSV.replace(",", ";"))
taken("tabs", "csv", OWN_CSV.replace(",", "\t"), file="KRW-BTC.tsv")
taken("pipes", "csv", OWN_CSV.replace(",", "|"))
taken("thousands in quotes", "csv",
       "\n".join([OWN, *(f"{iso(row[0])}Z," + ",".join(f'"{value:,}"' for value in row[1:]) for row in ROWS)])
       )  # fmt: skip
taken("CRLF", "csv", OWN_CSV.replace("\n", "\r\n"))
taken("CR alone", "csv", OWN_CSV.replace("\n", "\r"))
taken(
    "upper case", "table-csv", table("DATE,OPEN,HIGH,LOW,CLOSE,VOLUME,VALUE", spaced), zone=Zone.KST, file="KRW-BTC.CSV"
)
taken("empty rows, and rows of commas", "csv",
       OWN_CSV.replace("\n", "\n\n", 3).rstrip("\n") + "\n,,,,,,\n,,,,,,\n\n")  # fmt: skip
taken("spaces after the commas", "csv", OWN_CSV.replace(",", ", "))
taken("a comment above the header", "csv", "# candles of mine\n# 2024\n" + OWN_CSV)
taken("other columns beside, in another order", "csv", "\n".join(
    ["rsi,volume,close,low,high,open,value,time_utc,memo",
     *(f"50,{row[5]},{row[4]},{row[3]},{row[2]},{row[1]},{row[6]},{iso(row[0])}Z,x y" for row in ROWS)]))  # fmt: skip
taken("epoch seconds", "table-csv", table(PLAIN, lambda at: ms(at) // 1000))
taken("epoch seconds as 1704067200.0", "table-csv", table(PLAIN, lambda at: f"{ms(at) / 1000:.1f}"))
taken("epoch milliseconds", "table-csv", table(PLAIN, ms))
taken("epoch microseconds", "table-csv", table(PLAIN, lambda at: ms(at) * 1000))
taken("epoch nanoseconds", "table-csv", table(PLAIN, lambda at: ms(at) * 1_000_000))
taken("slashes", "table-csv", table(PLAIN, lambda at: f"{at:%Y/%m/%d %H:%M}"), zone=Zone.UTC)
taken("points", "table-csv", table(PLAIN, lambda at: f"{(at + KST):%Y.%m.%d %H:%M:%S}"), zone=Zone.KST)
taken("digits alone", "table-csv", table(PLAIN, lambda at: f"{(at + KST):%Y%m%d%H%M}"), zone=Zone.KST)
taken("times that end in KST", "table-csv", table(PLAIN, lambda at: f"{spaced(at)} KST"))
taken("times that end in UTC", "table-csv", table(PLAIN, lambda at: f"{at:%Y/%m/%d %H:%M} UTC"))
taken("times that end in +0900", "table-csv", table(PLAIN, lambda at: f"{at + KST:%Y.%m.%d %H:%M:%S}+0900"))
taken(
    "days as numbers, JSON",
    "table-json",
    json.dumps(
        [{"date": int(f"{row[0]:%Y%m%d}"), **{name: row[1 + at] for at, name in enumerate(NAMES)}} for row in rows(DAY)]
    ),
    file="KRW-BTC.json",
    holds=rows(DAY),
    unit=DAY,
)
taken(
    "some numbers as text, JSON",
    "table-json",
    json.dumps(
        [
            {
                "time_utc": iso(row[0]),
                **{name: str(row[1 + at]) if index % 2 else row[1 + at] for at, name in enumerate(NAMES)},
            }
            for index, row in enumerate(ROWS)
        ]
    ),
    file="KRW-BTC.json",
)
taken(
    "volumes of two coins, one of them ours",
    "table-csv",
    "\n".join(
        [
            "unix,open,high,low,close,Volume ETH,Volume BTC,Volume KRW",
            *(f"{ms(row[0])},{row[1]},{row[2]},{row[3]},{row[4]},7,{row[5]},{row[6]}" for row in ROWS),
        ]
    ),
)
taken(
    "volumes of two coins, ours first",
    "table-csv",
    "\n".join(
        [
            "unix,open,high,low,close,Volume BTC,Volume ETH,Volume KRW",
            *(f"{ms(row[0])},{row[1]},{row[2]},{row[3]},{row[4]},{row[5]},7,{row[6]}" for row in ROWS),
        ]
    ),
)
taken("date and time apart", "table-csv",
       table("date,time,open,high,low,close,volume,value", lambda at: f"{at + KST:%Y-%m-%d,%H:%M:%S}"),
       zone=Zone.KST)  # fmt: skip
taken(
    "days without an hour", "table-csv", table(PLAIN, lambda at: f"{at:%Y-%m-%d}", rows(DAY)), holds=rows(DAY), unit=DAY
)
taken("days as 20240101", "table-csv", table(PLAIN, lambda at: f"{at:%Y%m%d}", rows(DAY)), holds=rows(DAY), unit=DAY)
taken("newest first", "csv", table(OWN, lambda at: f"{iso(at)}Z", ROWS[::-1]))
taken("the folder names the market", "csv", OWN_CSV, file="KRW-BTC/2024-01.csv")
taken("lower case name", "csv", OWN_CSV, file="krw-btc_2024.csv")
taken("a browser's second copy", "csv", OWN_CSV, file="KRW-BTC (1).csv")
taken("a name that says nothing, and --market", "csv", OWN_CSV, file="bitcoin.csv", market="KRW-BTC")
taken("a column names the market", "csv", "\n".join(
    [f"{OWN},market", *(f"{line},BTC-KRW" for line in OWN_CSV.splitlines()[1:])]), file="all.csv")  # fmt: skip

# --- with something left out or settled -----------------------------------------------------------------------

HALF = (ROWS[3][0], 56_792_000.0, 56_793_000.0, 56_790_000.0, 56_792_500.0, 0.0001, 5679.2)
taken("the same row twice", "csv", OWN_CSV + OWN_CSV.splitlines()[4] + "\n", notes={"repeated": 1})
taken("one time twice, differently", "csv", table(OWN, lambda at: f"{iso(at)}Z", [*ROWS, HALF]), notes={"conflicts": 1})
taken("one time twice, differently, the whole one last", "csv",
       table(OWN, lambda at: f"{iso(at)}Z", [HALF, *ROWS]), notes={"conflicts": 1})  # fmt: skip
taken("a calendar filled with empty rows", "csv",
       OWN_CSV + "".join(f"{iso(ROWS[-1][0] + at * H4)}Z,,,,,,\n" for at in (2, 3)), notes={"empty": 2})  # fmt: skip
taken("a calendar filled with rows without a trade", "csv",
       OWN_CSV + f"{iso(ROWS[-1][0] + 2 * H4)}Z,5,5,5,5,0,0\n", notes={"idle": 1})  # fmt: skip
taken("the last candle is still forming", "csv",
       table(OWN, lambda at: f"{iso(at)}Z", rows(start=FORMING - (COUNT - 1) * H4)),
       holds=rows(start=FORMING - (COUNT - 1) * H4)[:-1], clean=False, notes={"forming": 1})  # fmt: skip
