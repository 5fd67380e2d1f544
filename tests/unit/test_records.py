"""Records: rows add up to the wallet, and an independent calculation with fractions agrees on two averages."""

from __future__ import annotations

import csv
import io
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from journal.records import Fill, Flow, Intent
from upbit.models import Side
from views.executions import Execution, of_fills, share, to_csv
from views.tax import Movement, movements, tax_of, tax_year

HISTORIES = 10_000
CLOSE = Fraction(1, 10**15)
"""Won: money is kept with 28 digits."""
AVERAGED = int(os.environ.get("HISTORIES", "1000"))
"""Of how many both averages are calculated anew; `make records`: ten thousand."""
NEW_YEAR = datetime(2026, 12, 31, 15, tzinfo=UTC)
"""Midnight in Seoul."""


def history(
    rng: random.Random, *, around: timedelta = timedelta(days=11)
) -> tuple[list[tuple[Intent, Fill]], dict[str, Decimal]]:
    """Return random fills beside their orders, and what a wallet does that is told of each order as a whole."""
    rows: list[tuple[Intent, Fill]] = []
    wallet: dict[str, Decimal] = {"KRW": Decimal(0)}
    for number in range(rng.randint(1, 6)):
        coin, side = rng.choice(["A", "B"]), rng.choice(["bid", "ask"])
        fee = Decimal(rng.randint(0, 10**9)).scaleb(-rng.randint(0, 8))
        intent = Intent(
            identifier=f"i{number}",
            decision_key="k",
            n=0,
            trade_id="t",
            market=f"KRW-{coin}",
            side=Side(side),
            request="{}",
            decided_at=NEW_YEAR,
            deadline=None,
            uuid=f"u{number}",
            paid_fee=fee,
        )
        sign = 1 if side == "bid" else -1
        wallet["KRW"] -= fee
        for part in range(rng.randint(1, 4)):
            volume, price = Decimal(rng.randint(1, 10**10)).scaleb(-8), Decimal(rng.randint(1, 10**8)).scaleb(-2)
            at = NEW_YEAR + around * rng.uniform(-1, 1)
            fill = Fill(
                uuid=f"f{number}.{part}",
                identifier=intent.identifier,
                price=price,
                volume=volume,
                funds=volume * price,
                at=at,
            )
            rows.append((intent, fill))
            wallet["KRW"] -= sign * fill.funds
            wallet[coin] = wallet.get(coin, Decimal(0)) + sign * volume
    rng.shuffle(rows)
    return rows, wallet


def test_rows_of_ten_thousand_histories_add_up_to_the_change_of_the_wallet() -> None:
    """To the last digit: won with every fee, and each coin."""
    rng = random.Random(12)
    for _ in range(HISTORIES):
        rows, wallet = history(rng)
        found = of_fills(rows)
        assert sum((one.krw for one in found), Decimal(0)) == wallet["KRW"]
        for coin in wallet.keys() - {"KRW"}:
            assert sum((one.coins for one in found if one.market == f"KRW-{coin}"), Decimal(0)) == wallet[coin]


def test_what_the_table_says_adds_up_too() -> None:
    """Read back as a spreadsheet would: settled amounts are the wallet's, signs by the side."""
    rng = random.Random(3)
    for language, buy in (("ko", "매수"), ("en", "buy")):
        rows, wallet = history(rng)
        head, *body = list(csv.reader(io.StringIO(to_csv(of_fills(rows), language))))
        assert len(head) == 13
        total = sum((-Decimal(row[8]) if row[3] == buy else Decimal(row[8]) for row in body), Decimal(0))
        assert total == wallet["KRW"]
    assert ",".join(next(iter(csv.reader(io.StringIO(to_csv([], "ko")))))).startswith(
        "체결시간,코인,마켓,종류,거래수량,거래단가,거래금액,수수료,정산금액(수수료반영),주문시간"
    )


@given(st.decimals(0, 10**6, places=8), st.lists(st.decimals(0, 10**9, places=8), min_size=1, max_size=6))
def test_a_fee_is_shared_without_a_rest(fee: Decimal, funds: list[Decimal]) -> None:
    """No part is below zero, and together they are the fee."""
    parts = share(fee, funds)
    assert sum(parts, Decimal(0)) == fee
    assert all(part >= 0 for part in parts)


# --- the two averages ------------------------------------------------------------------------------------------------


def by_fractions(told: list[Movement], year: int, *, total: bool) -> dict[str, tuple[Fraction, Fraction, Fraction]]:
    """Return (profit, units held, their cost) of each coin, calculated anew with fractions, coin by coin."""
    answer = {}
    for coin in {one.coin for one in told}:
        units = cost = profit = Fraction(0)
        for now in range(2020, year + 1):
            profit = Fraction(0)
            mine = [one for one in told if one.coin == coin and (one.at + timedelta(hours=9)).year == now]
            if total:
                mine.sort(key=lambda one: one.kind in {"sale", "out"})
            for one in mine:
                volume, krw = Fraction(one.volume), Fraction(one.krw)
                if one.kind in {"buy", "in"}:
                    units, cost = units + volume, cost + krw
                    continue
                gone = min(volume, units)
                part = cost * gone / units if units else Fraction(0)
                units, cost = units - gone, cost - part
                if one.kind == "sale":
                    profit += krw - part
        answer[coin] = (profit, units, cost)
    return answer


def agree(told: list[Movement], year: int) -> None:
    """Hold both averages of a year to the independent calculation."""
    found = tax_year(told, year)
    for coins, total in ((found.total_average, True), (found.moving_average, False)):
        expected = by_fractions(told, year, total=total)
        for coin in coins:
            profit, units, cost = expected[coin.coin]
            assert abs(Fraction(coin.profit) - profit) < CLOSE
            assert Fraction(coin.held) == units
            assert abs(Fraction(coin.held_cost) - cost) < CLOSE
        left_out = expected.keys() - {coin.coin for coin in coins}
        assert all(not any(expected[coin][:2]) for coin in left_out)


def test_both_averages_of_fill_histories_equal_an_independent_calculation() -> None:
    """Fills with their fees, before and after a turn of the year in Korea, and coins that their owner moved."""
    rng = random.Random(5)
    for _ in range(AVERAGED):
        rows, _ = history(rng, around=timedelta(days=200))
        moved = [
            (
                NEW_YEAR + timedelta(hours=rng.randint(-4000, 4000)),
                f"KRW-{rng.choice('AB')}",
                Flow(volume=Decimal(rng.randint(-9, 9)) or Decimal(1), krw=Decimal(rng.randint(0, 9)), why="taken"),
            )
            for _ in range(rng.randint(0, 2))
        ]
        agree(movements(of_fills(rows), moved), rng.choice((2026, 2027)))


@st.composite
def stories(draw: st.DrawFn) -> list[Movement]:
    """Return movements of two coins over two turns of the year, oldest first; some sell more than was bought."""
    hours = sorted(draw(st.lists(st.integers(-9000, 9000), max_size=12)))
    return [
        Movement(
            at=NEW_YEAR + timedelta(hours=hour),
            coin=draw(st.sampled_from("AB")),
            kind=draw(st.sampled_from(["buy", "buy", "sale", "in", "out"])),
            volume=draw(st.decimals("0.00000001", 1000, places=8)),
            krw=draw(st.decimals(0, 10**7, places=4)),
        )
        for hour in hours
    ]


@given(stories(), st.sampled_from([2025, 2026, 2027]))
def test_both_averages_equal_an_independent_calculation(told: list[Movement], year: int) -> None:
    """Profit, what is held and what it cost, of every coin, across the turn of the year in Korea."""
    agree(told, year)


def test_a_year_begins_at_midnight_in_korea_and_the_averages_differ() -> None:
    """One bought at 100, sold at 250, another bought at 300: 50 by the total average (200), 150 by the moving one."""
    step = timedelta(hours=1)
    one = Decimal(1)
    told = [
        Movement(at=NEW_YEAR, coin="A", kind="buy", volume=one, krw=Decimal(100)),
        Movement(at=NEW_YEAR + step, coin="A", kind="sale", volume=one, krw=Decimal(250)),
        Movement(at=NEW_YEAR + 2 * step, coin="A", kind="buy", volume=one, krw=Decimal(300)),
    ]
    found = tax_year(told, 2027)
    assert [coin.profit for coin in found.total_average] == [50]
    assert [coin.profit for coin in found.moving_average] == [150]
    before = tax_year([told[0], *(told[1:])], 2026)
    assert before.total_average == before.moving_average == ()


def test_what_was_sold_beyond_what_was_bought_is_said() -> None:
    """Coins from elsewhere count as costing nothing, and are shown."""
    told = [Movement(at=NEW_YEAR, coin="A", kind="sale", volume=Decimal(2), krw=Decimal(500))]
    (coin,) = tax_year(told, 2027).moving_average
    assert coin.uncovered == 2
    assert coin.profit == 500


def test_only_what_is_beyond_the_deduction_is_taxed() -> None:
    """22 percent of it, whole won, nothing below."""
    assert [tax_of(Decimal(krw)) for krw in (-5, 2_500_000, 2_500_009, 3_500_000)] == [0, 0, 1, 220_000]


def test_dust_that_is_carried_from_trade_to_trade_stays_in_the_wallet() -> None:
    """It is neither sold nor bought; only what the owner moves leaves."""
    moved = [
        (NEW_YEAR, "KRW-A", Flow(volume=Decimal(-1), krw=None, why="carried")),
        (NEW_YEAR, "KRW-A", Flow(volume=Decimal(-2), krw=Decimal(-9), why="taken")),
    ]
    (out,) = movements(list[Execution](), moved)
    assert out.kind == "out"
    assert out.volume == 2
