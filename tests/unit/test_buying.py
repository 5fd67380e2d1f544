"""What a buy asks, writes, tells and leaves behind, with an order flow that ends as the test says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import call, patch

import msgspec
import pytest

from journal.records import Phase
from notifier.cards import Room
from state import Balance
from strategy.base import Position
from tests.helpers.buying import book, chance, level
from tests.helpers.parts import only
from tests.helpers.trading import (
    BUY,
    CLOSED,
    ENTRY,
    MARKET,
    NOW,
    PLAN,
    SNAPSHOT,
    TRADE,
    active,
    ends,
    executed,
    hold,
    refused,
)
from trader.orders import plans, risk
from trader.trades import buying, lifecycle
from upbit.errors import OutcomeUnknown
from upbit.models import Account, NewOrder, Side
from upbit.rest import Upbit

if TYPE_CHECKING:
    from config.settings import Config
    from upbit.models import Book, Chance

    Verdict = risk.BuyPlan | risk.Refused | OutcomeUnknown
    from tests.helpers.trading import Trading


async def test_the_facts_of_a_buy_are_those_of_now(app: Trading) -> None:
    """Asked for together, beside what the journal has committed; the last price that was heard, else the decision's."""
    await active(app, Phase.BUYING)
    wallet = Balance(available=Decimal(70_000), locked=Decimal(1), as_of=NOW)
    await app.state.wallet_dict.replace({"KRW": wallet, "AAA": replace(wallet, available=Decimal(1))})
    allowed, levels = chance(), book(level("1001", "999"))

    async def ask_chance(market: str) -> Chance:
        assert market == MARKET
        app.later(1)
        return allowed

    async def ask_books(markets: list[str]) -> list[Book]:
        assert markets == [MARKET]
        app.later(1)
        return [levels]

    app.upbit = only(Upbit, chance=ask_chance, books=ask_books)
    other = msgspec.structs.replace(SNAPSHOT, market="KRW-BBB")
    app.journal.begin_trade(*plans.plan_entry(app, other, ENTRY, PLAN))
    found = await buying.gather_facts(app, SNAPSHOT, ENTRY)
    assert found == risk.Facts(
        market=MARKET,
        now=NOW + timedelta(seconds=2),
        price=Decimal(1005),
        price_as_of=NOW,
        asked_at=NOW,
        chance=allowed,
        book=levels,
        wallet=replace(wallet, available=Decimal(70_000) - Decimal(10_000) * (1 + allowed.bid_fee)),
        exposure=risk.Exposure(
            by_market={"KRW-BBB": Decimal(10_000)},
            spent_today=app.journal.spent_since(NOW - timedelta(days=1)),
            open_trades=1,
        ),
        unexplained=None,
        stop_fraction=0.05,
    )
    assert found.exposure.spent_today >= 10_000
    await app.state.trading_dict.replace({})
    await app.state.wallet_dict.replace({})
    bare = await buying.gather_facts(app, SNAPSHOT, msgspec.structs.replace(ENTRY, stop_distance=None))
    assert (bare.price, bare.price_as_of) == (SNAPSHOT.price, SNAPSHOT.price_as_of)
    assert (bare.wallet, bare.stop_fraction) == (None, None)


@pytest.mark.parametrize(
    ("minutes", "held", "unexplained"),
    [(1, "3.5", "1.5"), (1, "2", "0"), (1, "1", "0"), (1, None, None), (14.9, "3.5", "1.5"), (15, "3.5", "0")],
)
async def test_coins_that_no_order_explains_are_nobodys_for_a_quarter_of_an_hour(
    minutes: float, held: str | None, unexplained: str | None, app: Trading
) -> None:
    """Until then a list that hides an order may lie; dust is known, and a balance that cannot be read is none."""
    app.comparison.first_s = 5.0
    account = b"null" if held is None else f'{{"currency":"AAA","balance":"{held}","locked":"0"}}'.encode()
    told = msgspec.structs.replace(chance(), ask_account=msgspec.Raw(account))
    with patch.object(app.journal, "dust", return_value={MARKET: Decimal(2), "KRW-BBB": Decimal(9)}) as dust:
        found = buying.unexplained(app, MARKET, told, 5.0 + 60 * minutes)
        dust.return_value = {"KRW-BBB": Decimal(9)}  # none of it
        assert buying.unexplained(app, MARKET, told, 65.0) == (None if held is None else Decimal(held))
    assert found == (None if unexplained is None else Decimal(unexplained))
    app.comparison.first_s = None
    assert not app.comparison.explains_all(1e9)


@pytest.mark.parametrize(("free", "left"), [("70000", "59995"), ("10005", "0"), ("9000", "0")])
async def test_the_won_of_a_buy_that_is_under_way_is_not_sized_on_twice(free: str, left: str, app: Trading) -> None:
    """The wallet shows it late: until then it is taken off, with its fee; never below nothing."""
    app.journal.begin_trade(*plans.plan_entry(app, msgspec.structs.replace(SNAPSHOT, market="KRW-BBB"), ENTRY, PLAN))
    won = Balance(available=Decimal(free), locked=Decimal(0), as_of=NOW + timedelta(minutes=5))
    found = buying.uncommitted(app.journal, won, Decimal("0.0005"))
    assert found == replace(won, available=Decimal(left))
    assert buying.uncommitted(app.journal, None, Decimal("0.0005")) is None


@pytest.mark.parametrize(("seconds", "left"), [(9, "59989.9975"), (11, "70000")])
async def test_a_buy_that_is_over_counts_until_the_wallet_surely_shows_it(
    seconds: int, left: str, app: Trading
) -> None:
    """Ten seconds after it was decided the account knows of it."""
    trade, intent = plans.plan_entry(app, msgspec.structs.replace(SNAPSHOT, market="KRW-BBB"), ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    executed(app, "10")(intent.identifier)
    won = Balance(available=Decimal(70_000), locked=Decimal(0), as_of=NOW + timedelta(seconds=seconds))
    assert buying.uncommitted(app.journal, won, Decimal("0.0005")) == replace(won, available=Decimal(left))


async def test_too_little_won_is_told_and_lets_the_market_rest(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buys go on by themselves when there is enough: nothing is halted."""
    await active(app, Phase.BUYING)
    planned_buy(app, monkeypatch, risk.REFUSED[risk.NO_MONEY])
    await lifecycle.buy(app, SNAPSHOT, ENTRY)
    assert app.made[-1] == ("too_little_won", (app.config.trading.order_krw,), {"at": app.clock()})
    assert (await app.state.resting.snapshot())[MARKET] == NOW + timedelta(minutes=1)
    assert app.control.mock_calls == []


def planned_buy(app: Trading, monkeypatch: pytest.MonkeyPatch, answer: Verdict) -> None:
    """Let the rules answer this to whatever is asked."""

    async def gather(*_: object) -> str:
        if isinstance(answer, Exception):
            raise answer
        return "facts"

    def judge(config: Config, facts: object) -> Verdict:
        assert (config, facts) == (app.config, "facts")
        return answer

    monkeypatch.setattr(buying, "gather_facts", gather)
    monkeypatch.setattr(risk, "judge_buy", judge)


async def test_a_buy_is_written_down_before_it_is_carried_out(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its trade with why and what is expected, its order with its name and its last moment."""
    await active(app, Phase.BUYING)
    planned_buy(app, monkeypatch, PLAN)
    driven = ends(monkeypatch, app, lambda name: app.journal.abandon(name, "deadline"))
    await lifecycle.buy(app, SNAPSHOT, ENTRY)
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
        (risk.Refused(code="spread", en="a"), "spread"),
        (OutcomeUnknown("?"), "OutcomeUnknown"),
        (PLAN, "already_decided"),
    ],
)
async def test_a_buy_that_is_refused_lets_its_market_rest(
    answer: Verdict, why: str, app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the rules, by an exchange that cannot be asked, or by the journal, which has the decision: for a minute."""
    if answer is PLAN:
        app.journal.begin_trade(*plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN))
    await active(app, Phase.BUYING)
    planned_buy(app, monkeypatch, answer)
    driven = ends(monkeypatch, app, lambda _: None)
    await lifecycle.buy(app, SNAPSHOT, ENTRY)
    assert driven == []
    assert app.tell.mock_calls == [call("refused", market=MARKET, why=why)]
    assert await app.state.resting.snapshot() == {MARKET: NOW + timedelta(minutes=1)}
    assert await app.state.active_trade.snapshot() == {}
    assert await app.state.trading_dict.snapshot() == {}


async def test_a_card_shows_free_won_only_from_a_wallet_that_knows_the_buy(app: Trading) -> None:
    """One that was read before shows what was there before."""
    for read, free in ((NOW, Decimal(7)), (NOW - timedelta(seconds=1), None)):
        krw = Balance(available=Decimal(7), locked=Decimal(1), as_of=read)
        await app.state.wallet_dict.replace({"KRW": krw})
        assert await buying.room_left(app.config, app.state, NOW) == Room(taken=0, places=5, free_krw=free)


async def test_what_was_bought_is_held_with_its_stop(app: Trading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since its first fill, at its average price; a person is told with the fee, and beside what was expected."""
    await hold(app, monkeypatch)
    trade = app.journal.trade(TRADE)
    opened = NOW + timedelta(seconds=1)
    assert (trade.phase, trade.opened_at) == ("holding", opened)
    assert (trade.stop_price, trade.highest_price) == (Decimal("949.5"), Decimal(1000))
    ((kind, (told,), facts),) = app.made
    assert (kind, told.id) == ("bought", TRADE)
    assert facts == {
        "name": f"이름 {MARKET}",
        "fills": app.journal.fills_of(BUY),
        "fee": Decimal(5),
        "stop_price": Decimal("949.5"),
        "at": opened,
        "room": Room(taken=1, places=5, free_krw=None),  # the wallet was not read since
    }
    assert [note.key for note in app.journal.pending_notes(9)] == ["bought1"]
    assert app.tell.mock_calls == [
        call("bought", market=MARKET, price="1000", expected="1001.5", krw=Decimal(10_000), fee=Decimal(5))
    ]
    assert app.wake_notifier.called
    (held,) = (await app.state.active_trade.snapshot()).values()
    assert (held.phase, held.trade_id, held.started_at) == (Phase.HOLDING, TRADE, NOW)
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
    outcome: str | None, before: int, rests: timedelta, app: Trading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how its order ended; the market rests for a day from the second refusal in a day on."""
    for earlier in range(before):
        past = msgspec.structs.replace(SNAPSHOT, candle_closed_at=CLOSED - timedelta(minutes=earlier + 1))
        trade, intent = plans.plan_entry(app, past, ENTRY, PLAN)
        app.journal.begin_trade(trade, intent)
        refused(app, "UnderMinTotal")(intent.identifier)
        app.journal.abandon_trade(trade.id, "REJECTED")
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    await active(app, Phase.BUYING, trade.id)
    ends(monkeypatch, app, refused(app, outcome) if outcome else lambda name: app.journal.abandon(name, "deadline"))
    await lifecycle.carry_on(app, MARKET)
    assert app.journal.trade(TRADE).phase == "abandoned"
    (event,) = app.journal._db.execute("SELECT data FROM event WHERE kind = 'trade' ORDER BY seq DESC LIMIT 1")
    assert msgspec.json.decode(event["data"])["why"] == ("REJECTED" if outcome else "ABANDONED")
    assert await app.state.resting.snapshot() == {MARKET: NOW + rests}
    assert app.journal.rests(NOW)[MARKET].why == ("rejected" if outcome else "not_bought")
    assert await app.state.active_trade.snapshot() == {}
    assert app.made == []
    assert app.control.mock_calls == []


@pytest.mark.parametrize(("free", "halts"), [("10025", True), ("10024", False)])
async def test_a_refusal_for_money_that_is_there_stops_buying(
    free: str,
    halts: bool,  # noqa: FBT001 - a parameter
    app: Trading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Enough is the total and the highest fee; a person sees what was asked for and what was free."""

    async def accounts() -> list[Account]:
        return [Account(currency="KRW", available=Decimal(free), locked=Decimal(0))]

    app.upbit = only(Upbit, accounts=accounts)
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    await active(app, Phase.BUYING, trade.id)
    ends(monkeypatch, app, refused(app, "InsufficientFunds"))
    await lifecycle.carry_on(app, MARKET)
    assert app.control.halt_buys.called is halts
    if halts:
        (code,), facts = app.control.halt_buys.call_args
        assert (code, facts["market"], facts["request"], facts["free"]) == (
            "unexplained_refusal",
            MARKET,
            intent.request,
            Decimal(free),
        )


@pytest.mark.parametrize(
    ("ago_s", "free", "halts"),
    [(9, "20029", False), (9, "20030", True), (11, "10025", True)],
    ids=["it needs that won", "there is enough all the same", "the account knows of it"],
)
async def test_won_that_another_buy_has_just_spent_explains_a_refusal(
    ago_s: int, free: str, app: Trading, *, halts: bool
) -> None:
    """The account may show it for ten seconds; so long it is not read at all."""

    async def accounts() -> list[Account]:
        return [Account(currency="KRW", available=Decimal(free), locked=Decimal(0))]

    app.upbit = only(Upbit, accounts=accounts)
    other, bought = plans.plan_entry(app, msgspec.structs.replace(SNAPSHOT, market="KRW-BBB"), ENTRY, PLAN)
    app.journal.begin_trade(other, bought)
    executed(app, "10")(bought.identifier)
    app.later(ago_s)
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    refused(app, "InsufficientFunds")(intent.identifier)
    await buying.explain_refusal(app, intent)
    assert app.control.halt_buys.called is halts
    assert app.pauses == [(10.0, app.stop)]


async def test_a_refusal_of_an_account_without_won_is_no_riddle(app: Trading) -> None:
    """Upbit does not list a currency of which there is nothing; coins are not asked for."""

    async def accounts() -> list[Account]:
        return []

    app.upbit = only(Upbit, accounts=accounts)
    trade, intent = plans.plan_entry(app, SNAPSHOT, ENTRY, PLAN)
    app.journal.begin_trade(trade, intent)
    refused(app, "InsufficientFunds")(intent.identifier)
    await buying.explain_refusal(app, intent)
    assert app.control.mock_calls == []


@pytest.mark.parametrize(("distance", "kept"), [(None, None), (0.0, None), (0.1, Decimal("0.1"))])
def test_a_trade_without_a_stop_is_planned_without_one(
    distance: float | None, kept: Decimal | None, app: Trading
) -> None:
    """No distance, or one of nothing, is no stop."""
    trade, _ = plans.plan_entry(app, SNAPSHOT, msgspec.structs.replace(ENTRY, stop_distance=distance), PLAN)
    assert trade.stop_distance == kept
