"""Upbit's number rules: price steps, decimals, and how a number is written."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal

TICKS = tuple(
    (Decimal(floor), Decimal(step))
    for floor, step in (
        ("1000000", "1000"),
        ("500000", "500"),
        ("100000", "100"),
        ("50000", "50"),
        ("10000", "10"),
        ("5000", "5"),
        ("1000", "1"),
        ("100", "1"),
        ("10", "0.1"),
        ("1", "0.01"),
        ("0.1", "0.001"),
        ("0.01", "0.0001"),
        ("0.001", "0.00001"),
        ("0.0001", "0.000001"),
        ("0.00001", "0.0000001"),
    )
)
"""Price steps of KRW markets since 2025-07-31: the first row whose floor the price reaches. Upbit tells the one that is
valid now (`Upbit.price_step`); the table is for when it does not."""
SMALLEST_TICK = Decimal("0.00000001")
VOLUME_STEP = Decimal("0.00000001")
WIDEST = 10
"""How many times its neighbour a step may be, and as far as a table that has changed is believed to have changed."""


def tick_size(price: Decimal) -> Decimal:
    """Return the price step of a KRW market at `price`, KRW."""
    if not price.is_finite() or price <= 0:
        raise ValueError(f"not a price: {price}")
    return next((step for floor, step in TICKS if price >= floor), SMALLEST_TICK)


def base_of(market: str) -> str:
    """Return the currency that is traded in a market: "BTC" of "KRW-BTC"."""
    return market.split("-", 1)[1]


def plain(number: Decimal) -> str:
    """Write a number as Upbit takes it: no exponent, no needless zeros."""
    if not number.is_finite():
        raise ValueError(f"not a number that can be sent: {number}")
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def round_down_volume(volume: Decimal) -> Decimal:
    """Cut a volume to the 8 decimals Upbit takes; never up, or we would sell what we do not have."""
    return volume.quantize(VOLUME_STEP, rounding=ROUND_DOWN)


def round_price(price: Decimal, *, up: bool, step: Decimal | None = None) -> Decimal:
    """Round a price to a step, by default that of the table; down may give zero, which is no price."""
    if price <= 0:
        return Decimal(0)
    step = step or tick_size(price)
    return (price / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step


def step_around(told: Decimal | None, price: Decimal, *, above: bool) -> Decimal | None:
    """Return a step that fits prices from half of `price` up to it, or from it up to its double, whatever the bands.

    Upbit tells the step of one moment (`Upbit.price_step`); at another price it may be another. Steps are 1, 2 or 5
    times a power of ten and grow with the price, so the told one fits below, and its tenfold above.

    Args:
        told: the step Upbit tells at `price`; None: it does not.
        price: KRW.
        above: whether the step is for higher prices.

    Returns:
        None when the table has to do: nothing was told, or nothing that can be.
    """
    if told is None or not tick_size(price) / WIDEST <= told <= tick_size(price) * WIDEST:
        return None
    return told * WIDEST if above else told


def rounded_average(price: Decimal) -> Decimal:
    """Return an average price as a person reads it: two digits finer than the market's step, never an exponent."""
    return price.quantize(tick_size(price) / 100)
