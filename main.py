"""The command line: `python main.py [VERB] [options]`. Without a verb: `run`."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from cli.common.exits import USAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every verb and option."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="업비트 자동매매 데몬 · An Upbit trading daemon. Without a verb: run.",
        epilog="exit codes: 0 clean stop, 1 error, 2 usage, 3 a second daemon on the same data, 4 configuration",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    add_run(verbs)
    add_demo(verbs)
    add_sandbox(verbs)
    add_replay(verbs)
    add_readers(verbs)
    add_download(verbs)
    add_data(verbs)
    add_backtest(verbs)
    add_report(verbs)
    add_optimize(verbs)
    return parser


def add_verb(verbs: Verbs, name: str, help_: str) -> argparse.ArgumentParser:
    """Add a verb that takes configuration overrides."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=help_, description=help_)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one key of config.toml for this start, e.g. --set strategy.unit=1",
    )
    parser.add_argument("--json", action="store_true", help="print what a machine can read")
    return parser


def add_run(verbs: Verbs) -> None:
    """Add `run`."""
    add_verb(verbs, "run", "trade for real; needs ACCESS_KEY and SECRET_KEY in the environment")


def add_demo(verbs: Verbs) -> None:
    """Add `demo`."""
    parser = add_verb(
        verbs, "demo", "no keys, no internet: the real daemon against an embedded Upbit, on 1-minute candles"
    )
    parser.add_argument(
        "--speed", type=positive, default=60.0, metavar="N", help="times wall speed (default 60; inf: no pauses)"
    )
    parser.add_argument(
        "--minutes", type=positive, metavar="N", help="end after N market minutes (default: until Ctrl-C)"
    )
    add_market(parser)


def add_sandbox(verbs: Verbs) -> None:
    """Add `sandbox`."""
    parser = add_verb(verbs, "sandbox", "only the exchange: an Upbit in a box on this machine")
    parser.add_argument(
        "--speed", type=positive, default=1.0, metavar="N", help="market seconds per second (default 1)"
    )
    parser.add_argument("--access-key", default="sandbox-access-key", help="the key it accepts")
    parser.add_argument("--secret-key", default="sandbox-secret-key-0123456789abcdef0123", help="its secret")
    parser.add_argument(
        "--account",
        action="append",
        type=account,
        default=[],
        metavar="NAME:ACCESS:SECRET:WON",
        dest="accounts",
        help="open another account with a key and won; may be repeated",
    )
    parser.add_argument(
        "--accounts", type=Path, metavar="FILE", dest="accounts_file", help="open the accounts of a JSON file"
    )
    parser.add_argument(
        "--start", type=moment, metavar="TIME", help="market time at the start, e.g. 2026-11-02T00:00Z (default: now)"
    )
    add_market(parser)


def add_replay(verbs: Verbs) -> None:
    """Add `replay`."""
    parser = add_verb(verbs, "replay", "run one simulated world again and tell its story in order")
    parser.add_argument("seed", type=int, metavar="SEED", help="the seed of the world")
    parser.add_argument(
        "--hours", type=positive, metavar="H", help="simulated hours of storm (default: as make simulate)"
    )


def add_market(parser: argparse.ArgumentParser) -> None:
    """Add what describes the market of a sandbox."""
    parser.add_argument("--replay", type=Path, metavar="FOLDER", help="recorded candles: a folder of KRW-XXX.csv.gz")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the market and of the draws (default 1)"
    )
    parser.add_argument(
        "--markets", type=int, default=40, choices=range(1, 290), metavar="N", help="1 to 289 (default 40)"
    )
    parser.add_argument(
        "--krw", type=money, default=Decimal(1_000_000), metavar="WON", help="won in the account (default 1000000)"
    )
    parser.add_argument("--port", type=port, default=0, metavar="N", help="port to listen on (default: a free one)")
    parser.add_argument(
        "--faults", metavar="PLAN", help="what goes wrong: a plan in JSON, or the name of a ready one (docs/faults.md)"
    )
    parser.add_argument("--admin", action="store_true", help="let programs on this machine change faults over HTTP")


def add_readers(verbs: Verbs) -> None:
    """Add the verbs that only look."""
    add_verb(verbs, "check", "examine keys, permissions, clock, folders and configuration")
    add_verb(verbs, "config", "print the effective settings and where each came from")
    add_verb(verbs, "resume", "trade again after a halt: show why trading stood still, and end that")
    sell_all = add_verb(verbs, "sell-all", "show what is held, and with --yes sell all of it and buy nothing more")
    sell_all.add_argument("--yes", action="store_true", help="really sell")
    add_verb(verbs, "status", "print what is held, why, since when and at what cost")
    history = add_verb(verbs, "history", "print the trades that have ended")
    history.add_argument("--limit", type=int, default=20, metavar="N", help="newest N trades (default 20)")
    recover = add_verb(verbs, "recover", "rebuild a lost journal from the exchange alone; never overwrites one")
    recover.add_argument("--account", metavar="XXXX", help="the bot whose orders to take: the 4 characters after ub1-L")
    recover.add_argument(
        "--never", metavar="IDENTIFIER", help="instead: an order in doubt that Upbit's own list does not show never was"
    )
    backup = add_verb(verbs, "backup", "write a whole copy of the journal, also while the daemon runs")
    backup.add_argument("file", type=Path, metavar="FILE", help="where to; it must not be there yet")
    add_verb(verbs, "health", "exit 0 while the daemon lives, 1 otherwise; for container checks")


def add_download(verbs: Verbs) -> None:
    """Add `download`."""
    parser = add_verb(verbs, "download", "fetch candles from Upbit for backtests; goes on where it was stopped")
    parser.add_argument("--unit", required=True, metavar="UNIT", help="1m, 3m, 5m, 10m, 15m, 30m, 60m, 240m or day")
    add_period(parser)


def add_data(verbs: Verbs) -> None:
    """Add `data` and its three actions."""
    parser = verbs.add_parser("data", help="the candle history on disk", description="The candle history on disk.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    bring = add_verb(actions, "import", "bring in CSV files: time_utc,open,high,low,close,volume[,value]")
    bring.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="KRW-XXX.csv[.gz] files, or folders of them")
    bring.add_argument("--unit", required=True, metavar="UNIT", help="length of their candles, e.g. 240m")
    check = add_verb(actions, "check", "first, last, rows, gaps and duplicates of every market")
    check.add_argument("--unit", required=True, metavar="UNIT", help="which candles, e.g. 240m")
    check.add_argument("--markets", nargs="+", metavar="MARKET", help="only these, e.g. KRW-BTC KRW-ETH")
    add_verb(actions, "list", "which units there are, of how many markets")


def add_backtest(verbs: Verbs) -> None:
    """Add `backtest`."""
    parser = add_verb(verbs, "backtest", "test the strategy of the settings on the history on disk")
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    add_period(parser)
    add_assumptions(parser)


def add_report(verbs: Verbs) -> None:
    """Add `report`."""
    parser = add_verb(verbs, "report", "the same as one HTML page with plots, for a browser without a network")
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="(default report.html)")
    add_period(parser)
    add_assumptions(parser)


def add_optimize(verbs: Verbs) -> None:
    """Add `optimize`."""
    parser = add_verb(verbs, "optimize", "search parameters on the past, and say what they earned after it")
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    parser.add_argument("--trials", type=int, default=60, metavar="N", help="variants tried in each fold (default 60)")
    parser.add_argument("--folds", type=int, default=4, metavar="N", help="tests, one after the other (default 4)")
    parser.add_argument(
        "--training",
        type=float,
        default=0.5,
        metavar="X",
        help="share of the period before the first test (default 0.5)",
    )
    parser.add_argument(
        "--space",
        nargs="+",
        metavar="NAME=LOW:HIGH[:STEP]",
        help="what is searched (default: half to twice every default)",
    )
    parser.add_argument("--sampler", choices=("tpe", "random"), default="tpe", help="who proposes (default tpe)")
    parser.add_argument("--sampler-seed", type=int, default=0, metavar="N", help="seed of the proposals (default 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler that judges instead, e.g. tcp://host:8786"
    )
    add_period(parser)
    add_assumptions(parser)


def add_period(parser: argparse.ArgumentParser) -> None:
    """Add what chooses markets and time."""
    parser.add_argument("--from", dest="begin", metavar="DATE", help="first day, UTC, e.g. 2024-01-01")
    parser.add_argument("--to", metavar="DATE", help="last day, UTC, included")
    parser.add_argument("--days", type=positive, metavar="N", help="the N days before the end, instead of --from")
    parser.add_argument("--markets", nargs="+", metavar="MARKET", help="e.g. KRW-BTC KRW-ETH (default: all KRW)")


def add_assumptions(parser: argparse.ArgumentParser) -> None:
    """Add what a backtest assumes."""
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many draws are tried (default 20)")
    parser.add_argument(
        "--krw", type=money, default=Decimal(1_000_000), metavar="WON", help="won at the beginning (default 1000000)"
    )
    parser.add_argument(
        "--sizing",
        choices=("equity", "order"),
        default="equity",
        help="a buy is an equal share of the equity (default), or trading.order_krw as the daemon buys",
    )
    parser.add_argument(
        "--fill", choices=("open", "close"), default="open", help="fill at the next open (default), or at the close"
    )
    parser.add_argument("--delay", type=int, default=0, metavar="N", help="candles every order comes late (default 0)")
    parser.add_argument("--fee", type=float, default=0.0005, metavar="RATE", help="fee, a fraction (default 0.0005)")
    parser.add_argument(
        "--slippage", type=float, default=1.0, metavar="X", help="times the assumed slippage (default 1)"
    )


def positive(text: str) -> float:
    """Parse a number above 0; `inf` is one."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return number


def money(text: str) -> Decimal:
    """Parse an amount of won, at least 0."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"must be an amount of won, not {text!r}")
    return amount


def port(text: str) -> int:
    """Parse a port, 0 to 65535."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


def account(text: str) -> tuple[str, str, str, Decimal]:
    """Parse name, access key, secret key and won of an account."""
    parts = text.split(":")
    if len(parts) != 4 or not all(parts):  # noqa: PLR2004 - its four parts
        raise argparse.ArgumentTypeError("must be NAME:ACCESS:SECRET:WON, e.g. second:key-2:secret-2:1000000")
    return parts[0], parts[1], parts[2], money(parts[3])


def moment(text: str) -> datetime:
    """Parse a time; UTC when it does not say otherwise."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time such as 2026-11-02T00:00Z, not {text!r}") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help"}):
        given.insert(0, "run")
    try:
        options = build_parser().parse_args(given)
    except SystemExit as end:
        return USAGE if end.code else 0
    from cli.common import dispatch  # noqa: PLC0415 - so that --help does not wait for numpy and aiohttp

    return dispatch.dispatch(options)


if __name__ == "__main__":
    raise SystemExit(main())
