"""The picture of the terminal: whole at any width, in one language, and red when it must not be believed."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.common.picture import OLD_S, SILENT_S, WIDE, Picture, Position
from journal.records import Level, Phase
from views.status import Held, Status

NOW = datetime(2026, 11, 2, 0, 9, 5, tzinfo=UTC)
HELD = Held(
    trade="t1",
    market="KRW-XRP",
    volume=Decimal("24.5"),
    entry=Decimal(3000),
    price=Decimal(3123),
    profit=Decimal("2951.50"),
    share=Decimal("0.041"),
    stop=Decimal(2900),
    to_stop=Decimal("-0.0714"),
)
LOST = replace(HELD, market="KRW-BTC", price=Decimal(123_456_000), entry=Decimal(130_000_000), profit=Decimal(-2500))
STATUS = Status(
    at=NOW,
    looked_at=NOW,
    old=False,
    held=(HELD, LOST),
    taken=2,
    places=5,
    free_won=Decimal(1_234_567),
    free_won_at=NOW,
    open_profit=Decimal(451),
    today=Decimal(12_340),
    ended_today=3,
    realised=Decimal(-1234),
)
PICTURE = Picture(
    language="ko",
    colors="red_blue",
    mode="live",
    at=NOW,
    state=Level.ACTIVE,
    silent_s=0.4,
    warnings=(),
    status=STATUS,
    positions=(
        Position(name="엑스알피", market="KRW-XRP", phase=Phase.HOLDING, held=HELD, age_s=0.2),
        Position(name="비트코인", market="KRW-BTC", phase=Phase.SELLING, held=LOST, age_s=OLD_S + 7),
        Position(name="도지코인", market="KRW-DOGE", phase=Phase.ENTERING, held=None, age_s=None),
    ),
    targets=tuple(f"KRW-{letter}" for letter in "ABCDEFGHIJKLM"),
    markets=289,
    fees=Decimal("30.55"),
    rates={"order": 8, "candle": 10},
    in_the_way="지금 막는 것: 24시간 거래대금 41억 < 50억 (KRW-XRP)",
    happened=((NOW, "KRW-XRP 매수 체결 24.5 × 3,000"),),
    logged=("2026-11-02T00:09:00Z WARNING candles_late",),
)
NUMBERS = ("3,000.00", "3,123", "▲ +2,952원 (▲ +4.10 %)", "2,900", "▼ -7.14 %", "123,456,000", "1,234,567원", "31원")


def lines_of(picture: Picture, width: int) -> list[str]:
    """Return the picture's lines at a width."""
    out = io.StringIO()
    Console(width=width, file=out, force_terminal=False).print(picture)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [*range(50, 100, 7), WIDE - 1, WIDE, 120, 160, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    """From 50 to 200 columns, with wide Korean letters counted as two."""
    lines = lines_of(PICTURE, width)
    assert {cell_len(line) for line in lines} == {width}
    for number in NUMBERS:
        assert [line for line in lines if number in line], number
    assert "…" not in "".join(lines)


def test_the_head_tells_places_today_won_and_who_is_a_target() -> None:
    """Twelve names and how many more."""
    shown = "\n".join(lines_of(PICTURE, 120))
    for words in (
        "Upbit 실거래 · 매매 중",
        "보유 2/5, 오늘 ▲ +12,340원, 평가손익 ▲ +451원",
        "매수 대상 13/289: A B C D E F G H I J K L +1",
        "주문 가능 1,234,567원 · 누적 실현손익 ▼ -1,234원",
        "남은 요청: 주문 8, 캔들 10",
        "지금 막는 것: 24시간 거래대금 41억 < 50억 (KRW-XRP)",
        "09:09:05 KRW-XRP 매수 체결",
        "WARNING candles_late",
        "2026-11-02 09:09:05 KST",
    ):
        assert words in shown


@pytest.mark.parametrize("width", [60, 120])
def test_english_is_english_throughout(width: int) -> None:
    """But for what the exchange calls a coin, which is asked for in that language, too."""
    shown = "\n".join(
        lines_of(
            replace(
                PICTURE,
                language="en",
                positions=(replace(PICTURE.positions[0], name="XRP"),),
                in_the_way=None,
                happened=(),
            ),
            width,
        )
    )
    assert re.findall("[가-힣]+", shown) == []
    assert "Upbit live · trading" in shown
    assert "holding" in shown


@pytest.mark.parametrize(("language", "words"), [("ko", "35초째 연결 없음"), ("en", "no connection for 35 s")])
def test_an_exchange_that_is_not_heard_is_the_title(language: str, words: str) -> None:
    """Instead of a state that nobody should believe."""
    silent = replace(PICTURE, language=language, silent_s=35.2)
    assert words in lines_of(silent, 80)[0]
    heard = replace(silent, silent_s=SILENT_S)
    assert words not in lines_of(heard, 80)[0]


@pytest.mark.parametrize("width", [60, 160])
def test_an_old_price_says_how_old_it_is(width: int) -> None:
    """A price of now says nothing."""
    shown = "\n".join(lines_of(PICTURE, width))
    assert "123,456,000 (12초 전)" in shown
    assert shown.count("초 전") == 1


def test_what_needs_a_person_stands_first() -> None:
    """Before anything else, and whole."""
    lines = lines_of(replace(PICTURE, warnings=("업비트가 키를 거절합니다. 키를 확인하세요.",)), 60)
    assert "업비트가 키를 거절합니다. 키를 확인하세요." in lines[1]


@pytest.mark.parametrize("width", [60, 160])
def test_what_is_not_known_is_a_dash(width: int) -> None:
    """A market that waits for its entry, and a position without a price, have no numbers."""
    unknown = replace(HELD, price=None, profit=None, share=None, stop=None, to_stop=None)
    position = Position(name="XRP", market="KRW-XRP", phase=Phase.HOLDING, held=unknown, age_s=None)
    entering = replace(position, phase=Phase.ENTERING, held=None)
    for one in (position, entering):
        shown = "\n".join(lines_of(replace(PICTURE, positions=(one,), happened=()), width))
        assert "None" not in shown
        assert "-" in shown


def test_gains_are_red_and_losses_blue_as_at_upbit() -> None:
    """And neither is said by colour alone."""
    up, down = (PICTURE.cells(position)[3] for position in PICTURE.positions[:2])
    assert (up.style, up.plain[0]) == ("red", "▲")
    assert (down.style, down.plain[0]) == ("blue", "▼")
