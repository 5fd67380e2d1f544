"""What the name and the request of an order say, read without the daemon's code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.exchange.orders import Order

PREFIX = "ub1-"


def is_ours(order: Order) -> bool:
    """Return whether the bot placed an order."""
    return (order.asked.identifier or "").startswith(PREFIX)


def candle_of(identifier: str) -> datetime | None:
    """Return when the candle ended that an order was decided on; None when its name does not say."""
    try:
        return datetime.strptime(identifier.split("-")[3], "%y%m%d%H%M").replace(tzinfo=UTC)
    except (IndexError, ValueError):
        return None


def is_buy(body: Mapping[str, object]) -> bool:
    """Return whether a request is a buy, and not a fence."""
    return body.get("side") == "bid" and body.get("ord_type") == "price"


def decision_of(identifier: str) -> str:
    """Return what an identifier decides, whatever its number: two orders for one decision are one too many."""
    return identifier.rsplit("-", 1)[0]


def is_fence(order: Order) -> bool:
    """Return whether an order only uses up a name."""
    return order.asked.ord_type == "limit" and order.asked.time_in_force == "ioc"
