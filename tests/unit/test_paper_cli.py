"""What `paper` and `sandbox --live` make of the settings and the command line, and what they say."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from cli import sandbox
from cli.common.live import upstream
from cli.common.options import milliseconds
from cli.paper import ACCESS_KEY, PAGE_PORT, TOLD_FROM_MS, paper_config, tell_of_gaps
from cli.sandbox import served_options
from config.problems import ConfigError
from config.settings import Config, DashboardSettings
from journal import JOURNAL_FILE
from journal.journal import Journal
from notifier.labels import MODES
from notifier.messages import Messages
from sandbox.market.sources.live import PATIENCE_MS
from tests.helpers.live_desk import NOON_MS, LiveDesk
from tests.helpers.parts import make_app
from tests.helpers.values import changed
from trader.books.owner import WrongModeError, claim_mode
from trader.clock import wall_clock

HERE = "http://127.0.0.1:18095"


def on_this_machine(config: Config) -> Config:
    """Return settings as they are once the exchange is open."""
    return changed(config, base_url=HERE)


def test_paper_has_a_folder_keys_and_a_page_of_its_own() -> None:
    """Keys of the environment are not used, and nothing of the strategy changes."""
    config = Config()
    paper = paper_config(config)
    assert paper.access_key is not None
    assert paper.access_key.reveal() == ACCESS_KEY
    assert paper.data_dir == Path("data/paper")
    assert paper.dashboard.port == PAGE_PORT
    assert (on_this_machine(paper).mode, paper.strategy) == ("paper", config.strategy)
    named = paper_config(Config(data_dir=Path("/data/paper"), dashboard=DashboardSettings(port=8080)))
    assert (named.data_dir, named.dashboard.port) == (Path("/data/paper"), 8080)


def test_an_exchange_elsewhere_is_never_called_paper() -> None:
    """Only on this machine no real money can be."""
    assert paper_config(Config()).mode == "live"


@pytest.mark.failure("I7")
@pytest.mark.parametrize(("owner", "other"), [("live", "paper"), ("paper", "live"), ("paper", "sandbox")])
def test_a_journal_of_paper_never_mixes_with_another(tmp_path: Path, owner: str, other: str) -> None:
    """Whichever was first, the other one is refused in one sentence."""
    with Journal.open(tmp_path / JOURNAL_FILE, wall_clock) as journal:
        claim_mode(journal, owner)
        with pytest.raises(WrongModeError) as refused:
            claim_mode(journal, other)
    assert owner in refused.value.ko
    assert other in refused.value.ko


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_message_says_paper(language: str) -> None:
    """In both languages both words are there."""
    messages = Messages(language=language, mode="paper")
    note = messages.problem("any", "anything", at=wall_clock())
    footer = re.findall(r"'footer': {'text': '([^']*)'}", str(note.body))[0]
    assert "PAPER" in footer
    assert "모의" in footer
    assert MODES["paper"].say(language).upper() == footer


@pytest.mark.parametrize(("lasts_ms", "told"), [(TOLD_FROM_MS - 1, 0), (TOLD_FROM_MS, 1)])
def test_a_person_is_told_of_a_long_gap(tmp_path: Path, lasts_ms: int, told: int) -> None:
    """And not of one that nobody would have noticed."""
    desk = LiveDesk()
    with Journal.open(tmp_path / JOURNAL_FILE, wall_clock) as journal:
        tell_of_gaps(make_app(journal=journal, messages=Messages(language="en", mode="paper")), desk.live)
        desk.live.closed("trade")
        desk.now_ms += lasts_ms
        desk.live.opened("trade")
        assert [note.key.split(":")[1] for note in journal.pending_notes(9)] == ["paper_feed"] * told
    assert desk.live.gaps == [(NOON_MS, NOON_MS + lasts_ms)]


def test_a_person_is_told_of_an_order_that_met_no_book(tmp_path: Path) -> None:
    """Once an hour for a market, however often it happens."""
    desk = LiveDesk()
    desk.book({2001: "10"}, {2000: "10"})
    with Journal.open(tmp_path / JOURNAL_FILE, wall_clock) as journal:
        tell_of_gaps(make_app(journal=journal, messages=Messages(language="en", mode="paper")), desk.live)
        desk.live.closed("orderbook")
        for _ in range(2):
            desk.buy(6_000)
            desk.pass_ms(PATIENCE_MS)
        (note,) = journal.pending_notes(9)
    assert "KRW-XRP 주문이 60초 동안 호가를 만나지 못해" in str(note.body)


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """Return the parser of `sandbox`."""
    parser = argparse.ArgumentParser()
    sandbox.arguments(parser)
    return parser


@pytest.mark.parametrize(
    "made_up",
    [("--replay", "folder"), ("--start", "2026-11-02T00:00Z"), ("--speed", "2"), ("--faults", "x"), ("--admin",)],
)
def test_nothing_of_the_real_market_can_be_made_up(parser: argparse.ArgumentParser, made_up: tuple[str, ...]) -> None:
    """Neither its past nor its pace nor its faults."""
    with pytest.raises(ConfigError, match="--live excludes"):
        served_options(parser.parse_args(["--live", *made_up]))
    assert served_options(parser.parse_args(["--live"])).replay is None


def test_only_a_safe_address_is_an_upstream() -> None:
    """HTTPS, or this machine."""
    assert upstream("https://api.upbit.com/") == "https://api.upbit.com"
    with pytest.raises(argparse.ArgumentTypeError):
        upstream("http://api.upbit.com")


def test_a_latency_is_milliseconds_up_to_a_minute() -> None:
    """Anything else is a mistake of whoever typed it."""
    assert milliseconds("60000") == 60_000
    for wrong in ("-1", "60001", "fast", "5.5"):
        with pytest.raises(argparse.ArgumentTypeError):
            milliseconds(wrong)
