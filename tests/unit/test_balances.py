"""What is compared with the account, and what is written off of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, call

import pytest

from journal.records import Phase, WrittenOff
from state import ActiveTrade, Price
from tests.helpers.handmade import NOW, recorded
from tests.helpers.orders import a_trade, intent
from tests.helpers.parts import only
from trader.books import balances
from upbit.decoding import Rows
from upbit.errors import OutcomeUnknown
from upbit.models import Account, Chance

if TYPE_CHECKING:
    from tests.helpers.parts import Mocked


@pytest.mark.parametrize(
    ("seconds", "busy", "quiet"), [(15, None, True), (14.999, None, False), (60, "KRW-A", False), (60, "KRW-B", True)]
)
def test_a_position_is_quiet_when_nothing_moves_in_it(
    seconds: float,
    busy: str | None,
    quiet: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """No order in hand in its market, and the last fill at least a quarter of a minute ago."""
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.journal.live_intents.return_value = [] if busy is None else [replace(intent(), market=busy)]
    daemon.journal.position_volume.return_value = Decimal(7)
    found = balances.quiet_positions(daemon.journal, NOW + timedelta(seconds=seconds))
    assert found == ({"t": Decimal(7)} if quiet else {})


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ({"t": Decimal(10)}, {"t": Decimal(10)}, "4"),
        ({"t": Decimal(10)}, {"t": Decimal(9)}, None),
        ({"t": Decimal(10)}, {}, None),
        ({}, {"t": Decimal(10)}, None),
    ],
)
async def test_a_balance_is_compared_with_what_is_held_quietly(
    before: dict[str, Decimal],
    after: dict[str, Decimal],
    gone: str | None,
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Free and locked together, of what did not change meanwhile; what is missing is kept for the next time."""
    calls = recorded(monkeypatch, balances, "compare_balance")
    looks = [before, after, after]
    daemon.upbit.chance = AsyncMock(return_value=only(Chance, coins=Decimal(4)))
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: looks.pop(0))
    daemon.journal.open_trades.return_value = [a_trade(), replace(a_trade(), id="other", market="KRW-B")]
    daemon.upbit.accounts.return_value = Rows([Account(currency="A", available=Decimal(1), locked=Decimal(3)), WON])
    daemon.shortage.missing = {"t": Decimal(4), "gone": Decimal(1)}
    await balances.compare_balances(daemon)
    assert calls == ([] if gone is None else [("compare_balance", a_trade(), Decimal(gone))])
    assert daemon.shortage.missing == ({} if gone is None else {"t": Decimal(6)})


WON = Account(currency="KRW", available=Decimal(100), locked=Decimal(0))


@pytest.mark.parametrize(
    ("coins", "gone"), [(Decimal(0), "3"), (Decimal(1), "2"), (Decimal(3), "0"), (Decimal(9), "0"), (None, "0")]
)
async def test_what_is_missing_twice_is_gone_as_far_as_another_source_says_so(
    coins: Decimal | None, gone: str, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that shows nothing of a coin proves nothing: the number that `chance` names does."""
    calls = recorded(monkeypatch, balances, "compare_balance")
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3)})
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.upbit.accounts.return_value = Rows([WON])
    daemon.upbit.chance = AsyncMock(return_value=only(Chance, coins=coins))
    daemon.shortage.missing = {"t": Decimal(3)}
    await balances.compare_balances(daemon)
    assert calls == [("compare_balance", a_trade(), Decimal(gone))]


async def test_without_a_second_source_nothing_is_gone(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again a minute later."""
    calls = recorded(monkeypatch, balances, "compare_balance")
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3)})
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.upbit.accounts.return_value = Rows([WON])
    daemon.upbit.chance = AsyncMock(side_effect=OutcomeUnknown("time-out"))
    daemon.shortage.missing = {"t": Decimal(3)}
    await balances.compare_balances(daemon)
    assert calls == [("compare_balance", a_trade(), Decimal(0))]
    assert daemon.shortage.missing == {"t": Decimal(3)}


@pytest.mark.parametrize("accounts", [Rows(), Rows([Account(currency="B", available=Decimal(1), locked=Decimal(0))])])
async def test_a_wallet_without_won_is_no_answer(accounts: Rows[Account], daemon: Mocked) -> None:
    """Nothing is compared with it, and what was seen before stays."""
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.upbit.accounts.return_value = accounts
    daemon.shortage.missing = {"t": Decimal(1)}
    with pytest.raises(OutcomeUnknown, match="without won"):
        await balances.compare_balances(daemon)
    assert daemon.shortage.missing == {"t": Decimal(1)}


@pytest.mark.parametrize("name", ["A", ""])
async def test_of_a_coin_whose_row_cannot_be_read_nothing_is_said(
    name: str, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor of any when the row has not even a name."""
    calls = recorded(monkeypatch, balances, "compare_balance")
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3)})
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.upbit.accounts.return_value = Rows([WON], {name: "null"})
    daemon.shortage.missing = {"t": Decimal(3)}
    await balances.compare_balances(daemon)
    assert calls == []


@pytest.mark.parametrize(("ago", "looks"), [(15.0, True), (14.0, False), (-1e9, False)])
async def test_balances_are_not_looked_at_twice_within_a_quarter_of_a_minute(
    ago: float,
    looks: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same old answer could be given twice; a coin that Upbit does not list is missing as a whole."""
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: only(asyncio.BaseEventLoop, time=lambda: 1000.0))
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3)})
    daemon.journal.open_trades.return_value = [a_trade()]
    daemon.upbit.accounts.return_value = Rows([WON])
    daemon.shortage.looked_s = 1000.0 - ago
    await balances.compare_balances(daemon)
    assert daemon.upbit.accounts.called is looks
    assert daemon.shortage.missing == ({"t": Decimal(3)} if looks else {})


@pytest.mark.parametrize(
    ("phase", "left", "step"),
    [
        (Phase.HOLDING, "0.3", "hold_again"),
        (Phase.HOLDING, "0", "end_taken"),
        (Phase.SELLING, "3", None),
        (Phase.SELLING, "0", None),
    ],
)
async def test_what_is_gone_is_written_off_at_its_price(
    phase: str, left: str, step: str | None, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person is told; what is left is held, a trade of nothing is over, and a sale that waits goes on by itself."""
    calls = recorded(monkeypatch, balances, "hold_again", "end_taken")
    await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase(phase))})
    await daemon.state.trading_dict.replace({"KRW-A": Price(price=Decimal(110), as_of=NOW)})
    daemon.shortage.beside = {"t": Decimal(7)}
    daemon.journal.position_volume.return_value = Decimal(left)
    ended = replace(a_trade(), phase=Phase.HOLDING)
    daemon.journal.trade.return_value = ended
    await balances.compare_balance(daemon, a_trade(), Decimal(4))
    note = daemon.messages.taken.return_value
    assert daemon.messages.taken.mock_calls == [call(a_trade(), Decimal(4), at=NOW)]
    assert daemon.journal.take_out.mock_calls == [call("t", Decimal(4), [note], price=Decimal(110), beside=Decimal(7))]
    assert daemon.tell.mock_calls == [call("taken", level=logging.WARNING, market="KRW-A", volume=Decimal(4))]
    assert daemon.wake_notifier.called
    assert calls == {"hold_again": [("hold_again", "KRW-A")], "end_taken": [("end_taken", ended)], None: []}[step]
    if step is not None:
        assert daemon.journal.position_volume.mock_calls == [call("t")]


@pytest.mark.parametrize(("gone", "phase"), [("0", Phase.HOLDING), ("4", Phase.BUYING), ("4", None)])
async def test_nothing_is_written_off_that_is_there_or_in_somebody_elses_hands(
    gone: str, phase: str | None, daemon: Mocked
) -> None:
    """The next comparison looks again."""
    if phase is not None:
        await daemon.state.active_trade.replace(
            {"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase(phase))}
        )
    await balances.compare_balance(daemon, a_trade(), Decimal(gone))
    assert daemon.journal.take_out.mock_calls == []
    assert [one.phase for one in (await daemon.state.active_trade.snapshot()).values()] == ([phase] if phase else [])


@pytest.mark.parametrize(
    ("phase", "busy", "waits"),
    [
        (Phase.SELLING, None, True),
        (Phase.SELLING, "KRW-B", True),
        (Phase.SELLING, "KRW-A", False),
        (Phase.HOLDING, None, False),
    ],
)
async def test_a_sale_waits_while_no_order_of_it_is_in_hand(
    phase: str,
    busy: str | None,
    waits: bool,  # noqa: FBT001 - a parameter
    daemon: Mocked,
) -> None:
    """Orders of other markets do not count."""
    await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase(phase))})
    daemon.journal.live_intents.return_value = [] if busy is None else [replace(intent(), market=busy)]
    assert await balances.waits_to_sell(daemon.journal, daemon.state, "KRW-A") is waits
    assert not await balances.waits_to_sell(daemon.journal, daemon.state, "KRW-C")


@pytest.mark.parametrize("prices", [{}, {"KRW-A": None}])
async def test_a_price_that_nobody_knows_is_none(prices: dict[str, Price | None], daemon: Mocked) -> None:
    """Coins that are gone then count as what they cost."""
    await daemon.state.trading_dict.replace(prices)
    assert await balances.last_price(daemon.state, "KRW-A") is None


@pytest.mark.parametrize(
    ("accounts", "busy"),
    [(Rows([WON], {"A": "null"}), None), (Rows([WON]), "KRW-A"), (Rows([WON]), "KRW-B")],
    ids=["an unreadable row", "an order in hand", "an order elsewhere"],
)
async def test_dust_is_compared_while_nothing_moves_in_its_market(
    accounts: Rows[Account], busy: str | None, daemon: Mocked
) -> None:
    """Like everything that is held: a row nobody can read, or an order in hand, says nothing of it."""
    daemon.journal.dust.return_value = {"KRW-A": Decimal(3)}
    daemon.journal.live_intents.return_value = [] if busy is None else [replace(intent(), market=busy)]
    assert await balances.compare_dust(daemon, accounts) == ({"KRW-A": Decimal(3)} if busy == "KRW-B" else {})
    assert daemon.journal.lose_dust.mock_calls == []


@pytest.mark.parametrize("moved", ["a buy began", "another dust"])
async def test_dust_that_moved_while_a_second_source_was_asked_is_left(moved: str, daemon: Mocked) -> None:
    """The next comparison looks again."""
    daemon.journal.dust.side_effect = [{"KRW-A": Decimal(3)}, {"KRW-A": Decimal(3 if moved == "a buy began" else 2)}]
    daemon.journal.live_intents.side_effect = [[], [intent()] if moved == "a buy began" else []]
    daemon.shortage.missing = {"KRW-A": Decimal(3)}
    daemon.upbit.chance = AsyncMock(return_value=only(Chance, coins=Decimal(0)))
    assert await balances.compare_dust(daemon, Rows([WON])) == {"KRW-A": Decimal(3)}
    assert daemon.journal.lose_dust.mock_calls == []


@pytest.mark.parametrize(
    ("is_open", "phase"), [(True, Phase.SELLING), (True, None), (False, Phase.BUYING)], ids=["sold", "begun", "bought"]
)
async def test_nothing_is_held_again_while_somebody_works_in_its_market(
    is_open: bool,  # noqa: FBT001 - a parameter
    phase: Phase | None,
    daemon: Mocked,
) -> None:
    """It waits for the next comparison."""
    if phase is not None:
        await daemon.state.active_trade.replace({"KRW-A": ActiveTrade(market="KRW-A", started_at=NOW, phase=phase)})
    daemon.journal.open_trade_in.return_value = a_trade() if is_open else None
    daemon.journal.written_off.return_value = {"t": WrittenOff(volume=Decimal(3), beside=Decimal(0), at=NOW)}
    await balances.take_back(daemon, a_trade())
    assert daemon.journal.give_back.mock_calls == []


@pytest.mark.parametrize(("late_s", "again"), [(0, {"t"}), (1, set())], ids=["in time", "too late"])
async def test_coins_that_come_long_after_others_were_written_off_are_the_owners(
    late_s: int, again: set[str], daemon: Mocked
) -> None:
    """As many as he took, to the last digit: he may have brought them back, and what is his is never sold."""
    at = daemon.clock() - balances.BACK_WITHIN - timedelta(seconds=late_s)
    daemon.journal.written_off.return_value = {"t": WrittenOff(volume=Decimal(3), beside=Decimal(0), at=at)}
    daemon.journal.trade.return_value = replace(a_trade(), market="KRW-A")
    daemon.journal.open_trade_in.return_value = None
    daemon.journal.dust.return_value, daemon.journal.live_intents.return_value = {}, []
    there = Account(currency="A", available=Decimal(3), locked=Decimal(0))
    await balances.see_what_is_there_again(daemon, Rows([WON, there]))
    assert daemon.shortage.again == again


@pytest.mark.parametrize(
    ("held", "dust", "beside"),
    [("3", "0", "0"), ("5", "0", "2"), ("5", "1", "1"), ("2.5", "0", "7"), ("0", "0", "7")],
    ids=["all of ours", "and the owner's", "and dust", "some are missing", "none are there"],
)
async def test_what_is_there_besides_ours_is_remembered_while_nothing_is_missing(
    held: str, dust: str, beside: str, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once some are gone nobody can tell whose the rest is; of trades that are over nothing is remembered."""
    recorded(monkeypatch, balances, "compare_balance")
    trade = replace(a_trade(), bought=Decimal(3))
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3)})
    daemon.journal.open_trades.return_value = [trade]
    daemon.journal.open_trade_in.return_value = trade
    daemon.journal.dust.return_value = {"KRW-A": Decimal(dust)} if dust != "0" else {}
    coins = Account(currency="A", available=Decimal(held), locked=Decimal(0))
    daemon.upbit.accounts.return_value = Rows([WON, coins])
    daemon.shortage.beside = {"t": Decimal(7), "over": Decimal(9)}
    await balances.compare_balances(daemon)
    assert daemon.shortage.beside == {"t": Decimal(beside)}


async def test_a_row_that_cannot_be_read_hides_no_other(daemon: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trades and the dust of other markets are compared all the same."""
    monkeypatch.setattr(balances, "quiet_positions", lambda *_: {"t": Decimal(3), "other": Decimal(4)})
    daemon.journal.open_trades.return_value = [a_trade(), replace(a_trade(), id="other", market="KRW-B")]
    daemon.journal.dust.return_value = {"KRW-A": Decimal(1), "KRW-C": Decimal(2)}
    daemon.upbit.accounts.return_value = Rows([WON], {"A": "null"})
    await balances.compare_balances(daemon)
    assert daemon.shortage.missing == {"other": Decimal(4), "KRW-C": Decimal(2)}


async def test_dust_that_is_missing_twice_is_written_off_and_told_only_on_the_terminal(daemon: Mocked) -> None:
    """As much as was missing both times; a person does not hear of what was worth too little to be sold."""
    daemon.journal.dust.return_value = {"KRW-A": Decimal(3)}
    daemon.upbit.chance = AsyncMock(return_value=only(Chance, coins=Decimal(0)))
    daemon.shortage.missing = {"KRW-A": Decimal("1.5")}
    held = Account(currency="A", available=Decimal(1), locked=Decimal(0))
    assert await balances.compare_dust(daemon, Rows([WON, held])) == {"KRW-A": Decimal(2)}
    assert daemon.journal.lose_dust.mock_calls == [call("KRW-A", Decimal("1.5"))]
    assert daemon.tell.mock_calls == [call("dust_gone", market="KRW-A", volume=Decimal("1.5"))]
    assert not daemon.wake_notifier.called


async def test_of_a_trade_that_never_was_whole_nothing_is_known_beside_it(
    daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written off as if nothing else had been there, and comes back only to the last digit."""
    recorded(monkeypatch, balances, "hold_again")
    held = ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase.HOLDING)
    await daemon.state.active_trade.replace({"KRW-A": held})
    daemon.journal.position_volume.return_value = Decimal(1)
    await balances.compare_balance(daemon, a_trade(), Decimal(4))
    assert daemon.journal.take_out.call_args.kwargs["beside"] == 0


@pytest.mark.parametrize(
    ("seen", "coins", "by_chance", "back"),
    [
        ({"t"}, "12", "12", True),
        (set(), "12", "12", False),
        ({"t"}, "12", None, False),
        ({"t"}, "12", "11", False),
        ({"t"}, "11", "11", False),
        ({"t"}, "13", "13", False),
    ],
    ids=["all there", "for the first time", "nobody confirms it", "another number", "less", "more"],
)
async def test_coins_are_held_again_when_all_are_there_in_two_looks_and_by_another_source(
    seen: set[str], coins: str, by_chance: str | None, *, back: bool, daemon: Mocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three were written off beside seven of the owner's; since then a trade of one and a dust of one are ours."""
    calls = recorded(monkeypatch, balances, "take_back")
    trade = a_trade()
    daemon.journal.written_off.return_value = {"t": WrittenOff(volume=Decimal(3), beside=Decimal(7), at=NOW)}
    daemon.journal.trade.return_value = trade
    daemon.journal.open_trade_in.return_value = replace(a_trade(), id="next", bought=Decimal(1))
    daemon.journal.dust.return_value = {"KRW-A": Decimal(1)}
    told = None if by_chance is None else Decimal(by_chance)
    daemon.upbit.chance = AsyncMock(return_value=only(Chance, coins=told))
    daemon.shortage.again = seen
    there = Account(currency="A", available=Decimal(coins), locked=Decimal(0))
    await balances.see_what_is_there_again(daemon, Rows([WON, there]))
    assert calls == ([("take_back", trade)] if back else [])
    assert daemon.shortage.again == ({"t"} if coins == "12" else set())


async def test_coins_are_not_held_again_while_an_order_of_their_market_is_in_hand(daemon: Mocked) -> None:
    """What it buys or sells is in the number of the account, and not yet in ours."""
    daemon.journal.written_off.return_value = {"t": WrittenOff(volume=Decimal(3), beside=Decimal(0), at=NOW)}
    daemon.journal.trade.return_value = a_trade()
    daemon.journal.live_intents.return_value = [intent()]
    there = Account(currency="A", available=Decimal(3), locked=Decimal(0))
    assert not balances.is_all_there(daemon.journal, Rows([WON, there]), "t")


@pytest.mark.parametrize(("is_open", "step"), [(True, "hold_again"), (False, "put_back")])
async def test_what_is_there_again_is_told_and_held(
    is_open: bool,  # noqa: FBT001 - a parameter
    step: str,
    daemon: Mocked,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the trade that is open in its place, or by itself; a person hears of it."""
    calls = recorded(monkeypatch, balances, "hold_again", "put_back")
    again = replace(a_trade(), bought=Decimal(3))
    if is_open:
        held = ActiveTrade(market="KRW-A", started_at=NOW, phase=Phase.HOLDING)
        await daemon.state.active_trade.replace({"KRW-A": held})
    daemon.journal.open_trade_in.return_value = a_trade() if is_open else None
    daemon.journal.written_off.return_value = {"t": WrittenOff(volume=Decimal(3), beside=Decimal(0), at=NOW)}
    daemon.journal.trade.return_value = again
    await balances.take_back(daemon, a_trade())
    note = daemon.messages.there_again.return_value
    assert daemon.messages.there_again.mock_calls == [call(a_trade(), Decimal(3), at=NOW)]
    assert daemon.journal.give_back.mock_calls == [call("t", [note])]
    assert daemon.tell.mock_calls == [call("there_again", level=logging.WARNING, market="KRW-A")]
    assert daemon.wake_notifier.called
    assert calls == [(step, "KRW-A" if is_open else again)]
