"""`check`: examine everything a live start needs, and say what to do about what is missing."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cli.common.exits import CONFIGURATION, ERROR, OK
from cli.common.printing import print_json
from config.settings import StrategySettings
from notifier.answers import Delivery, Trouble
from notifier.explain import explain
from notifier.probe import probe
from trader.clock import wall_clock
from trader.guards.account import CanWithdrawError, Probe, Withdrawal, probe_withdrawal
from trader.network import network_of
from upbit.errors import ExchangeError, InsufficientFunds, Unauthorized
from upbit.models import NewOrder, Side
from upbit.rest import Upbit
from upbit.sockets.choice import FAST, library
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from config.settings import Config

SKEW_WARN, SKEW_FAIL = timedelta(seconds=2), timedelta(seconds=10)
EXPIRY_WARN = timedelta(days=30)
COLOURS = {"ok": 32, "warn": 33, "fail": 31}  # of a terminal: green, yellow, red
MARKS = {"ok": ("✔", "OK"), "warn": ("!", "!"), "fail": ("✘", "X")}
TEST_KRW = Decimal(6000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was examined."""

    name: str
    level: str  # ok, warn, fail
    ko: str
    en: str
    code: int = OK


def run(config: Config, options: argparse.Namespace) -> int:
    """Examine, print, and return 0 when nothing failed."""
    findings = asyncio.run(examine(config))
    if options.json:
        print_json(findings)
    else:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for finding in findings:
            sign = mark(finding.level, sys.stdout.encoding)
            shown = f"\x1b[{COLOURS[finding.level]}m{sign}\x1b[0m" if coloured else sign
            print(f"{shown} {finding.name}: {getattr(finding, config.language)}")  # noqa: T201 - what a person reads
    return max(finding.code for finding in findings)


def mark(level: str, encoding: str) -> str:
    """Return what stands before a finding, in signs this terminal can write."""
    sign, word = MARKS[level]
    try:
        sign.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return word
    return sign


async def examine(config: Config) -> list[Finding]:
    """Return one finding for everything a live start needs."""
    if config.strategy != StrategySettings():
        from strategy import registry  # noqa: PLC0415 - it takes a while, and the default is one of ours

        registry.load(config.strategy.name, config.strategy.parameters)
    findings = [folder(config), stream()]
    keys = (config.access_key, config.secret_key)
    access, secret = (key.reveal() if key else None for key in keys)
    async with open_session(network_of(config), url=config.base_url) as session:
        upbit = Upbit(session, base_url=config.base_url, access_key=access, secret_key=secret)
        findings.append(await tried("exchange", upbit.markets))
        if findings[-1].level == "ok":
            findings.append(clock_skew(upbit))
        if access is None:
            findings.append(missing_keys())
        elif findings[2].level == "ok":
            findings += await permissions(upbit, config)
    findings.append(await webhook(config))
    return findings


def folder(config: Config) -> Finding:
    """Examine the data folder."""
    path = config.data_dir.absolute()
    place = path if path.exists() else path.parent
    if os.access(place, os.W_OK):
        return Finding(name="data", level="ok", ko=f"{path} 쓰기 가능", en=f"{path} is writable")
    return Finding(
        name="data",
        level="fail",
        ko=f"{path}에 쓸 수 없습니다. 폴더의 주인을 바꾸거나(chown -R {os.getuid()} 폴더) BOT_DATA_DIR를 바꾸세요.",
        en=f"{path} cannot be written. Give it to user {os.getuid()} (chown -R {os.getuid()} FOLDER), "
        "or change BOT_DATA_DIR.",
        code=ERROR,
    )


def stream() -> Finding:
    """Tell which library will read the stream."""
    name = library(on_uvloop=find_spec("uvloop") is not None)
    ko, en = ("", "") if name == FAST else ("; picows를 설치하면 더 가볍습니다", "; lighter with picows installed")
    return Finding(name="stream", level="ok", ko=f"{name} 사용{ko}", en=f"uses {name}{en}")


async def tried(name: str, ask: Callable[[], Awaitable[object]]) -> Finding:
    """Ask the exchange something and return whether it answered."""
    try:
        await ask()
    except InsufficientFunds:
        return Finding(
            name=name, level="warn", ko="권한은 있지만 원화가 부족합니다", en="allowed, but there is too little KRW"
        )
    except ExchangeError as error:
        code = CONFIGURATION if isinstance(error, Unauthorized) else ERROR
        return Finding(name=name, level="fail", ko=explain(error, "ko"), en=explain(error, "en"), code=code)
    return Finding(name=name, level="ok", ko="정상", en="fine")


def clock_skew(upbit: Upbit) -> Finding:
    """Compare this machine's clock with the exchange's."""
    told = upbit.exchange_time()
    if told is None:
        return Finding(
            name="clock",
            level="warn",
            ko="거래소의 응답에 시각이 없습니다",
            en="no answer of the exchange told its time",
        )
    skew = abs(wall_clock() - told)
    level = "ok" if skew <= SKEW_WARN else "warn" if skew <= SKEW_FAIL else "fail"
    seconds = f"{skew.total_seconds():.0f}"
    return Finding(
        name="clock",
        level=level,
        ko=f"거래소 시계와 {seconds}초 차이" + ("" if level == "ok" else ". 시간 동기화(NTP)를 켜세요."),
        en=f"{seconds} s away from the exchange" + ("" if level == "ok" else ". Switch on time synchronisation (NTP)."),
        code=ERROR if level == "fail" else OK,
    )


def missing_keys() -> Finding:
    """Return what is said without keys."""
    return Finding(
        name="keys",
        level="fail",
        ko="API 키가 없습니다. ACCESS_KEY와 SECRET_KEY를 설정하세요.",
        en="There are no API keys. Set ACCESS_KEY and SECRET_KEY.",
        code=CONFIGURATION,
    )


async def permissions(upbit: Upbit, config: Config) -> list[Finding]:
    """Try each of the three permissions, and look when the key expires."""
    order = NewOrder(market="KRW-BTC", side=Side.BID, total=TEST_KRW, identifier=f"check-{uuid.uuid4()}")
    findings = [
        await tried("자산조회 view assets", upbit.accounts),
        await tried("주문조회 view orders", upbit.open_orders),
        await tried("주문하기 make orders", lambda: upbit.test_order(order)),
    ]
    if all(finding.level != "fail" for finding in findings):
        findings.append(await expiry(upbit, config))
        findings.append(withdrawal(await probe_withdrawal(upbit, str(uuid.uuid4())), config))
    return findings


def withdrawal(probed: Probe, config: Config) -> Finding:
    """Say whether the key can withdraw, which it should not be able to."""
    found, heard = probed
    if found is Withdrawal.IMPOSSIBLE:
        return Finding(name="withdrawal", level="ok", ko="출금할 수 없는 키입니다", en="the key cannot withdraw")
    if found is Withdrawal.LOCKED:
        ko = "출금 권한이 있지만 잠겨 있습니다. 출금 권한 없는 키로 다시 발급하세요."
        en = "The key has the right to withdraw, under a lock. Issue one without that right."
        return Finding(name="withdrawal", level="warn", ko=ko, en=en)
    refusal = CanWithdrawError(certain=found is Withdrawal.POSSIBLE, heard=heard)
    level, code = ("warn", OK) if config.risk.allow_withdrawal else ("fail", CONFIGURATION)
    return Finding(name="withdrawal", level=level, ko=refusal.ko, en=refusal.en, code=code)


async def expiry(upbit: Upbit, config: Config) -> Finding:
    """Look when the key in use expires."""
    assert config.access_key is not None
    try:
        ours = [key for key in await upbit.api_keys() if key.access_key == config.access_key.reveal()]
    except ExchangeError as error:
        return Finding(name="expiry", level="warn", ko=explain(error, "ko"), en=explain(error, "en"))
    if not ours:
        return Finding(name="expiry", level="warn", ko="만료일을 알 수 없습니다", en="the expiry is not known")
    left = ours[0].expires_at - wall_clock()
    level = "ok" if left > EXPIRY_WARN else "warn"
    return Finding(name="expiry", level=level, ko=f"{left.days}일 뒤 만료", en=f"expires in {left.days} days")


async def webhook(config: Config) -> Finding:
    """Look whether messages arrive, by sending one that is taken away again."""
    if config.webhook_url is None:
        return Finding(
            name="webhook",
            level="warn",
            ko="WEBHOOK_URL이 없어 알림을 보내지 않습니다",
            en="no WEBHOOK_URL, no messages",
        )
    async with open_session(network_of(config), url=config.webhook_url.reveal()) as session:
        answer = await probe(session, config.webhook_url.reveal(), config.language)
    if answer.outcome is Delivery.TAKEN:
        return Finding(name="webhook", level="ok", ko="알림이 도착합니다", en="messages arrive")
    trouble = answer.trouble or Trouble.UNREACHABLE
    code = ERROR if trouble is Trouble.UNREACHABLE else CONFIGURATION
    return Finding(name="webhook", level="fail", ko=trouble.say("ko"), en=trouble.say("en"), code=code)
