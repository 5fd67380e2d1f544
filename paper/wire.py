"""JSON with exact numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def decode(text: str | bytes | bytearray) -> Any:
    """Return what JSON says; numbers with a point or an exponent are Decimals, to the last digit."""
    return _DECODER.decode(text)
