"""What a person sees in the terminal while the daemon runs."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from unittest.mock import Mock, call

import pytest
from rich.console import Console

from cli.common.screen import cells, events_text, headline, trades_table, warnings
from config.settings import Config, Secret
from journal.records import Ends, Halt, Level, Phase
from notifier.answers import Trouble
from notifier.discord import Discord
from state import ActiveTrade, Balance, Price
from strategy.base import Position
from tests.helpers.parts import make_app, make_mocked, mock, only
from trader.app import Event
from trader.control import Control
from upbit.models import Market
from upbit.rest import Upbit
from views.status import Messages

NOW = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ko", ["매수 후보 13/20", "누적 실현손익 ▼ -1,234원", "주문 가능 70,000원"]),
        ("en", ["targets 13/20", "orders 12"]),
    ],
)
async def test_the_head_of_the_screen_tells_targets_money_and_requests_left(language: str, words: list[str]) -> None:
    """Twelve names and how many more; sums that the journal has at hand, as it is drawn twice a second."""
    app = make_mocked(
        config=replace(Config(), language=language), upbit=only(Upbit, rates=lambda: {"order": 12, "candle": 10})
    )
    app.journal.realised.return_value, app.journal.fees.return_value = Decimal("-1234.4"), Decimal("30.55")
    await app.state.listings.replace({market: Mock(spec=Market) for market in map(str, range(20))})
    assert ("주문 가능 - ·" if language == "ko" else "available - ·") in str(await headline(app))
    await app.state.target_dict.replace({f"KRW-{letter}": Mock() for letter in "ABCDEFGHIJKLM"})
    await app.state.wallet_dict.replace({"KRW": Balance(available=Decimal(70_000), locked=Decimal(1), as_of=NOW)})
    app.journal.reset_mock()
    shown = str(await headline(app))
    for word in [*words, "A B C D E F G H I J K L +1\n", "70,000", "31", "12", "10"]:
        assert word in shown
    assert app.journal.mock_calls == [call.realised(), call.fees()]


@pytest.mark.parametrize(("language", "words"), [("ko", ["보유", "리플"]), ("en", ["holding", "리플"])])
async def test_a_trade_has_its_name_prices_by_tick_and_its_profit_with_sign_and_arrow(
    language: str, words: list[str]
) -> None:
    """Red is up and blue is down, and neither is said by colour alone."""
    app = make_app(config=replace(Config(), language=language))
    await app.state.listings.replace({"KRW-XRP": Market(market="KRW-XRP", korean_name="리플")})
    position = Position(
        market="KRW-XRP",
        entry_price=Decimal(3000),
        volume=Decimal(10),
        opened_at=NOW,
        stop_price=Decimal("2900.4"),
        highest_price=Decimal(3000),
    )
    trade = ActiveTrade(market="KRW-XRP", started_at=NOW, phase=Phase.HOLDING, position=position)
    await app.state.active_trade.replace({"KRW-XRP": trade})
    await app.state.trading_dict.replace({"KRW-XRP": Price(price=Decimal(3123), as_of=NOW)})
    console = Console(width=150, file=io.StringIO(), force_terminal=False)
    console.print(await trades_table(app))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    unit = "원" if language == "ko" else " KRW"
    for word in [*words, "3,000.00", "3,123", "2,900", f"▲ +1,230{unit} (▲ +4.10 %)"]:
        assert word in shown
    assert "coroutine" not in shown
    assert cells(replace(trade, position=None, phase=Phase.ENTERING), None, "en") == ["entering", "-", "-", "-", "-"]


def test_what_needs_a_person_stands_in_the_picture_in_words_and_without_secrets() -> None:
    """Why trading is halted, and why no message arrives; events, too, may repeat what an answer said."""
    halt = Halt(
        code="x", level=Level.HALTED, ends=Ends.PERSON, ko="키가 토큰을 되풀이", en="echo of secret-key", since=NOW
    )
    app = make_app(
        config=replace(Config(), language="en", secret_key=Secret("secret-key")),
        control=mock(Control, reasons=[halt]),
        discord=only(Discord, trouble=Trouble.GONE),
    )
    app.events.append(Event(at=NOW, kind="refused", facts={"why": "Bearer eyJhbGciOi.eyJhY2Nlc3M.c2ln"}))
    assert [str(line) for line in warnings(app)] == ["echo of ***", Trouble.GONE.say("en")]
    assert str(events_text(app)) == "09:00:00 refused why=Bearer ***"
    app.control, app.discord = mock(Control, reasons=[]), None
    assert warnings(app) == []


def told(waiting: int, refused: int, trouble: Trouble | None, language: str) -> list[str]:
    """Return what a person should know of messages."""
    return Messages(waiting=waiting, refused=refused, trouble=trouble).warnings(language)


def test_status_says_why_messages_wait_and_how_many_and_nothing_while_all_arrive() -> None:
    """In the language of the settings."""
    assert told(0, 0, None, "en") == []
    assert told(3, 0, None, "en") == []  # on their way
    assert told(3, 0, Trouble.FORUM, "ko") == [Trouble.FORUM.say("ko"), "기다리는 알림: 3개"]
    assert told(0, 2, None, "en") == ["messages that Discord did not take: 2"]
