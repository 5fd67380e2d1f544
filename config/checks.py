"""What is fine alone and makes no sense together, and which addresses can be used."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from config.problems import Problem
from config.settings import most_spent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Config

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DISCORD_HOSTS = frozenset({"discord.com", "discordapp.com"})
LIVE_HOST = "api.upbit.com"
CONFIRM_FROM = Decimal(5_000_000)
"""From this many won in positions at one time on, a live start wants the number a second time."""


def check_base_url(text: str) -> Iterator[Problem]:
    """Tell what is wrong with the exchange's address: plain http goes only to this machine."""
    parts = split_address(text)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not secure or not parts.hostname or parts.path or parts.query:
        yield Problem(
            ko=f"UPBIT_BASE_URL {text}은(는) 쓸 수 없습니다. https여야 하고, http는 이 컴퓨터(127.0.0.1)만 됩니다.",
            en=f"UPBIT_BASE_URL {text} cannot be used: it must be https; http only to this machine (127.0.0.1).",
        )


def check_webhook(text: str) -> Iterator[Problem]:
    """Tell what is wrong with the webhook's address, without repeating it: it is a secret."""
    parts = split_address(text)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    discord = parts.scheme == "https" and parts.hostname in DISCORD_HOSTS
    if not (local or discord) or not parts.path.startswith("/api/webhooks/"):
        yield Problem(
            ko="WEBHOOK_URL은 https://discord.com/api/webhooks/... 주소여야 합니다. 디스코드에서 다시 복사하세요.",
            en="WEBHOOK_URL must be https://discord.com/api/webhooks/...; copy it from Discord again.",
        )


def check_keys(access: str | None, secret: str | None) -> Iterator[Problem]:
    """Tell which of the two keys is missing when only one is there."""
    if bool(access) != bool(secret):
        there, missing = ("ACCESS_KEY", "SECRET_KEY") if access else ("SECRET_KEY", "ACCESS_KEY")
        yield Problem(
            ko=f"{there}만 있고 {missing}가 없습니다. 두 키를 모두 설정하세요.",
            en=f"{there} is set but {missing} is not. Set both keys.",
        )


def check_together(config: Config) -> Iterator[Problem]:
    """Tell which settings are fine alone and make no sense together."""
    order = config.trading.order_krw
    for name in ("max_order_krw", "max_market_krw", "max_day_krw"):
        cap = getattr(config.risk, name)
        if order > cap:
            yield Problem(
                ko=f"trading.order_krw {order:f}이(가) risk.{name} {cap:f}보다 커서 모든 매수가 거절됩니다. "
                "둘 중 하나를 고치세요.",
                en=f"trading.order_krw {order:f} is above risk.{name} {cap:f}, so every buy would be refused. "
                "Mend one of them.",
            )
    most = most_spent(config)
    live = split_address(config.base_url).hostname == LIVE_HOST
    if live and most >= CONFIRM_FROM and config.risk.confirm_krw != most:
        yield Problem(
            ko=f"동시에 최대 {most:,.0f}원까지 투자하는 설정입니다. 맞으면 추가하세요: risk.confirm_krw = {most:.0f}",
            en=f"These settings put up to {most:,.0f} KRW into positions. If so, add risk.confirm_krw = {most:.0f}.",
        )


def split_address(text: str) -> SplitResult:
    """Take an address apart; one that is none has no parts."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # looked at only when asked for
    except ValueError:
        return urlsplit("")
    return parts
