"""Price steps of KRW markets since 2025-07-31. A third party found every pair on this table, without exceptions."""

from __future__ import annotations

from decimal import Decimal

STEPS = (
    (Decimal(1_000_000), Decimal(1000)),
    (Decimal(500_000), Decimal(500)),
    (Decimal(100_000), Decimal(100)),
    (Decimal(50_000), Decimal(50)),
    (Decimal(10_000), Decimal(10)),
    (Decimal(5_000), Decimal(5)),
    (Decimal(100), Decimal(1)),
    (Decimal(10), Decimal("0.1")),
    (Decimal(1), Decimal("0.01")),
    (Decimal("0.1"), Decimal("0.001")),
    (Decimal("0.01"), Decimal("0.0001")),
    (Decimal("0.001"), Decimal("0.00001")),
    (Decimal("0.0001"), Decimal("0.000001")),
    (Decimal("0.00001"), Decimal("0.0000001")),
)
FINEST = Decimal("0.00000001")


def tick_size(price: Decimal) -> Decimal:
    """Return the price step at a price; a band begins at its lower bound."""
    return next((step for bound, step in STEPS if price >= bound), FINEST)
