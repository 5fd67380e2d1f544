"""What `check` examines, what it says of each thing, and the code it ends with."""

from __future__ import annotations

import io
import json
import os
import sys
import uuid
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import AsyncMock, Mock, call

import pytest

from cli import check
from cli.check import Finding
from cli.common.exits import CONFIGURATION, ERROR, OK
from config.settings import Config, Secret, StrategySettings
from failure import Failure
from notifier.answers import Delivery, Trouble, WebhookAnswer
from tests.helpers.parts import only
from tests.helpers.wire import SECRET, http, serving
from upbit.errors import InsufficientFunds, InvalidKey, OutcomeUnknown, error_from
from upbit.models import ApiKey
from upbit.network import Network
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    from tests.helpers.wire import Wire

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MARKETS = http(200, [{"market": "KRW-BTC", "korean_name": "비트코인"}], "Date: Mon, 02 Nov 2026 12:00:03 GMT")
LISTED, TESTED = http(200, []), http(201, {"uuid": "u"})
KEYS = http(200, [{"access_key": "other", "expire_at": "2026-11-03T00:00:00Z"},
                  {"access_key": "AK", "expire_at": "2026-12-03T12:00:00Z"}])  # fmt: skip
NO_RIGHT = http(403, {"error": {"name": "out_of_scope", "message": "no"}})


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it be noon."""
    monkeypatch.setattr("cli.check.wall_clock", lambda: NOW)


async def examined(config: Config, *answers: bytes) -> tuple[list[Finding], Wire]:
    """Return what is found of an exchange that answers so, and what it was asked."""
    async with serving() as wire:
        wire.answers = list(answers)
        return await check.examine(replace(config, base_url=f"http://127.0.0.1:{wire.port}")), wire


def short(findings: list[Finding]) -> dict[str, str]:
    """Return the level of each finding, in their order."""
    return {finding.name: finding.level for finding in findings}


async def test_everything_a_live_start_needs_is_examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder, the exchange and its clock, each permission by a question that changes nothing, the key's end."""
    config = Config(access_key=Secret("AK"), secret_key=Secret(SECRET), data_dir=tmp_path, no_proxy="a.example")
    opened = Mock(wraps=open_session)
    monkeypatch.setattr("cli.check.open_session", opened)
    found, wire = await examined(config, MARKETS, LISTED, LISTED, TESTED, KEYS, NO_RIGHT)
    assert opened.mock_calls == [call(Network(no_proxy="a.example"), url=f"http://127.0.0.1:{wire.port}")]
    assert short(found) == {
        "data": "ok",
        "stream": "ok",
        "exchange": "ok",
        "clock": "warn",
        "자산조회 view assets": "ok",
        "주문조회 view orders": "ok",
        "주문하기 make orders": "ok",
        "expiry": "ok",
        "withdrawal": "ok",
        "webhook": "warn",
    }
    assert {one.name: (one.ko, one.en) for one in found if one.name in {"expiry", "exchange"}} == {
        "exchange": ("정상", "fine"),
        "expiry": ("31일 뒤 만료", "expires in 31 days"),
    }
    assert {one.code for one in found} == {OK}
    asked = [head.split(" HTTP")[0].partition("?")[0] for head in wire.seen]
    assert asked == [
        "GET /v1/market/all",
        "GET /v1/accounts",
        "GET /v1/orders/open",
        "POST /v1/orders/test",
        "GET /v1/api_keys",
        "DELETE /v1/withdraws/coin",
    ]
    assert uuid.UUID(wire.seen[5].split("?uuid=")[1].split()[0]).version == 4  # of a withdrawal that nobody made
    order = json.loads(wire.bodies[3])
    assert order.pop("identifier").startswith("check-")
    assert order == {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000", "smp_type": "none"}
    assert {token["access_key"] for token in wire.tokens()} == {"AK"}


async def test_who_may_not_do_something_is_told_no_more_of_the_key(tmp_path: Path) -> None:
    """Too little won is no lacking right; a right that is lacking is, and what the key could do besides can wait."""
    config = Config(access_key=Secret("AK"), secret_key=Secret(SECRET), data_dir=tmp_path)
    poor = http(400, {"error": {"name": "insufficient_funds_bid", "message": "no"}})
    found, wire = await examined(config, MARKETS, LISTED, LISTED, poor, KEYS, NO_RIGHT)
    assert short(found)["주문하기 make orders"] == "warn"
    assert "expiry" in short(found)
    found, wire = await examined(config, MARKETS, NO_RIGHT, LISTED, TESTED)
    assert [(one.level, one.code) for one in found if "view assets" in one.name] == [("fail", CONFIGURATION)]
    assert not {"expiry", "withdrawal"} & set(short(found))
    assert len(wire.seen) == 4


async def test_an_exchange_that_cannot_be_reached_is_asked_nothing_more(tmp_path: Path) -> None:
    """Neither its clock nor the key could be judged."""
    config = Config(access_key=Secret("AK"), secret_key=Secret(SECRET), data_dir=tmp_path)
    found, wire = await examined(config, http(404, {}))
    assert [(one.name, one.code) for one in found if one.level == "fail"] == [("exchange", ERROR)]
    assert list(short(found)) == ["data", "stream", "exchange", "webhook"]
    assert len(wire.seen) == 1


async def test_without_keys_the_rest_is_examined_all_the_same(tmp_path: Path) -> None:
    """What is missing is named with what to set."""
    found, _ = await examined(Config(data_dir=tmp_path), MARKETS)
    assert list(short(found)) == ["data", "stream", "exchange", "clock", "keys", "webhook"]
    keys = next(one for one in found if one.name == "keys")
    assert (keys.level, keys.code) == ("fail", CONFIGURATION)
    assert ("ACCESS_KEY" in keys.ko, "ACCESS_KEY" in keys.en) == (True, True)


async def test_a_strategy_that_cannot_be_used_is_found_here_too(tmp_path: Path) -> None:
    """A start would end on it; of all others nothing is said."""
    for strategy in (StrategySettings(name="nosuch"), StrategySettings(parameters={"nosuch": 1})):
        with pytest.raises(Failure, match="nosuch"):
            await check.examine(Config(data_dir=tmp_path, strategy=strategy))


@pytest.mark.parametrize(
    ("seconds", "level", "code"),
    [(0, "ok", OK), (-2, "ok", OK), (3, "warn", OK), (-10, "warn", OK), (11, "fail", ERROR), (-11, "fail", ERROR)],
)
def test_a_clock_that_is_off_is_told_by_its_seconds(seconds: int, level: str, code: int) -> None:
    """Ahead or behind; and what to do about it."""
    found = check.clock_skew(only(Upbit, exchange_time=lambda: NOW + timedelta(seconds=seconds)))
    assert (found.name, found.level, found.code) == ("clock", level, code)
    advice = ("", "") if level == "ok" else (". 시간 동기화(NTP)를 켜세요.", ". Switch on time synchronisation (NTP).")
    assert found.ko == f"거래소 시계와 {abs(seconds)}초 차이{advice[0]}"
    assert found.en == f"{abs(seconds)} s away from the exchange{advice[1]}"


def test_an_exchange_that_does_not_tell_its_time_is_no_failure() -> None:
    """A proxy may have taken it away."""
    found = check.clock_skew(only(Upbit, exchange_time=lambda: None))
    assert (found.name, found.level, found.code) == ("clock", "warn", OK)
    assert (found.ko, found.en) == ("거래소의 응답에 시각이 없습니다", "no answer of the exchange told its time")


@pytest.mark.parametrize(
    ("error", "level", "code", "said"),
    [
        (None, "ok", OK, "fine"),
        (InsufficientFunds("x", status=400), "warn", OK, "allowed, but there is too little KRW"),
        (InvalidKey("x", status=401), "fail", CONFIGURATION, "The API keys are wrong"),
        (OutcomeUnknown("x"), "fail", ERROR, "no usable answer"),
        (error_from(400, b'{"error":{"name":"odd","message":"m"}}'), "fail", ERROR, "odd"),
    ],
)
async def test_an_answer_is_told_by_what_a_person_can_do(
    error: Exception | None, level: str, code: int, said: str
) -> None:
    """A key is a matter of the settings, everything else is not."""

    async def ask() -> None:
        if error is not None:
            raise error

    found = await check.tried("exchange", ask)
    assert (found.name, found.level, found.code) == ("exchange", level, code)
    assert found.ko != found.en
    if level == "fail":
        assert said in found.en
    else:
        assert (found.en, found.ko) == (said, {"ok": "정상", "warn": "권한은 있지만 원화가 부족합니다"}[level])


@pytest.mark.parametrize(
    ("name", "left", "level", "said"),
    [
        ("AK", timedelta(days=30, seconds=1), "ok", "expires in 30 days"),
        ("AK", timedelta(days=30), "warn", "expires in 30 days"),
        ("other", timedelta(days=90), "warn", "the expiry is not known"),
    ],
)
async def test_a_key_that_ends_within_a_month_is_told(name: str, left: timedelta, level: str, said: str) -> None:
    """The one that is used, not another of the account."""

    async def keys() -> list[ApiKey]:
        return [ApiKey(access_key=name, expires_at=NOW + left)]

    found = await check.expiry(only(Upbit, api_keys=keys), Config(access_key=Secret("AK")))
    assert (found.name, found.level, found.en) == ("expiry", level, said)
    assert found.ko == ("만료일을 알 수 없습니다" if name == "other" else f"{left.days}일 뒤 만료")


async def test_an_end_that_cannot_be_asked_takes_no_other_finding_away() -> None:
    """It is told in its place."""

    async def keys() -> list[ApiKey]:
        raise OutcomeUnknown("x")

    found = await check.expiry(only(Upbit, api_keys=keys), Config(access_key=Secret("AK")))
    assert (found.name, found.level, found.code) == ("expiry", "warn", OK)
    assert ("no usable answer" in found.en, found.ko != found.en) == (True, True)


@pytest.mark.parametrize(("there", "looked_at"), [("", "here"), ("new", "here")])
@pytest.mark.parametrize("writable", [True, False])
def test_a_data_folder_that_cannot_be_written_is_told_with_the_user_who_needs_it(
    there: str,
    looked_at: str,
    writable: bool,  # noqa: FBT001 - a column
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that does not exist yet is made in its parent, so the parent is looked at; the path is told whole."""
    access = Mock(return_value=writable)
    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    found = check.folder(Config(data_dir=Path("here") / there))
    assert access.mock_calls == [call(tmp_path / looked_at, os.W_OK)]
    assert str(tmp_path / "here" / there) in found.ko
    assert str(tmp_path / "here" / there) in found.en
    assert (found.name, found.level, found.code) == (("data", "ok", OK) if writable else ("data", "fail", ERROR))
    assert ("4711" in found.ko, "4711" in found.en) == (not writable, not writable)


@pytest.mark.parametrize(
    ("name", "ko", "en"),
    [
        ("picows", "picows 사용", "uses picows"),
        (
            "websockets",
            "websockets 사용; picows를 설치하면 더 가볍습니다",
            "uses websockets; lighter with picows installed",
        ),
    ],
)
def test_who_reads_the_stream_is_told(name: str, ko: str, en: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what would read it with less work."""
    library = Mock(return_value=name)
    monkeypatch.setattr("cli.check.library", library)
    assert check.stream() == Finding(name="stream", level="ok", ko=ko, en=en)
    assert library.mock_calls == [call(on_uvloop=True)]


HOOK = "https://discord.com/api/webhooks/1/token"


def not_arriving(trouble: Trouble) -> Finding:
    """Return what is said of it: whether the network works is no matter of the settings."""
    code = ERROR if trouble is Trouble.UNREACHABLE else CONFIGURATION
    return Finding(name="webhook", level="fail", ko=trouble.say("ko"), en=trouble.say("en"), code=code)


@pytest.mark.parametrize(
    ("trouble", "wanted"),
    [
        (None, Finding(name="webhook", level="ok", ko="알림이 도착합니다", en="messages arrive")),
        *[(trouble, not_arriving(trouble)) for trouble in Trouble],
    ],
)
async def test_messages_are_tried_the_way_of_the_settings(
    trouble: Trouble | None, wanted: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in their way is told in its own words."""
    outcome = Delivery.TAKEN if trouble is None else Delivery.LATER
    opened = Mock(wraps=open_session)
    monkeypatch.setattr("cli.check.open_session", opened)
    known = None if trouble is Trouble.UNREACHABLE else trouble
    probed = AsyncMock(return_value=WebhookAnswer(outcome=outcome, why="", trouble=known))
    monkeypatch.setattr("cli.check.probe", probed)
    found = await check.webhook(Config(webhook_url=Secret(HOOK), no_proxy="a.example", language="en"))
    assert found == wanted
    assert opened.mock_calls == [call(Network(no_proxy="a.example"), url=HOOK)]
    assert probed.mock_calls[0].args[1:] == (HOOK, "en")
    none = await check.webhook(Config())
    assert (none.name, none.level, none.en) == ("webhook", "warn", "no WEBHOOK_URL, no messages")


class Terminal(io.StringIO):
    """A screen that shows colours."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("environ", "shown"),
    [("", "\x1b[32m✔\x1b[0m data: fine\n\x1b[31m✘\x1b[0m keys: none\n"), ("1", "✔ data: fine\n✘ keys: none\n")],
)
def test_findings_are_shown_one_a_line_and_the_worst_is_the_code(
    environ: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In colours where there are some and nobody has switched them off; for machines as JSON."""

    async def examine(_: Config) -> list[Finding]:
        return [
            Finding(name="data", level="ok", ko="정상", en="fine"),
            Finding(name="keys", level="fail", ko="없음", en="none", code=CONFIGURATION),
        ]

    monkeypatch.setattr("cli.check.examine", examine)
    monkeypatch.setenv("NO_COLOR", environ)
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert check.run(Config(language="en"), Namespace(json=False)) == CONFIGURATION
    assert screen.getvalue() == shown
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert check.run(Config(language="ko"), Namespace(json=True)) == CONFIGURATION
    assert [one["ko"] for one in json.loads(screen.getvalue())] == ["정상", "없음"]
