"""Numbers as Upbit takes them."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upbit.models import NewOrder, Side, StreamTicker
from upbit.rules import base_of, plain, round_down_volume, round_price, rounded_average, step_around, tick_size


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        ("160594000", "1000"), ("2000000", "1000"), ("1000000", "1000"), ("999999", "500"), ("500000", "500"),
        ("499999", "100"), ("100000", "100"), ("99999", "50"), ("50000", "50"), ("49999", "10"), ("10000", "10"),
        ("9999", "5"), ("5000", "5"), ("4999", "1"), ("1000", "1"), ("999", "1"), ("100", "1"), ("99.9", "0.1"),
        ("10", "0.1"), ("9.99", "0.01"), ("1", "0.01"), ("0.999", "0.001"), ("0.1", "0.001"), ("0.0999", "0.0001"),
        ("0.01", "0.0001"), ("0.00999", "0.00001"), ("0.001", "0.00001"), ("0.0009", "0.000001"),
        ("0.0001", "0.000001"), ("0.00009", "0.0000001"), ("0.00001", "0.0000001"), ("0.000009", "0.00000001"),
    ],
)  # fmt: skip
def test_the_price_step_of_every_band(price: str, tick: str) -> None:
    """The table of 2025-07-31; the lower end belongs to the band."""
    assert tick_size(Decimal(price)) == Decimal(tick)


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_what_is_no_price_has_no_step(price: str) -> None:
    """A wrong number stops here."""
    with pytest.raises(ValueError, match="not a price"):
        tick_size(Decimal(price))


@pytest.mark.parametrize(
    ("number", "text"), [("1E-8", "0.00000001"), ("1E+4", "10000"), ("6000.00", "6000"), ("0", "0"), ("100", "100")]
)
def test_numbers_are_written_plainly(number: str, text: str) -> None:
    """No exponent, no needless zeros, and no needed zero lost."""
    assert plain(Decimal(number)) == text


def test_what_is_no_number_is_not_written() -> None:
    """NaN never reaches the wire."""
    with pytest.raises(ValueError, match="not a number"):
        plain(Decimal("NaN"))


@pytest.mark.parametrize(
    ("price", "step", "down", "up"),
    [
        ("1234.6", None, "1234", "1235"),
        ("1234", None, "1234", "1234"),
        ("160594321", None, "160594000", "160595000"),
        ("1234.6", "10", "1230", "1240"),
        ("0.4", "1", "0", "1"),
        ("0", None, "0", "0"),
        ("0", "1", "0", "0"),
        ("-3", None, "0", "0"),
    ],
)
def test_a_price_is_rounded_to_its_step_both_ways(price: str, step: str | None, down: str, up: str) -> None:
    """To the one that Upbit told, else to that of the table; what is no price stays none."""
    told = None if step is None else Decimal(step)
    for upwards, wanted in ((False, down), (True, up)):
        assert round_price(Decimal(price), up=upwards, step=told) == Decimal(wanted)


@pytest.mark.parametrize(
    ("told", "below", "above"),
    [
        (None, None, None),
        ("0.09", None, None),
        ("0.1", "0.1", "1"),
        ("1", "1", "10"),
        ("10", "10", "100"),
        ("11", None, None),
    ],
)
def test_a_step_that_is_told_is_believed_as_far_as_it_can_be(
    told: str | None, below: str | None, above: str | None
) -> None:
    """Ten times what the table says, or a tenth of it; it fits prices below, and its tenfold those above."""
    step = None if told is None else Decimal(told)
    for upwards, wanted in ((False, below), (True, above)):
        found = step_around(step, Decimal(2000), above=upwards)
        assert found == (None if wanted is None else Decimal(wanted))


def test_the_currency_of_a_market_is_what_stands_behind_its_quote() -> None:
    """Whatever its name is made of."""
    assert [base_of(market) for market in ("KRW-BTC", "USDT-1INCH", "KRW-A-B")] == ["BTC", "1INCH", "A-B"]


def test_a_volume_is_never_rounded_up() -> None:
    """6000 KRW at 160,594,000 are 0.00003736 BTC, as in Upbit's own example."""
    assert round_down_volume(Decimal(6000) / Decimal(160594000)) == Decimal("0.00003736")
    assert round_down_volume(Decimal("0.999999999")) == Decimal("0.99999999")


@pytest.mark.failure("A23")
def test_orders_are_spelled_as_upbit_reads_them() -> None:
    """A buy names its total, a sell its volume."""
    buy = NewOrder(market="KRW-BTC", side=Side.BID, total=Decimal("1E+4"), identifier="a")
    sell = NewOrder(market="KRW-BTC", side=Side.ASK, volume=Decimal("1E-8"), identifier="b")
    tail = {"smp_type": "none"}
    head = {"market": "KRW-BTC"}
    assert buy.to_wire() == {**head, "side": "bid", "ord_type": "price", "price": "10000", "identifier": "a", **tail}
    assert sell.to_wire() == {
        **head, "side": "ask", "ord_type": "market", "volume": "0.00000001", "identifier": "b", **tail
    }  # fmt: skip


@pytest.mark.parametrize(
    ("total", "volume", "identifier", "words"),
    [
        *[(*amounts, "a", "a buy has a positive total, a sell a positive volume: NewOrder")
          for amounts in (("1", "1"), (None, None), (None, "1"), ("0", None), ("-1", None), ("NaN", None))],
        ("0.000000001", None, "a", "Upbit takes at most 8 decimals: NewOrder"),
        *[("1", None, name, "an identifier has at most 64 plain characters") for name in ("", "a b", "a" * 65)],
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_meant_cannot_be_made(
    total: str | None, volume: str | None, identifier: str, words: str
) -> None:
    """Two amounts, none, nothing, too many decimals, or a name Upbit would not take."""
    with pytest.raises(ValueError, match=f"^{words}"):
        NewOrder(
            market="KRW-BTC",
            side=Side.BID,
            identifier=identifier,
            total=None if total is None else Decimal(total),
            volume=None if volume is None else Decimal(volume),
        )


@pytest.mark.failure("C10")
@pytest.mark.parametrize("price", [b"0", b"-5", b'"NaN"'])
def test_a_price_that_is_none_never_enters(price: bytes) -> None:
    """Zero, negative and NaN are refused by the decoder, not by an indicator."""
    frame = b'{"code":"KRW-BTC","trade_price":' + price + b',"trade_timestamp":1,"timestamp":1}'
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(frame, type=StreamTicker)


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        ("3370000", "3370000"),
        ("162000123.456789", "162000123"),
        ("3371.23456789", "3371.23"),
        ("58.1234567", "58.123"),
        ("0.00854123456789", "0.0085412"),
        ("140000000", "140000000"),
    ],
)
def test_an_average_is_read_without_an_exponent(price: str, shown: str) -> None:
    """Two digits finer than the step of its market."""
    assert plain(rounded_average(Decimal(price))) == shown


@pytest.mark.parametrize(
    ("told", "price", "below", "above"),
    [
        ("1000", "162000000", "1000", "10000"),
        ("0.1", "60", "0.1", "1"),  # the table says the same
        ("0.5", "1500", "0.5", "5"),  # it says 1: it has changed
        (None, "1500", None, None),
        ("1000000", "1500", None, None),
        ("0.000001", "1500", None, None),
    ],
)
def test_a_step_of_upbits_fits_prices_below_and_above(
    told: str | None, price: str, below: str | None, above: str | None
) -> None:
    """What no table would ever say is not believed, and the table has to do."""
    step = None if told is None else Decimal(told)
    assert step_around(step, Decimal(price), above=False) == (below and Decimal(below))
    assert step_around(step, Decimal(price), above=True) == (above and Decimal(above))


@given(st.decimals("0.001", "300000000", places=3))
def test_a_fitting_step_is_one_of_the_table_wherever_the_price_stands(price: Decimal) -> None:
    """Half of a price on the told step, and double of it on ten times that, are on the steps of their own bands."""
    step = tick_size(price)
    low = round_price(price / 2, up=False, step=step_around(step, price, above=False))
    high = round_price(price * 2, up=True, step=step_around(step, price, above=True))
    assert not low or low % tick_size(low) == 0
    assert high % tick_size(high) == 0
