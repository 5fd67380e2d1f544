"""`sell MARKET`: a person wants out of one market. What the bot holds there is sold; everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.printing import print_json, print_trades
from cli.common.request import NOT_TAKEN, give
from journal import JOURNAL_FILE
from journal.reader import open_reader
from journal.records import Order
from trader.commands import DONE
from views.why import market_of

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from journal.records import Trade

SURE = {
    "ko": "위의 코인을 시장가로 팝니다. 되돌릴 수 없습니다. 정말 팔려면: python main.py sell {market} --yes",
    "en": "The above would be sold at the market, and cannot be undone. To do it: python main.py sell {market} --yes",
}
NOT_HELD = {
    "ko": "봇이 {market}에서 보유한 코인이 없습니다. 아무것도 하지 않았습니다.",
    "en": "The bot holds nothing of {market}. Nothing was done.",
}
SELLING = {
    "ko": "데몬이 {market} 보유분을 팝니다. python main.py status 로 확인하세요. 매수가 멈추지는 않습니다. "
    "전체 주문이 멈춰 있으면 재개한 뒤에 팝니다.",
    "en": "The daemon sells what it holds of {market}. Look with `python main.py status`. Buys do not stop. "
    "While all trading is halted the sale waits for its end.",
}
ALREADY = {
    "ko": "{market} 보유분은 이미 팔렸거나 이미 팔라고 한 것입니다.",
    "en": "What was held of {market} is sold already, or was ordered to be.",
}
AT_NEXT_START = {
    "ko": "실행 중인 데몬이 없습니다. 다음에 시작하면 {market} 보유분을 팝니다.",
    "en": "No daemon is running. The next one sells what it holds of {market}.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("market", metavar="MARKET", help="e.g. KRW-XRP, or XRP")
    parser.add_argument("--yes", action="store_true", help="really sell")


def run(config: Config, options: argparse.Namespace) -> int:
    """Show what is held of a market; with `--yes` have it sold, by the daemon that runs or by the next one."""
    market = market_of(options.market)
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        trades = [trade for trade in journal.open_trades() if trade.market == market]
    if trades and not options.json:
        print_trades(trades, config)
    return say(config, options, answer(config, options, trades), trades)


def answer(config: Config, options: argparse.Namespace, trades: list[Trade]) -> dict[str, str]:
    """Do what is asked; return what came of it. A market has one trade at a time."""
    if not trades:
        return NOT_HELD
    if not options.yes:
        return SURE
    given = give(config, Order.SELL, [trade.id for trade in trades])  # what was shown, and no later trade
    if given.outcome is None:
        return NOT_TAKEN
    if given.outcome != DONE:
        return ALREADY
    return SELLING if given.runs else AT_NEXT_START


def say(config: Config, options: argparse.Namespace, sentence: dict[str, str], trades: list[Trade]) -> int:
    """Print what comes of it."""
    if options.json:
        print_json({"open_trades": trades, "selling": sentence in (SELLING, AT_NEXT_START)})
    else:
        print(sentence[config.language].format(market=market_of(options.market)))  # noqa: T201 - what a person reads
    return ERROR if sentence in (NOT_TAKEN, NOT_HELD) else OK
