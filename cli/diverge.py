"""`diverge`: a day of the daemon beside the same day of the backtester, each won of the difference with its cause."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from backtest.problems import NothingThere
from backtest.units import from_ms, name_of
from cli.backtest import load, load_strategy
from cli.common.backtested_day import day_of
from cli.common.exits import OK
from cli.common.period import open_store
from cli.common.printing import print_json, print_table
from config.settings import most_spent
from journal import JOURNAL_FILE
from journal.reader import open_reader
from notifier.formats import KST, signed_won
from notifier.words import Words
from trader.clock import wall_clock
from views.divergence import NAMES, Cause, compare
from views.traded_day import JournalFacts, deals_of, opening_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.history.candles import Candles
    from cli.common.backtested_day import Day
    from config.settings import Config
    from journal.queries import Queries
    from views.divergence import Divergence

FEE_RATE = Decimal("0.0005")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--day", type=korean_day, metavar="DATE", help="in Korea, e.g. 2026-11-30 (default: yesterday)")


def korean_day(text: str) -> date:
    """Parse a day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day such as 2026-11-30, not {text!r}") from None


def run(config: Config, options: argparse.Namespace) -> int:
    """Print what lies between the two, by cause; what was bought that day is followed to its end."""
    now = wall_clock()
    day = options.day or ((now + KST).date() - timedelta(days=1))
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC) - KST
    period = (begin, begin + timedelta(days=1))
    backtested = load_day(config, period, opening_of(now, config.strategy.unit))
    with open_reader(config.data_dir / JOURNAL_FILE) as journal, journal.at_one_moment():
        found = diverge(config, journal, backtested, period)
    if options.json:
        print_json(as_json(found, day))
    else:
        print_divergence(found, day, config.language)
    return OK


def load_day(config: Config, period: tuple[datetime, datetime], until: datetime) -> Day:
    """Ask the strategy of the settings about the stored candles of a day.

    Raises:
        ResearchMissing: without the libraries that read them.
        NothingThere: when there are none, or too few, or not to the day's end.
    """
    unit = config.strategy.unit
    history = load(open_store(config), unit, [])
    need_candles(history, unit, min(period[1], until))
    return day_of(config, load_strategy(config, unit), history, period, until, fee_rate=FEE_RATE)


def need_candles(history: Mapping[str, Candles], unit: timedelta, end: datetime) -> None:
    """Insist on candles of the whole day: without its end, what the daemon bought then would look like a mistake.

    Raises:
        NothingThere: when the stored ones end before it.
    """
    last = from_ms(max((int(one.opened_at_ms[-1]) for one in history.values()), default=0)) + unit
    if last < end:
        told = f"{last:%Y-%m-%d %H:%M}"
        command = f"python main.py download --unit {name_of(unit)} --days 130"
        raise NothingThere(
            f"저장된 캔들이 {told} UTC에서 끝나 그날을 다 비교할 수 없습니다. 먼저 받으세요: {command}",
            f"The stored candles end at {told} UTC, before that day does. Fetch the rest first: {command}",
        )


def need_looks(journal: Queries, end: datetime) -> None:
    """Insist on a day of which the journal still says why.

    Raises:
        NothingThere: when its first look is later, or there is none.
    """
    first, _ = journal.looked()
    if first is None or first >= end:
        raise NothingThere(
            "그날의 판단 기록이 없습니다. 판단은 14일 동안 보관합니다.",
            "The journal holds no look of that day: looks are kept for 14 days.",
        )


def diverge(config: Config, journal: Queries, day: Day, period: tuple[datetime, datetime]) -> Divergence:
    """Compare a day of the journal with the same day of the backtester."""
    begin, end = period
    need_looks(journal, end)
    unit = config.strategy.unit
    places = [
        (trade.market, None if trade.closed_at is None else opening_of(trade.closed_at, unit))
        for trade in journal.held_at(begin)
    ]
    return compare(
        deals_of(journal, begin, end, unit, day.close_of),
        day.deals(places),
        alone=day.alone,
        facts=JournalFacts(journal=journal, unit=unit, wanted=day.wants),
        fee_rate=FEE_RATE,
        capital_krw=most_spent(config),
    )


def as_json(found: Divergence, day: date) -> dict[str, object]:
    """Return what a machine reads: won as exact text, basis points of what could be in positions."""
    causes = {
        cause: {"krw": found.krw(cause), "bp": points(found, found.krw(cause)), "parts": found.counts()[cause]}
        for cause in Cause
    }
    return {
        "day": f"{day}",
        "daemon_krw": found.ours_krw,
        "backtest_krw": found.theirs_krw,
        "difference_krw": found.whole_krw,
        "difference_bp": points(found, found.whole_krw),
        "capital_krw": found.capital_krw,
        "causes": causes,
        "parts": [
            {"cause": one.cause, "market": one.market, "at": one.at, "krw": one.krw} for one in found.differences
        ],
    }


def points(found: Divergence, krw: Decimal) -> Decimal:
    """Return basis points to a thousandth."""
    return found.basis_points(krw).quantize(Decimal("0.001"))


SENTENCES = {
    "ko": "{day} 매수분: 데몬 {ours}, 같은 캔들의 백테스트 {theirs}, 차이 {whole} "
    "({points:+.1f} bp, 최대 투자 금액 기준)",
    "en": "Bought on {day}: daemon {ours}, backtest on the same candles {theirs}, difference {whole} "
    "({points:+.1f} bp of what could be in positions)",
}
HEADS = (Words("원인", "cause"), Words("건수", "parts"), Words("원", "KRW"), Words("bp", "bp"))


def print_divergence(found: Divergence, day: date, language: str) -> None:
    """Print one sentence, and a row for each cause."""
    ours, theirs, whole = (signed_won(krw, language) for krw in (found.ours_krw, found.theirs_krw, found.whole_krw))
    sentence = SENTENCES[language].format(
        day=day, ours=ours, theirs=theirs, whole=whole, points=found.basis_points(found.whole_krw)
    )
    print(sentence)  # noqa: T201 - what a person reads
    counts, krw = found.counts(), {cause: found.krw(cause) for cause in Cause}
    rows = [
        [NAMES[cause].say(language), str(counts[cause]), f"{krw[cause]:+,.2f}", f"{points(found, krw[cause]):+,.3f}"]
        for cause in Cause
    ]
    print_table([head.say(language) for head in HEADS], rows)
