"""The table of forms: what files of candles are called, and by what each is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backtest.files.table import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from backtest.files.table import Table

NATIVE = ("opened_at", "open", "high", "low", "close", "volume", "turnover")


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which people keep candles."""

    code: str  # as `data convert --to` takes it, where it is written too
    ko: str
    en: str
    fits: Callable[[Table, str], bool]  # table and name of the file


def has(table: Table, *names: str) -> bool:
    """Return whether a table has some columns."""
    known = {plain(name) for name in table.names}
    return all(name in known for name in names)


def pyupbit_like(table: Table) -> bool:
    """Return whether a table is an unnamed index beside pyupbit's six columns."""
    names = [plain(name) for name in table.names]
    unnamed = (names and names[0] in {"", "index", "unnamed0", "indexlevel0"}) or names[-1:] == ["indexlevel0"]
    return bool(unnamed) and has(table, "open", "high", "low", "close", "volume", "value")


def korean(table: Table) -> bool:
    """Return whether a header is Korean."""
    return any("가" <= letter <= "힣" for name in table.names for letter in name)


def freqtrade_name(name: str) -> bool:
    """Return whether a file is called as freqtrade calls it: `BTC_KRW-4h.json`."""
    return "_KRW-" in name


FORMS = (
    Form(
        "upbit-json", "업비트 REST JSON", "Upbit REST, JSON", lambda t, _: t.kind == "json" and has(t, "openingprice")
    ),
    Form("upbit-csv", "업비트 REST CSV", "Upbit REST, CSV", lambda t, _: t.kind == "csv" and has(t, "openingprice")),
    Form(
        "upbit-download",
        "업비트 공식 다운로드",
        "official download of Upbit",
        lambda t, _: t.kind == "csv" and has(t, "datetimeutc", "acctradeprice", "acctradevolume"),
    ),
    Form(
        "cryptodatadownload",
        "CryptoDataDownload CSV",
        "CryptoDataDownload, CSV",
        lambda t, _: (
            t.kind == "csv" and ("cryptodatadownload" in t.comment.casefold() or has(t, "unix", "date", "symbol"))
        ),
    ),
    Form("pyupbit", "pyupbit CSV", "pyupbit, CSV", lambda t, _: t.kind == "csv" and pyupbit_like(t)),
    Form("korean", "한글 CSV", "Korean CSV", lambda t, _: t.kind == "csv" and korean(t)),
    Form("csv", "이 프로그램의 CSV", "this program's CSV", lambda t, _: t.kind == "csv" and has(t, "timeutc", "open")),
    Form(
        "freqtrade-json",
        "freqtrade JSON",
        "freqtrade, JSON",
        lambda t, name: t.kind == "lists" and freqtrade_name(name),
    ),
    Form("ccxt-json", "ccxt JSON", "ccxt, JSON", lambda t, _: t.kind == "lists"),
    Form(
        "ccxt-csv",
        "ccxt CSV",
        "ccxt, CSV",
        lambda t, _: t.kind == "csv" and [plain(name) for name in t.names] == ["timestamp", *NATIVE[1:6]],
    ),
    Form(
        "freqtrade-feather",
        "freqtrade feather",
        "freqtrade, feather",
        lambda t, name: t.kind == "feather" and (freqtrade_name(name) or has(t, "date")),
    ),
    Form(
        "parquet",
        "이 프로그램의 parquet",
        "this program's parquet",
        lambda t, _: t.kind == "parquet" and tuple(t.names) == NATIVE,
    ),
    Form("table-parquet", "parquet 표", "a parquet table", lambda t, _: t.kind == "parquet"),
    Form("table-feather", "feather 표", "a feather table", lambda t, _: t.kind == "feather"),
    Form("table-json", "이름이 있는 JSON", "JSON with names", lambda t, _: t.kind == "json"),
    Form("table-csv", "머리글이 있는 CSV", "CSV with a header", lambda t, _: t.kind == "csv"),
)


def form_of(table: Table, name: str) -> Form:
    """Return what a table is taken for: the first form it fits."""
    return next(form for form in FORMS if form.fits(table, name))
