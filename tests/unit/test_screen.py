"""What a person sees in the terminal while the daemon runs."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from cli.common.screen import Eye, warnings, warnings_kept
from config.settings import Config, Secret
from journal.journal import Journal
from journal.records import Ends, Halt, Level, Phase
from notifier.answers import Trouble
from notifier.messages import Messages
from state import ActiveTrade, Balance, Price
from tests.helpers.parts import make_app
from trader.control import Control
from trader.health import Health
from upbit.models import Market
from views.status import Messages as Arrivals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.parts import Parts

NOW = datetime(2026, 11, 2, tzinfo=UTC)
XRP = Market(market="KRW-XRP", korean_name="엑스알피", english_name="XRP Coin")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Parts]:
    """Return a daemon with an empty journal that has just heard everything."""
    journal = Journal.open(tmp_path / "journal.sqlite3", lambda: NOW)
    health = Health(clock=lambda: 100.0)
    made = make_app(
        config=replace(Config(), secret_key=Secret("secret-key")),
        journal=journal,
        health=health,
        clock=lambda: NOW,
        upbit=Mock(rates=lambda: {"order": 12, "candle": 10}),
    )
    made.control = Control(journal, Messages(language="ko", mode="sandbox"), lambda: NOW)
    yield made
    journal.close()


async def test_the_picture_shows_prices_of_now_and_not_of_the_last_look(app: Parts) -> None:
    """A trade that has bought nothing yet has no numbers; won, places and names are those of the shared dicts."""
    await app.state.listings.replace({"KRW-XRP": XRP})
    await app.state.wallet_dict.replace({"KRW": Balance(available=Decimal(70_000), locked=Decimal(1), as_of=NOW)})
    trade = ActiveTrade(market="KRW-XRP", started_at=NOW, phase=Phase.ENTERING, position=None)
    await app.state.active_trade.replace({"KRW-XRP": trade})
    seen = Price(price=Decimal(3123), as_of=NOW - timedelta(seconds=3))
    await app.state.trading_dict.replace({"KRW-XRP": seen, "KRW-BTC": None})
    picture = await Eye(app).look()
    (position,) = picture.positions
    assert (position.name, position.held, position.age_s) == ("엑스알피", None, 3.0)
    assert (picture.status.free_won, picture.status.places) == (Decimal(70_000), app.config.trading.max_open_trades)
    assert (picture.markets, picture.silent_s, picture.status.old) == (1, 0.0, False)


@pytest.mark.parametrize(("language", "name"), [("ko", "엑스알피"), ("en", "XRP Coin")])
async def test_a_coin_has_its_name_in_the_language_of_its_reader(app: Parts, language: str, name: str) -> None:
    """And its code while the list of markets is unknown, or has no name for it."""
    app.config = replace(app.config, language=language)
    assert await app.name_of("KRW-XRP") == "KRW-XRP"
    await app.state.listings.replace({"KRW-XRP": XRP, "KRW-A": Market(market="KRW-A", korean_name="")})
    assert await app.name_of("KRW-XRP") == name
    assert await app.name_of("KRW-A") == "KRW-A"


async def test_events_are_told_in_sentences_and_read_again_only_when_there_are_new_ones(app: Parts) -> None:
    """What happened comes from the journal, so that it says after a restart what it said before."""
    eye = Eye(app)
    assert (await eye.look()).happened == ()
    app.control.halt_buys("key", ko="키를 거절", en="refused")
    first = await eye.look()
    assert [words for _, words in first.happened] == ["매수 중단: 키를 거절"]
    assert (await eye.look()).happened is first.happened


async def test_nothing_stands_in_the_way_as_long_as_nobody_has_looked(app: Parts) -> None:
    """And with all places taken nobody asks."""
    assert (await Eye(app).look()).in_the_way is None


async def test_what_needs_a_person_stands_in_the_picture_in_words_and_without_secrets(app: Parts) -> None:
    """Why trading is halted, and why no message arrives; an answer may repeat what it was shown."""
    app.control.halt("key", ko="되풀이 secret-key", en="echo")
    picture = await Eye(app).look()
    assert "secret-key" not in repr(picture)
    assert picture.warnings == ("되풀이 ***",)
    app.config = replace(app.config, language="en")
    halt = Halt(code="x", level=Level.HALTED, ends=Ends.PERSON, ko="고장", en="broken", since=NOW)
    app.control = Mock(reasons=[halt])
    app.discord = Mock(trouble=Trouble.GONE)
    assert warnings(app) == ["broken", Trouble.GONE.say("en")]
    app.control.reasons, app.discord = [], None
    assert warnings(app) == []


def test_warnings_stand_in_the_picture_and_not_across_it(capsys: pytest.CaptureFixture[str]) -> None:
    """What came meanwhile is written to the terminal after it; a file has had it all along."""
    root, lines = logging.getLogger(), []
    writer, file = logging.StreamHandler(sys.stderr), Mock(spec=logging.Handler, level=0)
    file.handle.side_effect = lambda record: lines.append(record.getMessage())
    writer.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(writer)
    root.addHandler(file)
    try:
        with warnings_kept() as kept:
            logging.getLogger("x").warning("slow")
            logging.getLogger("x").info("bought")
            assert (list(kept), capsys.readouterr().err) == (["WARNING slow"], "")
        assert capsys.readouterr().err == "WARNING slow\n"
        assert "slow" in lines
        logging.getLogger("x").warning("after")
        assert capsys.readouterr().err == "WARNING after\n"
    finally:
        root.removeHandler(writer)
        root.removeHandler(file)


def told(waiting: int, refused: int, trouble: Trouble | None, language: str) -> list[str]:
    """Return what a person should know of messages."""
    return Arrivals(waiting=waiting, refused=refused, trouble=trouble).warnings(language)


def test_status_says_why_messages_wait_and_how_many_and_nothing_while_all_arrive() -> None:
    """In the language of the settings."""
    assert told(0, 0, None, "en") == []
    assert told(3, 0, None, "en") == []  # on their way
    assert told(3, 0, Trouble.FORUM, "ko") == [Trouble.FORUM.say("ko"), "기다리는 알림: 3개"]
    assert told(0, 2, None, "en") == ["messages that Discord did not take: 2"]
