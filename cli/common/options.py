"""What several verbs understand: settings for one start, a market to rehearse in, a period, what a backtest assumes."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

MINUTE_MS = 60_000
LONGEST_DAYS = 36_500.0
"""Beyond a hundred years `inf` and a number that no clock has are the same."""


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every verb understands."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one key of config.toml for this start, e.g. --set strategy.unit=1",
    )
    parser.add_argument("--json", action="store_true", help="print what a machine can read")


def add_action(actions: Actions, name: str, help_: str) -> argparse.ArgumentParser:
    """Add one action of a verb, which understands what every verb does."""
    parser: argparse.ArgumentParser = actions.add_parser(name, help=help_, description=help_)
    add_common(parser)
    return parser


def add_market(parser: argparse.ArgumentParser) -> None:
    """Add what describes the market of a sandbox."""
    parser.add_argument(
        "--replay", type=Path, metavar="PATH", help="recorded candles (a folder of KRW-XXX.csv.gz), or a tape"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the market and of the draws (default 1)"
    )
    parser.add_argument(
        "--markets", type=int, default=40, choices=range(1, 290), metavar="N", help="1 to 289 (default 40)"
    )
    add_account(parser)
    parser.add_argument(
        "--faults", metavar="PLAN", help="what goes wrong: a plan in JSON, or the name of a ready one (docs/faults.md)"
    )
    parser.add_argument("--admin", action="store_true", help="let programs on this machine change faults over HTTP")


def add_account(parser: argparse.ArgumentParser, *, usual_port: int = 0) -> None:
    """Add what is in the account, and where the exchange listens (port 0: a free one)."""
    parser.add_argument(
        "--krw", type=money, default=Decimal(1_000_000), metavar="WON", help="won in the account (default 1000000)"
    )
    listens = f"port to listen on (default: {usual_port or 'a free one'})"
    parser.add_argument("--port", type=port, default=usual_port, metavar="N", help=listens)


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


def days_kept(text: str) -> timedelta:
    """Parse for how many days files are kept."""
    return timedelta(days=min(positive(text), LONGEST_DAYS))


def money(text: str) -> Decimal:
    """Parse an amount of won, at least 0."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"must be an amount of won, not {text!r}")
    return amount


def milliseconds(text: str) -> int:
    """Parse a number of milliseconds, up to a minute."""
    if not (text.isascii() and text.isdigit() and int(text) <= MINUTE_MS):
        raise argparse.ArgumentTypeError(f"must be milliseconds from 0 to {MINUTE_MS}, not {text!r}")
    return int(text)


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
