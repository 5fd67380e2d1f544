"""What is kept of the end of a year, and what is not known about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.journal import Journal
from notifier.messages import Messages
from state import Balance
from tests.helpers.parts import make_app, only
from trader.control import Control
from trader.guards.year_end import look
from upbit.errors import OutcomeUnknown
from upbit.models import Candle, Market
from upbit.rest import Upbit
from views.tax import opening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.parts import Parts

MIDNIGHT = datetime(2026, 12, 31, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CANDLE = Candle(
    market="KRW-XRP",
    opened_at_utc="2026-12-31T14:58:00",
    open=Decimal(1),
    high=Decimal(3200),
    low=Decimal(1),
    close=Decimal(3123),
    volume=Decimal(1),
    turnover=Decimal(1),
)


class Clock:
    """A time of day that a test sets."""

    def __init__(self) -> None:
        self.now = MIDNIGHT - MINUTE

    def __call__(self) -> datetime:
        """Return it."""
        return self.now


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Parts]:
    """Return a daemon a minute before the year ends, at an exchange that knows one coin."""
    clock = Clock()

    async def candles(market: str, unit: timedelta, *, count: int, to: datetime) -> list[Candle]:
        assert (market, unit, count, to) == ("KRW-XRP", MINUTE, 1, MIDNIGHT)
        return [CANDLE]

    with Journal.open(tmp_path / "journal.sqlite3", clock) as journal:
        control = Control(journal, Messages(language="en", mode="sandbox"), clock)
        yield make_app(journal=journal, clock=clock, upbit=only(Upbit, candles=candles), control=control)


async def holds(app: Parts, at: datetime, **coins: str) -> None:
    """Let the wallet be known as of a time."""
    await app.state.listings.replace({"KRW-XRP": Market(market="KRW-XRP", korean_name="엑스알피")})
    await app.state.wallet_dict.replace(
        {coin: Balance(available=Decimal(volume), locked=Decimal(1), as_of=at) for coin, volume in coins.items()}
    )


async def test_what_the_owner_holds_is_kept_too_and_a_coin_without_a_won_market_has_no_price(app: Parts) -> None:
    """What waits in orders counts as held; what is shown says of when it is."""
    await look(app)
    seen = MIDNIGHT + MINUTE
    app.clock.now = seen  # type: ignore[attr-defined] # the clock of these tests
    await holds(app, seen, KRW="70000", XRP="10.5", OLD="3")
    await look(app)
    began = opening(app.journal, 2027)
    assert began is not None
    assert began.held == {
        "KRW": (Decimal(70001), None), "OLD": (Decimal(4), None), "XRP": (Decimal("11.5"), Decimal(3123))
    }  # fmt: skip
    assert began.sentence("ko") == (
        "01-01 00:00 KST 보유와 시세 (확인 01-01 00:01 KST): KRW 70,001, OLD 4, XRP 11.5 × 3,123"
    )


async def test_a_wallet_of_before_midnight_says_nothing_of_it(app: Parts) -> None:
    """Nor does one that is not known: the next look knows more."""
    await look(app)
    app.clock.now = MIDNIGHT + MINUTE  # type: ignore[attr-defined] # the clock of these tests
    await look(app)
    await holds(app, MIDNIGHT - MINUTE, KRW="1")
    await look(app)
    assert opening(app.journal, 2027) is None
    await holds(app, MIDNIGHT, KRW="1")
    await look(app)
    assert opening(app.journal, 2027) is not None


async def test_who_was_not_there_when_the_year_ended_knows_nothing_of_it(app: Parts) -> None:
    """A first start in March writes no holdings of January."""
    app.clock.now = MIDNIGHT + 60 * timedelta(days=1)  # type: ignore[attr-defined] # the clock of these tests
    await holds(app, MIDNIGHT + 61 * timedelta(days=1), KRW="1")
    await look(app)
    await look(app)
    assert opening(app.journal, 2027) is None


async def test_prices_that_are_not_answered_are_asked_for_again(app: Parts) -> None:
    """Nothing is written down by half."""
    await look(app)
    seen = MIDNIGHT + MINUTE
    app.clock.now = seen  # type: ignore[attr-defined] # the clock of these tests
    await holds(app, seen, KRW="1", XRP="2")

    async def no_answer(*_: object, **__: object) -> list[Candle]:
        raise OutcomeUnknown("no answer")

    known, app.upbit = app.upbit, only(Upbit, candles=no_answer)
    with pytest.raises(OutcomeUnknown):
        await look(app)
    assert opening(app.journal, 2027) is None
    app.upbit = known
    await look(app)
    assert opening(app.journal, 2027) is not None


@pytest.mark.parametrize("years", [1, 4])
async def test_a_clock_that_is_wrong_for_a_while_replaces_and_forges_no_year(app: Parts, years: int) -> None:
    """What was written at the true midnight stays, and a year that has not come is not written down."""
    await look(app)
    seen = MIDNIGHT + MINUTE
    app.clock.now = seen  # type: ignore[attr-defined] # the clock of these tests
    await holds(app, seen, KRW="1")
    await look(app)
    before = opening(app.journal, 2027)
    assert before is not None
    app.control.halt_buys("clock_skew", ko="시계", en="clock", by_itself=True)
    ahead = seen + years * timedelta(days=366)
    app.clock.now = ahead  # type: ignore[attr-defined] # same
    await holds(app, ahead, KRW="2")
    await look(app)
    app.control.ended("clock_skew")
    if years > 1:
        await look(app)  # not noticed as wrong: a year that does not follow the last one is none that has ended
    app.clock.now = seen + MINUTE  # type: ignore[attr-defined] # same
    await holds(app, seen + MINUTE, KRW="3")
    await look(app)
    assert opening(app.journal, 2027) == before
    assert opening(app.journal, ahead.year) is None
