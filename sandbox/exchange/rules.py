"""What an order must satisfy before it is taken: the form of its parameters, then price, size and value."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast, get_args

from sandbox.exchange.matching import total_funds, total_volume
from sandbox.exchange.orders import OrderType, Request, Side, TimeInForce, floor_volume
from sandbox.market.ticks import tick_size
from sandbox.refusals import refuse
from sandbox.wire import EXACT, read_decimal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sandbox.exchange.matching import Step

MIN_TOTAL = Decimal(5000)  # KRW
MAX_TOTAL = Decimal(1_000_000_000)  # KRW
HUGE, FINEST = Decimal("1e15"), Decimal("1e-30")  # beyond these no number is an order
LONGEST_IDENTIFIER = 64
OTHER_QUOTES = ("BTC-", "USDT-")
"""Markets that are shown, and need a consent before they are traded."""
SMP_TYPES = ("cancel_maker", "cancel_taker", "reduce", "none")


def read_identifier(body: Mapping[str, object]) -> str | None:
    """Return the identifier of an order body, or raise when it cannot be one."""
    identifier = body.get("identifier")
    if identifier is None:
        return None
    if not isinstance(identifier, str) or not 0 < len(identifier) <= LONGEST_IDENTIFIER:
        raise refuse("invalid_parameter", "identifier")
    return identifier


def read_request(body: Mapping[str, object], markets: Collection[str]) -> Request:
    """Turn an order body into a request, or raise the exchange's 400 for the first thing wrong with it."""
    market = body.get("market")
    if not isinstance(market, str) or not market:
        raise refuse("validation_error", "market is missing, market does not have a valid value")
    side = cast("Side", _one_of(body, "side", get_args(Side)))
    ord_type = cast("OrderType", _one_of(body, "ord_type", get_args(OrderType)))
    identifier = read_identifier(body)
    price = _amount(body, "price", f"invalid_price_{side}")
    volume = _amount(body, "volume", f"invalid_volume_{side}")
    _check_combination(side, ord_type, has_price=price is not None, has_volume=volume is not None)
    time_in_force = _time_in_force(body, ord_type)
    request = Request(
        market=market,
        side=side,
        ord_type=ord_type,
        price=price,
        volume=volume,
        time_in_force=time_in_force,
        smp_type=_smp_type(body, time_in_force),
        identifier=identifier,
    )
    if market.startswith(OTHER_QUOTES) and f"KRW-{market.partition('-')[2]}" in markets:
        raise refuse("thirdparty_agreement_required")
    if market not in markets:
        raise refuse("notfoundmarket", market)
    return request


def _one_of(body: Mapping[str, object], name: str, values: tuple[str, ...]) -> str:
    value = body.get(name)
    if not isinstance(value, str) or value not in values:
        raise refuse("validation_error", f"{name} is missing, {name} does not have a valid value")
    return value


def _amount(body: Mapping[str, object], name: str, error: str) -> Decimal | None:
    text = body.get(name)
    if text is None:
        return None
    value = read_decimal(text)
    if value is None or not 0 < value < HUGE or value != value.quantize(FINEST, context=EXACT):
        raise refuse(error)
    return value


def _check_combination(side: Side, ord_type: OrderType, *, has_price: bool, has_volume: bool) -> None:
    """Only the parameters of the kind of order, and all of them (a market sell takes no price, and so on)."""
    needs = {
        "limit": (True, True),
        "price": (True, False) if side == "bid" else None,
        "market": (False, True) if side == "ask" else None,
        "best": (True, False) if side == "bid" else (False, True),
    }[ord_type]
    if needs != (has_price, has_volume):
        raise refuse(f"create_{side}_error")


def _time_in_force(body: Mapping[str, object], ord_type: OrderType) -> TimeInForce | None:
    value = body.get("time_in_force")
    allowed: tuple[object, ...] = {
        "limit": (None, *get_args(TimeInForce)),
        "best": ("ioc", "fok"),
        "price": (None,),
        "market": (None,),
    }[ord_type]
    if value not in allowed:
        raise refuse("invalid_time_in_force")
    return cast("TimeInForce | None", value)


def _smp_type(body: Mapping[str, object], time_in_force: TimeInForce | None) -> str:
    asked = body.get("smp_type")
    if asked is not None and asked not in SMP_TYPES:
        raise refuse("invalid_parameter", "smp_type")
    if time_in_force == "post_only":
        if asked not in {None, "none"}:
            raise refuse("invalid_post_only")
        return "none"
    return "cancel_maker" if asked is None else str(asked)


def check_size(request: Request, asks: list[Step], bids: list[Step]) -> None:
    """Check tick, decimals, least and greatest value, and that a market order fits into the visible book."""
    if request.volume is not None and request.volume != floor_volume(request.volume):
        raise refuse(f"invalid_volume_{request.side}")
    if request.price is not None:
        _check_price(request, request.price)
    if request.ord_type == "limit":
        _check_value(request, request.spends, "")
    elif request.side == "bid":
        _check_value(request, request.spends, "market_")
        if request.ord_type == "price" and request.spends > total_funds(asks):
            raise refuse("over_max_total_price_bid")
    else:
        assert request.volume is not None
        best = bids[0][0] if bids else Decimal(0)
        _check_value(request, EXACT.multiply(request.volume, best), "market_")
        if request.ord_type == "market" and request.volume > total_volume(bids):
            raise refuse("volume_too_large")


def _check_price(request: Request, price: Decimal) -> None:
    if request.ord_type == "limit":
        if EXACT.remainder(price, tick_size(price)):
            raise refuse(f"invalid_price_{request.side}")
    elif price != floor_volume(price):
        raise refuse(f"invalid_price_{request.side}")


def _check_value(request: Request, value: Decimal, kind: str) -> None:
    if value < MIN_TOTAL:
        raise refuse(f"under_min_total_{kind}{request.side}")
    if value > MAX_TOTAL:
        raise refuse(f"over_krw_funds_{request.side}")
