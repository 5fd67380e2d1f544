"""The whole daemon while what it needs is taken away and given back, over the real wire, on a clock that skips."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.daemon_desk import told, trading

if TYPE_CHECKING:
    from pathlib import Path


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
            assert [words in message for message in desk.messages() if "stopped" in message] == [True]
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
