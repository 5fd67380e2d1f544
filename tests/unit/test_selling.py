"""What a sale writes, tells and waits for, with an order flow that ends as the test says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, call

import msgspec
import pytest

from journal.records import IntentState, Phase
from simulation.loop import PacedLoop
from state import Balance, Price
from strategy.gates import STOP
from tests.helpers.buying import level
from tests.helpers.parts import only
from tests.helpers.trading import (
    ENTRY,
    MARKET,
    NOW,
    PLAN,
    SNAPSHOT,
    TRADE,
    active,
    bids,
    ends,
    executed,
    hold,
    leaving,
    refused,
)
from trader.orders import plans
from trader.orders.exits import Waiting
from trader.trades import lifecycle, selling
from upbit.errors import InsufficientFunds, OrderNotFound, OutcomeUnknown
from upbit.models import NewOrder, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from tests.helpers.trading import Trading
    from trader.app import App
    from upbit.models import Book


async def test_a_sale_is_written_down_and_ends_the_trade(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why, what the bids promise, its order without a last moment; then the profit is told."""
    await hold(app, monkeypatch)
    app.later(10)
    bids(app, level("1110", "1100", bid_size="5"), level("1120", "1000", bid_size="50"))
    driven = ends(monkeypatch, app, executed(app, "10", price="1050", fee="5.25"))
    await lifecycle.sell(app, MARKET, leaving())
    sale = f"ub1-{TRADE}-s-0-0"
    assert driven == [sale]
    intent = app.journal.intent(sale)
    assert msgspec.json.decode(intent.request, type=NewOrder) == NewOrder(
        market=MARKET, side=Side.ASK, volume=Decimal(10), identifier=sale
    )
    assert (intent.decision_key, intent.n, intent.deadline) == (
        "KRWAAA-2611021158-s-0",
        0,
        NOW + timedelta(seconds=21),
    )
    assert intent.decided_at == NOW + timedelta(seconds=11)
    trade = app.journal.trade(TRADE)
    assert trade.exit_reason == {
        "code": "trend_end",
        "ko": "까닭",
        "en": "because",
        "numbers": {},
        "expected_price": "1050",
        "expected_slippage": "0.045455",
    }
    assert (trade.phase, trade.dust) == (Phase.CLOSED, Decimal(0))
    assert trade.closed_at == NOW + timedelta(seconds=11)
    kind, (told,), facts = app.made[-1]
    assert (kind, told.id, told.proceeds_krw) == ("sold", TRADE, Decimal("10494.75"))
    assert facts == {"name": f"이름 {MARKET}", "dust": Decimal(0), "at": NOW + timedelta(seconds=11)}
    assert [note.kind for note in app.journal.pending_notes(9)] == ["bought", "sold"]
    assert app.tell.mock_calls[-1] == call(
        "sold", market=MARKET, reason="trend_end", profit_krw=Decimal("10494.75") - Decimal(10_005)
    )
    assert await app.state.active_trade.snapshot() == {}
    assert await app.state.trading_dict.snapshot() == {}
    assert app.pauses == []


@pytest.mark.parametrize(
    ("outcome", "seconds", "told"), [("UnderMinTotal", 3.0, []), ("MarketUnavailable", 60.0, ["suspended"])]
)
async def test_a_sale_that_was_refused_is_tried_again_later(
    outcome: str, seconds: float, told: list[str], app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In three seconds, or in a minute while the market stands still, which a person is told."""
    await hold(app, monkeypatch)
    app.made.clear()
    app.tell.reset_mock()
    app.wake_notifier.reset_mock()
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, refused(app, outcome))
    await lifecycle.sell(app, MARKET, leaving())
    assert app.pauses == [(seconds, app.stop)]
    assert [kind for kind, *_ in app.made] == told
    if told:
        assert app.tell.mock_calls == [call("suspended", level=logging.WARNING, market=MARKET, volume=Decimal(10))]
        assert app.made[0][2] == {"at": app.clock()}
        assert "suspended1" in [note.key for note in app.journal.pending_notes(9)]
        assert app.wake_notifier.call_count == 2
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert held.phase == Phase.HOLDING
    again = plans.plan_exit(app, app.journal.trade(TRADE), Decimal(10))
    assert (again.identifier, again.n) == (f"ub1-{TRADE}-s-0-1", 1)


async def test_a_part_that_was_sold_leaves_the_rest_for_the_next_leg(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, without a pause, under the next name."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, executed(app, "4"))
    await lifecycle.sell(app, MARKET, leaving())
    assert app.pauses == []
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert held.phase == Phase.HOLDING
    assert held.position is not None
    assert held.position.volume == 6
    leg = plans.plan_exit(app, app.journal.trade(TRADE), Decimal(6))
    assert (leg.decision_key, leg.n) == ("KRWAAA-2611021158-s-1", 0)


async def test_a_leg_follows_the_last_one_that_was_executed_also_when_those_before_it_are_not_known(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was adopted may begin with the second leg: its name must not serve for another order."""
    await hold(app, monkeypatch)
    trade = app.journal.trade(TRADE)
    sold = replace(plans.plan_exit(app, trade, Decimal(4)), decision_key="KRWAAA-2611021158-s-1")
    monkeypatch.setattr(app.journal, "intents_of", lambda _: [replace(sold, state=IntentState.FINAL)])
    assert plans.plan_exit(app, trade, Decimal(6)).identifier == f"ub1-{TRADE}-s-2-0"


@pytest.mark.parametrize(("code", "sells"), [(STOP.code, False), ("trend_end", True)])
async def test_a_stop_that_the_bids_deny_is_held_on(
    code: str,
    sells: bool,  # noqa: FBT001 - a parameter
    app: Trading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked at again in a second; another reason needs no fall."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    driven = ends(monkeypatch, app, executed(app, "10"))
    await lifecycle.sell(app, MARKET, leaving(code))
    assert bool(driven) is sells
    if not sells:
        assert app.pauses == [(1.0, app.stop)]
        assert app.tell.mock_calls[-1] == call(
            "exit_not_confirmed", level=logging.WARNING, market=MARKET, reason=STOP.code, bid=Decimal(1000)
        )


async def test_without_a_book_the_trade_is_held_and_nothing_is_carried_out(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange may answer the next time: an order that is over is not taken up again meanwhile."""
    await hold(app, monkeypatch)
    app.upbit = only(Upbit, books=AsyncMock(side_effect=OutcomeUnknown("no answer")))
    driven = ends(monkeypatch, app, executed(app, "10"))
    await lifecycle.sell(app, MARKET, leaving())
    assert driven == []
    assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING
    assert app.journal.trade(TRADE).phase == "holding"


async def test_a_market_without_a_book_confirms_no_exit(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to sell to."""
    await hold(app, monkeypatch)
    bids(app)
    await lifecycle.sell(app, MARKET, leaving())
    assert app.tell.mock_calls[-1] == call(
        "exit_not_confirmed", level=logging.WARNING, market=MARKET, reason="trend_end", bid=Decimal(0)
    )


async def test_coins_that_somebody_locks_are_waited_for(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is told how many, and they are tried again in ten seconds."""
    await hold(app, monkeypatch)
    app.later(20)
    free = Balance(available=Decimal(1), locked=Decimal(9), as_of=app.clock())
    await app.state.wallet_dict.replace({"AAA": free, "KRW": replace(free, available=Decimal(10**9))})
    bids(app, level("1010", "1000"))
    app.wake_notifier.reset_mock()
    await lifecycle.sell(app, MARKET, leaving())
    assert app.tell.mock_calls[-1] == call("locked", level=logging.WARNING, market=MARKET, volume=Decimal(10))
    kind, (told, volume), facts = app.made[-1]
    assert (kind, told.id, volume, facts) == ("locked", TRADE, Decimal(10), {"at": app.clock()})
    assert "locked2" in [note.key for note in app.journal.pending_notes(9)]
    assert app.wake_notifier.called
    assert app.pauses == [(10.0, app.stop)]
    assert (await app.state.active_trade.snapshot())[MARKET].phase == Phase.HOLDING


async def last_trade(app: Trading, krw: str) -> None:
    """Let the last trade of the market be at this price, and the trade be about to be left."""
    await active(app, Phase.SELLING, TRADE)
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(krw), as_of=app.clock())})


async def ten_seconds_later(app: Trading) -> None:
    """Let the look before have been ten seconds ago, and the trade be about to be left again."""
    then = app.waiting[TRADE]
    earlier = None if then.dust_s is None else then.dust_s - 10
    app.waiting[TRADE] = replace(then, since_s=then.since_s - 10, dust_s=earlier)
    await active(app, Phase.SELLING, TRADE)
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(400), as_of=app.clock())})


@pytest.mark.parametrize("krw", ["1000", None], ids=["worth ten thousand", "no fresh trade"])
async def test_bids_alone_make_no_dust(krw: str | None, app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """One book that shows next to nothing would give a whole position away: the last trade must say so, too."""
    await hold(app, monkeypatch)
    bids(app, level("401", "400"))
    for _ in range(3):
        await active(app, Phase.SELLING, TRADE)
        await app.state.trading_dict.replace({MARKET: Price(price=Decimal(krw), as_of=app.clock()) if krw else None})
        await lifecycle.sell(app, MARKET, leaving("delisting") if krw is None else leaving())
        earlier = app.waiting[TRADE]
        app.waiting[TRADE] = replace(earlier, since_s=earlier.since_s - 1000)
    assert app.journal.trade(TRADE).phase == "holding"


async def test_what_upbit_would_not_take_ends_the_trade_as_dust(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason for which it should have been sold, and after two looks that agree."""
    await hold(app, monkeypatch)
    await last_trade(app, "400")
    bids(app, level("401", "400"))
    await lifecycle.sell(app, MARKET, leaving())
    assert app.journal.trade(TRADE).phase == "holding"
    await ten_seconds_later(app)
    await lifecycle.sell(app, MARKET, leaving())
    trade = app.journal.trade(TRADE)
    assert (trade.phase, trade.dust) == ("closed", Decimal(10))
    assert trade.exit_reason == {"code": "trend_end", "ko": "까닭", "en": "because", "numbers": {}}
    assert app.made[-1][2]["dust"] == 10
    assert app.made[-1][1][0].exit_reason == trade.exit_reason
    assert app.tell.mock_calls[-2:] == [
        call("dust", level=logging.WARNING, market=MARKET, volume=Decimal(10)),
        call("sold", market=MARKET, reason="trend_end", profit_krw=Decimal(-10_005)),
    ]


async def test_a_sale_whose_coins_were_all_taken_meanwhile_is_over(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what it was: a withdrawal of their owner, at its price."""
    await hold(app, monkeypatch)
    app.journal.take_out(TRADE, Decimal(10), price=Decimal(1200))
    bids(app, level("1010", "1000"))
    driven = ends(monkeypatch, app, lambda _: None)
    await lifecycle.sell(app, MARKET, leaving())
    assert driven == []
    trade = app.journal.trade(TRADE)
    assert (trade.phase, trade.dust, trade.profit_krw) == ("closed", Decimal(0), Decimal(12_000 - 10_005))
    assert trade.exit_reason is not None
    assert (trade.exit_reason["code"], set(trade.exit_reason)) == ("taken", {"code", "ko", "en"})
    assert await app.state.active_trade.snapshot() == {}


async def test_coins_that_were_not_there_are_offered_again_after_a_comparison(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another daemon may have sold them; any other refusal says nothing about them."""
    await hold(app, monkeypatch)
    compared: list[bool] = []

    async def wait_for_comparison(_: App) -> None:
        compared.append(True)

    monkeypatch.setattr(selling, "wait_for_comparison", wait_for_comparison)
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, refused(app, "UnderMinTotal"))
    await lifecycle.sell(app, MARKET, leaving())
    assert compared == []
    ends(monkeypatch, app, refused(app, "InsufficientFunds"))
    await lifecycle.sell(app, MARKET, leaving())
    assert compared == [True]


async def test_the_first_sale_after_a_start_waits_until_the_orders_are_compared(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old copy of the journal holds what was sold since: only the comparison knows, and then nothing is sold."""
    await hold(app, monkeypatch)
    app.comparison.rounds = 0
    bids(app, level("1110", "1100", bid_size="50"))
    driven = ends(monkeypatch, app, executed(app, "10"))

    async def pause(*_: object) -> None:
        app.journal.take_out(TRADE, Decimal(10), price=None)
        app.comparison.rounds = 1

    monkeypatch.setattr(selling, "pause", pause)
    await lifecycle.sell(app, MARKET, leaving())
    assert (driven, app.comparison.wanted.is_set()) == ([], True)
    assert app.journal.open_trades() == []


@pytest.mark.parametrize(("after", "stops", "looks"), [(3, False, 3), (999, False, 120), (999, True, 0)])
async def test_a_comparison_is_asked_for_and_waited_for_two_minutes_at_most(
    after: int,
    stops: bool,  # noqa: FBT001 - a parameter
    looks: int,
    app: Trading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second at a time, and not by a daemon that ends."""
    app.comparison.rounds, app.comparison.wanted = 7, asyncio.Event()
    if stops:
        app.stop.set()
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)
        app.comparison.rounds += len(pauses) == after

    monkeypatch.setattr(selling, "pause", pause)
    await selling.wait_for_comparison(app)
    assert app.comparison.wanted.is_set()
    assert pauses == [(1.0, app.stop)] * looks


async def test_an_order_ended_with_the_error_of_its_last_attempt(app: Trading) -> None:
    """When it was refused for good; one that was given up was refused by nobody."""
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    assert not selling.ended_with(app.journal, intent, InsufficientFunds)
    refused(app, "InsufficientFunds")(intent.identifier)
    ended = app.journal.intent(intent.identifier)
    assert selling.ended_with(app.journal, ended, InsufficientFunds)
    assert not selling.ended_with(app.journal, ended, OutcomeUnknown)
    assert not selling.ended_with(app.journal, replace(ended, state=IntentState.ABANDONED), InsufficientFunds)
    assert not selling.ended_with(app.journal, replace(ended, identifier="unsent"), InsufficientFunds)


@pytest.mark.parametrize(
    ("answer", "compared"), [(OrderNotFound("no"), False), (OutcomeUnknown("time-out"), True), (None, True)]
)
async def test_a_refused_sale_is_looked_for_before_another_is_sent(
    answer: Exception | None,
    compared: bool,  # noqa: FBT001 - a parameter
    app: Trading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refusal is one answer: where Upbit shows the sale, or does not say, all orders are compared first."""
    await hold(app, monkeypatch)
    calls: list[bool] = []

    async def wait_for_comparison(_: App) -> None:
        calls.append(True)

    monkeypatch.setattr(selling, "wait_for_comparison", wait_for_comparison)
    bids(app, level("1010", "1000"))
    app.upbit = only(Upbit, books=app.upbit.books, order=AsyncMock(side_effect=answer))
    ends(monkeypatch, app, refused(app, "UnderMinTotal"))
    await lifecycle.sell(app, MARKET, leaving())
    assert calls == ([True] if compared else [])


async def test_without_a_book_a_stop_goes_out_on_the_last_trade_a_second_later(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look remembers that price; the sale expects it, as there is no other."""
    await hold(app, monkeypatch)
    app.upbit = only(Upbit, books=AsyncMock(side_effect=OutcomeUnknown("no answer")))
    driven = ends(monkeypatch, app, executed(app, "10", price="900"))
    await last_trade(app, "940")
    await lifecycle.sell(app, MARKET, leaving(STOP.code))
    assert driven == []
    first = app.waiting[TRADE]
    assert first.first_price == 940
    app.waiting[TRADE] = replace(first, since_s=first.since_s - 1)
    await last_trade(app, "930")
    await lifecycle.sell(app, MARKET, leaving(STOP.code))
    assert driven == [f"ub1-{TRADE}-s-0-0"]
    reason = app.journal.trade(TRADE).exit_reason
    assert reason is not None
    assert (reason["expected_price"], reason["expected_slippage"]) == ("930", "0.000000")


def test_a_book_that_does_not_come_within_a_second_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """A stop waits for no stranger; a time that ran out has no words of its own, and is named."""

    async def story() -> None:
        async def never(_: list[str]) -> list[Book]:
            await asyncio.Event().wait()
            return []

        assert await selling.read_book(only(Upbit, books=never), MARKET) is None
        assert asyncio.get_running_loop().time() == 1.0

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert caplog.messages == [f"book not readable market={MARKET} error=TimeoutError"]


@pytest.mark.parametrize(("late_s", "fresh"), [(0, True), (0.001, False)])
async def test_a_price_is_fresh_up_to_its_greatest_age(late_s: float, app: Trading, *, fresh: bool) -> None:
    """As the settings say it."""
    oldest = app.clock() - timedelta(seconds=app.config.risk.price_max_age_s + late_s)
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(7), as_of=oldest)})
    assert await selling.fresh_price(app, MARKET) == (Decimal(7) if fresh else None)


async def test_a_wait_that_nobody_has_looked_at_for_a_quarter_of_a_minute_is_forgotten(
    app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every trade, whichever is looked at."""
    await hold(app, monkeypatch)
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: only(asyncio.BaseEventLoop, time=lambda: 100.0))
    just, over = (Waiting(since_s=0.0, seen_s=seen, first_price=None) for seen in (85.0, 84.9))
    app.waiting = {"just": just, "over": over}
    selling.look_at(app, app.journal.trade(TRADE), leaving(), None, None)
    assert app.waiting == {"just": just, TRADE: Waiting(since_s=100.0, seen_s=100.0, first_price=None)}


@pytest.mark.parametrize(
    ("price", "since", "after", "ends_"),
    [
        ("400", None, 20.0, False),
        ("400", 10.1, 10.1, False),
        ("400", 10.0, 10.0, True),
        ("1000", 10.0, None, False),
        (None, 10.0, None, False),
    ],
    ids=["the first look", "too soon", "ten seconds", "it is worth something", "no fresh trade"],
)
async def test_dust_is_ended_by_two_looks_ten_seconds_apart_between_which_no_trade_denies_it(
    price: str | None,
    since: float | None,
    after: float | None,
    *,
    ends_: bool,
    app: Trading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A last trade that says otherwise, or none, begins the wait anew; a second passes before the next look."""
    await hold(app, monkeypatch)
    trade = app.journal.trade(TRADE)
    app.waiting[TRADE] = Waiting(since_s=0.0, seen_s=20.0, first_price=None, dust_s=since)
    told = None if price is None else Decimal(price)
    await selling.end_with_dust(app, trade, Decimal(10), told, {"code": "trend_end"})
    assert (app.journal.trade(TRADE).phase == "closed") is ends_
    assert app.waiting[TRADE].dust_s == after
    assert app.pauses == ([] if ends_ else [(1.0, app.stop)])


@pytest.mark.parametrize("sold", ["9", "9.99999999"])
async def test_the_smallest_rest_is_held_on(sold: str, app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only nothing ends a trade as sold: what dust is, the next exit says."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, executed(app, sold))
    await lifecycle.sell(app, MARKET, leaving())
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert (held.phase, app.journal.position_volume(TRADE)) == (Phase.HOLDING, 10 - Decimal(sold))


async def test_a_sale_that_is_refused_again_rests_longer(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three seconds, then ten each time; it is looked for by its own name."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    order = AsyncMock(side_effect=OrderNotFound("no"))
    app.upbit = only(Upbit, books=app.upbit.books, order=order)
    ends(monkeypatch, app, refused(app, "UnderMinTotal"))
    for _ in range(3):
        await lifecycle.sell(app, MARKET, leaving())
    assert app.pauses == [(3.0, app.stop), (10.0, app.stop), (10.0, app.stop)]
    assert order.mock_calls == [call(identifier=f"ub1-{TRADE}-s-0-{number}") for number in range(3)]
