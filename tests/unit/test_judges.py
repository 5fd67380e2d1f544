"""What those who judge a world take for proven, and what they let pass because nobody could know it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from journal.errors import JournalFull
from sandbox.exchange.orders import Fill, Order, Request
from upbit.errors import OutcomeUnknown, Unauthorized
from worlds.judges.caps import SUSTAINED_S, Breakers, Limits, broken_caps, spent_today
from worlds.judges.coins import NOTICED_S, Coins
from worlds.judges.endings import wrong_end
from worlds.story import Story

ETH = "KRW-ETH"
MIDNIGHT = datetime(2026, 11, 2, 15, tzinfo=UTC)  # in Korea
LIMITS = Limits(
    order_krw=Decimal(100),
    market_krw=Decimal(100),
    day_krw=Decimal(250),
    max_open_trades=2,
    max_day_loss=Decimal("0.1"),
    max_drawdown=Decimal("0.2"),
    unit=timedelta(minutes=1),
)


def an_order(side: str, candle: datetime = MIDNIGHT, *, total: int | None = None) -> Order:
    """Return an order of the bot."""
    asked = Request(
        market=ETH,
        side=side,  # type: ignore[arg-type]  # one of the two
        ord_type="price" if side == "bid" else "market",
        price=None if total is None else Decimal(total),
        volume=None,
        time_in_force=None,
        smp_type="none",
        identifier=f"ub1-x-KRWETH-{candle:%y%m%d%H%M}-{side[0]}-0-0",
    )
    return Order(uuid="u", asked=asked, fee_rate=Decimal(0), created_ms=0)


def a_fill(volume: int) -> Fill:
    """Return a fill at a price of one won."""
    some = Decimal(volume)
    return Fill(uuid="f", price=Decimal(1), volume=some, funds=some, fee=Decimal(0), at_ms=0, maker=False, trend="up")


# --- coins ---


@pytest.fixture
def account() -> dict[str, Decimal]:
    """Return what the account holds: ten that the bot bought."""
    return {"ETH": Decimal(10)}


@pytest.fixture
def coins(account: dict[str, Decimal]) -> Coins:
    """Return who judges that account."""
    judge = Coins(account.__getitem__)
    judge.on_our_fill(an_order("bid"), a_fill(10))
    return judge


@pytest.mark.parametrize(("there", "taken"), [(15, 0), (10, 0), (7, 3), (0, 10)])
def test_the_owner_takes_his_own_coins_first(there: int, taken: int, coins: Coins, account: dict[str, Decimal]) -> None:
    """Only what the account then lacks of the bot's is taken."""
    account["ETH"] = Decimal(there)
    coins.on_owner(ETH)
    assert coins.taken[ETH] == taken
    assert coins.left(ETH) == 10 - taken


@pytest.mark.parametrize(("comes", "away"), [("3", 0), ("4", 3), ("2", 3)])
def test_what_comes_back_to_the_last_digit_was_not_taken(
    comes: str, away: int, coins: Coins, account: dict[str, Decimal]
) -> None:
    """Nobody can tell that from an account that was shown wrongly; any other number is the owner's."""
    account["ETH"] = Decimal(15)
    coins.on_owner(ETH)  # five of his own
    account["ETH"] = Decimal(7)
    coins.on_owner(ETH)
    assert coins.taken[ETH] == 3
    account["ETH"] = Decimal(12) + Decimal(comes)
    coins.on_owner(ETH)
    assert coins.taken[ETH] == away
    assert coins.ever_taken[ETH] == 3


def test_what_the_bot_sells_after_all_was_not_taken(coins: Coins, account: dict[str, Decimal]) -> None:
    """Whether it might is judged before; then what is left cannot be less than nothing."""
    account["ETH"] = Decimal(7)
    coins.on_owner(ETH)
    coins.on_our_fill(an_order("ask"), a_fill(10))
    assert coins.left(ETH) == -3
    coins.settle(ETH)
    assert coins.left(ETH) == 0
    assert coins.taken[ETH] == 0


@pytest.mark.parametrize(
    ("back_after_s", "true_since", "noticeable"),
    [(NOTICED_S, 0.0, 3), (NOTICED_S - 5, 0.0, 0), (NOTICED_S, None, 0), (NOTICED_S, 60.0, 0)],
    ids=["long enough", "back too soon", "answers are not true", "they are true since a moment ago"],
)
def test_what_was_taken_must_be_noticed_when_it_was_missing_long_enough(
    back_after_s: float, true_since: float | None, noticeable: int, coins: Coins, account: dict[str, Decimal]
) -> None:
    """While answers were true; what came back before nobody can have seen."""
    account["ETH"] = Decimal(7)
    coins.on_owner(ETH)
    for now_s in range(0, int(back_after_s) + 1, 5):
        coins.look(float(now_s), true_since)
    account["ETH"] = Decimal(99)
    coins.look(back_after_s + 5, true_since)
    assert coins.noticeable[ETH] == noticeable
    assert coins.taken[ETH] == 3


# --- caps ---


def test_a_day_counts_what_was_paid_and_of_open_buys_all_that_they_may() -> None:
    """A sale costs nothing, and what may have been decided yesterday is not held against today."""
    ended, open_ = an_order("bid", total=100), an_order("bid", total=60)
    ended.add(a_fill(40))
    ended.state = "cancel"
    open_.add(a_fill(10))
    before = an_order("bid", MIDNIGHT - timedelta(minutes=1), total=100)
    assert spent_today([ended, open_, before, an_order("ask")], MIDNIGHT + timedelta(seconds=5)) == 100


@pytest.mark.parametrize(
    ("total", "spent", "broken"),
    [(100, 150, []), (100, 151, ["a day"]), (101, 0, ["an order", "a market"]), (1, 250, ["a day"])],
)
def test_a_cap_may_be_reached_and_not_passed(total: int, spent: int, broken: list[str]) -> None:
    """By one won."""
    assert broken_caps(LIMITS, Decimal(total), Decimal(spent)) == broken


# --- breakers ---


class Measured:
    """Breakers whose profits are told, five seconds apart."""

    def __init__(self) -> None:
        self.now = MIDNIGHT
        self.story = Story(lambda: self.now)
        self.breakers = Breakers(LIMITS, self.story)

    def go_on(self, seconds: float, profit: int) -> None:
        """Let a profit last."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.breakers.look((self.now - MIDNIGHT).total_seconds(), Decimal(profit), sees=True)
            self.now += timedelta(seconds=5)

    def buys(self) -> list[str]:
        """Return what is broken by a buy that is decided now."""
        candle = self.now.replace(second=0) + timedelta(minutes=1)
        self.breakers.on_buy(str(an_order("bid", candle).asked.identifier))
        return [one.partition(":")[0] for one in self.story.broken]


@pytest.mark.parametrize(
    ("profits", "accused"),
    [
        ([(SUSTAINED_S + 5, 0), (SUSTAINED_S + 5, -22)], True),
        ([(SUSTAINED_S + 5, 0), (SUSTAINED_S + 5, -19)], False),
        ([(SUSTAINED_S + 5, 0), (60, -50), (SUSTAINED_S + 5, -5)], False),
        ([(SUSTAINED_S + 5, 0), (60, 50), (SUSTAINED_S + 5, -5)], False),
        ([(SUSTAINED_S + 5, 0), (SUSTAINED_S + 5, 60), (SUSTAINED_S + 5, 4)], True),
    ],
    ids=[
        "a day's loss",
        "less than that",
        "a loss of a moment",
        "a peak of a moment",
        "a fall from a peak that lasted",
    ],
)
def test_a_buy_beyond_a_loss_that_lasted_is_accused(profits: list[tuple[float, int]], accused: bool) -> None:  # noqa: FBT001 - a parameter
    """What lasted for a moment a bot that looks now and then may have missed."""
    measured = Measured()
    for seconds, profit in profits:
        measured.go_on(seconds, profit)
    assert measured.buys() == ["I27 a buy beyond a loss"] * accused


def test_a_person_who_resumes_lets_it_be_measured_anew() -> None:
    """From the loss on."""
    measured = Measured()
    measured.go_on(SUSTAINED_S + 5, 0)
    measured.go_on(SUSTAINED_S + 5, -50)
    measured.breakers.resumed()
    measured.go_on(2 * SUSTAINED_S, -55)
    assert measured.buys() == []


def test_a_day_is_measured_from_where_it_began_or_from_the_resume_whichever_is_lower() -> None:
    """Nobody outside knows for which reason trading had stood still: a gain before it is no loss after it."""
    measured = Measured()
    measured.go_on(SUSTAINED_S + 5, 0)
    measured.go_on(SUSTAINED_S + 5, 60)
    measured.breakers.resumed()
    measured.go_on(SUSTAINED_S + 5, 36)
    measured.go_on(SUSTAINED_S + 5, 5)
    assert measured.buys() == []


# --- ends ---

PEACE = {"disk_refuses": False, "keys_refused": False}


@pytest.mark.parametrize(
    ("error", "facts", "wrong"),
    [
        (None, {"told": True}, None),
        (None, {}, "ended without being told to"),
        (KeyError("x"), {"trading": True}, "gave up"),
        (KeyError("x"), {}, "gave up at its start"),
        (JournalFull(Path("j"), "full"), {"excuses": PEACE | {"disk_refuses": True}}, None),
        (JournalFull(Path("j"), "full"), {"excuses": PEACE | {"disk_refuses": True}, "trading": True}, "gave up"),
        (JournalFull(Path("j"), "full"), {}, "gave up at its start"),
        (Unauthorized("no"), {"excuses": PEACE | {"keys_refused": True}}, None),
        (Unauthorized("no"), {}, "gave up at its start"),
        (OutcomeUnknown("?"), {"excuses": PEACE | {"keys_refused": True}}, "gave up at its start"),
        (
            ExceptionGroup("two", [Unauthorized("no"), KeyError("x")]),
            {"excuses": PEACE | {"keys_refused": True}},
            "gave up at its start",
        ),
    ],
    ids=repr,
)
def test_only_a_start_may_end_over_what_a_person_must_mend(
    error: BaseException | None, facts: dict[str, object], wrong: str | None
) -> None:
    """Whatever else ends a daemon is its own mistake, whatever the exception."""
    known = {"told": False, "trading": False, "excuses": PEACE} | facts
    assert wrong_end(error, **known) == wrong  # type: ignore[arg-type]  # each of its own kind
