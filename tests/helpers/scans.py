"""Looks at all markets, as the journal keeps them."""

from __future__ import annotations

from decimal import Decimal

from journal.verdicts import GateRow, Scan


def a_scan(*values: float, threshold: float = 1.0, barred: str = "") -> Scan:
    """Return a look at `KRW-A`, `KRW-B` … through one gate that asks for more than `threshold`."""
    markets = [f"KRW-{chr(ord('A') + n)}" for n in range(len(values))]
    gate = GateRow(
        code="above",
        ko="기준보다 낮음",
        en="below what is asked",
        relation=">",
        values=values,
        thresholds=[threshold] * len(values),
    )
    closed = {barred: {"code": "excluded", "ko": "제외", "en": "excluded"}} if barred else {}
    return Scan(markets=markets, gates=[gate], prices=[Decimal(100)] * len(values), barred=closed)
