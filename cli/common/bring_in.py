"""`data import`: files of candles into the store, what each was taken for, and what was refused and why."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from rich.text import Text

from backtest.problems import UsageProblem
from backtest.units import name_of
from cli.common.exits import ERROR, OK
from cli.common.period import market_name, open_store, read_unit
from cli.common.printing import folding, print_json
from trader.clock import wall_clock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from backtest.files.importer import FileOutcome
    from backtest.files.reading import Wishes
    from backtest.history.store import Store
    from config.settings import Config

KST = timedelta(hours=9)
HEADS = {"ko": "파일 형식 단위 마켓 캔들 알림", "en": "file form unit markets candles notes"}
ZONE_QUESTION = {
    "ko": "파일 {count}개의 시각에 시간대가 없습니다. 한국 시각이면 kst, 세계 표준시면 utc: ",
    "en": "The times of {count} files name no zone. kst if they are Korean, utc if they are universal: ",
}
ZONE_ADVICE = {
    "ko": "파일 {count}개의 시각에 시간대가 없습니다. 같은 명령에 --zone kst(한국 시각) 또는 --zone utc를 붙이세요.",
    "en": "The times of {count} files name no zone. Add --zone kst (Korean times) or --zone utc to the command.",
}
TOTAL = {
    "ko": "{files}개 파일, 캔들 {came:,}개를 가져왔습니다 (중복 {repeated:,}개).",
    "en": "Imported {came:,} candles of {files} files ({repeated:,} repeated).",
}
POSSIBLE = {
    "ko": "{files}개 파일, 캔들 {came:,}개를 가져올 수 있습니다 (중복 {repeated:,}개).",
    "en": "{came:,} candles of {files} files can be imported ({repeated:,} repeated).",
}
TWICE = (
    "값이 다른 캔들 {:,}개: 더 온전한 쪽을 남김",
    "{:,} candles said twice and differently: the more complete one stays",
)
REFUSED = {"ko": " 거절한 파일: {refused}개.", "en": " Files refused: {refused}."}


def run(config: Config, options: argparse.Namespace, *, keep: bool = True) -> int:
    """Bring files in, or only say what would become of them; return 1 when anything of them was refused."""
    store = open_store(config)
    wishes = wishes_of(options)
    from backtest.files.importer import import_files  # noqa: PLC0415 - loads pyarrow

    def passing(files: Sequence[Path]) -> Iterable[Path]:
        return track(files, console=Console(stderr=True), transient=True, disable=options.json, description="")

    with store.lock():
        outcomes = import_files(store, options.paths, wishes, passing, keep=keep)
        if any(one.needs_zone for one in outcomes) and not options.json and sys.stdin.isatty():
            outcomes = ask_again(store, outcomes, wishes, config.language, keep=keep)
    if options.json:
        print_json(to_json(outcomes))
    else:
        show(outcomes, config.language, TOTAL if keep else POSSIBLE)
    return OK if all(one.clean for one in outcomes) else ERROR


def wishes_of(options: argparse.Namespace) -> Wishes:
    """Return what the command says about the files.

    Raises:
        UsageProblem: for a unit, or a market, that there is not.
    """
    from backtest.files.market_names import is_market  # noqa: PLC0415 - beside the reading, which loads pyarrow
    from backtest.files.reading import Wishes  # noqa: PLC0415
    from backtest.files.times import Zone  # noqa: PLC0415

    market = market_name(options.market) if options.market else None
    if market and not is_market(market):
        raise UsageProblem(
            f"--market {market}: 원화 마켓의 이름이 아닙니다. 예: KRW-BTC",
            f"--market {market}: this is not the name of a won market. Example: KRW-BTC",
        )
    unit = read_unit(options.unit) if options.unit else None
    zone = Zone(options.zone) if options.zone else None
    return Wishes(now=wall_clock(), unit=unit, zone=zone, market=market)


def ask_again(
    store: Store, outcomes: Sequence[FileOutcome], wishes: Wishes, language: str, *, keep: bool
) -> list[FileOutcome]:
    """Ask once in which zone the times are that name none, and read their files again."""
    from backtest.files.importer import import_files  # noqa: PLC0415 - loads pyarrow
    from backtest.files.times import Zone  # noqa: PLC0415

    lacking = list(dict.fromkeys(one.path for one in outcomes if one.needs_zone))
    try:
        answer = input(ZONE_QUESTION[language].format(count=len(lacking))).strip().lower()
    except EOFError:
        answer = ""
    if answer not in {zone.value for zone in Zone}:
        return list(outcomes)
    rest = [one for one in outcomes if one.path not in lacking]
    return rest + import_files(store, lacking, replace(wishes, zone=Zone(answer)), keep=keep)


def show(outcomes: Sequence[FileOutcome], language: str, sentence: Mapping[str, str]) -> None:
    """Print a line a file, and what they bring together."""
    console = Console()
    table = folding(*HEADS[language].split(), padding=(0, 1, 0, 0))
    for one in outcomes:
        table.add_row(*(Text(cell) for cell in row_of(one, language)))
    console.print(table)
    lacking = sum(one.needs_zone for one in outcomes)
    if lacking:
        console.print(ZONE_ADVICE[language].format(count=lacking), highlight=False)
    sums = total(outcomes)
    line = sentence[language].format(files=sums["taken"], **sums)
    if sums["refused"]:
        line += REFUSED[language].format(**sums)
    console.print(line, highlight=False)


def row_of(one: FileOutcome, language: str) -> list[str]:
    """Return the line of a file."""
    if one.refused:
        word = "거절" if language == "ko" else "refused"
        return [one.file, word, "", "", "", getattr(one.refused, language)]
    assert one.reading is not None
    shown = one.markets[0] if len(one.markets) == 1 else str(len(one.markets))
    notes = "; ".join(notes_on(one, language))
    return [one.file, getattr(one.reading.form, language), name_of(one.reading.unit), shown, f"{one.came:,}", notes]


def notes_on(one: FileOutcome, language: str) -> list[str]:
    """Say what of a file did not come, and what it contradicts."""
    reading = one.reading
    assert reading is not None
    first = f"{one.first_conflict + KST:%Y-%m-%d %H:%M} KST" if one.first_conflict else ""
    counted = [(count, *pair) for count, pair in (
        (one.conflicts, (TWICE[0] + f" (처음: {first})", TWICE[1] + f" (first: {first})")),
        (one.repeated, ("중복 {:,}개", "{:,} repeated")),
        (reading.forming, ("끝나지 않은 캔들 {:,}개 거절", "{:,} candles refused that were still forming")),
        (one.without, ("업비트에 없던 캔들 {:,}개 거절", "{:,} candles refused that Upbit had none of when asked")),
        (reading.idle, ("거래 없는 행 {:,}개 제외", "{:,} rows without a trade left out")),
        (reading.empty, ("빈 행 {:,}개 제외", "{:,} empty rows left out")),
    )]  # fmt: skip
    return [(ko if language == "ko" else en).format(count) for count, ko, en in counted if count]


def total(outcomes: Sequence[FileOutcome]) -> dict[str, int]:
    """Return the sums of all files."""
    taken = [one for one in outcomes if not one.refused]
    return {
        "taken": len(taken),
        "refused": len(outcomes) - len(taken),
        "rows": sum(one.reading.rows for one in taken if one.reading),
        "came": sum(one.came for one in taken),
        "repeated": sum(one.repeated for one in taken),
        "conflicts": sum(one.conflicts for one in taken),
    }


def to_json(outcomes: Sequence[FileOutcome]) -> dict[str, Any]:
    """Return everything that is known of the files."""
    return {**total(outcomes), "files": [file_json(one) for one in outcomes]}


def file_json(one: FileOutcome) -> dict[str, Any]:
    """Return what is known of one file."""
    if one.reading is None or one.refused:
        return {"file": one.file, "refused": one.refused.en if one.refused else None, "needs_zone": one.needs_zone}
    return {
        "file": one.file,
        "refused": None,
        "form": one.reading.form.code,
        "unit": name_of(one.reading.unit),
        "markets": list(one.markets),
        "rows": one.reading.rows,
        "came": one.came,
        "repeated": one.repeated,
        "conflicts": one.conflicts,
        "first_conflict": one.first_conflict.isoformat() if one.first_conflict else None,
        "forming": one.reading.forming,
        "not_at_upbit": one.without,
        "without_trade": one.reading.idle,
        "empty": one.reading.empty,
    }
