"""When a balance or a price was true: from before the question, never from when the answer came."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import call

import pytest

from config.reading import load
from simulation.loop import PacedLoop
from state import Price
from tests.helpers.parts import Parts, make_app, make_mocked, only
from trader.daemon import make_messages, mode_of
from trader.health import Health
from trader.prices import update_prices
from trader.wallet import poll, update_wallet_realtime
from upbit.decoding import Rows
from upbit.models import Account, Ticker
from upbit.rest import Upbit
from upbit.stream import TickerStream

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 2, tzinfo=UTC)
SLOW = timedelta(seconds=9)


class Exchange(Upbit):
    """Answers nine seconds after it was asked."""

    def __init__(self) -> None:
        self.now = NOW

    def clock(self) -> datetime:
        """Return the time."""
        return self.now

    async def accounts(self) -> Rows[Account]:
        """Return what was there when it was asked."""
        self.now += SLOW
        return Rows([Account(currency="KRW", available=Decimal(5), locked=Decimal(0))])

    async def tickers(self, markets: Iterable[str]) -> Rows[Ticker]:
        """Return the last trades of then."""
        self.now += SLOW
        traded = int(NOW.timestamp() * 1000)
        return Rows(
            Ticker(market=market, price=Decimal(7), traded_at_ms=traded, turnover_24h=Decimal(1)) for market in markets
        )


def slow_app() -> Parts:
    """Return a daemon with that exchange."""
    exchange = Exchange()

    async def silence(*_: object) -> None:
        await asyncio.Event().wait()

    stream = only(TickerStream, wanted=lambda _: None, last_frame=None, heard=lambda _: True, run=silence)
    health = Health(asyncio.get_running_loop().time)
    return make_app(upbit=exchange, clock=exchange.clock, tickers=stream, health=health)


async def test_a_balance_is_as_old_as_the_question() -> None:
    """The answer is true at some moment after it: the cautious time is the earlier one."""
    app = slow_app()
    await poll(app)
    assert (await app.state.wallet_dict.snapshot())["KRW"].as_of == NOW


def test_the_wallet_is_asked_for_every_second_and_shows_what_the_last_answer_held() -> None:
    """Free and locked by currency; what an answer does not list is gone. Each is a sign of life."""
    answers = [[("KRW", 5, 1), ("A", 2, 0)], [("KRW", 7, 0)]]
    seen: list[tuple[float, dict[str, tuple[Decimal, Decimal]]]] = []

    async def story() -> None:
        app = make_mocked()
        wallet, loop = app.state.wallet_dict, asyncio.get_running_loop()

        async def accounts() -> Rows[Account]:
            if len(answers) == 1:
                app.stop.set()
            held = {name: (one.available, one.locked) for name, one in (await wallet.snapshot()).items()}
            seen.append((loop.time(), held))
            return Rows(
                Account(currency=name, available=Decimal(free), locked=Decimal(locked))
                for name, free, locked in answers.pop(0)
            )

        app.upbit.accounts = accounts
        await update_wallet_realtime(app)
        assert seen == [(0.0, {}), (1.0, {"KRW": (Decimal(5), Decimal(1)), "A": (Decimal(2), Decimal(0))})]
        assert [(name, one.available) for name, one in (await wallet.snapshot()).items()] == [("KRW", Decimal(7))]
        assert app.health.alive.mock_calls == [call("update_wallet_realtime")] * 2

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())


async def test_a_price_of_rest_is_as_old_as_the_question() -> None:
    """A slow answer makes no price younger."""
    app = slow_app()
    async with app.state.trading_dict.locked() as trading:
        trading["KRW-A"] = None
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(update_prices(app))
        await app.prices_changed.wait()
        app.stop.set()
    assert (await app.state.trading_dict.snapshot())["KRW-A"] == Price(price=Decimal(7), as_of=NOW)


@pytest.mark.parametrize(
    ("url", "mode"),
    [("https://10.0.0.7", "live"), ("https://api.upbit.com", "live"), ("http://127.0.0.1:1", "sandbox")],
)
def test_orders_journal_and_messages_are_of_the_mode_of_the_settings(url: str, mode: str) -> None:
    """What a person reads says whether it is real money."""
    config = load({"UPBIT_BASE_URL": url})
    assert mode_of(config) == mode
    assert make_messages(config).mode == mode
