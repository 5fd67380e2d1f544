"""`tax`: what a year has earned by the total and the moving average. An estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.common.printing import print_json, print_table
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import signed_won, units, won
from notifier.words import Words
from views.executions import executions
from views.tax import FIRST_YEAR, SAYS, TaxYear, movements, opening, tax_of, tax_year

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from config.settings import Config
    from views.tax import CoinYear

HEADS = (
    Words("코인", "coin"),
    Words("매도금액", "received"),
    Words("취득가액", "cost"),
    Words("손익", "profit"),
    Words("연말 보유", "held at the end"),
    Words("원가 불명", "of unknown cost"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--year", type=int, default=FIRST_YEAR, metavar="YEAR", help=f"in Korea (default {FIRST_YEAR})")


def run(config: Config, options: argparse.Namespace) -> int:
    """Print the year by both averages."""
    with open_reader(config.data_dir / JOURNAL_FILE) as journal:
        found = tax_year(movements(executions(journal), journal.moved_coins()), options.year)
        began = opening(journal, options.year)
    methods = (
        (Words("총평균법", "total average"), found.total_average),
        (Words("이동평균법", "moving average"), found.moving_average),
    )
    language = config.language
    if options.json:
        told = {
            name.en.replace(" ", "_"): {"coins": coins, "profit": profit, "tax": tax_of(profit)}
            for name, coins in methods
            for profit in [TaxYear.profit(coins)]
        }
        print_json({"year": found.year, "opening": began, **told, "note": SAYS.say(language)})
        return OK
    if began is not None:
        print(began.sentence(language))
    for name, coins in methods:
        print(f"{options.year} {name.say(language)}")
        print_table([head.say(language) for head in HEADS], rows(coins, language))
        profit = TaxYear.profit(coins)
        said = Words("손익 {}, 공제 뒤 22 % 세금(추정) {}", "profit {}, tax of 22 % after the deduction (estimate) {}")
        print(said.say(language).format(signed_won(profit, language), won(tax_of(profit), language)))
    print(SAYS.say(language))
    return OK


def rows(coins: Sequence[CoinYear], language: str) -> list[list[str]]:
    """Return one row a coin."""
    return [
        [
            coin.coin,
            won(coin.proceeds, language),
            won(coin.cost, language),
            signed_won(coin.profit, language),
            units(coin.held),
            units(coin.uncovered) if coin.uncovered else "-",
        ]
        for coin in coins
    ]
