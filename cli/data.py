"""`data import`, `data check`, `data list`: the candle history on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

from backtest.check import examine_one
from backtest.units import name_of
from cli.common.exits import ERROR, OK
from cli.common.options import add_action
from cli.common.period import known, open_store, read_markets, read_unit
from cli.common.printing import print_json, print_table

if TYPE_CHECKING:
    import argparse

    from backtest.check import Findings
    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    bring = add_action(actions, "import", "bring in CSV files: time_utc,open,high,low,close,volume[,value]")
    bring.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="KRW-XXX.csv[.gz] files, or folders of them")
    bring.add_argument("--unit", required=True, metavar="UNIT", help="length of their candles, e.g. 240m")
    check = add_action(actions, "check", "first, last, rows, gaps and duplicates of every market")
    check.add_argument("--unit", required=True, metavar="UNIT", help="which candles, e.g. 240m")
    check.add_argument("--markets", nargs="+", metavar="MARKET", help="only these, e.g. KRW-BTC KRW-ETH")
    add_action(actions, "list", "which units there are, of how many markets")


def run(config: Config, options: argparse.Namespace) -> int:
    """Run one of the three."""
    return {"import": bring_in, "check": check, "list": show_list}[options.action](config, options)


def bring_in(config: Config, options: argparse.Namespace) -> int:
    """`data import`: bring CSV files into the store."""
    store, unit = open_store(config), read_unit(options.unit)
    from backtest.csv_files import import_files  # noqa: PLC0415 - loads pyarrow

    with store.lock():
        results = import_files(store, unit, options.paths, lambda _: None)
    repeated = sum(one.repeated for one in results)
    rows = sum(one.rows for one in results)
    if options.json:
        print_json({"files": len(results), "rows": rows, "repeated": repeated, "unit": name_of(unit)})
        return OK
    sentence = {
        "ko": f"{len(results)}개 파일, 캔들 {rows:,}개를 가져왔습니다 (중복 {repeated:,}개).",
        "en": f"Imported {rows:,} candles of {len(results)} files ({repeated:,} repeated).",
    }
    Console().print(sentence[config.language])
    return OK


def check(config: Config, options: argparse.Namespace) -> int:
    """`data check`: look at every candle; exit 1 when a file cannot be used."""
    store, unit = open_store(config), read_unit(options.unit)
    markets = known(store.need(unit), read_markets(options))
    shown = track(markets, console=Console(stderr=True), transient=True, disable=options.json)
    findings = [examine_one(store, unit, market) for market in shown]
    total = {name: sum(getattr(one, name) for one in findings) for name in ("rows", "gaps", "missing", "duplicates")}
    faulty = [one for one in findings if one.fault or one.duplicates]
    if options.json:
        print_json({"unit": name_of(unit), "markets": [asdict(one) for one in findings], "total": total})
        return ERROR if faulty else OK
    english = "market first(UTC) last candles gaps missing doubles fault"
    heads = "마켓 처음(UTC) 마지막 캔들 공백 빠짐 중복 문제" if config.language == "ko" else english
    table = Table(*heads.split(), box=None, padding=(0, 1, 0, 0))
    for one in findings:
        table.add_row(*row_of(one))
    table.add_row(f"= {len(findings)}", "", "", *(f"{count:,}" for count in total.values()), "")
    Console().print(table)
    return ERROR if faulty else OK


def row_of(one: Findings) -> list[str]:
    """Return one line of the table."""
    times = [f"{moment:%Y-%m-%dT%H:%M}" if moment else "-" for moment in (one.first, one.last)]
    counts = [f"{count:,}" for count in (one.rows, one.gaps, one.missing, one.duplicates)]
    return [one.market, *times, *counts, one.fault or ""]


def show_list(config: Config, options: argparse.Namespace) -> int:
    """`data list`: which units there are, of how many markets, and how large."""
    store = open_store(config)
    rows = []
    for unit in store.units():
        paths = [store.path(unit, market) for market in store.markets(unit)]
        size = sum(path.stat().st_size for path in paths) / 1e6
        row = {"unit": name_of(unit), "markets": str(len(paths)), "MB": f"{size:.2f}", "folder": str(paths[0].parent)}
        rows.append(row)
    if options.json:
        print_json(rows)
        return OK
    heads = "단위 마켓 MB 폴더" if config.language == "ko" else "unit markets MB folder"
    print_table(heads.split(), [[row["unit"], row["markets"], row["MB"], row["folder"]] for row in rows])
    return OK
