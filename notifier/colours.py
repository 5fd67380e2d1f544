"""Which colour a gain has, and which a loss: said once, for the terminal, the page and the cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal


class Palette(NamedTuple):
    """Names of the two colours. A sign and an arrow stand beside either."""

    up: str
    down: str

    def of(self, amount: Decimal) -> str:
        """Return the colour of an amount; what is not above nothing is no gain."""
        return self.up if amount > 0 else self.down


PALETTES = {
    "red_blue": Palette(up="red", down="blue"),  # as in Korea, and at Upbit
    "green_red": Palette(up="green", down="red"),
}
"""By the setting `colors`; `dashboard/static/style.css` has the same names for the page."""
