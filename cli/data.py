"""`data import`, `data convert`, `data check`, `data list`: the candle history on disk."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

from backtest.files.check import examine_one
from backtest.problems import UsageProblem
from backtest.units import name_of
from cli.common import bring_in
from cli.common.exits import ERROR, OK
from cli.common.options import add_action
from cli.common.period import known, open_store, read_markets, read_unit
from cli.common.printing import folding, print_json, print_table
from trader.clock import wall_clock

if TYPE_CHECKING:
    import argparse

    from backtest.files.check import Findings
    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    bring = add_action(actions, "import", "bring in files of candles, whoever made them (docs/backtest.md)")
    bring.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files of candles, or folders of them")
    bring.add_argument("--unit", metavar="UNIT", help="length of their candles, e.g. 240m (default: as files show)")
    add_unsaid(bring)
    turn = add_action(actions, "convert", "write the history as files of other programs (docs/backtest.md)")
    turn.add_argument("--to", required=True, metavar="FORM", help="e.g. pyupbit, upbit-json, ccxt-csv, freqtrade-json")
    turn.add_argument("--unit", required=True, metavar="UNIT", help="which candles, e.g. 240m")
    turn.add_argument("--markets", nargs="+", metavar="MARKET", help="only these, e.g. KRW-BTC KRW-ETH")
    turn.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where to")
    turn.add_argument("--force", action="store_true", help="replace files that are there")
    check = add_action(actions, "check", "first, last, rows, gaps, duplicates and faults of every market, or of files")
    check.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files: say what an import would do")
    check.add_argument("--unit", metavar="UNIT", help="which candles, e.g. 240m (without files: needed)")
    add_unsaid(check)
    check.add_argument("--markets", nargs="+", metavar="MARKET", help="only these, e.g. KRW-BTC KRW-ETH")
    add_action(actions, "list", "which units there are, of how many markets")


def add_unsaid(parser: argparse.ArgumentParser) -> None:
    """Add what files may not say of themselves."""
    parser.add_argument("--zone", choices=("kst", "utc"), help="in which the times of files are that name no zone")
    parser.add_argument("--market", metavar="MARKET", help="whose candles files have that do not say it")


def run(config: Config, options: argparse.Namespace) -> int:
    """Run one of the four."""
    return {"import": bring_in.run, "convert": convert, "check": check, "list": show_list}[options.action](
        config, options
    )


def convert(config: Config, options: argparse.Namespace) -> int:
    """`data convert`: write the history as files that other programs read."""
    store, unit = open_store(config), read_unit(options.unit)
    markets = known(store.need(unit), read_markets(options))
    from backtest.files.writing import WRITERS, save  # noqa: PLC0415 - loads pyarrow

    write = WRITERS.get(options.to)
    if write is None:
        forms = ", ".join(WRITERS)
        raise UsageProblem(
            f"--to {options.to}: 그런 형식은 없습니다. 가능한 값: {forms}",
            f"--to {options.to}: there is no such form. Possible: {forms}",
        )
    files, count = [], 0
    for market in markets:
        candles = store.read(unit, market).candles
        count += len(candles)
        for name, content in write(market, unit, candles):
            files.append(str(save(options.out, name, content, replace=options.force)))
    if options.json:
        print_json({"form": options.to, "unit": name_of(unit), "candles": count, "files": files})
        return OK
    sentence = {
        "ko": f"캔들 {count:,}개를 {options.out} 폴더의 {len(files)}개 파일로 썼습니다 ({options.to}).",
        "en": f"Wrote {count:,} candles to {len(files)} files in {options.out} ({options.to}).",
    }
    Console().print(sentence[config.language], highlight=False)
    return OK


def check(config: Config, options: argparse.Namespace) -> int:
    """`data check`: look at every candle of the store, or of files; exit 1 when any cannot be used."""
    if options.paths:
        return bring_in.run(config, options, keep=False)
    if options.unit is None:
        raise UsageProblem(
            "무엇을 점검할지 알려 주세요: --unit 240m은 저장된 캔들을, 파일이나 폴더는 그 파일을 점검합니다.",
            "Say what to check: --unit 240m looks at the candles of the store, a file or a folder at that.",
        )
    store, unit = open_store(config), read_unit(options.unit)
    markets = known(store.need(unit), read_markets(options))
    now = wall_clock()
    shown = track(markets, console=Console(stderr=True), transient=True, disable=options.json)
    findings = [examine_one(store, unit, market, now) for market in shown]
    total = {name: sum(getattr(one, name) for one in findings) for name in ("rows", "gaps", "missing", "duplicates")}
    faulty = [one for one in findings if one.fault or one.duplicates]
    if options.json:
        rows = [{**asdict(one), "fault": one.fault.en if one.fault else None} for one in findings]
        print_json({"unit": name_of(unit), "markets": rows, "total": total})
        return ERROR if faulty else OK
    english = "market first(UTC) last candles gaps missing doubles fault"
    heads = "마켓 처음(UTC) 마지막 캔들 공백 빠짐 중복 문제" if config.language == "ko" else english
    table = folding(*heads.split(), padding=(0, 1, 0, 0))
    for one in findings:
        table.add_row(*row_of(one, config.language))
    table.add_row(f"= {len(findings)}", "", "", *(f"{count:,}" for count in total.values()), "")
    Console().print(table)
    return ERROR if faulty else OK


def row_of(one: Findings, language: str) -> list[str]:
    """Return one line of the table."""
    times = [f"{moment:%Y-%m-%dT%H:%M}" if moment else "-" for moment in (one.first, one.last)]
    counts = [f"{count:,}" for count in (one.rows, one.gaps, one.missing, one.duplicates)]
    return [one.market, *times, *counts, getattr(one.fault, language) if one.fault else ""]


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
