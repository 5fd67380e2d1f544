"""What the verbs about history share: where it lies, what the words for units and times mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from backtest.history.download import unknown_market
from backtest.problems import BacktestError, UsageProblem
from backtest.units import UNITS

if TYPE_CHECKING:
    import argparse

    from backtest.history.store import Store
    from config.settings import Config


class ResearchMissing(BacktestError):
    """The libraries of the research extra are not installed."""

    def __init__(self) -> None:
        command = "pip install --require-hashes -r requirements/research.txt"
        super().__init__(
            f"이 기능에는 추가 라이브러리가 필요합니다. 설치하세요: {command}",
            f"This needs libraries that trading does not. Install them: {command}",
        )


def open_store(config: Config) -> Store:
    """Return the history below the data folder.

    Raises:
        ResearchMissing: without pyarrow, which the daemon never loads.
    """
    if find_spec("pyarrow") is None:
        raise ResearchMissing
    from backtest.history import store  # noqa: PLC0415 - pyarrow takes a moment to load, and the daemon does without

    return store.Store(config.data_dir / store.FOLDER)


def read_unit(text: str) -> timedelta:
    """Return the length of a candle by its name; `240` is `240m`."""
    unit = UNITS.get(text) or UNITS.get(f"{text}m")
    if unit is None:
        known = ", ".join(UNITS)
        raise UsageProblem(
            f"--unit {text}: 그런 캔들은 없습니다. 가능한 값: {known}",
            f"--unit {text}: there are no such candles. Possible: {known}",
        )
    return unit


def read_time(option: str, text: str, *, end: bool = False) -> datetime:
    """Return a UTC time; a day alone means its beginning, or with `end` its end."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem(
            f"{option} {text}: 날짜를 읽을 수 없습니다. 예: 2024-01-31 또는 2024-01-31T09:00 (UTC)",
            f"{option} {text}: this is no date. Examples: 2024-01-31 or 2024-01-31T09:00 (UTC)",
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment + timedelta(days=1) if end and "T" not in text and " " not in text else moment


def read_period(options: argparse.Namespace, first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of `--from`, `--to` and `--days`; what is not said is `first` and `last`."""
    end = read_time("--to", options.to, end=True) if options.to else last
    begin = read_time("--from", options.begin) if options.begin else first
    if options.days is not None:
        begin = end - timedelta(days=options.days)
    if begin >= end:
        shown = f"{begin:%Y-%m-%d %H:%M} ~ {end:%Y-%m-%d %H:%M} UTC"
        raise UsageProblem(
            f"기간이 비어 있습니다: {shown}. --from은 --to보다 앞이어야 합니다.",
            f"The period is empty: {shown}. --from must be before --to.",
        )
    return begin, end


def read_markets(options: argparse.Namespace) -> list[str]:
    """Return the markets of `--markets`, each with its KRW-; none: all."""
    return [market_name(word) for text in options.markets or [] for word in text.split(",") if word]


def market_name(word: str) -> str:
    """Return a market as Upbit writes it: `btc` is `KRW-BTC`."""
    return word.upper() if "-" in word else f"KRW-{word.upper()}"


def known(there: list[str], wanted: list[str]) -> list[str]:
    """Return the wanted markets, or all that are there.

    Raises:
        UsageProblem: for a market that is not there, with the nearest that is.
    """
    for market in wanted:
        if market not in there:
            raise unknown_market(market, there)
    return wanted or there
