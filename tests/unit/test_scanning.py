"""The minute's look at all markets: what is asked, in which order, what is shared, and what is written down."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, Mock, call

import numpy as np
import pytest

from config.settings import Config, RiskSettings, TradingSettings
from journal.records import Phase
from journal.verdicts import Scan
from simulation.loop import PacedLoop
from state import ActiveTrade, Balance, Price
from strategy.base import PASSED, Gate, Position, Selection, Snapshot
from strategy.grid import CandleArrays
from strategy.scaffold import Scaffold
from strategy.trial import MARKETS, made_up
from tests.helpers.parts import NOW, make_mocked, only
from tests.helpers.values import changed
from trader.candles.candle_store import CandleStore
from trader.indicators import (
    BUDGET_S,
    EXCLUDED,
    SAMPLE,
    SCANS_KEPT,
    barrier,
    judge,
    known_of_account,
    list_markets,
    need_whole_list,
    publish,
    record,
    scan,
    scan_of,
    update_indicators_periodically,
    urgency,
)
from upbit.decoding import Rows
from upbit.errors import OutcomeUnknown
from upbit.models import Market, MarketEvent, Ticker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from strategy.base import Window
    from tests.helpers.parts import Mocked

MINUTE = timedelta(minutes=1)
FIRST = Gate(code="first", ko="하나", en="first")
SECOND = Gate(code="second", ko="둘", en="second")


def ticker(market: str, turnover: int = 7, price: str = "1234.5") -> Ticker:
    """Return the last trade of a market, a minute ago."""
    traded_ms = round((NOW - MINUTE).timestamp() * 1000)
    return Ticker(market=market, price=Decimal(price), traded_at_ms=traded_ms, turnover_24h=Decimal(turnover))


def listing(market: str) -> Market:
    """Return a market as Upbit lists it."""
    return Market(market=market, korean_name="가", event=MarketEvent())


def candles(count: int = 3) -> CandleArrays:
    """Return the last candles until now, each a won dearer than the one before."""
    closes = np.arange(1.0, count + 1)
    times = np.array([round((NOW - (count - n) * MINUTE).timestamp() * 1000) for n in range(count)])
    return CandleArrays(opened_at_ms=times, open=closes, high=closes, low=closes, close=closes, volume=closes)


class Dearest(Scaffold):
    """Wants what closed at three won; and shows each market's close and turnover."""

    name = "dearest"
    gates = (FIRST, SECOND)

    def cooldown(self, parameters: object) -> int:
        """Let a market rest for six candles."""
        assert parameters == "parameters"
        return 6

    def compute(self, window: Window, parameters: object) -> dict[str, Any]:
        """Return the closes, and what was traded in a day."""
        assert parameters == "parameters"
        return {"close": window.close, "turnover": window.turnover_24h}

    def select(self, window: Window, numbers: Mapping[str, Any], at: object, parameters: object) -> Selection:
        """Ask of the last candle whether it closed at three won."""
        del window
        assert (at, parameters) == (-1, "parameters")
        close = numbers["close"][:, -1]
        tests = (FIRST.asks(close, ">=", 0.0), SECOND.asks(close, ">=", 3.0))
        return Selection(
            gate=np.where(close >= 3.0, PASSED, 1).astype(np.int8),
            numbers={"close": close, "turnover": numbers["turnover"][:, -1]},
            tests=tests,
        )


def daemon(
    *markets: str, known: Mapping[str, CandleArrays] | None = None, missing: Iterable[str] = (), **config: object
) -> Mocked:
    """Return a daemon of some markets, whose candles are known but for some, at NOW."""
    there = known if known is not None else dict.fromkeys(markets, candles())
    store = only(
        CandleStore,
        unit=MINUTE,
        history=3,
        series=Mock(return_value=there),
        forget=Mock(),
        prove=AsyncMock(),
        missing=AsyncMock(return_value=list(missing)),
        refresh=AsyncMock(return_value=[]),
        check=AsyncMock(return_value=[]),
        unkept=Mock(return_value=(["changed"], {"every": "thing"})),
        put=Mock(),
        on_state=Mock(),
    )
    app = make_mocked(strategy=Dearest(), candles=store, config=changed(Config(), **config))
    app.upbit.markets = AsyncMock(return_value=Rows([listing(market) for market in markets], {}))
    app.upbit.all_tickers = AsyncMock(return_value=[ticker(market) for market in markets])
    app.upbit.server_date = app.upbit.server_date_at = None
    app.candle_stream.last_frame = None
    return app


def held(market: str) -> ActiveTrade:
    """Return a trade that holds something."""
    position = only(Position, market=market)
    return ActiveTrade(market=market, started_at=NOW, phase=Phase.HOLDING, position=position)


# --- the list of markets


def test_a_list_of_markets_that_lost_most_of_them_is_none() -> None:
    """Half of what was there may go in a minute; nothing, or less than that, is an answer nobody believes."""
    need_whole_list(["KRW-A", "KRW-B"], ["KRW-A", "KRW-B", "KRW-C", "KRW-D"])
    need_whole_list(["KRW-A"], [])
    for found, before in (([], []), (["KRW-A"], ["KRW-A", "KRW-B", "KRW-C"])):
        with pytest.raises(OutcomeUnknown, match=f"^{len(found)} markets where there were {len(before)}$"):
            need_whole_list(found, before)


async def test_what_is_listed_is_heard_and_what_is_listed_no_more_is_forgotten() -> None:
    """Only markets of won; a row that could not be read is not gone, nor is what was there a minute ago."""
    app = daemon()
    app.upbit.markets.return_value = Rows([listing("KRW-A"), listing("BTC-A"), listing("KRW-B")], {"KRW-ODD": "why"})
    await app.state.listings.replace({"KRW-B": listing("KRW-B"), "KRW-OLD": listing("KRW-OLD")})
    found = await list_markets(app)
    assert found == {"KRW-A": listing("KRW-A"), "KRW-B": listing("KRW-B")}
    assert await app.state.listings.snapshot() == found
    assert app.candle_stream.wanted.mock_calls == [call(frozenset({"KRW-A", "KRW-B"}))]
    (forgotten,) = app.candles.forget.mock_calls  # type: ignore[attr-defined]
    assert forgotten == call({"KRW-A", "KRW-B", "KRW-OLD", "KRW-ODD"})


async def test_what_is_held_of_a_market_that_is_listed_no_more_is_told() -> None:
    """Not what is only followed, nor what the list could not read, nor at a start, when nothing is known."""
    app = daemon("KRW-A")
    app.upbit.markets.return_value = Rows([listing("KRW-A")], {"KRW-ODD": "why"})
    watched = ActiveTrade(market="KRW-WATCHED", started_at=NOW, phase=Phase.ENTERING)
    trades = [held("KRW-A"), held("KRW-ODD"), held("KRW-GONE"), watched]
    await app.state.active_trade.replace({trade.market: trade for trade in trades})
    await list_markets(app)
    assert app.said == []
    await list_markets(app)
    assert app.tell.mock_calls == [call("unlisted", level=logging.WARNING, market="KRW-GONE")]
    assert app.messages.unlisted.mock_calls == [call("KRW-GONE", at=NOW)]
    assert app.journal.add_notes.mock_calls == [call([app.messages.unlisted.return_value])]


def test_candles_are_needed_of_the_leader_first_then_of_what_is_held_then_of_the_most_traded() -> None:
    """A market that nobody has traded is the last, and equal ones go by their names."""
    traded = {"KRW-A": 5, "KRW-B": 9, "KRW-D": 1, "KRW-HELD": 8}
    tickers = {market: ticker(market, turnover) for market, turnover in traded.items()}
    markets = ["KRW-Z", "KRW-A", "KRW-C", "KRW-B", "KRW-D", "KRW-HELD", "KRW-BTC"]
    order = ["KRW-BTC", "KRW-HELD", "KRW-B", "KRW-A", "KRW-D", "KRW-C", "KRW-Z"]
    assert urgency(markets, ["KRW-HELD"], tickers) == order
    assert urgency(["KRW-A", "KRW-BTC"], ["KRW-BTC", "KRW-A"], tickers) == ["KRW-A", "KRW-BTC"]


def test_what_bars_a_market_whatever_its_candles_say() -> None:
    """An exclusion of one's own before the exchange's flags, each with its switch."""
    flagged = Market(market="KRW-A", korean_name="가", event=MarketEvent(warning=True, caution={"a": False, "b": True}))
    excluding = Config(risk=RiskSettings(exclude=("KRW-A",)))
    assert barrier(excluding, flagged) == Gate(
        code="excluded", ko="설정에서 제외한 마켓", en="excluded by configuration"
    )
    assert barrier(Config(), flagged) == Gate(code="warning", ko="투자유의 종목", en="investment warning")
    allowing = Config(trading=TradingSettings(warning="allow"))
    assert barrier(allowing, flagged) == Gate(code="caution", ko="투자주의 종목", en="investment caution")
    assert barrier(Config(trading=TradingSettings(warning="allow", caution="allow")), flagged) is None
    assert barrier(Config(), listing("KRW-A")) is None


# --- what is said of each market


async def test_every_market_gets_its_verdict_and_targets_are_those_that_fail_nothing() -> None:
    """With its numbers, its price and the time of both; what has no candles is loading, and what is barred stays so."""
    known = {"KRW-A": candles(), "KRW-B": candles(2), "KRW-EXC": candles(), "KRW-LATE": candles()}
    markets = [*known, "KRW-NEW"]
    app = daemon(*markets, known=known, risk=RiskSettings(exclude=("KRW-EXC",)))
    listings = {market: listing(market) for market in markets}
    tickers = {market: ticker(market) for market in markets}
    await publish(app, NOW, listings, tickers, ["KRW-LATE", "KRW-EXC"])
    shared, targets = await app.state.snapshot_dict.snapshot(), await app.state.target_dict.snapshot()
    assert shared == {
        market: Snapshot(
            market=market,
            candle_closed_at=NOW,
            numbers={"close": close, "turnover": 7.0},
            failed_gate=gate,
            price=Decimal("1234.5"),
            price_as_of=NOW,
        )
        for market, close, gate in (("KRW-A", 3.0, None), ("KRW-B", 2.0, SECOND))
    }
    assert targets == {"KRW-A": shared["KRW-A"]}
    (written,) = app.journal.record_scan.mock_calls
    minute, strategy, closed_at, seen = written.args
    assert (minute, strategy, closed_at) == (NOW, "dearest", NOW)
    loading = {"code": "not_loaded", "ko": "캔들을 아직 받는 중", "en": "candles not loaded yet"}
    assert seen.barred["KRW-LATE"] == seen.barred["KRW-NEW"] == loading
    assert {market: seen.failed(market) for market in seen.everywhere()} == {
        "KRW-A": None,
        "KRW-B": "second",
        "KRW-EXC": "excluded",
        "KRW-LATE": "not_loaded",
        "KRW-NEW": "not_loaded",
    }


async def test_an_early_word_leaves_what_was_known_of_missing_markets_and_is_not_written_down() -> None:
    """The others are judged at once, and their targets are there; what nobody knew stays unknown."""
    app = daemon("KRW-A", "KRW-B", "KRW-C")
    before = {market: only(Snapshot, market=market) for market in ("KRW-B", "KRW-GONE")}
    await app.state.snapshot_dict.replace(before)
    listings = {market: listing(market) for market in ("KRW-A", "KRW-B", "KRW-C")}
    tickers = {market: ticker(market) for market in listings}
    await publish(app, NOW, listings, tickers, ["KRW-B", "KRW-C"], early=True)
    shared = await app.state.snapshot_dict.snapshot()
    assert set(shared) == {"KRW-A", "KRW-B"}
    assert shared["KRW-B"] is before["KRW-B"]
    assert set(await app.state.target_dict.snapshot()) == {"KRW-A"}
    assert app.journal.mock_calls == []


def test_what_the_journal_keeps_of_a_gate_is_what_it_looked_at() -> None:
    """In its own words or those of its place; one number for all stands in every market."""
    window, shown = made_up(3), {MARKETS[0]: ticker(MARKETS[0])}
    named = Gate(code="named", ko="이름", en="named")
    bare = replace(named.asks(np.array([1.0, 2.0, 3.0]), ">", 1.5), gate=None)
    selection = Selection(
        gate=np.array([0, PASSED, PASSED], dtype=np.int8), numbers={}, tests=(named.asks(4, ">=", 2), bare)
    )
    seen = scan_of(window, selection, (FIRST, SECOND), {MARKETS[2]: EXCLUDED}, shown)
    assert list(seen.markets) == list(MARKETS)
    assert [(gate.code, gate.ko, gate.en, gate.relation) for gate in seen.gates] == [
        ("named", "이름", "named", ">="),
        ("second", "둘", "second", ">"),
    ]
    assert [list(gate.values) for gate in seen.gates] == [[4.0] * 3, [1.0, 2.0, 3.0]]
    assert [list(gate.thresholds) for gate in seen.gates] == [[2.0] * 3, [1.5] * 3]
    assert seen.prices == [Decimal("1234.5"), None, None]
    assert seen.barred == {
        MARKETS[2]: {"code": "excluded", "ko": "설정에서 제외한 마켓", "en": "excluded by configuration"}
    }


def test_of_a_strategy_that_says_only_what_failed_first_the_rest_is_not_known() -> None:
    """A gate that failed is shut, one before it open, one behind it neither."""
    selection = Selection(gate=np.array([PASSED, 0, 1], dtype=np.int8), numbers={})
    seen = scan_of(made_up(3), selection, (FIRST, SECOND), {}, {})
    assert [gate.relation for gate in seen.gates] == ["==", "=="]
    assert [list(gate.thresholds) for gate in seen.gates] == [[1.0] * 3] * 2
    assert list(seen.gates[0].values) == [1.0, 0.0, 1.0]
    assert [seen.gates[1].values[at] for at in (0, 2)] == [1.0, 0.0]
    assert isnan(seen.gates[1].values[1])


def test_a_market_without_a_price_hides_no_market_behind_it() -> None:
    """It has no snapshot, and the next one has its own numbers."""
    window = made_up(3)
    selection = Selection(
        gate=np.array([0, 1, PASSED], dtype=np.int8), numbers={"n": np.array([1.0, 2.0, 3.0]), "m": np.zeros(3)}
    )
    shown = {market: ticker(market) for market in MARKETS[1:]}
    found = judge(window, selection, (FIRST, SECOND), {}, shown, as_of=NOW)
    assert {market: (one.numbers, one.failed_gate) for market, one in found.items()} == {
        MARKETS[1]: ({"n": 2.0, "m": 0.0}, SECOND),
        MARKETS[2]: ({"n": 3.0, "m": 0.0}, None),
    }


async def test_what_is_known_of_the_account_stands_beside_a_look() -> None:
    """Places, how many are taken by whichever dict knows, how long a market rests; free won once there are any."""
    app = daemon(trading=TradingSettings(max_open_trades=4))
    await app.state.trading_dict.replace({"KRW-A": None, "KRW-B": Price(price=Decimal(1), as_of=NOW)})
    await app.state.active_trade.replace({"KRW-B": held("KRW-B"), "KRW-C": held("KRW-C")})
    assert await known_of_account(app) == {"places": 4, "taken": 3, "rest_s": 360}
    won = Balance(available=Decimal("1E+5"), locked=Decimal(3), as_of=NOW + timedelta(milliseconds=5))
    await app.state.wallet_dict.replace({"KRW": won})
    assert await known_of_account(app) == {
        "places": 4,
        "taken": 3,
        "rest_s": 360,
        "won": "100000",
        "won_at": "2026-11-02T12:00:00+00:00",
    }


def test_a_look_is_written_under_its_minute_and_those_of_two_weeks_ago_go() -> None:
    """Whatever second it is by then."""
    app = daemon()
    app.clock = lambda: NOW + timedelta(seconds=59, microseconds=7)
    seen = Scan(markets=["KRW-A"], gates=[], prices=[None])
    record(app, NOW - MINUTE, seen, {"places": 5})
    assert app.journal.mock_calls == [
        call.record_scan(NOW, "dearest", NOW - MINUTE, replace(seen, facts={"places": 5})),
        call.prune_scans(NOW - timedelta(days=14)),
    ]
    assert timedelta(days=14) == SCANS_KEPT


# --- the minute


def steps(app: Mocked) -> Mock:
    """Note what is done in a minute, in its order."""
    done = Mock()
    for name in ("prove", "missing", "refresh", "check"):
        done.attach_mock(getattr(app.candles, name), name)
    done.attach_mock(app.kept_candles.write, "write")
    done.attach_mock(app.journal.record_scan, "record")
    return done


async def test_a_minute_goes_from_the_list_of_markets_to_a_sample_that_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Known candles are proven first, what is new is kept on disk, and only then some are compared with REST."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-A", "KRW-BTC")
    done = steps(app)
    await scan(app)
    wanted, tickers = ["KRW-BTC", "KRW-A"], {market: ticker(market) for market in ("KRW-A", "KRW-BTC")}
    assert done.mock_calls == [
        call.prove(wanted),
        call.missing(wanted, NOW, tickers),
        call.refresh(wanted, NOW, tickers, budget_s=BUDGET_S),
        call.record(NOW, "dearest", NOW, app.journal.record_scan.mock_calls[0].args[3]),
        call.write(["changed"], {"every": "thing"}),
        call.check(NOW, sample=SAMPLE),
    ]
    assert app.upbit.all_tickers.mock_calls == [call("KRW")]
    assert set(await app.state.target_dict.snapshot()) == {"KRW-A", "KRW-BTC"}
    assert (app.said, app.candle_stream.reconnect.mock_calls) == ([], [])


async def test_candles_that_differ_are_told_and_a_silent_stream_is_connected_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is compared while candles are missing."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-A", "KRW-BTC")
    app.candles.check.return_value = ["KRW-A", "KRW-BTC"]  # type: ignore[attr-defined]
    app.candle_stream.last_frame = asyncio.get_running_loop().time() - 3600
    await scan(app)
    assert app.tell.mock_calls == [call("candles_differ", level=logging.WARNING, markets="KRW-A,KRW-BTC")]
    assert app.candle_stream.reconnect.mock_calls == [call()]
    app.candles.refresh.return_value = ["KRW-A"]  # type: ignore[attr-defined]
    await scan(app)
    assert app.candles.check.await_count == 1  # type: ignore[attr-defined]


async def test_what_is_known_is_judged_while_the_rest_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is judged when it came."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-A", "KRW-BTC", missing=["KRW-A"])
    targets: list[list[str]] = []

    async def fetch(*_: object, budget_s: float) -> list[str]:
        assert budget_s == 45.0
        targets.append(sorted(await app.state.target_dict.snapshot()))
        return []

    app.candles.refresh.side_effect = fetch  # type: ignore[attr-defined]
    await scan(app)
    targets.append(sorted(await app.state.target_dict.snapshot()))
    assert targets == [["KRW-BTC"], ["KRW-A", "KRW-BTC"]]
    (written,) = app.journal.record_scan.mock_calls
    assert set(written.args[3].barred) == set()


@pytest.mark.parametrize("comes", [True, False])
async def test_the_leader_is_fetched_before_all_others_that_are_missing(
    monkeypatch: pytest.MonkeyPatch, *, comes: bool
) -> None:
    """Without it nothing is decided, so whoever is known waits for it alone; where it does not come, for all."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-A", "KRW-B", "KRW-BTC")
    app.candles.missing.side_effect = [["KRW-BTC", "KRW-A"], ["KRW-A"] if comes else ["KRW-BTC", "KRW-A"]]  # type: ignore[attr-defined]
    asked: list[tuple[list[str], list[str]]] = []

    async def fetch(markets: list[str], *_: object, budget_s: float) -> list[str]:
        assert budget_s == (5.0 if markets == ["KRW-BTC"] else 45.0)
        asked.append((markets, sorted(await app.state.target_dict.snapshot())))
        if not comes and markets == ["KRW-BTC"]:
            raise OutcomeUnknown("502")
        return [] if comes else ["KRW-BTC"]

    app.candles.refresh.side_effect = fetch  # type: ignore[attr-defined]
    await scan(app)
    everybody = ["KRW-BTC", "KRW-A", "KRW-B"]
    assert asked == [(["KRW-BTC"], []), (everybody, ["KRW-B", "KRW-BTC"] if comes else [])]
    (written,) = app.journal.record_scan.mock_calls
    assert set(written.args[3].barred) == (set() if comes else {"KRW-BTC"})


def test_a_leader_that_does_not_answer_costs_the_others_five_seconds() -> None:
    """What hangs is left, and asked for again beside them."""

    async def story() -> None:
        app = daemon("KRW-A", "KRW-BTC", "KRW-B", missing=["KRW-BTC", "KRW-A"])
        at: list[float] = []

        async def fetch(markets: list[str], *_: object, budget_s: float) -> list[str]:
            at.append(asyncio.get_running_loop().time())
            if markets == ["KRW-BTC"]:
                await asyncio.sleep(10 * budget_s)
            return []

        app.candles.refresh.side_effect = fetch  # type: ignore[attr-defined]
        await scan(app)
        assert at[1] - at[0] == 5.0

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


async def test_where_no_candle_is_known_nobody_waits_for_the_leader_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a first start: what can be judged then is nothing but the leader."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-A", "KRW-BTC", missing=["KRW-BTC", "KRW-A"])
    await scan(app)
    assert [asked.args[0] for asked in app.candles.refresh.mock_calls] == [["KRW-BTC", "KRW-A"]]  # type: ignore[attr-defined]


async def test_the_look_waits_until_the_candle_is_over_at_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the list of markets and the tickers; by how much our clock is ahead, and a second at least."""
    waited = AsyncMock()
    monkeypatch.setattr("trader.indicators.pause", waited)
    app = daemon("KRW-BTC")
    app.clock = lambda: NOW + timedelta(milliseconds=250)
    await scan(app)
    assert waited.mock_calls == [call(0.75, app.stop)]
    app.upbit.server_date, app.upbit.server_date_at = NOW - timedelta(seconds=4), asyncio.get_running_loop().time()
    await scan(app)
    assert waited.mock_calls[1].args[0] == pytest.approx(4.0, abs=0.1)


async def test_the_stream_is_heard_as_long_as_markets_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells the store, which hears of its connections too; a stop ends both, and health hears of every look."""
    monkeypatch.setattr("trader.indicators.pause", AsyncMock())
    app = daemon("KRW-BTC")
    ended: list[str] = []

    async def listen(put: object, on_state: object) -> None:
        assert (put, on_state) == (app.candles.put, app.candles.on_state)
        task = asyncio.current_task()
        assert task is not None
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(task.get_name())

    app.candle_stream.run = listen
    app.health.alive.side_effect = lambda _: app.stop.set()
    async with asyncio.timeout(5):
        await update_indicators_periodically(app)
    assert ended == ["candle stream"]
    assert app.health.mock_calls == [call.alive("update_indicators_periodically")]
    assert set(await app.state.target_dict.snapshot()) == {"KRW-BTC"}
