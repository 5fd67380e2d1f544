"""`sell-all`: a person wants out. What the bot holds is sold, and nothing is bought until they resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.printing import print_json, print_trades
from cli.common.request import NOT_TAKEN, give
from journal import JOURNAL_FILE
from journal.reader import open_reader
from journal.records import Order

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from journal.records import Trade

SURE = {
    "ko": "위의 코인을 모두 시장가로 팔고 매수를 멈춥니다. 정말 팔려면: python main.py sell-all --yes",
    "en": "All of the above would be sold at the market, and buys would stop. To do it: python main.py sell-all --yes",
}
SELLING = {
    "ko": "데몬이 보유한 코인을 모두 팝니다. python main.py status 로 확인하고, 다시 거래하려면 resume 하세요.",
    "en": "The daemon sells all it holds. Look with `python main.py status`; to trade again, resume.",
}
AT_NEXT_START = {
    "ko": "실행 중인 데몬이 없습니다. 다음에 시작하면 모두 팔고, resume 할 때까지 사지 않습니다.",
    "en": "No daemon is running. The next one sells all it holds, and buys nothing until you resume.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--yes", action="store_true", help="really sell")


def run(config: Config, options: argparse.Namespace) -> int:
    """Show what is held; with `--yes` have it sold, by the daemon that runs or by the next one."""
    path = config.data_dir / JOURNAL_FILE
    with open_reader(path) as journal:
        trades = journal.open_trades()
    if not options.json:
        print_trades(trades, config)
    if not options.yes:
        return say(config, options, SURE, trades)
    outcome, runs = give(config, Order.SELL_ALL)
    if outcome is None:
        return say(config, options, NOT_TAKEN, trades)
    return say(config, options, SELLING if runs else AT_NEXT_START, trades)


def say(config: Config, options: argparse.Namespace, sentence: dict[str, str], trades: list[Trade]) -> int:
    """Print what comes of it."""
    if options.json:
        print_json({"open_trades": trades, "selling": sentence in (SELLING, AT_NEXT_START)})
    else:
        print(sentence[config.language])  # noqa: T201 - what a person reads
    return ERROR if sentence is NOT_TAKEN else OK
