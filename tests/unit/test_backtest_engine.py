"""What an account would have done: fills, stops, gaps, holes, money, chance, and nothing from the future."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.engine.offers import Offers
from backtest.engine.panel import build_panel, sum_of_a_day
from backtest.engine.prepare import prepare
from backtest.engine.rules import Rules
from backtest.engine.simulate import Calls, simulate
from backtest.figures.equity import curve_of
from strategy import registry
from strategy.base import Cause, Moments, Position, Snapshot
from strategy.gates import STOP, stopped
from strategy.portfolio import stop_price
from tests.helpers.scripted import BUY, QUIET, SELL, START, UNIT, Parameters, Row, Scripted, candles, flat, ready

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backtest.engine.account import AccountOutcome, Trade
    from backtest.engine.prepare import Prepared
    from backtest.history.candles import Candles

FREE = Rules(krw=1_000_000.0, fee_rate=0.0, slippage_scale=0.0)
"""A market without costs: every won can be followed by eye."""


def run(rows: Sequence[Row | None], rules: Rules = FREE, **parameters: object) -> AccountOutcome:
    """Run the script over one market."""
    return simulate(ready({"KRW-A": rows}, **parameters), rules, 1)


def only(outcome: AccountOutcome) -> Trade:
    """Return the one trade."""
    (trade,) = outcome.trades
    return trade


def test_a_target_is_bought_at_the_next_open_and_sold_at_the_open_after_the_signal() -> None:
    """What a close says is done at the next candle's open, with a fifth of the money."""
    rows = [flat(100, BUY), (110, 115, 105, 112, QUIET), flat(112, SELL), (120, 130, 119, 125, QUIET), flat(125)]
    trade = only(run(rows))
    assert (trade.entered, trade.left, trade.cause) == (1, 3, "signal")
    assert (trade.entry_price, trade.exit_price) == (110, 120)
    assert 200_000 - 1e-5 < trade.cost_krw <= 200_000
    assert trade.profit_krw == pytest.approx(200_000 / 110 * 10, abs=1e-4)


def test_both_sides_pay_the_fee_and_the_slippage_of_their_turnover() -> None:
    """10 basis points of price and 5 of notional at each side of a much traded market."""
    trade = only(run([flat(100, BUY), flat(100), flat(100, SELL), flat(100)], Rules()))
    assert trade.entry_price == pytest.approx(100.1)
    assert trade.exit_price == pytest.approx(99.9)
    bought, sold = trade.entry_price * trade.volume, trade.exit_price * trade.volume if trade.exit_price else 0.0
    assert trade.fees_krw == pytest.approx(0.0005 * (bought + sold))
    assert trade.slippage_krw == pytest.approx(0.2 * trade.volume)
    assert trade.profit_krw == pytest.approx(sold - bought - trade.fees_krw)


@pytest.mark.parametrize(
    ("turnover", "fraction"), [(2e9, 0.001), (1e9, 0.001), (9e8, 0.003), (1e8, 0.01), (np.nan, 0.01)]
)
def test_the_less_a_market_is_traded_the_more_an_order_moves_it(turnover: float, fraction: float) -> None:
    """An unknown turnover pays most."""
    assert Rules().slippage_of(turnover) == fraction
    assert Rules(slippage_scale=2.0).slippage_of(turnover) == 2 * fraction


def test_costs_rest_on_the_turnover_that_was_known_before_the_candle() -> None:
    """Neither a rush in the candle of the purchase nor a lull in that of the sale is foreseen."""
    assert only(run([flat(1, BUY), flat(1, 1e10), flat(1, 1e10)], Rules())).entry_price == pytest.approx(1.01)
    rows = [flat(100, BUY), *[flat(100, 1.0)] * 5, (100, 130, 100, 110, 1.0), flat(110, 1.0)]
    trade = only(run(rows, Rules(), target=120.0))
    assert trade.left == 6
    assert trade.exit_price == pytest.approx(120 * 0.999)


def test_a_size_rests_on_the_equity_of_the_close_before() -> None:
    """What is held may double in the candle of the purchase: nobody knew."""
    first = [flat(100, BUY), flat(100), flat(100), (100, 200, 100, 200, QUIET), flat(200)]
    second = [flat(100), flat(100), flat(100, BUY), flat(100), flat(100)]
    trades = simulate(ready({"KRW-A": first, "KRW-B": second}), FREE, 1).trades
    assert [(trade.market, trade.entered, round(trade.cost_krw)) for trade in trades] == [
        ("KRW-A", 1, 200_000),
        ("KRW-B", 3, 200_000),
    ]


def test_a_market_stopped_inside_a_candle_rests_from_its_end() -> None:
    """With two candles of rest it is bought again at the open of the third candle after, not of the second."""
    rows = [flat(100, BUY), flat(100), (100, 100, 80, 100, BUY), *[flat(100, BUY)] * 4]
    assert [trade.entered for trade in run(rows, stop=10.0, rest=2).trades] == [1, 5]


def test_a_stop_inside_a_candle_sells_at_the_stop() -> None:
    """The low reached it: the fill is the stop, not the low, and not the close."""
    rows = [flat(100, BUY), flat(100), (100, 104, 80, 102, QUIET), flat(102)]
    trade = only(run(rows, stop=10.0))
    assert (trade.left, trade.inside, trade.exit_price, trade.cause) == (2, True, 90.0, "stop")


def test_a_gap_through_the_stop_sells_at_the_open() -> None:
    """Nobody buys at a stop the market has jumped over."""
    trade = only(run([flat(100, BUY), flat(100), (70, 95, 65, 92, QUIET), flat(92)], stop=10.0))
    assert (trade.left, trade.inside, trade.exit_price, trade.cause) == (2, False, 70.0, "stop")


def test_the_stop_can_strike_in_the_candle_of_the_entry() -> None:
    """It is bought at the open, so the low comes after it."""
    trade = only(run([flat(100, BUY), (100, 101, 85, 99, QUIET), flat(99)], stop=10.0))
    assert (trade.entered, trade.left, trade.inside, trade.exit_price) == (1, 1, True, 90.0)


def test_in_a_candle_that_reaches_both_the_stop_comes_before_the_target() -> None:
    """The order of prices inside a candle is unknown, so the worse is assumed."""
    trade = only(run([flat(100, BUY), flat(100), (100, 130, 85, 110, QUIET), flat(110)], stop=10.0, target=120.0))
    assert (trade.cause, trade.exit_price) == ("stop", 90.0)


def test_a_target_inside_a_candle_sells_at_the_target() -> None:
    """Neither at the high nor at the close."""
    trade = only(run([flat(100, BUY), flat(100), (100, 130, 95, 110, QUIET), flat(110)], stop=10.0, target=120.0))
    assert (trade.cause, trade.inside, trade.exit_price) == ("target", True, 120.0)


def test_what_says_sell_while_a_late_purchase_is_on_its_way_sells_it_as_late() -> None:
    """Decided at the close of 0 and bought at the open of 2; the signal of 1 sells at the open of 3."""
    rows = [flat(100, BUY), flat(101, SELL), flat(102), flat(103), flat(104), flat(105)]
    trade = only(run(rows, replace(FREE, delay=1)))
    assert (trade.entered, trade.left, trade.exit_price, trade.cause) == (2, 3, 103, "signal")


def test_a_purchase_that_is_to_be_sold_at_once_is_sold_at_once() -> None:
    """The daemon would ask in the next second; both sides cost."""
    trade = only(run([flat(100, BUY), flat(100), flat(100)], Rules(), target=50.0))
    assert (trade.entered, trade.left, trade.inside, trade.cause) == (1, 1, False, "target")
    assert trade.profit_krw == pytest.approx(-0.003 * 200_000, rel=0.01)


def test_of_two_causes_at_one_open_the_more_urgent_is_told() -> None:
    """A gap through the stop at the very open at which a signal sells: it is the stop, as the daemon would say."""
    trade = only(run([flat(100, BUY), flat(100), flat(100, SELL), (70, 75, 65, 72, QUIET), flat(72)], stop=10.0))
    assert (trade.cause, trade.left, trade.inside, trade.exit_price) == ("stop", 3, False, 70)


def test_a_trailing_stop_follows_the_highest_price_of_the_candles_before() -> None:
    """Not the high of its own candle, which may have come after the low; over many candles as over a few."""
    rows = [flat(100, BUY), flat(100), (100, 130, 95, 128, QUIET), (128, 140, 119, 121, QUIET), flat(121)]
    trade = only(run(rows, trail=10.0))
    assert (trade.left, trade.inside, trade.exit_price, trade.cause) == (3, True, 120.0, "trail")
    quiet = [flat(100.0)] * 200
    trade = only(
        run([flat(100, BUY), flat(100), (100, 130, 96, 125, QUIET), *[flat(125.0)] * 200, flat(119)], trail=10.0)
    )
    assert (trade.left, trade.inside, trade.exit_price) == (203, False, 119)
    assert only(run([flat(100, BUY), *quiet, (100, 100, 91, 95, QUIET), flat(95)], trail=10.0)).left is None


def test_a_signal_at_the_close_before_sells_at_the_open_and_the_stop_of_that_candle_never_comes() -> None:
    """The open is earlier than the low."""
    trade = only(run([flat(100, BUY), flat(100), flat(100, SELL), (99, 99, 50, 60, QUIET), flat(60)], stop=10.0))
    assert (trade.cause, trade.left, trade.exit_price) == ("signal", 3, 99)


def test_a_candle_without_trades_fills_nothing() -> None:
    """An entry waits as long as its market is a target, an exit for the next candle that traded."""
    rows = [flat(100, BUY), None, flat(101), flat(101, BUY), flat(102), flat(102, SELL), None, None, flat(90), flat(90)]
    trade = only(run(rows))
    assert (trade.entered, trade.entry_price) == (4, 102)
    assert (trade.left, trade.exit_price) == (8, 90)


def test_a_drawn_market_that_does_not_trade_is_let_go_when_it_is_no_target_any_more() -> None:
    """Its place is free again."""
    assert run([flat(100, BUY), None, flat(100), flat(100)]).trades == ()


def test_every_order_can_come_late_but_not_a_stop() -> None:
    """`delay` moves entry and signal exit by candles; the stop strikes in its own."""
    late = replace(FREE, delay=1)
    rows = [flat(100, BUY), flat(101), flat(102), flat(103, SELL), flat(104), flat(105), flat(106)]
    trade = only(run(rows, late))
    assert (trade.entered, trade.entry_price, trade.left, trade.exit_price) == (2, 102, 5, 105)
    rows = [flat(100, BUY), flat(100), flat(100), flat(100, SELL), (100, 100, 80, 85, QUIET), flat(85), flat(85)]
    trade = only(run(rows, late, stop=10.0))
    assert (trade.cause, trade.left, trade.exit_price) == ("stop", 4, 90.0)


def test_filling_at_the_close_uses_the_price_that_was_decided_on() -> None:
    """For comparison only: nobody gets that price."""
    rows = [flat(100, BUY), flat(110), flat(112, SELL), flat(120), flat(120)]
    trade = only(run(rows, replace(FREE, fill="close")))
    assert (trade.entry_price, trade.exit_price) == (100, 112)


def test_a_hole_of_more_than_three_days_ends_the_position_at_the_last_close() -> None:
    """Nothing is held, and no indicator reaches, over a hole in the history."""
    hole: list[Row | None] = [None] * 19
    rows = [flat(100, BUY), flat(101), flat(102), *hole, flat(500), flat(500)]
    seen = ready({"KRW-A": rows})
    trade = only(simulate(seen, FREE, 1))
    assert seen.panel.window.markets == ("KRW-A", "KRW-A")
    assert (trade.cause, trade.exit_price, trade.left) == ("series_end", 102, 2)
    shorter = only(run([flat(100, BUY), flat(101), flat(102), *hole[:18], flat(500), flat(500)]))
    assert shorter.left is None


def test_what_is_held_at_the_end_is_marked_and_not_sold() -> None:
    """It counts as an open trade; the equity has its worth."""
    seen = ready({"KRW-A": [flat(100, BUY), flat(100), flat(150)]})
    outcome = simulate(seen, FREE, 1)
    assert only(outcome).left is None
    assert curve_of(seen.panel, outcome).equity[-1] == pytest.approx(1_100_000, abs=1e-3)


def test_no_more_trades_than_places_and_a_rest_after_each() -> None:
    """Seven targets, five places; a market that was sold rests for its cooldown."""
    rows = {f"KRW-{letter}": [flat(100, BUY)] * 4 for letter in "ABCDEFG"}
    outcome = simulate(ready(rows), FREE, 1)
    assert len(outcome.trades) == 5
    assert len({trade.market for trade in outcome.trades}) == 5
    script = [flat(100, BUY), flat(100, SELL), flat(100, BUY), flat(100, BUY), flat(100, BUY), flat(100)]
    assert [trade.entered for trade in run(script).trades] == [1, 3]
    assert [trade.entered for trade in run(script, rest=3).trades] == [1, 5]


def test_the_same_seed_draws_the_same_and_another_one_differs() -> None:
    """Chance comes from the seed alone."""
    rows = {f"KRW-{letter}": [flat(100, BUY)] * 3 for letter in "ABCDEFGHIJ"}
    seen = ready(rows)
    drawn = [[trade.market for trade in simulate(seen, FREE, seed).trades] for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2] or drawn[0] != drawn[3]


def test_fixed_sums_obey_the_caps_and_the_balance() -> None:
    """As the daemon buys: the order sum, never over a cap, never without money, never what could not be sold."""
    rows = {f"KRW-{letter}": [flat(100, BUY)] * 3 for letter in "ABCDE"}
    seen = ready(rows)
    fixed = replace(FREE, sizing="order", order_krw=Decimal(50_000))
    assert [round(trade.cost_krw) for trade in simulate(seen, fixed, 1).trades] == [50_000] * 5
    outcome = simulate(seen, replace(fixed, max_day_krw=Decimal(120_000)), 1)
    assert (len(outcome.trades), set(outcome.refused)) == (2, {"cap_day"})
    assert set(simulate(seen, replace(fixed, max_order_krw=Decimal(49_999)), 1).refused) == {"cap_order"}
    assert set(simulate(seen, replace(fixed, max_market_krw=Decimal(49_999)), 1).refused) == {"cap_market"}
    outcome = simulate(seen, replace(fixed, krw=104_000.0), 1)
    assert [round(trade.cost_krw) for trade in outcome.trades] == [50_000, 50_000]
    assert outcome.refused["no_money"] >= 3
    small = replace(fixed, order_krw=Decimal(6_000))
    assert set(simulate(ready(rows, stop=50.0), small, 1).refused) == {"cannot_leave"}


def test_what_is_worth_less_than_upbit_takes_is_dust() -> None:
    """It is not sold, and nothing comes back."""
    rows = [flat(100, BUY), flat(100), flat(8, SELL), flat(8), flat(8)]
    trade = only(run(rows, replace(FREE, sizing="order", order_krw=Decimal(50_000))))
    assert (trade.proceeds_krw, trade.left) == (0.0, 3)


def test_the_first_purchase_is_at_the_first_open_of_the_period() -> None:
    """Decided on the last close of the warm-up; nothing before that."""
    rows = [flat(100, BUY), flat(100, BUY), flat(101), flat(102)]
    panel = build_panel({"KRW-A": candles(rows)}, UNIT, START + 2 * UNIT, START + 4 * UNIT, warm_up=2)
    trade = only(simulate(prepare(panel, Scripted(), Parameters()), FREE, 1))
    assert (trade.entered, trade.entry_price) == (panel.first, 101)


def test_the_turnover_of_a_day_is_the_sum_of_its_candles() -> None:
    """Of fewer at the beginning of a series, unknown before it; a candle without trades adds nothing."""
    nan = float("nan")
    day = sum_of_a_day(np.array([[nan, 1.0, 2.0, 0.0, 4.0, 8.0], [1.0, 1.0, 1.0, 1.0, nan, nan]]), 3)
    np.testing.assert_array_equal(day, [[nan, 1, 3, 3, 6, 12], [1, 2, 3, 3, nan, nan]])
    alone = sum_of_a_day(np.array([[1.0, 2.0]]), 6)
    np.testing.assert_array_equal(alone, [[1, 3]])


def test_an_excluded_market_is_never_bought() -> None:
    """As in the settings."""
    seen = ready({"KRW-A": [flat(100, BUY)] * 3, "KRW-B": [flat(100, BUY)] * 3})
    barred = prepare(seen.panel, Scripted(), Parameters(), exclude=["KRW-A"])
    assert {trade.market for trade in simulate(barred, FREE, 1).trades} == {"KRW-B"}


# --- the future ------------------------------------------------------------------------------------------------------


def wandering(seed: int, markets: int, count: int) -> dict[str, Candles]:
    """Return markets that wander about, with some candles missing."""
    rng = np.random.default_rng(seed)
    history = {}
    for number in range(markets):
        close = 1000 * np.exp(np.cumsum(rng.normal(0.0004, 0.008, count)))
        open_ = np.concatenate([[1000.0], close[:-1]]) * (1 + rng.normal(0, 0.001, count))
        wide = 1 + np.abs(rng.normal(0, 0.004, (2, count)))
        whole = candles(
            [
                (o, max(o, c) * up, min(o, c) / down, c, 1e6)
                for o, c, up, down in zip(open_.tolist(), close.tolist(), *wide.tolist(), strict=True)
            ]
        )
        here = rng.random(count) > 0.02
        here[0] = True
        history["KRW-BTC" if number == 0 else f"KRW-{number:03}"] = whole.take(np.flatnonzero(here))
    return history


def changed_after(history: Mapping[str, Candles], column: int) -> dict[str, Candles]:
    """Return the same past with another future: prices halved and shuffled from a column on."""
    at_ms = int(START.timestamp() * 1000) + column * 14_400_000
    other = {}
    for market, known in history.items():
        past = known.opened_at_ms < at_ms
        future = np.flatnonzero(~past)
        mixed = np.concatenate([np.flatnonzero(past), np.random.default_rng(7).permutation(future)])
        new = {
            name: getattr(known, name)[mixed] * np.where(past, 1.0, 0.5) for name in ("open", "high", "low", "close")
        }
        other[market] = replace(known, volume=known.volume[mixed], turnover=known.turnover[mixed], **new)
    return other


@pytest.mark.parametrize("name", ["quiet_trend", "quiet_breakout", "rare_dip", "volatility_breakout"])
def test_no_past_decision_changes_when_the_future_does(name: str) -> None:
    """Everything that was done before a moment is done the same when all that comes after it is another world."""
    loose = {"max_natr": 50.0} if name.startswith("quiet") else {"max_rsi": 45.0} if name == "rare_dip" else {}
    strategy, parameters = registry.load(name, {"min_turnover_krw": 0.0, **loose})
    history = wandering(3, markets=12, count=1500)
    end = START + 1500 * UNIT
    compared = 0
    for cut in (900, 1100, 1300):
        past: list[list[Trade]] = []
        for world in (history, changed_after(history, cut)):
            panel = build_panel(world, UNIT, START + 650 * UNIT, end, warm_up=650)
            outcome = simulate(prepare(panel, strategy, parameters), Rules(), 5)
            before = cut - (panel.first_ms - int(START.timestamp() * 1000)) // panel.unit_ms
            past.append([trade for trade in outcome.trades if trade.entered < before])
        for ours, theirs in zip(*past, strict=True):
            ended = ours.left is not None and ours.left < before
            assert (
                ours == theirs
                if ended
                else (ours.market, ours.entered, ours.cost_krw)
                == (
                    theirs.market,
                    theirs.entered,
                    theirs.cost_krw,
                )
            )
            compared += ended
    assert compared > 10


def walked(ready_: Prepared, trade: Trade, stop: Decimal | None) -> tuple[int, bool, float, str] | None:
    """Follow a position candle by candle with the daemon's own `exit`, one price after the other."""
    panel, window, row = ready_.panel, ready_.panel.window, trade.row
    highest, due = trade.entry_price, ""
    for column in range(trade.entered, int(panel.ends[row])):
        traded = bool(panel.real[row, column])
        for inside, price in enumerate((window.open[row, column], window.low[row, column])):
            if inside and not traded:
                continue  # there is no low without a trade
            held = Position(
                market=trade.market,
                entry_price=Decimal(repr(trade.entry_price)),
                volume=Decimal(1),
                opened_at=panel.opened_at(trade.entered),
                stop_price=stop,
                highest_price=Decimal(repr(highest)),
            )
            snapshot = Snapshot(
                market=trade.market,
                candle_closed_at=panel.opened_at(column),
                numbers={name: float(values[row, column - 1]) for name, values in ready_.numbers.items()},
                failed_gate=None,
                price=Decimal(repr(float(price))),
                price_as_of=panel.opened_at(column),
            )
            answer = ready_.strategy.exit(held, snapshot, ready_.parameters)
            if answer.sell and answer.reason.code == "stop" and traded:
                return column, bool(inside), float(stop or 0) if inside else float(price), "stop"
            if answer.sell and not inside:
                due = due or answer.reason.code  # what a close has said is done at the next candle that trades
            if due and traded and not inside:
                return column, False, float(price), due
        highest = max(highest, float(window.high[row, column]))
    return None


@pytest.mark.parametrize("name", ["quiet_trend", "quiet_breakout", "rare_dip", "volatility_breakout"])
def test_the_search_over_arrays_ends_every_trade_where_a_walk_with_the_daemons_exit_does(name: str) -> None:
    """Candle, price and cause of every sale, found by asking for each candle's open and low one after the other."""
    loose = {"max_natr": 50.0} if name.startswith("quiet") else {"max_rsi": 45.0} if name == "rare_dip" else {}
    tight = {} if name == "volatility_breakout" else {"stop_atr": 1.5}
    strategy, parameters = registry.load(name, {"min_turnover_krw": 0.0, **loose, **tight})
    panel = build_panel(wandering(11, 12, 1500), UNIT, START + 650 * UNIT, START + 1500 * UNIT, warm_up=650)
    prepared = prepare(panel, strategy, parameters)
    causes: Counter[str] = Counter()
    for seed in range(3):
        for trade in simulate(prepared, FREE, seed).trades:
            stop = None
            if tight:
                distance = 1.5 * float(prepared.numbers["atr"][trade.row, trade.entered - 1])
                stop = stop_price(Decimal(repr(trade.entry_price)), distance)
            plain = walked(prepared, trade, stop)
            if plain is None:
                assert trade.left is None
                continue
            assert (trade.left, trade.inside, trade.cause) == (plain[0], plain[1], plain[3])
            assert trade.exit_price == pytest.approx(plain[2], rel=1e-12)
            causes[plain[3]] += 1
    assert sum(causes.values()) > 20
    assert not tight or (causes["stop"] > 3 and len(causes) > 1)


@pytest.mark.parametrize("name", ["quiet_trend", "rare_dip", "volatility_breakout"])
def test_candles_at_which_nobody_can_be_drawn_are_skipped_without_a_difference(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at every candle, and asking anew for what another seed has asked for, makes the same trades."""
    loose = {"max_natr": 50.0} if name == "quiet_trend" else {"max_rsi": 45.0} if name == "rare_dip" else {}
    strategy, parameters = registry.load(name, {"min_turnover_krw": 0.0, **loose})
    panel = build_panel(wandering(5, 8, 1500), UNIT, START + 650 * UNIT, START + 1500 * UNIT, warm_up=650)
    prepared = prepare(panel, strategy, parameters)
    for rules in (Rules(slots=5), Rules(slots=8), Rules(slots=8, krw=30_000.0), Rules(slots=3, delay=2)):
        offers = Offers(prepared, rules)
        for seed in range(4):
            quick = simulate(prepared, rules, seed, offers=offers).trades
            with monkeypatch.context() as patch:
                patch.setattr(Calls, "next_after", lambda _, account, column: column + 1)  # noqa: ARG005 - as called
                patch.setattr(Calls, "is_call", lambda _, column: True)  # noqa: ARG005 - as called
                assert simulate(prepared, rules, seed).trades == quick


@pytest.mark.parametrize("name", ["quiet_trend", "quiet_breakout", "btc_only"])
@pytest.mark.parametrize("rules", [Rules(), Rules(delay=2), Rules(fill="close")], ids=["next open", "late", "close"])
def test_the_end_that_is_looked_up_is_the_one_that_would_be_asked_for(name: str, rules: Rules) -> None:
    """Every life of a strategy whose causes rest on numbers and stop is the same, asked candle by candle or not."""
    loose = {"stop_atr": 1.0, "max_natr": 50.0, "min_turnover_krw": 0.0} if name != "btc_only" else {}
    strategy, parameters = registry.load(name, loose)
    panel = build_panel(wandering(7, 8, 1500), UNIT, START + 650 * UNIT, START + 1500 * UNIT, warm_up=650)
    prepared = prepare(panel, strategy, parameters)
    looked_up = simulate(prepared, rules, 1).trades
    assert prepared.plain
    assert simulate(replace(prepared, plain=False), rules, 1).trades == looked_up
    assert len(looked_up) > 5


class Pretender(Scripted):
    """Says of its target price that it rests on numbers alone."""

    exits: ClassVar[tuple[Cause, ...]] = (STOP, Cause(code="signal", ko="-", en="-", of_market=True))

    def sells(self, position: Position, moments: Moments, parameters: object) -> tuple[Any, ...]:
        """Sell once it is a candle old."""
        del parameters
        return stopped(position, moments), moments.at_s - position.opened_at.timestamp() >= UNIT.total_seconds()


def test_a_strategy_that_claims_to_look_only_at_numbers_and_does_not_is_refused() -> None:
    """The first end that was looked up is asked for too; a result that rests on a false claim never comes out."""
    rows = [flat(100, BUY), flat(100), flat(100), flat(100)]
    panel = build_panel({"KRW-A": candles(rows)}, UNIT, START, START + 4 * UNIT, warm_up=0)
    prepared = prepare(panel, Pretender(), Parameters())
    with pytest.raises(registry.StrategyError, match="of_market"):
        simulate(prepared, FREE, 1)


class LatePretender(Pretender):
    """Keeps to what it says with its first position, and sells a later one once it is a candle old."""

    def sells(self, position: Position, moments: Moments, parameters: object) -> tuple[Any, ...]:
        """Sell at the volume of the script, and what was bought late in any case."""
        late = position.opened_at >= START + 3 * UNIT
        stop, old = super().sells(position, moments, parameters)
        return stop, (moments.numbers["volume"] == SELL) | (late & old)


def test_a_false_claim_that_shows_in_the_second_position_is_found_too() -> None:
    """An end that was looked up is asked for ever more rarely, not only once."""
    rows = [flat(100, BUY), flat(100, SELL), flat(100), flat(100, BUY), flat(100), flat(100), flat(100)]
    panel = build_panel({"KRW-A": candles(rows)}, UNIT, START, START + 7 * UNIT, warm_up=0)
    with pytest.raises(registry.StrategyError, match="of_market"):
        simulate(prepare(panel, LatePretender(), Parameters()), FREE, 1)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 5), st.sampled_from(["open", "close"]), st.integers(0, 2))
def test_the_sum_of_all_trades_is_the_equity_to_the_won(seed: int, slots: int, fill: str, delay: int) -> None:
    """Money at the beginning, plus what ended trades earned, plus what is held, is the end of the curve."""
    strategy, parameters = registry.load("quiet_trend", {"min_turnover_krw": 0.0, "max_natr": 50.0})
    history = wandering(seed % 7, markets=6, count=1000)
    panel = build_panel(history, UNIT, START + 610 * UNIT, START + 1000 * UNIT, warm_up=610)
    outcome = simulate(prepare(panel, strategy, parameters), Rules(slots=slots, fill=fill, delay=delay), seed)
    earned = sum(trade.profit_krw for trade in outcome.trades if trade.left is not None)
    held = sum(
        trade.volume * float(panel.window.close[trade.row, -1]) - trade.cost_krw
        for trade in outcome.trades
        if trade.left is None
    )
    curve = curve_of(panel, outcome)
    assert curve.equity[-1] == pytest.approx(1_000_000 + earned + held, abs=0.5)
    assert (curve.equity - curve.invested >= -0.5).all()
