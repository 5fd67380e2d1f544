"""`resume`: a person has looked at why trading stands still, and says that it may go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.printing import print_halts, print_json, state_of
from cli.common.request import NOT_TAKEN, give
from journal import JOURNAL_FILE
from journal.reader import open_reader
from journal.records import Order
from trader.control import SELL_ALL, meant_by_resume

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from config.settings import Config
    from journal.records import Halt

NOTHING = {"ko": "멈춘 것이 없습니다. 할 일이 없습니다.", "en": "Nothing is halted; there is nothing to do."}
RESUMED = {"ko": "다시 시작합니다.", "en": "Trading may go on."}
SELLS_ON = {
    "ko": "나머지는 끝냈고, 모두 매도(sell_all)는 이어집니다. 이것도 끝내려면: python main.py resume sell_all",
    "en": "The others have ended, and sell_all goes on. To end it, too: python main.py resume sell_all",
}
RAISED_AGAIN = {
    "ko": "원인이 그대로여서 바로 다시 멈췄습니다. 위의 이유를 먼저 해결하세요.",
    "en": "The cause is still there, so it stands still again. Mend the reason above first.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        "reason",
        nargs="?",
        metavar="REASON",
        help="end this reason alone, by its code (default: all but sell_all, which ends alone)",
    )


def run(config: Config, options: argparse.Namespace) -> int:
    """Show why trading stands still, end that, and say how it is then; the exit code is 0 when trading may go on."""
    path, reason = config.data_dir / JOURNAL_FILE, options.reason
    halts = [halt for halt in standing(path) if reason in {None, halt.code}]
    if not halts:
        return say(config, options, NOTHING, before=[], after=[])
    if not options.json:
        print_halts(halts, config.language)
    shown = tuple(halt.code for halt in halts)
    codes = meant_by_resume(halts) or shown  # of what a person was shown, and nothing that comes meanwhile
    if give(config, Order.RESUME, codes).outcome is None:
        return say(config, options, NOT_TAKEN, before=halts, after=halts)
    after = [halt for halt in standing(path) if reason in {None, halt.code}]
    sells_on = SELL_ALL not in codes and [halt.code for halt in after] == [SELL_ALL]
    sentence = SELLS_ON if sells_on else RAISED_AGAIN if after else RESUMED
    return say(config, options, sentence, before=halts, after=after)


def standing(path: Path) -> list[Halt]:
    """Return why trading stands still, as the journal says."""
    with open_reader(path) as journal:
        return journal.standing_halts()


def say(
    config: Config, options: argparse.Namespace, sentence: dict[str, str], *, before: list[Halt], after: list[Halt]
) -> int:
    """Print how it ended."""
    if options.json:
        print_json({"state": state_of(after), "halted": before, "still_halted": after})
    else:
        if after and after != before:
            print_halts(after, config.language)
        print(sentence[config.language])  # noqa: T201 - what a person reads
    return ERROR if after else OK
