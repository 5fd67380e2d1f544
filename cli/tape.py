"""`tape check`, `tape export`: what `record` has kept."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.options import add_action
from cli.common.period import ResearchMissing
from cli.common.printing import print_json
from tape.check import clock, examine
from tape.form import RecordKind
from tape.reading import files_of

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from tape.check import Findings

FORMS = ("parquet", "tardis", "hftbacktest")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = add_action(actions, "check", "every fault of a tape, with its second; exit 1 when there is any")
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files of a tape, or folders of them")
    export = add_action(actions, "export", "trades and books as files of other programs (docs/tape.md)")
    export.add_argument("path", type=Path, metavar="PATH", help="a file of a tape, or a folder of them")
    export.add_argument("--to", required=True, choices=FORMS, help="whose files")
    export.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="where to")
    export.add_argument("--markets", nargs="+", metavar="MARKET", help="only these, e.g. KRW-BTC KRW-ETH")


def run(config: Config, options: argparse.Namespace) -> int:
    """Run one of the two."""
    return {"check": check, "export": export}[options.action](config, options)


def check(config: Config, options: argparse.Namespace) -> int:
    """`tape check`: read every file to its end."""
    found = examine([file for path in options.paths for file in files_of(path)])
    if options.json:
        print_json([as_json(one) for one in found])
    else:
        for one in found:
            print("\n".join(told(one, config.language)))  # noqa: T201 - what a person reads
    return ERROR if any(one.faults for one in found) else OK


def as_json(one: Findings) -> dict[str, object]:
    """Return what a machine reads about a file."""
    return {
        "file": str(one.path),
        "from": clock(one.first_us) if one.first_us else None,
        "to": clock(one.last_us) if one.last_us else None,
        "records": dict(one.records),
        "gaps": one.gaps,
        "recording": one.recording,
        "faults": [fault.en for fault in one.faults],
    }


def told(one: Findings, language: str) -> list[str]:
    """Return what a person reads about a file: one line, and one for each fault."""
    heads = {
        "ko": "{name}: {first} ~ {last} UTC, 프레임 {frames:,}개, 끊김 {gaps}번{state}",
        "en": "{name}: {first} to {last} UTC, {frames:,} frames, {gaps} gaps{state}",
    }
    state = {"ko": ", 기록 중", "en": ", being recorded"}[language] if one.recording else ""
    line = heads[language].format(
        name=one.path.name,
        first=clock(one.first_us) if one.first_us else "-",
        last=clock(one.last_us) if one.last_us else "-",
        frames=one.records[RecordKind.FRAME],
        gaps=len(one.gaps),
        state=state,
    )
    return [line, *(f"  {fault.ko if language == 'ko' else fault.en}" for fault in one.faults)]


def export(config: Config, options: argparse.Namespace) -> int:
    """`tape export`: write trades and books for another program, and say how many."""
    if options.to == "parquet" and find_spec("pyarrow") is None:
        raise ResearchMissing
    from tape.export import export as write  # noqa: PLC0415 - numpy or pyarrow take a moment to load

    done = write(files_of(options.path), options.to, options.out, frozenset(options.markets or ()))
    if options.json:
        print_json({"form": options.to, "trades": done.trades, "books": done.books, "files": done.files})
        return OK
    sentence = {
        "ko": f"체결 {done.trades:,}건, 호가 {done.books:,}개를 {len(done.files)}개 파일로 썼습니다: {options.out}",
        "en": f"Wrote {done.trades:,} trades and {done.books:,} books in {len(done.files)} files: {options.out}",
    }
    print(sentence[config.language])  # noqa: T201 - what a person reads
    return OK
