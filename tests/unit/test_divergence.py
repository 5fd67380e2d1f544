"""Between a day of the daemon and one of the backtester every won has a cause: each that is injected, and no other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from views.divergence import Cause, Deal, Divergence, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY = datetime(2026, 11, 29, 15, tzinfo=UTC)
HOURS = timedelta(hours=4)
RATE = Decimal("0.0005")
CAPITAL = Decimal(250_000)


def deal(
    market: str = "KRW-A", entered: int = 0, left: int | None = 2, *, bought: str = "100", sold: str = "110"
) -> Deal:
    """Return a position of 50,000 won as candles give it; times are counted in candles."""
    volume, is_over = Decimal(50_000) / Decimal(bought), left is not None
    paid, got = volume * Decimal(bought), volume * Decimal(sold)
    return Deal(
        market=market,
        entered=DAY + entered * HOURS,
        left=None if left is None else DAY + left * HOURS,
        why="trend_end" if is_over else None,
        volume=volume,
        paid_krw=paid,
        got_krw=got,
        fees_krw=RATE * (paid + (got if is_over else 0)),
    )


@dataclass
class Known:
    """Facts a test wrote down; what it did not write nobody may ask for."""

    missed: Mapping[str, Cause] = field(default_factory=dict)
    extra: Mapping[str, Cause] = field(default_factory=dict)
    exits: Mapping[str, Cause] = field(default_factory=dict)

    def not_bought(self, market: str, entered: datetime) -> Cause:
        """Return what was written down."""
        del entered
        return self.missed[market]

    def bought(self, market: str, entered: datetime) -> Cause:
        """Return what was written down."""
        del entered
        return self.extra[market]

    def left_otherwise(self, ours: Deal, theirs: Deal) -> Cause:
        """Return what was written down."""
        del theirs
        return self.exits[ours.market]


def taken_apart(ours: Sequence[Deal], theirs: Sequence[Deal], known: Known | None = None, *alone: Deal) -> Divergence:
    """Compare two days; `alone` is what candles would have given."""
    would_be = {(one.market, one.entered): one for one in alone}
    return compare(
        ours,
        theirs,
        alone=lambda one: would_be.get((one.market, one.entered)),
        facts=known or Known(),
        fee_rate=RATE,
        capital_krw=CAPITAL,
    )


def amounts(found: Divergence) -> dict[Cause, Decimal]:
    """Return what each cause made, without those that made nothing."""
    assert sum((found.krw(cause) for cause in Cause), Decimal(0)) == found.whole_krw
    return {cause: found.krw(cause) for cause in Cause if found.krw(cause)}


BOTH = [deal("KRW-A"), deal("KRW-B", 1, 3, bought="50", sold="45"), deal("KRW-C", 2, None, bought="10", sold="11")]


def test_equal_days_differ_by_nothing() -> None:
    """No part at all, in won or in basis points."""
    found = taken_apart(BOTH, BOTH)
    assert found.differences == ()
    assert found.basis_points(found.whole_krw) == 0


def test_a_price_that_was_worse_is_slippage_alone() -> None:
    """At the purchase, with the smaller volume and the same fees on what was paid; at the sale, without its fee."""
    dearer = deal("KRW-A", bought="101")
    cheaper = replace(BOTH[1], got_krw=BOTH[1].got_krw - 100, fees_krw=BOTH[1].fees_krw - 100 * RATE)
    found = taken_apart([dearer, cheaper, BOTH[2]], BOTH)
    assert amounts(found) == {Cause.SLIPPAGE: dearer.profit_krw - BOTH[0].profit_krw - 100 + 100 * RATE}
    assert found.krw(Cause.SLIPPAGE) < -500
    assert found.basis_points(found.whole_krw) == 10_000 * found.whole_krw / CAPITAL


def test_a_fee_that_was_higher_is_a_fee_alone() -> None:
    """Whatever the price: what is beyond the rate of the backtest."""
    found = taken_apart([replace(BOTH[0], fees_krw=BOTH[0].fees_krw + Decimal("12.5")), *BOTH[1:]], BOTH)
    assert amounts(found) == {Cause.FEE: Decimal("-12.5")}


def test_a_target_that_was_not_bought_costs_what_it_earned_under_the_cause_of_that() -> None:
    """Refused, asleep, not known in time, or forbidden by a person."""
    for cause in (Cause.REFUSAL, Cause.RESTART, Cause.LATE_CANDLE, Cause.PERSON):
        found = taken_apart(BOTH[1:], BOTH, Known(missed={"KRW-A": cause}))
        assert amounts(found) == {cause: -BOTH[0].profit_krw}


def test_another_draw_costs_the_one_and_brings_the_other() -> None:
    """As candles give both: the price that was paid for the other is slippage, and its fee a fee."""
    other = deal("KRW-Z", 0, 2, bought="20", sold="23")
    known = Known(missed={"KRW-A": Cause.DRAW}, extra={"KRW-Z": Cause.DRAW})
    found = taken_apart([other, *BOTH[1:]], BOTH, known, other)
    assert amounts(found) == {Cause.DRAW: other.profit_krw - BOTH[0].profit_krw}
    paid_more = replace(other, paid_krw=other.paid_krw + 10, fees_krw=other.fees_krw + 3 + 10 * RATE)
    found = taken_apart([paid_more, *BOTH[1:]], BOTH, known, other)
    assert amounts(found) == {
        Cause.DRAW: other.profit_krw - BOTH[0].profit_krw,
        Cause.SLIPPAGE: -10 - 10 * RATE,
        Cause.FEE: Decimal(-3),
    }


def test_a_purchase_that_candles_give_nothing_for_counts_whole() -> None:
    """Of an order that was adopted, for one."""
    own = deal("KRW-Z", 1, 2)
    found = taken_apart([*BOTH, own], BOTH, Known(extra={"KRW-Z": Cause.PERSON}))
    assert amounts(found) == {Cause.PERSON: own.profit_krw}


def test_a_purchase_that_came_later_is_a_pair_under_the_cause_of_the_delay() -> None:
    """A restart: bought a candle later and dearer, sold together."""
    late = deal("KRW-A", 1, 2, bought="104")
    found = taken_apart([late, *BOTH[1:]], BOTH, Known(missed={"KRW-A": Cause.RESTART}))
    assert amounts(found) == {Cause.RESTART: late.profit_krw - BOTH[0].profit_krw}


def test_a_sale_that_was_another_counts_under_its_own_cause() -> None:
    """A person sells a candle early at another price; what was bought is as it was."""
    sold = replace(deal("KRW-A", 0, 1, sold="105"), why="sell")
    found = taken_apart([sold, *BOTH[1:]], BOTH, Known(exits={"KRW-A": Cause.PERSON}))
    assert amounts(found) == {Cause.PERSON: sold.profit_krw - BOTH[0].profit_krw}
    kept = deal("KRW-A", 0, None, sold="103")
    found = taken_apart([kept, *BOTH[1:]], BOTH, Known(exits={"KRW-A": Cause.RESTART}))
    fee = RATE * BOTH[0].got_krw
    assert found.krw(Cause.RESTART) == kept.got_krw - BOTH[0].got_krw
    assert found.krw(Cause.SLIPPAGE) == fee  # a position that is held has not paid it yet


PRICES = st.decimals(min_value="0.0001", max_value="90000000", places=4)
DEALS = st.lists(
    st.builds(
        lambda market, entered, length, bought, sold, volume, fees: Deal(
            market=market,
            entered=DAY + entered * HOURS,
            left=None if length is None else DAY + (entered + length) * HOURS,
            why="x",
            volume=volume,
            paid_krw=bought,
            got_krw=sold,
            fees_krw=fees,
        ),
        st.sampled_from(["KRW-A", "KRW-B", "KRW-C"]),
        st.integers(0, 3),
        st.none() | st.integers(0, 3),
        PRICES,
        PRICES,
        st.decimals(min_value="0.00000001", max_value="1000000", places=8),
        PRICES,
    ),
    max_size=6,
    unique_by=lambda one: (one.market, one.entered),
)


@given(ours=DEALS, theirs=DEALS, alone=DEALS)
def test_the_parts_add_up_to_the_whole_whatever_happened(
    ours: list[Deal], theirs: list[Deal], alone: list[Deal]
) -> None:
    """To the last decimal of a won."""
    everywhere = dict.fromkeys(("KRW-A", "KRW-B", "KRW-C"), Cause.REFUSAL)
    found = taken_apart(ours, theirs, Known(missed=everywhere, extra=everywhere, exits=everywhere), *alone)
    assert sum((one.krw for one in found.differences), Decimal(0)) == found.whole_krw
    ours_krw = sum((one.profit_krw for one in ours), Decimal(0))
    assert found.whole_krw == ours_krw - sum((one.profit_krw for one in theirs), Decimal(0))
