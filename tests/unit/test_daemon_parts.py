"""The parts a daemon is built of are those of the settings, and nothing of a secret is said about them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY, AsyncMock, Mock, call
from urllib.parse import urlsplit

import aiohttp
import pytest

from config.settings import Config, Secret, StrategySettings, TradingSettings
from config.version import VERSION
from journal.journal import Journal
from notifier.discord import Discord
from simulation.loop import PacedLoop
from tests.helpers.orders import a_trade
from tests.helpers.parts import NOW, make_app, make_mocked, mock, only
from trader import daemon
from trader.books.owner import WrongModeError
from trader.candles.kept import CANDLES_FILE
from trader.guards.watchdog import SystemWatchdog
from trader.network import network_of
from upbit.limits import CAREFUL
from upbit.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from trader.app import App

PROXY = "http://somebody:password@proxy.example:3128"


def test_the_way_out_is_that_of_the_settings() -> None:
    """Proxy, hosts that go without it, and the authority that is believed besides."""
    config = Config(proxy=Secret(PROXY), no_proxy="discord.com", ca_file=Path("/own.pem"))
    assert network_of(config) == Network(proxy=PROXY, no_proxy="discord.com", ca_file=Path("/own.pem"))
    assert network_of(Config()) == Network()


@pytest.mark.parametrize(
    ("url", "ca_file", "said"),
    [
        ("https://api.upbit.com", None, ["through a proxy host=proxy.example"]),
        ("http://127.0.0.1:1", None, []),
        (
            "https://api.upbit.com",
            Path("/own.pem"),
            ["through a proxy host=proxy.example", "believing an authority of one's own file=/own.pem"],
        ),
    ],
)
def test_the_log_says_which_way_requests_go_without_the_password(
    url: str, ca_file: Path | None, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads it should not have to guess."""
    caplog.set_level("INFO", "daemon")
    daemon.say_how(Network(proxy=PROXY, ca_file=ca_file), Config(base_url=url))
    assert [record.getMessage() for record in caplog.records] == said


def test_a_key_is_known_by_its_fingerprint_and_not_by_itself() -> None:
    """Two keys are told apart by it, and it opens nothing."""
    print_of = daemon.fingerprint_of("access-key")
    assert print_of == "b54189a4d7368178"
    assert print_of != daemon.fingerprint_of("access-kez")


def test_a_daemon_has_both_keys_or_is_none() -> None:
    """Whoever builds one has looked before."""
    whole = Config(access_key=Secret("a"), secret_key=Secret("s"))
    assert daemon.keys_of(whole) == ("a", "s")
    for half in (Config(access_key=Secret("a")), Config(secret_key=Secret("s")), Config()):
        with pytest.raises(ValueError, match="both keys"):
            daemon.keys_of(half)


async def test_without_a_webhook_there_are_no_messages_which_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Once, at the start."""
    async with aiohttp.ClientSession() as session:
        assert daemon.make_discord(Config(), session, mock(Journal)) is None
        assert [record.getMessage() for record in caplog.records if record.name == "daemon"] == [
            "no WEBHOOK_URL: trading without messages"
        ]
        journal = mock(Journal)
        journal.meta.return_value = None
        made = daemon.make_discord(Config(webhook_url=Secret("https://discord.com/x"), language="en"), session, journal)
    assert made is not None
    assert (made._webhook._url, made._language, made._journal) == ("https://discord.com/x", "en", journal)


def test_nobody_watches_what_is_not_there() -> None:
    """Files without a watchdog, a webhook that was not named."""
    discord = only(Discord)
    assert daemon.absent(make_app()) == {"files", "discord"}
    assert daemon.absent(make_app(discord=discord)) == {"files"}
    assert daemon.absent(make_app(discord=discord, watchdog=only(SystemWatchdog))) == set()


async def test_real_and_rehearsed_trades_never_stand_in_one_journal(tmp_path: Path) -> None:
    """Whichever was first: the other ends before anything is asked, and the folder stays the first one's."""
    keys = Config(access_key=Secret("a" * 40), secret_key=Secret("s" * 40))
    for first, other in (("http://127.0.0.1:1", "https://10.0.0.7"), ("https://10.0.0.7", "http://127.0.0.1:1")):
        mine = replace(keys, base_url=first, data_dir=tmp_path / urlsplit(first).scheme)
        for _ in range(2):
            async with daemon.build(mine, lambda: NOW, asyncio.Event()) as app:
                assert app.mode == mine.mode
            with pytest.raises(WrongModeError):
                async with daemon.build(replace(mine, base_url=other), lambda: NOW, asyncio.Event()):
                    pass


@pytest.mark.parametrize("started_before", [False, True])
async def test_a_daemon_is_built_of_its_settings(
    started_before: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every part is given its own of them, and what holds something open is closed; the first start asks carefully."""
    hook, now, stop = "https://discord.example/api/webhooks/1/hidden", [NOW], asyncio.Event()
    config = Config(
        access_key=Secret("access-key"),
        secret_key=Secret("secret-key-of-its-own"),
        webhook_url=Secret(hook),
        base_url="http://127.0.0.1:9",
        data_dir=tmp_path,
        ca_file=None,
        proxy=Secret(PROXY),
        trading=TradingSettings(seed=7),
        strategy=StrategySettings(unit=timedelta(minutes=3), parameters={"slow": 77}),
    )
    if started_before:
        (tmp_path / CANDLES_FILE).touch()
    kinds = ("RateLimiter", "Gate", "Upbit", "TickerStream", "CandleStream", "open_session", "make_discord")
    made = {kind: Mock(wraps=getattr(daemon, kind)) for kind in kinds}
    for kind, maker in made.items():
        monkeypatch.setattr(daemon, kind, maker)
    async with daemon.build(config, lambda: now[0], stop) as app:
        network = network_of(config)
        (called,) = made["Upbit"].mock_calls
        (session,) = called.args
        keys = {"access_key": "access-key", "secret_key": "secret-key-of-its-own"}
        assert called.kwargs == {"base_url": config.base_url, **keys, "limiter": ANY, "gate": ANY}
        assert made["Gate"].mock_calls == [call(config, app.control, app.journal, app.clock)]
        assert made["RateLimiter"].mock_calls == [call({} if started_before else CAREFUL)]
        assert made["open_session"].mock_calls == [call(network, url=config.base_url), call(network, url=hook)]
        streams = [made["TickerStream"].mock_calls[0], made["CandleStream"].mock_calls[0]]
        assert [one.args for one in streams] == [(config.websocket_url,), (config.websocket_url, timedelta(minutes=3))]
        assert all(one.kwargs["network"] == network for one in streams)
        seeds = [one.kwargs["rng"].getstate() for one in streams]
        assert seeds == [random.Random(seed).getstate() for seed in (7, "7 candles")]
        assert (app.seed, app.rng.getstate()) == (7, random.Random(7).getstate())
        latest, ahead = streams[0].kwargs["latest"], timedelta(seconds=3)
        for told, last in ((None, NOW), (NOW - ahead, NOW), (NOW + ahead, NOW + ahead)):
            monkeypatch.setattr(app.upbit, "exchange_time", lambda told=told: told)
            assert latest() == streams[1].kwargs["latest"]() == last
        print_of = daemon.fingerprint_of("access-key")
        assert (app.fingerprint, app.account) == (print_of, print_of[:4])
        assert (app.mode, app.stop, app.config) == ("sandbox", stop, config)
        assert app.health.clock() == pytest.approx(asyncio.get_running_loop().time(), abs=1)
        assert (app.candles.unit, app.candles.upbit) == (timedelta(minutes=3), app.upbit)
        assert app.candles.history == app.strategy.history(app.parameters, timedelta(minutes=3))
        assert "secret-key-of-its-own" not in app.journal.redact(f"a key: {keys}")
        assert app.parameters.slow == 77
        assert app.kept_candles._path == tmp_path / CANDLES_FILE
        (told_over,) = made["make_discord"].mock_calls
        assert told_over == call(config, ANY, app.journal)
        assert told_over.args[1] is not session
        assert app.discord is not None
        assert not session.closed
    assert session.closed


async def test_without_a_seed_of_the_settings_every_start_has_its_own(tmp_path: Path) -> None:
    """It is told, so that what was drawn can be drawn again."""
    config = Config(access_key=Secret("a" * 40), secret_key=Secret("s" * 40), data_dir=tmp_path)
    seeds = []
    for _ in range(2):
        async with daemon.build(config, lambda: NOW, asyncio.Event()) as app:
            assert app.rng.getstate() == random.Random(app.seed).getstate()
            seeds.append(app.seed)
    assert seeds[0] != seeds[1]


def test_messages_are_in_the_language_and_the_colours_of_the_settings() -> None:
    """And say whether the money is real."""
    made = daemon.make_messages(Config(language="en", colors="western"))
    assert (made.language, made.mode, made.colors) == ("en", "live", "western")
    assert daemon.make_messages(Config()).colors == Config().colors != "western"


async def test_a_daemon_recovers_before_it_says_that_it_trades_and_says_at_the_end_that_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever breaks while it recovers is told already, and what Upbit no longer allows is heeded from the start."""
    app, dog, beside, steps = make_mocked(), only(SystemWatchdog), [AsyncMock()], Mock()
    monkeypatch.setattr(daemon, "on_failure", steps.failed)
    monkeypatch.setattr(daemon, "heed", steps.heed)
    for name in ("recover", "run_all", "announce_stop"):
        monkeypatch.setattr(daemon, name, AsyncMock(side_effect=getattr(steps, name)))
    monkeypatch.setattr(daemon, "announce_start", steps.announce_start)
    error = ValueError("odd")
    steps.recover.side_effect = lambda app: app.health.on_breach("KRW-A", error)
    await daemon.serve(app, beside=beside, watchdog=dog)
    assert app.watchdog is dog
    assert steps.mock_calls == [
        call.heed(app),
        call.recover(app),
        call.failed(app, "KRW-A", error),
        call.announce_start(app),
        call.run_all(app, beside),
        call.announce_stop(app),
    ]


async def test_a_start_says_what_may_be_spent_and_a_stop_what_is_held() -> None:
    """To the journal's events, and to a person: the last message gets a while to leave."""
    flush, most = AsyncMock(), Decimal(30_000)
    config = Config(trading=TradingSettings(order_krw=Decimal(10_000), max_open_trades=3))
    app = make_mocked(config=config, discord=only(Discord, flush=flush))
    daemon.announce_start(app)
    started = {"version": VERSION, "mode": "sandbox", "strategy": "s", "seed": 0, "most_spent_krw": most}
    told = {"strategy": app.strategy, "unit": app.candles.unit, "most_spent_krw": most, "seed": 0, "at": NOW}
    assert app.messages.started.mock_calls == [call(**told)]
    trades = [a_trade(), a_trade()]
    app.journal.open_trades.return_value = trades
    await daemon.announce_stop(app)
    totals = app.journal.totals.return_value
    assert app.messages.stopped.mock_calls == [call(open_trades=trades, totals=totals, at=NOW)]
    assert app.tell.mock_calls == [call("started", **started), call("stopped", open_trades=2)]
    notes = [app.messages.started.return_value], [app.messages.stopped.return_value]
    assert app.journal.add_notes.mock_calls == [call(note) for note in notes]
    assert flush.mock_calls == [call(8.0)]


def test_everything_runs_until_the_stop_and_the_orders_in_hand_have_eight_seconds_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Watchers go on until the five have ended, what fails is told and begun anew, and nothing beside ends anything."""
    ended = dict[str, float]()
    failures = Mock()

    def lasts(name: str, after_stop_s: float | None, fails: int = 0) -> Callable[[App], Coroutine[Any, Any, None]]:
        left = [ValueError("odd")] * fails

        async def work(app: App) -> None:
            task = asyncio.current_task()
            assert task is not None
            assert task.get_name() == name
            if left:
                raise left.pop()
            try:
                await app.stop.wait()
                await asyncio.sleep(100.0 if after_stop_s is None else after_stop_s)
            finally:
                ended[name] = round(asyncio.get_running_loop().time() - stopped_at[0], 1)

        return work

    async def breaks(_: App) -> None:
        raise ValueError("the page")

    stopped_at = [0.0]
    rows = ("quick", lasts("quick", 1.0)), ("slow", lasts("slow", None)), ("weak", lasts("weak", 2.0, fails=1))
    monkeypatch.setattr(daemon, "COROUTINES", rows)
    monkeypatch.setattr(
        daemon, "WATCHERS", (("watch", lasts("watch", None)), ("discord", breaks), ("files", lasts("files", None)))
    )
    monkeypatch.setattr(daemon, "on_failure", failures)

    async def story() -> None:
        loop, app = asyncio.get_running_loop(), make_app(watchdog=only(SystemWatchdog))
        stopped_at[0] = loop.time() + 30.0
        loop.call_at(stopped_at[0], app.stop.set)
        await daemon.run_all(app, [lasts("beside", None), breaks])
        assert [(*one.args[:2], str(one.args[2])) for one in failures.mock_calls] == [(app, "weak", "odd")]

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
    assert ended == {"quick": 1.0, "weak": 2.0, "slow": 8.0, "watch": 8.0, "files": 8.0, "beside": 8.0}
    assert [record.getMessage() for record in caplog.records] == ["the terminal, the page or the chat failed"]


def test_no_watcher_outlives_the_five(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop takes no longer than they do."""

    async def story() -> None:
        loop, app = asyncio.get_running_loop(), make_app()
        loop.call_later(30.0, app.stop.set)
        began_s = loop.time()
        await daemon.run_all(app, [])
        assert round(loop.time() - began_s, 1) == 31.5

    async def lasts(app: App) -> None:
        await app.stop.wait()
        await asyncio.sleep(1.5)

    monkeypatch.setattr(daemon, "COROUTINES", (("one", lasts),))
    monkeypatch.setattr(daemon, "WATCHERS", (("watch", lambda _: asyncio.sleep(1000)),))
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(story())
