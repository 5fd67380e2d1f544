"""The breakers on losses: what they measure, that they hold over restarts, and that the default strategy lives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from config.settings import Config, most_spent
from journal.journal import Journal
from journal.records import Intent, IntentState, Trade
from notifier.messages import Messages
from simulation.loop import PacedLoop
from state import Price, State
from tests.helpers.journals import intent
from tests.helpers.orders import a_trade
from tests.helpers.parts import make_app
from trader.control import Control
from trader.guards import equity
from trader.guards.equity import Mark, look, losses_over, profit_now, renew
from trader.health import Health
from upbit.models import Fill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
BUDGET = most_spent(Config())


def won(amount: float) -> Decimal:
    """Return an amount."""
    return Decimal(str(amount))


class Story:
    """A journal whose trades we write, and a clock we move."""

    def __init__(self, journal: Journal, now: list[datetime]) -> None:
        self.now = now
        messages = Messages(language="ko", mode="live")
        self.app = make_app(journal=journal, control=Control(journal, messages, self.clock), clock=self.clock)
        self.prices: dict[str, Price | None] = {}
        self.worth = equity.Valuation()
        self.count = 0

    def clock(self) -> datetime:
        """Return the time of day."""
        return self.now[0]

    def buy(self, market: str, cost: int) -> str:
        """Buy one coin for `cost` won."""
        self.count += 1
        name = f"t{self.count}"
        trade = replace(a_trade(), id=name, market=market)
        journal = self.app.journal
        assert journal.begin_trade(trade, self.intent(trade, "bid"))
        self.fill(f"{name}-bid", cost)
        journal.enter_position(name, opened_at=NOW, stop_price=None, highest_price=won(cost))
        return name

    def sell(self, name: str, proceeds: int) -> None:
        """Sell that coin for `proceeds` won."""
        journal = self.app.journal
        assert journal.leave(name, {}, self.intent(journal.trade(name), "ask"))
        self.fill(f"{name}-ask", proceeds)
        journal.close_trade(name, closed_at=self.clock(), dust=Decimal(0))

    def intent(self, trade: Trade, side: str) -> Intent:
        """Return an order of a trade."""
        return intent(f"{trade.id}-{side}", trade, side)

    def fill(self, name: str, funds: int) -> None:
        """Take an order to its end, one coin, no fee."""
        journal = self.app.journal
        journal.begin_attempt(name)
        journal.end_attempt(name, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{name}")
        fill = Fill(uuid=f"f-{name}", price=won(funds), volume=Decimal(1), notional=won(funds))
        journal.record_fills(name, [fill], Decimal(0))
        journal.finish(name)

    def price(self, market: str, krw: int | None) -> None:
        """Let a market cost something."""
        self.prices[market] = None if krw is None else Price(price=won(krw), as_of=self.clock())

    def look(self) -> str:
        """Measure once, and return what may be done."""
        look(self.app, self.worth, self.prices)
        return str(self.app.control.state.name)

    def state(self) -> str:
        """Measure until a price that stands is believed, and return what may be done."""
        self.look()
        return self.look()

    def restarted(self) -> Story:
        """Return the story as the next process tells it: only the journal is left."""
        other = Story(self.app.journal, self.now)
        other.count = self.count
        return other


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Return an empty story at noon UTC, nine in the evening in Korea."""
    now = [NOW]
    with Journal.open(tmp_path / "j.sqlite3", lambda: now[0]) as journal:
        yield Story(journal, now)


@pytest.mark.failure("H6")
def test_a_loss_of_the_day_that_is_not_even_realised_stops_buys_until_a_person_resets_it(story: Story) -> None:
    """30 % of the budget of 250,000; the same loss does not stop them again after the reset, another one does."""
    assert story.state() == "ACTIVE"
    name = story.buy("KRW-A", 100_000)
    story.price("KRW-A", 25_001)
    assert story.state() == "ACTIVE"
    story.price("KRW-A", 25_000)
    assert story.state() == "HALT_BUYS"
    (halt,) = story.app.control.reasons
    assert (halt.code, halt.ends) == ("day_loss", "person")
    assert halt.evidence == {"loss_krw": "75000", "percent": "30.0"}
    story.price("KRW-A", 90_000)
    assert story.state() == "HALT_BUYS"
    story.price("KRW-A", 25_000)
    story.app.control.resume()
    assert story.state() == "ACTIVE"
    story.sell(name, 25_000)
    assert story.state() == "ACTIVE"
    story.price("KRW-B", 80_000)
    story.buy("KRW-B", 155_001)
    assert story.state() == "HALT_BUYS"


@pytest.mark.failure("H6")
def test_a_new_day_in_korea_begins_at_its_own_zero_and_resets_nothing(story: Story) -> None:
    """What was lost yesterday is not today's loss; what was stopped yesterday still stands."""
    story.state()
    story.buy("KRW-A", 100_000)
    story.price("KRW-A", 40_000)
    assert story.state() == "ACTIVE"
    story.now[0] = datetime(2026, 11, 2, 15, tzinfo=UTC)  # midnight in Korea
    assert story.state() == "ACTIVE"
    story.price("KRW-A", 1)
    assert story.state() == "ACTIVE"
    story.buy("KRW-B", 100_000)
    story.price("KRW-B", 50_000)
    assert story.state() == "HALT_BUYS"
    story.now[0] += timedelta(days=2)
    assert story.state() == "HALT_BUYS"


@pytest.mark.failure("H6")
def test_a_drawdown_is_measured_from_the_highest_profit_over_restarts(story: Story) -> None:
    """Days, restarts and small steps hide nothing; the reset begins a new peak."""
    story.state()
    story.sell(story.buy("KRW-A", 100_000), 350_000)
    assert story.state() == "ACTIVE"
    for loss in (74_999, 74_999, 74_999, 74_999, 50_002):  # 349,998 of 250,000 + 250,000
        story.now[0] += timedelta(days=1)
        assert story.state() == "ACTIVE"
        story.sell(story.buy("KRW-A", 100_000), 100_000 - loss)
        story = story.restarted()
    assert story.state() == "ACTIVE"
    story.sell(story.buy("KRW-A", 25_000), 24_998)
    assert story.state() == "HALT_BUYS"
    assert [halt.code for halt in story.app.control.reasons] == ["drawdown"]
    story = story.restarted()
    assert story.state() == "HALT_BUYS"
    story.app.control.resume()
    assert story.state() == "ACTIVE"
    mark = equity.read_mark(story.app.journal)
    assert mark is not None
    assert mark.peak < 0
    assert mark.tripped == ()


@pytest.mark.failure("H6")
def test_one_limit_that_is_broken_hides_no_other(story: Story) -> None:
    """A day that was stopped and goes on falling becomes a drawdown, and each waits for a person."""
    story.state()
    story.buy("KRW-A", 200_000)
    story.price("KRW-A", 110_000)
    assert story.state() == "HALT_BUYS"
    assert [halt.code for halt in story.app.control.reasons] == ["day_loss"]
    story.price("KRW-A", 20_000)
    story.state()
    assert [halt.code for halt in story.app.control.reasons] == ["day_loss", "drawdown"]


def test_a_reset_while_the_daemon_is_away_is_one_as_well(story: Story) -> None:
    """`resume` on a stopped daemon ends the reason; the next start measures from there."""
    story.state()
    story.buy("KRW-A", 100_000)
    story.price("KRW-A", 1)
    assert story.state() == "HALT_BUYS"
    Control(story.app.journal, Messages(language="ko", mode="live"), story.clock).resume()
    again = story.restarted()
    again.prices = story.prices
    assert again.state() == "ACTIVE"


@pytest.mark.case("L12")
def test_a_market_without_a_price_for_three_days_stops_no_breaker_from_counting(story: Story) -> None:
    """Each day begins anew, at the last price there was, also over a restart; what another market loses counts."""
    story.state()
    story.buy("KRW-A", 100_000)
    story.price("KRW-A", 60_000)
    story.state()
    story.price("KRW-A", None)
    for _ in range(3):
        story.now[0] += timedelta(days=1)
        assert story.state() == "ACTIVE"
    story = story.restarted()
    assert story.state() == "ACTIVE"
    mark = equity.read_mark(story.app.journal)
    assert mark is not None
    assert (mark.day, mark.day_base, mark.peak) == ("2026-11-05", won(-40_000), won(0))
    story.buy("KRW-B", 100_000)
    story.price("KRW-B", 25_000)
    assert story.state() == "HALT_BUYS"
    assert [halt.code for halt in story.app.control.reasons] == ["day_loss"]


def test_a_trade_that_never_had_a_price_counts_as_what_it_cost(story: Story) -> None:
    """It raises no peak and loses nothing."""
    story.buy("KRW-A", 100_000)
    assert story.state() == "ACTIVE"
    mark = equity.read_mark(story.app.journal)
    assert mark is not None
    assert (mark.day_base, mark.peak) == (won(0), won(0))


@pytest.mark.parametrize("absurd", [1, 10_000_000])
def test_one_absurd_price_neither_raises_a_peak_nor_trips_a_breaker(story: Story, absurd: int) -> None:
    """Not the first a trade ever has, nor one in the middle of its life; one that stands is believed."""
    story.buy("KRW-A", 100_000)
    for usual in (100_000, 101_000):
        story.price("KRW-A", absurd)
        assert story.look() == "ACTIVE"
        story.price("KRW-A", usual)
        assert story.state() == "ACTIVE"
    mark = equity.read_mark(story.app.journal)
    assert mark is not None
    assert mark.peak <= 1_000
    story.price("KRW-A", absurd)
    story.state()
    assert equity.read_mark(story.app.journal) != mark


def test_small_rises_are_not_written_down_one_by_one(story: Story) -> None:
    """The journal is not for every won, however high the peak stands."""
    story.state()
    story.sell(story.buy("KRW-B", 100_000), 150_000)
    story.state()
    story.buy("KRW-A", 100_000)
    story.state()
    events = "SELECT count(*) FROM event WHERE kind = 'meta'"
    (before,) = story.app.journal._db.execute(events).fetchone()
    for krw in range(100_000, 100_250, 25):
        story.price("KRW-A", krw)
        story.state()
    (after,) = story.app.journal._db.execute(events).fetchone()
    assert after == before
    story.price("KRW-A", 100_250)
    story.state()
    (after,) = story.app.journal._db.execute(events).fetchone()
    assert after == before + 1


MARK = Mark(day="d", day_base=Decimal(0), peak=Decimal(5000), prices={"KRW-A": Decimal(7)})


@pytest.mark.parametrize(
    ("changes", "news"),
    [
        ({}, False),
        ({"prices": {"KRW-A": Decimal(8)}}, False),
        ({"prices": {"KRW-A": Decimal(7), "KRW-B": Decimal(1)}}, True),
        ({"prices": {}}, True),
        ({"peak": Decimal(5099)}, False),
        ({"peak": Decimal(5100)}, True),
        ({"peak": Decimal(4999)}, True),
        ({"day": "e"}, True),
        ({"day_base": Decimal(1)}, True),
        ({"tripped": ("drawdown",)}, True),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else str(value),
)
def test_a_mark_is_written_down_when_a_restart_would_measure_otherwise(
    changes: dict[str, Any],
    news: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Another day, breaker or market, a peak that fell, or that rose by a thousandth of the budget of 100,000."""
    assert equity.is_news(MARK, structs.replace(MARK, **changes), Decimal(100_000)) is news


def test_what_has_no_price_yet_is_worth_what_a_coin_of_it_has_cost() -> None:
    """One absurd price moves it no more than one that was seen; who has bought nothing yet has no worth."""
    held = replace(a_trade(), bought=Decimal(4), cost_krw=Decimal(400))
    waiting = replace(a_trade(), id="w", market="KRW-W", bought=Decimal(0))
    worth = equity.Valuation()
    assert worth.take([held, waiting], {}, {}) == {"KRW-A": 100}
    absurd = {"KRW-A": Price(price=Decimal(10**6), as_of=NOW), "KRW-W": Price(price=Decimal(1), as_of=NOW)}
    assert worth.take([held, waiting], absurd, {}) == {"KRW-A": 100}
    assert worth.take([held], absurd, {}) == {"KRW-A": 10**6}
    assert equity.Valuation().take([held], {}, {"KRW-A": Decimal(90)}) == {"KRW-A": 90}


@pytest.mark.failure("H6")
@settings(max_examples=300)
@given(st.lists(st.integers(-60_000, 60_000), max_size=40), st.integers(1, 100), st.integers(5, 100))
def test_a_breaker_fires_exactly_when_a_plain_sum_says_so(steps: list[int], day_limit: int, fall_limit: int) -> None:
    """Against the definition: loss since the day began and fall from the highest, each over its budget."""
    config = Config()
    limits = replace(config.risk, max_day_loss=won(day_limit / 100), max_drawdown=won(fall_limit / 100))
    config = replace(config, risk=limits)
    mark, profit, history = None, Decimal(0), [Decimal(0)]
    for step in steps:
        profit += step
        mark = renew(mark, profit, "2026-11-02", ()) if mark else renew(None, Decimal(0), "2026-11-02", ())
        mark = renew(mark, profit, "2026-11-02", ())
        history.append(profit)
        expected = []
        if -profit >= BUDGET * day_limit / 100:
            expected.append("day_loss")
        if (max(history) - profit) * 100 >= (BUDGET + max(*history, Decimal(0))) * fall_limit:
            expected.append("drawdown")
        assert [loss.code for loss in losses_over(config, mark, profit)] == expected


def test_the_default_strategy_lives_with_the_defaults() -> None:
    """27 losses of its worst usual size in a row, and a fall of 62 % of the budget, are no reason to stop.

    A compounding drawdown of 46 %, the worst of the study, is -ln(1 - 0.46) = 62 % of a budget that does not compound.
    """
    config = Config()
    mark = Mark(day="d", day_base=Decimal(0), peak=Decimal(0))
    assert losses_over(config, mark, -BUDGET * won(0.62))[0].code == "day_loss"  # were it all on one day
    slow = replace(config, risk=replace(config.risk, max_day_loss=Decimal(1)))
    assert losses_over(slow, mark, -BUDGET * won(0.62)) == []
    five_stops_in_one_day = -BUDGET * won(0.125)
    assert losses_over(config, mark, 2 * five_stops_in_one_day) == []


def test_profit_is_what_was_earned_and_what_is_held() -> None:
    """A closed trade's profit, and an open one's coins at their price, less what they cost."""
    trade = replace(a_trade(), bought=Decimal(2), sold=Decimal(1), cost_krw=Decimal(200), proceeds_krw=Decimal(120))
    assert profit_now(Decimal(7), [trade], {"KRW-A": Decimal(150)}) == 7 + 120 + 150 - 200
    assert profit_now(Decimal(7), [trade], {}) == 7


@pytest.mark.failure("B1")
@settings(max_examples=200)
@given(
    volume=st.integers(1, 1000), gone=st.integers(1, 1000), price=st.integers(1, 10_000), cost=st.integers(1, 10_000)
)
def test_coins_that_their_owner_moves_away_change_no_profit(volume: int, gone: int, price: int, cost: int) -> None:
    """They are a withdrawal at their price of that moment: neither a loss nor, had the price fallen, the end of one."""
    gone = min(gone, volume)
    held = replace(a_trade(), bought=Decimal(volume), cost_krw=Decimal(cost))
    after = replace(held, moved=Decimal(-gone), taken_krw=Decimal(gone * price))
    prices = {"KRW-A": Decimal(price)}
    assert profit_now(Decimal(0), [after], prices) == profit_now(Decimal(0), [held], prices)
    if gone == volume:  # then the trade ends, and this is its profit
        assert profit_now(after.profit_krw, [], prices) == profit_now(Decimal(0), [held], prices)


@pytest.mark.failure("B1")
@pytest.mark.parametrize("cost", [100_000, 20_000])
def test_no_breaker_trips_when_the_owner_takes_the_coins(story: Story, cost: int) -> None:
    """Not by what they cost, nor by the gain they had: the day is as good as it was before."""
    story.app.config = replace(Config(), risk=replace(Config().risk, max_drawdown=won(0.3)))
    name = story.buy("KRW-A", cost)
    story.price("KRW-A", 100_000)
    assert story.state() == "ACTIVE"
    journal = story.app.journal
    journal.take_out(name, won(0.4), price=Decimal(100_000))
    assert story.state() == "ACTIVE"
    journal.take_out(name, won(0.6), price=Decimal(100_000))
    journal.close_trade(name, closed_at=story.clock(), dust=Decimal(0))
    assert story.state() == "ACTIVE"
    assert journal.totals().realised_pnl == 100_000 - cost


@pytest.mark.failure("B1")
def test_a_loss_that_was_there_stays_when_the_owner_takes_the_coins(story: Story) -> None:
    """Taking coins away is no way around the limit of the day."""
    name = story.buy("KRW-A", 100_000)
    assert story.state() == "ACTIVE"
    story.app.journal.take_out(name, Decimal(1), price=Decimal(25_000))
    story.app.journal.close_trade(name, closed_at=story.clock(), dust=Decimal(0))
    assert story.state() == "HALT_BUYS"


def test_coins_of_unknown_worth_count_as_what_they_cost(story: Story) -> None:
    """Nobody knew a price yet, or the journal was written before prices were kept."""
    name = story.buy("KRW-A", 100_000)
    story.app.journal.take_out(name, won(0.25), price=None)
    assert story.app.journal.trade(name).taken_krw == 25_000


def test_coins_that_were_given_to_a_trade_are_no_profit(story: Story) -> None:
    """A sale of more than it bought, found at the exchange: the rest came from elsewhere, and so did its price."""
    name = story.buy("KRW-A", 100_000)
    journal = story.app.journal
    sale = replace(story.intent(journal.trade(name), "ask"), state=IntentState.FINAL, uuid="u")
    fill = Fill(uuid="f", price=Decimal(90_000), volume=Decimal(3), notional=Decimal(270_000))
    journal.adopt(journal.trade(name), sale, [fill], Decimal(0), [])
    assert journal.trade(name).phase == "closed"
    assert journal.totals().realised_pnl == -10_000


def test_the_watch_measures_every_few_seconds(story: Story) -> None:
    """With the prices of `trading_dict`."""

    async def run() -> None:
        story.app.state, story.app.stop = State(), asyncio.Event()
        story.app.health = Health(asyncio.get_running_loop().time)
        story.buy("KRW-A", 100_000)
        await story.app.state.trading_dict.replace({"KRW-A": Price(price=Decimal(100_000), as_of=NOW)})
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(equity.watch_equity(story.app))
            await asyncio.sleep(1)
            await story.app.state.trading_dict.replace({"KRW-A": Price(price=Decimal(1), as_of=NOW)})
            await asyncio.sleep(2 * equity.LOOK_S)
            watch.cancel()
        assert story.app.control.state.name == "HALT_BUYS"

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(run())
