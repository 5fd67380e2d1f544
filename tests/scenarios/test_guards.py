"""The whole daemon while what it needs is taken away and given back, over the real wire, on a clock that skips."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from cli.check import examine
from journal.records import Order, Phase
from tests.helpers.daemon_desk import opened, serving, told, trading
from trader import daemon
from trader.commands import DONE, NOTHING
from trader.control import SELL_ALL
from trader.requests import ask
from upbit.http import Way

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.daemon_desk import Desk
    from trader.app import App


@pytest.mark.failure("B8")
@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"ips": frozenset({"203.0.113.9"})}, "no_authorization_ip", "Register its public IP"),
        ({"secret_key": "another-secret-key-0123456789abcdef0123"}, "jwt_verification", "The API keys are wrong"),
    ],
)
def test_a_refused_key_is_told_once_asked_once_a_minute_and_heals(
    changes: dict[str, object], name: str, words: str, tmp_path: Path
) -> None:
    """Ten minutes without rights: one alert with the cause, at most eleven requests; then trading goes on alone."""

    async def story() -> None:
        async with trading(tmp_path) as desk:
            await asyncio.sleep(90)
            good = desk.box.gate.keys["test-access-key"]
            desk.set_key(**changes)
            await asyncio.sleep(600)
            assert desk.app.control.state.name == "HALTED"
            assert desk.box.violations[name] <= 11
            assert [words in message for message in desk.messages() if "halted" in message] == [True]
            assert not any("part has stopped" in message for message in desk.messages())  # one cause, one message
            desk.set_key(ips=good.ips, secret_key=good.secret_key)
            await asyncio.sleep(125)
            assert desk.app.control.state.name == "ACTIVE"
            assert set(desk.box.violations) == {name}

    told(story)


@pytest.mark.failure("B7")
def test_a_key_that_ends_stops_orders_and_leaves_the_daemon_alive(tmp_path: Path) -> None:
    """Its end comes in the middle of trading: halted with the cause, prices and candles go on."""

    async def story() -> None:
        async with trading(tmp_path) as desk:
            await asyncio.sleep(90)
            desk.set_key(expires_at=desk.app.clock())
            await asyncio.sleep(300)
            assert [halt.code for halt in desk.app.control.reasons] == ["key"]
            assert "expired_access_key" in desk.app.control.reasons[0].en
            before = desk.box.orders_received
            scanned = await desk.app.state.snapshot_dict.snapshot()
            await asyncio.sleep(120)
            again = await desk.app.state.snapshot_dict.snapshot()
            assert desk.box.orders_received == before
            assert again["KRW-BTC"].candle_closed_at > scanned["KRW-BTC"].candle_closed_at

    told(story)


def shift(desk: Desk, seconds: float) -> None:
    """Set the daemon's clock, and only the daemon's."""
    before = desk.app.clock
    desk.app.clock = lambda: before() + timedelta(seconds=seconds)


@pytest.mark.failure("F11")
@pytest.mark.failure("F13")
@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_a_clock_that_jumps_makes_the_daemon_start_over(seconds: float, tmp_path: Path) -> None:
    """What carries a time is forgotten, nothing is bought while the clock is wrong; when it is right, all is well."""

    async def story() -> None:
        async with trading(tmp_path) as desk:
            await asyncio.sleep(90)
            app = desk.app
            assert await app.state.snapshot_dict.snapshot()
            good = app.clock
            shift(desk, seconds)
            await asyncio.sleep(1.01)
            assert {halt.code for halt in app.control.reasons} == {"clock_jump", "clock_skew"}
            assert await app.state.snapshot_dict.snapshot() == {}
            before = desk.box.orders_received
            await asyncio.sleep(60)
            assert desk.box.orders_received == before
            app.clock = good
            await asyncio.sleep(1.01)
            assert app.control.stands("clock_jump")
            await asyncio.sleep(200)
            assert app.control.state.name == "ACTIVE"
            fresh = await app.state.snapshot_dict.snapshot()
            assert app.clock() - fresh["KRW-BTC"].candle_closed_at < timedelta(seconds=130)
            assert all((await app.state.trading_dict.snapshot()).values())

    told(story)


@pytest.mark.failure("F9")
@pytest.mark.parametrize("error", [None, KeyError("odd"), ZeroDivisionError("odd")])
def test_a_task_that_ends_or_fails_is_told_and_begun_anew_while_the_rest_trades_on(
    error: Exception | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises; a part that ends by itself breaks a rule of ours, so buys wait for a person then."""
    begun: list[int] = []

    async def vanishing(_: App) -> None:
        begun.append(1)
        await asyncio.sleep(30)
        if error:
            raise error

    async def story() -> None:
        async with trading(tmp_path) as desk:
            await asyncio.sleep(600)
            assert len(begun) > 3
            assert desk.app.control.may_sell()
            assert desk.app.control.may_buy() is (error is not None)
            assert desk.app.health.dead() == {}
            await desk.app.discord.flush(30)  # type: ignore[union-attr] # there is a webhook
            told_of = [text for text in desk.messages() if "equity" in text]
            assert len(told_of) == 1

    with monkeypatch.context() as patch:
        patch.setattr(
            "trader.daemon.WATCHERS",
            tuple((name, vanishing if name == "equity" else work) for name, work in daemon.WATCHERS),
        )
        told(story)


@pytest.mark.slow  # on a busy machine two hours of failed connections can outrun the delivery that is waited for
@pytest.mark.failure("D6")
def test_hours_without_a_network_decide_nothing_and_end_with_fresh_data(tmp_path: Path) -> None:
    """Two hours: no order, a person is told once, and within two minutes of its return everything is fresh."""

    async def story() -> None:
        async with trading(tmp_path, markets=8) as desk:
            await asyncio.sleep(300)
            app, box = desk.app, desk.box
            way, stream = app.upbit._way, app.tickers._url
            app.upbit._way, app.tickers._url = Way(way._session, "http://127.0.0.1:9"), "ws://127.0.0.1:9"
            app.tickers.reconnect()
            await asyncio.sleep(15)
            before = box.orders_received
            await asyncio.sleep(7200)
            assert box.orders_received == before
            stopped = [text for text in desk.messages() if "part has stopped" in text]
            assert len(stopped) == 1, stopped  # one cause is one message, whichever loop has missed the network first
            app.upbit._way, app.tickers._url = way, stream
            await asyncio.sleep(120)
            assert app.control.state.name == "ACTIVE"
            snapshots = await app.state.snapshot_dict.snapshot()
            assert app.clock() - snapshots["KRW-BTC"].candle_closed_at < timedelta(seconds=130)
            wallet = await app.state.wallet_dict.snapshot()
            assert app.clock() - wallet["KRW"].as_of < timedelta(seconds=5)
            assert app.health.dead() == {}

    told(story)


@pytest.mark.failure("H7")
def test_all_is_sold_once_however_often_a_person_asks_and_whatever_is_in_doubt(tmp_path: Path) -> None:
    """Twice, while answers to sales are lost, and over a restart: one executed sale a trade, no buy before a resume."""
    lost = {"fault": "lost", "accepted": True, "count": 2, "on": {"paths": ["/v1/orders"], "sides": ["ask"]}}

    def sold(app: App) -> list[str]:
        """Return the markets of executed sales."""
        trades = app.journal.closed_trades(99)
        return [trade.market for trade in trades if trade.exit_reason and trade.exit_reason["code"] == SELL_ALL]

    async def story() -> None:
        async with opened(tmp_path, markets=8, faults=[lost]) as (box, config, clock):
            async with serving(config, clock) as app:
                await asyncio.sleep(150)
                held = [trade.market for trade in app.journal.open_trades()]
                assert held
                for _ in range(2):
                    ask(tmp_path, Order.SELL_ALL)
                    await asyncio.sleep(2)
                await asyncio.sleep(180)
                assert app.journal.open_trades() == []
                assert sorted(sold(app)) == sorted(held)
                buys = app.journal.counts().buys
                sales = [order for order in box.exchange.orders.values() if order.asked.side == "ask"]
                assert sum(bool(order.fills) for order in sales) == app.journal.counts().sells
                intents = [
                    intent for trade in app.journal.closed_trades(99) for intent in app.journal.intents_of(trade.id)
                ]
                outcomes = [
                    attempt.outcome for intent in intents for attempt in app.journal.attempts(intent.identifier)
                ]
                assert outcomes.count("OutcomeUnknown") == 2
            async with serving(config, clock) as app:
                await asyncio.sleep(180)
                assert app.journal.counts().buys == buys
                app.control.resume()
                await asyncio.sleep(180)
                assert app.journal.counts().buys > buys

    told(story)


def test_one_market_is_sold_once_and_the_others_are_held(tmp_path: Path) -> None:
    """Asked twice, an answer lost, the daemon stopped at once: the next one sells that trade alone, and buys on."""
    lost = {"fault": "lost", "accepted": True, "count": 1, "on": {"paths": ["/v1/orders"], "sides": ["ask"]}}

    async def story() -> None:
        async with opened(tmp_path, markets=8, faults=[lost]) as (_, config, clock):
            async with serving(config, clock) as app:
                await asyncio.sleep(150)
                first, *others = app.journal.open_trades()
                assert others
                for name in ("one", "two"):
                    ask(tmp_path, Order.SELL, command_id=name, codes=[first.id])
                    await asyncio.sleep(1.1)
            async with serving(config, clock) as app:
                await asyncio.sleep(180)
                trade = app.journal.trade(first.id)
                assert trade.phase is Phase.CLOSED
                assert trade.exit_reason is not None
                assert trade.exit_reason["code"] == "sell"
                sales = [one for one in app.journal.intents_of(first.id) if one.side == "ask"]
                assert sum(bool(app.journal.fills_of(one.identifier)) for one in sales) == 1
                by_hand = [one for one in app.journal.closed_trades(99) if one.exit_reason == trade.exit_reason]
                assert by_hand == [trade]
                assert app.control.may_buy()
                said = [command.outcome for name in ("one", "two") if (command := app.journal.command(name))]
                assert said == [DONE, NOTHING]

    told(story)


@pytest.mark.failure("D10")
def test_an_endpoint_that_is_gone_makes_the_check_fail_loudly(tmp_path: Path) -> None:
    """A route that Upbit took away is no empty answer: `check` names it and fails."""

    async def story() -> None:
        async with trading(tmp_path) as desk:
            await asyncio.sleep(5)
            desk.box._api._routes.pop(("GET", "/v1/orders/open"))
            findings = {finding.name: finding for finding in await examine(desk.app.config)}
            assert findings["주문조회 view orders"].level == "fail"
            assert findings["주문조회 view orders"].code == 1
            assert findings["exchange"].level == "ok"

    told(story)
