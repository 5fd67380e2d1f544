"""What one trade writes, tells and waits for, step by step, with an order flow that ends as the test says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, call

import msgspec
import pytest

from config import Config
from journal.journal import Journal
from journal.records import IntentState, Note
from state import ActiveTrade, Balance, Price, State
from strategy.base import Entry, Exit, Position, Reason, Snapshot
from strategy.gates import STOP
from tests.unit.test_journal import fill
from tests.unit.test_risk import book, chance, level
from trader import orders, risk, trades
from trader.decisions import BUYING, HOLDING, SELLING
from upbit.errors import InsufficientFunds, OutcomeUnknown
from upbit.models import Account, NewOrder, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MARKET = "KRW-AAA"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOSED = datetime(2026, 11, 2, 11, 58, tzinfo=UTC)
TRADE = "Sabcd-KRWAAA-2611021158"
BUY = f"ub1-{TRADE}-b-0-0"
ENTRY = Entry(
    buy=True, reason=Reason(code="breakout", ko="돌파", en="breakout", numbers={"x": 1.5}), stop_distance=50.5
)
PLAN = risk.Plan(total=Decimal(10_000), expected_price=Decimal("1001.50"), slippage=Decimal("0.0015"))
SNAPSHOT = Snapshot(
    market=MARKET,
    candle_closed_at=CLOSED,
    numbers={},
    failed_gate=None,
    price=Decimal(1010),
    price_as_of=NOW - timedelta(seconds=2),
)


class Messages:
    """Writes no words: a note says which message it is, and what it was made of is kept."""

    def __init__(self) -> None:
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, kind: str) -> Callable[..., Note]:
        def make(*what: Any, **facts: Any) -> Note:
            self.made.append((kind, what, facts))
            return Note(key=f"{kind}{len(self.made)}", kind=kind, body={})

        return make


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a daemon's parts around a real journal, whose pauses do not last."""
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)

    monkeypatch.setattr(trades, "pause", pause)
    now = [NOW]
    with Journal.open(tmp_path / "journal.sqlite3", lambda: now[0]) as journal:
        yield SimpleNamespace(
            config=Config(),
            journal=journal,
            state=State(),
            clock=lambda: now[0],
            later=lambda seconds: now.__setitem__(0, now[0] + timedelta(seconds=seconds)),
            stop=asyncio.Event(),
            tell=Mock(),
            control=Mock(),
            messages=Messages(),
            mode="sandbox",
            account="abcd",
            strategy=SimpleNamespace(name="breakouts"),
            candles=SimpleNamespace(unit=timedelta(minutes=2)),
            resting={},
            korean_name=lambda market: f"이름 {market}",
            wake_notifier=Mock(),
            pauses=pauses,
            upbit=Mock(),
        )


def ends(monkeypatch: pytest.MonkeyPatch, app: Any, end: Callable[[str], None]) -> list[str]:
    """Let the order in hand come to this end; return the names of the orders that were driven."""
    driven: list[str] = []

    async def drive(_: Any, identifier: str) -> Any:
        driven.append(identifier)
        end(identifier)
        return app.journal.intent(identifier)

    monkeypatch.setattr(orders, "drive", drive)
    return driven


def executed(app: Any, *volumes: str, price: str = "1000", fee: str = "5", after: int = 0) -> Callable[[str], None]:
    """Return the end of an order that was executed in these parts, some seconds from now."""

    def end(identifier: str) -> None:
        app.later(after)
        app.journal.begin_attempt(identifier)
        app.journal.end_attempt(identifier, IntentState.ACCEPTED, outcome="accepted", uuid=f"u-{identifier}")
        fills = [fill(f"{identifier}-{part}", price, volume) for part, volume in enumerate(volumes)]
        app.journal.record_fills(identifier, fills, Decimal(fee))
        app.journal.finish(identifier)

    return end


def refused(app: Any, outcome: str) -> Callable[[str], None]:
    """Return the end of an order that Upbit refused."""

    def end(identifier: str) -> None:
        app.journal.begin_attempt(identifier)
        app.journal.end_attempt(identifier, IntentState.REJECTED, outcome=outcome)

    return end


async def active(app: Any, phase: str, trade_id: str = "") -> None:
    """Put the market into the shared dicts."""
    await app.state.active_trade.replace(
        {MARKET: ActiveTrade(market=MARKET, started_at=NOW, phase=phase, trade_id=trade_id)}
    )
    await app.state.trading_dict.replace({MARKET: Price(price=Decimal(1005), as_of=NOW)})


async def hold(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buy ten units in two parts, for 10,000 won and a fee of 5."""
    await active(app, BUYING)
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    assert app.journal.begin_trade(trade, intent)
    await trades.note_trade_id(app, MARKET, trade.id)
    ends(monkeypatch, app, executed(app, "4", "6", after=1))
    await trades.carry_on(app, MARKET)


async def test_the_facts_of_a_buy_are_those_of_now(app: Any) -> None:
    """Asked for together, beside what the journal has committed; the last price that was heard, else the decision's."""
    await active(app, BUYING)
    wallet = Balance(available=Decimal(70_000), locked=Decimal(1), as_of=NOW)
    await app.state.wallet_dict.replace({"KRW": wallet, "AAA": replace(wallet, available=Decimal(1))})
    allowed, levels = chance(), book(level("1001", "999"))

    async def ask_chance(market: str) -> Any:
        assert market == MARKET
        app.later(1)
        return allowed

    async def ask_books(markets: list[str]) -> Any:
        assert markets == [MARKET]
        app.later(1)
        return [levels]

    app.upbit = SimpleNamespace(chance=ask_chance, books=ask_books)
    other = replace(SNAPSHOT, market="KRW-BBB")
    app.journal.begin_trade(*trades.plan_entry(app, other, ENTRY, PLAN))
    found = await trades.gather_facts(app, SNAPSHOT, ENTRY)
    assert found == risk.Facts(
        market=MARKET,
        now=NOW + timedelta(seconds=2),
        price=Decimal(1005),
        price_as_of=NOW,
        asked_at=NOW,
        chance=allowed,
        book=levels,
        wallet=wallet,
        exposure=risk.Exposure(
            by_market={"KRW-BBB": Decimal(10_000)},
            spent_today=app.journal.spent_since(NOW - timedelta(days=1)),
            open_trades=1,
        ),
        stop_fraction=0.05,
    )
    assert found.exposure.spent_today >= 10_000
    await app.state.trading_dict.replace({})
    await app.state.wallet_dict.replace({})
    bare = await trades.gather_facts(app, SNAPSHOT, replace(ENTRY, stop_distance=None))
    assert (bare.price, bare.price_as_of) == (SNAPSHOT.price, SNAPSHOT.price_as_of)
    assert (bare.wallet, bare.stop_fraction) == (None, None)


def planned_buy(app: Any, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let the rules answer this to whatever is asked."""

    async def gather(*_: object) -> str:
        if isinstance(answer, Exception):
            raise answer
        return "facts"

    def judge(config: Config, facts: Any) -> Any:
        assert (config, facts) == (app.config, "facts")
        return answer

    monkeypatch.setattr(trades, "gather_facts", gather)
    monkeypatch.setattr(risk, "judge_buy", judge)


async def test_a_buy_is_written_down_before_it_is_carried_out(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trade with why and what is expected, its order with its name and its last moment."""
    await active(app, BUYING)
    planned_buy(app, monkeypatch, PLAN)
    driven = ends(monkeypatch, app, lambda name: app.journal.abandon(name, "deadline"))
    await trades.buy(app, SNAPSHOT, ENTRY)
    assert driven == [BUY]
    trade, intent = app.journal.trade(TRADE), app.journal.intent(BUY)
    assert (trade.market, trade.strategy, trade.unit, trade.decided_at) == (
        MARKET,
        "breakouts",
        timedelta(minutes=2),
        NOW,
    )
    assert trade.stop_distance == Decimal("50.5")
    assert trade.entry_reason == {
        "code": "breakout",
        "ko": "돌파",
        "en": "breakout",
        "numbers": {"x": 1.5},
        "expected_price": "1001.5",
        "expected_slippage": "0.001500",
    }
    assert msgspec.json.decode(intent.request, type=NewOrder) == NewOrder(
        market=MARKET, side=Side.BID, total=Decimal(10_000), identifier=BUY
    )
    assert (intent.trade_id, intent.market, intent.side, intent.n) == (TRADE, MARKET, "bid", 0)
    assert intent.decision_key == "KRWAAA-2611021158-b-0"
    assert (intent.decided_at, intent.deadline) == (NOW, NOW + timedelta(seconds=10))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (risk.Refused(code="spread", ko="가", en="a"), "spread"),
        (OutcomeUnknown("?"), "OutcomeUnknown"),
        (PLAN, "already_decided"),
    ],
)
async def test_a_buy_that_is_refused_lets_its_market_rest(
    answer: Any, why: str, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules, by an exchange that cannot be asked, or by the journal, which has the decision: for a minute."""
    if answer is PLAN:
        app.journal.begin_trade(*trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN))
    await active(app, BUYING)
    planned_buy(app, monkeypatch, answer)
    driven = ends(monkeypatch, app, lambda _: None)
    await trades.buy(app, SNAPSHOT, ENTRY)
    assert driven == []
    assert app.tell.mock_calls == [call("refused", market=MARKET, why=why)]
    assert app.resting == {MARKET: NOW + timedelta(minutes=1)}
    assert await app.state.active_trade.snapshot() == {}
    assert await app.state.trading_dict.snapshot() == {}


async def test_what_was_bought_is_held_with_its_stop(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since its first fill, at its average price; a person is told with the fee, and beside what was expected."""
    await hold(app, monkeypatch)
    trade = app.journal.trade(TRADE)
    opened = NOW + timedelta(seconds=1)
    assert (trade.phase, trade.opened_at) == ("holding", opened)
    assert (trade.stop_price, trade.highest_price) == (Decimal("949.5"), Decimal(1000))
    ((kind, (told,), facts),) = app.messages.made
    assert (kind, told.id) == ("bought", TRADE)
    assert facts == {
        "korean_name": f"이름 {MARKET}",
        "fills": app.journal.fills_of(BUY),
        "fee": Decimal(5),
        "stop_price": Decimal("949.5"),
        "at": opened,
    }
    assert [note.key for note in app.journal.pending_notes(9)] == ["bought1"]
    assert app.tell.mock_calls == [
        call("bought", market=MARKET, price="1000", expected="1001.5", krw=Decimal(10_000), fee=Decimal(5))
    ]
    assert app.wake_notifier.called
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert (held.phase, held.trade_id, held.started_at) == (HOLDING, TRADE, NOW)
    assert held.position == Position(
        market=MARKET,
        entry_price=Decimal(1000),
        volume=Decimal(10),
        opened_at=opened,
        stop_price=Decimal("949.5"),
        highest_price=Decimal(1000),
    )


@pytest.mark.parametrize(
    ("outcome", "before", "rests"),
    [
        (None, 0, timedelta(minutes=1)),
        ("UnderMinTotal", 0, timedelta(minutes=1)),
        ("UnderMinTotal", 1, timedelta(days=1)),
    ],
)
async def test_a_buy_that_bought_nothing_is_over(
    outcome: str | None, before: int, rests: timedelta, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how its order ended; the market rests for a day from the second refusal in a day on."""
    for earlier in range(before):
        past = replace(SNAPSHOT, candle_closed_at=CLOSED - timedelta(minutes=earlier + 1))
        trade, intent = trades.plan_entry(app, past, ENTRY, PLAN)
        app.journal.begin_trade(trade, intent)
        refused(app, "UnderMinTotal")(intent.identifier)
        app.journal.abandon_trade(trade.id, "REJECTED")
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    await active(app, BUYING, trade.id)
    ends(monkeypatch, app, refused(app, outcome) if outcome else lambda name: app.journal.abandon(name, "deadline"))
    await trades.carry_on(app, MARKET)
    assert app.journal.trade(TRADE).phase == "abandoned"
    (event,) = app.journal._db.execute("SELECT data FROM event WHERE kind = 'trade' ORDER BY seq DESC LIMIT 1")
    assert msgspec.json.decode(event["data"])["why"] == ("REJECTED" if outcome else "ABANDONED")
    assert app.resting == {MARKET: NOW + rests}
    assert await app.state.active_trade.snapshot() == {}
    assert app.messages.made == []
    assert app.control.mock_calls == []


@pytest.mark.parametrize(("free", "halts"), [("10025", True), ("10024", False)])
async def test_a_refusal_for_money_that_is_there_stops_buying(
    free: str,
    halts: bool,  # noqa: FBT001 - a parameter
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Enough is the total and the highest fee; a person sees what was asked for and what was free."""

    async def accounts() -> list[Account]:
        return [Account(currency="KRW", available=Decimal(free), locked=Decimal(0))]

    app.upbit = SimpleNamespace(accounts=accounts)
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    await active(app, BUYING, trade.id)
    ends(monkeypatch, app, refused(app, "InsufficientFunds"))
    await trades.carry_on(app, MARKET)
    assert app.control.halt_buys.called is halts
    if halts:
        (code,), facts = app.control.halt_buys.call_args
        assert (code, facts["market"], facts["request"], facts["free"]) == (
            "unexplained_refusal",
            MARKET,
            intent.request,
            Decimal(free),
        )


async def test_a_refusal_of_an_account_without_won_is_no_riddle(app: Any) -> None:
    """Upbit does not list a currency of which there is nothing; coins are not asked for."""

    async def accounts() -> list[Account]:
        return []

    app.upbit = SimpleNamespace(accounts=accounts)
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    refused(app, "InsufficientFunds")(intent.identifier)
    await trades.explain_refusal(app, intent)
    assert app.control.mock_calls == []


def bids(app: Any, *levels: Any) -> None:
    """Let the book have these levels."""

    async def books(markets: list[str]) -> Any:
        assert markets == [MARKET]
        return [msgspec.structs.replace(book(), levels=list(levels))]

    app.upbit = SimpleNamespace(books=books)


def leaving(code: str = "trend_end") -> Exit:
    """Return a decision to sell."""
    return Exit(sell=True, reason=Reason(code=code, ko="까닭", en="because"))


async def test_a_sale_is_written_down_and_ends_the_trade(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why, what the bids promise, its order without a last moment; then the profit is told."""
    await hold(app, monkeypatch)
    app.later(10)
    bids(app, level("1110", "1100", bid_size="5"), level("1120", "1000", bid_size="50"))
    driven = ends(monkeypatch, app, executed(app, "10", price="1050", fee="5.25"))
    await trades.sell(app, MARKET, leaving())
    sale = f"ub1-{TRADE}-s-0-0"
    assert driven == [sale]
    intent = app.journal.intent(sale)
    assert msgspec.json.decode(intent.request, type=NewOrder) == NewOrder(
        market=MARKET, side=Side.ASK, volume=Decimal(10), identifier=sale
    )
    assert (intent.decision_key, intent.n, intent.deadline) == ("KRWAAA-2611021158-s-0", 0, None)
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
    assert (trade.phase, trade.dust, trade.closed_at) == ("closed", 0, NOW + timedelta(seconds=11))
    kind, (told,), facts = app.messages.made[-1]
    assert (kind, told.id, told.proceeds_krw) == ("sold", TRADE, Decimal("10494.75"))
    assert facts == {"korean_name": f"이름 {MARKET}", "dust": Decimal(0), "at": NOW + timedelta(seconds=11)}
    assert [note.kind for note in app.journal.pending_notes(9)] == ["bought", "sold"]
    assert app.tell.mock_calls[-1] == call(
        "sold", market=MARKET, reason="trend_end", profit_krw=Decimal("10494.75") - Decimal(10_005)
    )
    assert await app.state.active_trade.snapshot() == {}
    assert await app.state.trading_dict.snapshot() == {}
    assert app.pauses == []


@pytest.mark.parametrize(
    ("outcome", "seconds", "told"), [("UnderMinTotal", 10.0, []), ("MarketUnavailable", 60.0, ["suspended"])]
)
async def test_a_sale_that_was_refused_is_tried_again_later(
    outcome: str, seconds: float, told: list[str], app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In ten seconds, or in a minute while the market stands still, which a person is told."""
    await hold(app, monkeypatch)
    app.messages.made.clear()
    app.tell.reset_mock()
    app.wake_notifier.reset_mock()
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, refused(app, outcome))
    await trades.sell(app, MARKET, leaving())
    assert app.pauses == [(seconds, app.stop)]
    assert [kind for kind, *_ in app.messages.made] == told
    if told:
        assert app.tell.mock_calls == [call("suspended", level=logging.WARNING, market=MARKET, volume=Decimal(10))]
        assert app.messages.made[0][2] == {"at": app.clock()}
        assert "suspended1" in [note.key for note in app.journal.pending_notes(9)]
        assert app.wake_notifier.call_count == 2
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert held.phase == HOLDING
    again = trades.plan_exit(app, app.journal.trade(TRADE), Decimal(10))
    assert (again.identifier, again.n) == (f"ub1-{TRADE}-s-0-1", 1)


async def test_a_part_that_was_sold_leaves_the_rest_for_the_next_leg(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, without a pause, under the next name."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, executed(app, "4"))
    await trades.sell(app, MARKET, leaving())
    assert app.pauses == []
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert held.phase == HOLDING
    assert held.position is not None
    assert held.position.volume == 6
    leg = trades.plan_exit(app, app.journal.trade(TRADE), Decimal(6))
    assert (leg.decision_key, leg.n) == ("KRWAAA-2611021158-s-1", 0)


async def test_a_leg_follows_the_last_one_that_was_executed_also_when_those_before_it_are_not_known(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was adopted may begin with the second leg: its name must not serve for another order."""
    await hold(app, monkeypatch)
    trade = app.journal.trade(TRADE)
    sold = replace(trades.plan_exit(app, trade, Decimal(4)), decision_key="KRWAAA-2611021158-s-1")
    monkeypatch.setattr(app.journal, "intents_of", lambda _: [replace(sold, state=IntentState.FINAL)])
    assert trades.plan_exit(app, trade, Decimal(6)).identifier == f"ub1-{TRADE}-s-2-0"


@pytest.mark.parametrize(("code", "sells"), [(STOP.code, False), ("trend_end", True)])
async def test_a_stop_that_the_bids_deny_is_held_on(
    code: str,
    sells: bool,  # noqa: FBT001 - a parameter
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is looked at again in three seconds; another reason needs no fall."""
    await hold(app, monkeypatch)
    bids(app, level("1010", "1000"))
    driven = ends(monkeypatch, app, executed(app, "10"))
    await trades.sell(app, MARKET, leaving(code))
    assert bool(driven) is sells
    if not sells:
        assert app.pauses == [(3.0, app.stop)]
        assert app.tell.mock_calls[-1] == call(
            "exit_not_confirmed", level=logging.WARNING, market=MARKET, reason=STOP.code, bid=Decimal(1000)
        )


async def test_a_market_without_a_book_confirms_no_exit(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to sell to."""
    await hold(app, monkeypatch)
    bids(app)
    await trades.sell(app, MARKET, leaving())
    assert app.tell.mock_calls[-1] == call(
        "exit_not_confirmed", level=logging.WARNING, market=MARKET, reason="trend_end", bid=Decimal(0)
    )


async def test_coins_that_somebody_locks_are_waited_for(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is told how many, and they are tried again in ten seconds."""
    await hold(app, monkeypatch)
    app.later(10)
    free = Balance(available=Decimal(1), locked=Decimal(9), as_of=app.clock())
    await app.state.wallet_dict.replace({"AAA": free, "KRW": replace(free, available=Decimal(10**9))})
    bids(app, level("1010", "1000"))
    app.wake_notifier.reset_mock()
    await trades.sell(app, MARKET, leaving())
    assert app.tell.mock_calls[-1] == call("locked", level=logging.WARNING, market=MARKET, volume=Decimal(10))
    kind, (told, volume), facts = app.messages.made[-1]
    assert (kind, told.id, volume, facts) == ("locked", TRADE, Decimal(10), {"at": app.clock()})
    assert "locked2" in [note.key for note in app.journal.pending_notes(9)]
    assert app.wake_notifier.called
    assert app.pauses == [(10.0, app.stop)]
    assert (await app.state.active_trade.snapshot())[MARKET].phase == HOLDING


async def test_what_upbit_would_not_take_ends_the_trade_as_dust(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason for which it should have been sold."""
    await hold(app, monkeypatch)
    bids(app, level("401", "400"))
    await trades.sell(app, MARKET, leaving())
    trade = app.journal.trade(TRADE)
    assert (trade.phase, trade.dust) == ("closed", Decimal(10))
    assert trade.exit_reason == {"code": "trend_end", "ko": "까닭", "en": "because", "numbers": {}}
    assert app.messages.made[-1][2]["dust"] == 10
    assert app.messages.made[-1][1][0].exit_reason == trade.exit_reason
    assert app.tell.mock_calls[-2:] == [
        call("dust", level=logging.WARNING, market=MARKET, volume=Decimal(10)),
        call("sold", market=MARKET, reason="trend_end", profit_krw=Decimal(-10_005)),
    ]


async def test_a_phase_is_taken_by_one_only(app: Any) -> None:
    """Whoever comes second, or asks about another market, gets nothing."""
    await active(app, HOLDING, TRADE)
    assert await trades.reserve(app, MARKET, HOLDING, SELLING)
    assert not await trades.reserve(app, MARKET, HOLDING, SELLING)
    assert not await trades.reserve(app, "KRW-BBB", HOLDING, SELLING)
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert (held.phase, held.trade_id) == (SELLING, TRADE)


async def test_a_trade_last_moved_with_its_last_fill(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of either side; before the first, when it was decided."""
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    assert trades.last_fill_at(app, trade) == NOW
    executed(app, "4", after=1)(intent.identifier)
    assert trades.last_fill_at(app, trade) == NOW + timedelta(seconds=1)
    app.journal.enter_position(TRADE, opened_at=NOW, stop_price=None, highest_price=Decimal(1000))
    app.journal.leave(TRADE, {}, trades.plan_exit(app, trade, Decimal(1)))
    executed(app, "1", after=1)(f"ub1-{TRADE}-s-0-0")
    assert trades.last_fill_at(app, trade) == NOW + timedelta(seconds=2)
    assert len(trades.fills_of(app, trade, "bid")) == 1


async def test_a_sale_whose_coins_were_all_taken_meanwhile_is_over(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As what it was: a withdrawal of their owner, at its price."""
    await hold(app, monkeypatch)
    app.journal.take_out(TRADE, Decimal(10), price=Decimal(1200))
    bids(app, level("1010", "1000"))
    driven = ends(monkeypatch, app, lambda _: None)
    await trades.sell(app, MARKET, leaving())
    assert driven == []
    trade = app.journal.trade(TRADE)
    assert (trade.phase, trade.dust, trade.profit_krw) == ("closed", Decimal(0), Decimal(12_000 - 10_005))
    assert trade.exit_reason is not None
    assert (trade.exit_reason["code"], set(trade.exit_reason)) == ("taken", {"code", "ko", "en"})
    assert await app.state.active_trade.snapshot() == {}


@pytest.mark.parametrize("taken", ["10", "4"])
async def test_what_is_left_while_a_sale_waits_is_held(taken: str, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing left: the trade is over."""
    await hold(app, monkeypatch)
    app.journal.take_out(TRADE, Decimal(taken), price=None)
    await trades.hold_or_end(app, TRADE)
    held = (await app.state.active_trade.snapshot()).get(MARKET)
    assert (held is None) is (taken == "10")
    assert held is None or (held.position is not None and held.position.volume == 6)


def test_a_currency_that_upbit_does_not_list_is_nothing() -> None:
    """As of the oldest of what it lists; a wallet that was not read says nothing at all."""
    late = Balance(available=Decimal(5), locked=Decimal(1), as_of=NOW)
    early = replace(late, as_of=NOW - timedelta(seconds=1))
    assert trades.free_of("AAA", {}) is None
    assert trades.free_of("AAA", {"AAA": late, "KRW": early}) is late
    assert trades.free_of("AAA", {"KRW": late, "BBB": early}) == Balance(
        available=Decimal(0), locked=Decimal(0), as_of=early.as_of
    )


@pytest.mark.parametrize("stands", [TRADE, "another", None])
async def test_a_trade_that_orders_nobody_knew_have_ended_is_let_go(
    stands: str | None, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another one that stands in its place by now is left alone."""
    await hold(app, monkeypatch)
    app.journal.close_trade(TRADE, closed_at=NOW, dust=Decimal(0))
    if stands is None:
        await app.state.active_trade.replace({})
    else:
        await active(app, SELLING, stands)
    await trades.hold_or_end(app, TRADE)
    assert len(await app.state.active_trade.snapshot()) == (stands == "another")
    assert app.tell.call_args.args == ("bought",)


async def test_coins_that_were_not_there_are_offered_again_after_a_comparison(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another daemon may have sold them; any other refusal says nothing about them."""
    await hold(app, monkeypatch)
    compared: list[bool] = []

    async def wait_for_comparison(_: Any) -> None:
        compared.append(True)

    monkeypatch.setattr(trades, "wait_for_comparison", wait_for_comparison)
    bids(app, level("1010", "1000"))
    ends(monkeypatch, app, refused(app, "UnderMinTotal"))
    await trades.sell(app, MARKET, leaving())
    assert compared == []
    ends(monkeypatch, app, refused(app, "InsufficientFunds"))
    await trades.sell(app, MARKET, leaving())
    assert compared == [True]


@pytest.mark.parametrize(("after", "stops", "looks"), [(3, False, 3), (999, False, 120), (999, True, 0)])
async def test_a_comparison_is_asked_for_and_waited_for_two_minutes_at_most(
    after: int,
    stops: bool,  # noqa: FBT001 - a parameter
    looks: int,
    app: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second at a time, and not by a daemon that ends."""
    app.comparisons, app.compare_now = 7, asyncio.Event()
    if stops:
        app.stop.set()
    pauses: list[tuple[object, ...]] = []

    async def pause(*what: object) -> None:
        pauses.append(what)
        app.comparisons += len(pauses) == after

    monkeypatch.setattr(trades, "pause", pause)
    await trades.wait_for_comparison(app)
    assert app.compare_now.is_set()
    assert pauses == [(1.0, app.stop)] * looks


async def test_an_order_ended_with_the_error_of_its_last_attempt(app: Any) -> None:
    """When it was refused for good; one that was given up was refused by nobody."""
    trade, intent = trades.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    assert not trades.ended_with(app, intent, InsufficientFunds)
    refused(app, "InsufficientFunds")(intent.identifier)
    ended = app.journal.intent(intent.identifier)
    assert trades.ended_with(app, ended, InsufficientFunds)
    assert not trades.ended_with(app, ended, OutcomeUnknown)
    assert not trades.ended_with(app, replace(ended, state=IntentState.ABANDONED), InsufficientFunds)
    assert not trades.ended_with(app, replace(ended, identifier="unsent"), InsufficientFunds)


async def test_a_market_that_is_not_there_can_be_let_go(app: Any) -> None:
    """Two flows may end a trade at once."""
    await active(app, HOLDING, TRADE)
    for _ in range(2):
        await trades.let_go(app, MARKET)
        assert await app.state.active_trade.snapshot() == {}
        assert await app.state.trading_dict.snapshot() == {}


@pytest.mark.parametrize(("distance", "kept"), [(None, None), (0.0, None), (0.1, Decimal("0.1"))])
def test_a_trade_without_a_stop_is_planned_without_one(distance: float | None, kept: Decimal | None, app: Any) -> None:
    """No distance, or one of nothing, is no stop."""
    trade, _ = trades.plan_entry(app, SNAPSHOT, replace(ENTRY, stop_distance=distance), PLAN)
    assert trade.stop_distance == kept
