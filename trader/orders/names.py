"""The names of orders and trades: functions of the decision alone, and read back from the exchange by recovery.

    ub1-S7f3a-KRWBTC-2611222100-b-0-0
        mode and account, market, end of the candle that decided (UTC), side, leg, number

Nobody can ever send one decision under two names. A leg follows one that was executed; a number grows only where the
one before it has provably not been executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from upbit.models import Side

FORM = re.compile(r"(?P<decision>(?P<trade>[A-Z0-9]+-(?P<candle>\d{10}))-(?P<side>[bs])-(?P<leg>\d+))-(?P<number>\d+)")
CANDLE = "%y%m%d%H%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What the identifier of an order says."""

    identifier: str  # all of it
    trade: str  # market and candle
    decision_key: str  # market, candle, side and leg
    number: int
    side: Side
    candle_closed_at: datetime


def family_of(mode: str) -> str:
    """Return how the identifier of every order of any bot of ours in a mode begins."""
    return f"ub1-{mode[0].upper()}"


def bot_of(mode: str, account: str) -> str:
    """Return what stands for the mode and the account in every name: "S7f3a"."""
    return f"{mode[0].upper()}{account}"


def prefix_of(bot: str) -> str:
    """Return how the identifier of every order of a bot begins."""
    return f"ub1-{bot}-"


def trade_name(market: str, candle_closed_at: datetime) -> str:
    """Return what names a trade beside the bot: its market and the candle that decided."""
    return f"{market.replace('-', '')}-{candle_closed_at:{CANDLE}}"


def market_of(name: Name) -> str:
    """Return the market in a name; only those quoted in won are traded."""
    return f"KRW-{name.trade.rsplit('-', 1)[0].removeprefix('KRW')}"


def trade_id_of(bot: str, name: str) -> str:
    """Return by what the journal knows the trade of a name."""
    return f"{bot}-{name}"


def name_in(trade_id: str) -> str:
    """Return the name of a trade the journal knows."""
    return trade_id.split("-", 1)[1]


def decision_key_of(trade_name: str, side: Side, leg: int) -> str:
    """Return what names a decision to buy or sell in a trade."""
    return f"{trade_name}-{'b' if side is Side.BID else 's'}-{leg}"


def leg_of(decision_key: str) -> int:
    """Return the number of a decision among those of its side in its trade, from 0."""
    return int(decision_key.rsplit("-", 1)[1])


def identifier_of(bot: str, decision_key: str, number: int) -> str:
    """Return the name of an order."""
    return f"{prefix_of(bot)}{decision_key}-{number}"


def read_name(identifier: str | None, prefix: str) -> Name | None:
    """Return what an identifier says; None when there is none, or it is not of this bot, or not of this form."""
    if identifier is None or not identifier.startswith(prefix):
        return None
    found = FORM.fullmatch(identifier.removeprefix(prefix))
    closed_at = None if found is None else candle_in(found["candle"])
    if found is None or closed_at is None:
        return None
    return Name(
        identifier=identifier,
        trade=found["trade"],
        decision_key=found["decision"],
        number=int(found["number"]),
        side=Side.BID if found["side"] == "b" else Side.ASK,
        candle_closed_at=closed_at,
    )


def candle_in(text: str) -> datetime | None:
    """Return the end of the candle in a name, UTC; None for digits that are no time."""
    try:
        return datetime.strptime(text, CANDLE).replace(tzinfo=UTC)
    except ValueError:
        return None


def fits(name: Name, market: str, side: Side) -> bool:
    """Return whether an order's name says the market and the side it is of."""
    return name.side is side and name.trade.rsplit("-", 1)[0] == market.replace("-", "")


def bot_in(identifier: str, mode: str) -> str | None:
    """Return the four characters of the bot that named an order in a mode; None for an order of nobody of ours."""
    found = re.fullmatch(rf"{family_of(mode)}(?P<bot>[0-9a-f]{{4}})-{FORM.pattern}", identifier)
    return found["bot"] if found else None
