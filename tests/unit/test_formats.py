"""Numbers as a person reads them: nothing is cut, a sign and an arrow stand beside every change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import formats
from upbit.rules import tick_size

if TYPE_CHECKING:
    from collections.abc import Callable

AMOUNTS = st.decimals(min_value=-(10**14), max_value=10**14, places=8)
PRICES = st.decimals(min_value=Decimal("0.00000001"), max_value=10**9, places=8)


@pytest.mark.parametrize(
    ("show", "wanted"),
    [
        (lambda: formats.won(Decimal("1234567.4"), "ko"), "1,234,567원"),
        (lambda: formats.won(Decimal("1234567.4"), "en"), "1,234,567 KRW"),
        (lambda: formats.signed_won(Decimal(12340), "ko"), "▲ +12,340원"),
        (lambda: formats.signed_won(Decimal("-12340.5"), "ko"), "▼ -12,340원"),
        (lambda: formats.signed_won(Decimal("-0.4"), "ko"), "0원"),
        (lambda: formats.percent(Decimal("0.01234")), "▲ +1.23 %"),
        (lambda: formats.percent(Decimal("-12.5")), "▼ -1,250.00 %"),
        (lambda: formats.percent(Decimal("0.00001")), "0.00 %"),
        (lambda: formats.gain(Decimal(986), Decimal(30015), "en"), "▲ +986 KRW (▲ +3.29 %)"),
        (lambda: formats.gain(Decimal(986), Decimal(0), "en"), "▲ +986 KRW"),
        (lambda: formats.price(Decimal(141234567)), "141,235,000"),
        (lambda: formats.price(Decimal("1.2")), "1.20"),
        (lambda: formats.price(Decimal("0.00001234")), "0.0000123"),
        (lambda: formats.price(Decimal(0)), "0"),
        (lambda: formats.average(Decimal("3215.12345")), "3,215.12"),
        (lambda: formats.units(Decimal("1234.50000000")), "1,234.5"),
        (lambda: formats.units(Decimal("0.00000001")), "0.00000001"),
        (lambda: formats.units(Decimal("-0.5")), "-0.5"),
        (lambda: formats.kst(datetime(2026, 11, 1, 23, 5, tzinfo=UTC)), "11-02 08:05 KST"),
        (lambda: formats.held(timedelta(hours=26, minutes=5), "ko"), "1일 2시간 5분"),
        (lambda: formats.held(timedelta(hours=2), "en"), "2h 0m"),
        (lambda: formats.held(timedelta(seconds=5), "en"), "0m"),
        (lambda: formats.number(0.000012), "0.000012"),
        (lambda: formats.number(0.8809556), "0.881"),
        (lambda: formats.number(-0.01923109), "-0.01923"),
        (lambda: formats.number(0.0), "0"),
        (lambda: formats.number(1e-300), "0"),
        (lambda: formats.number(123456.7), "123,457"),
        (lambda: formats.number("text"), "text"),
        (lambda: formats.number(True), "True"),
        (lambda: formats.number(Decimal(1000)), "1,000"),
        (lambda: formats.number(999.96), "1000"),
        (lambda: formats.number(1), "1"),
        (lambda: formats.number(-1234.5), "-1,234"),
        (lambda: formats.number(0.0000000001236), "0.000000000124"),
        (lambda: formats.stamp(datetime(2026, 11, 1, 23, 5, tzinfo=UTC)), "2026-11-02 08:05"),
        (lambda: formats.stamp(None), "-"),
    ],
)
def test_a_number_looks_as_people_write_it(show: Callable[[], str], wanted: str) -> None:
    """One form each, wherever it is shown."""
    assert show() == wanted


@given(AMOUNTS)
def test_a_change_has_its_sign_and_its_arrow_or_is_nothing(amount: Decimal) -> None:
    """A colour alone tells nothing to whoever does not see it."""
    shown = formats.signed_won(amount, "en")
    if shown == "0 KRW":
        assert abs(amount) <= Decimal("0.5")
    else:
        assert shown.startswith("▲ +" if amount > 0 else "▼ -")
        assert abs(Decimal(shown[2:-4].replace(",", "")) - amount) <= Decimal("0.5")


@given(PRICES)
def test_a_price_is_read_back_to_its_tick(price: Decimal) -> None:
    """Never with an exponent, never further off than half a step."""
    shown = formats.price(price)
    assert "E" not in shown
    assert abs(Decimal(shown.replace(",", "")) - price) <= tick_size(price) / 2


@given(AMOUNTS)
def test_a_volume_is_read_back_exactly(amount: Decimal) -> None:
    """A coin more or less is somebody's money."""
    assert Decimal(formats.units(amount).replace(",", "")) == amount
