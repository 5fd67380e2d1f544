"""The parts a daemon is built of are those of the settings, and nothing of a secret is said about them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from config.settings import Config, Secret
from journal.journal import Journal
from notifier.discord import Discord
from tests.helpers.parts import NOW, make_app, mock, only
from trader import daemon
from trader.books.owner import WrongModeError
from trader.guards.watchdog import SystemWatchdog
from trader.network import network_of
from upbit.network import Network

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
