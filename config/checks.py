"""What is fine alone and makes no sense together, and which addresses can be used."""

from __future__ import annotations

import re
import ssl
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from config.problems import Problem, shortened
from config.settings import is_loopback, most_spent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Config

DISCORD_HOSTS = frozenset(
    f"{part}{host}" for part in ("", "ptb.", "canary.") for host in ("discord.com", "discordapp.com")
)
WEBHOOK_PATH = re.compile(r"/api/(v\d{1,3}/)?webhooks/\d{1,25}/[\w-]{1,200}/?", re.ASCII)
OTHER_FORMATS = ("slack", "github")
QUOTES = "\"'\u2018\u2019\u201c\u201d`"
INVISIBLE = {"\ufeff": "BOM(U+FEFF)", "\u200b": "U+200B", "\u200c": "U+200C", "\u200d": "U+200D", "\u2060": "U+2060"}
CONFIRM_FROM = Decimal(5_000_000)
"""From this many won in positions at one time on, a live start wants the number a second time."""


CREDENTIALS = re.compile(r"(//|^)[^/?#]*@")
"""A name and a password in an address, which its sentence must not repeat."""


def check_text(name: str, text: str, *, spaces: bool) -> Iterator[Problem]:
    """Tell what copying has left in a value of the environment: marks around it, or characters nobody sees."""
    unseen = sorted({INVISIBLE.get(one) or f"U+{ord(one):04X}" for one in text if is_unseen(one)})
    if text[0] in QUOTES or text[-1] in QUOTES:
        yield Problem(
            ko=f"{name}이(가) 따옴표로 싸여 있습니다(docker의 env-file은 따옴표도 값으로 읽습니다). 따옴표를 지우세요.",
            en=f"{name} stands in quotation marks (Docker's env-file keeps them). Remove the quotation marks.",
        )
    elif any(one.isspace() and not (spaces and one == " ") for one in text):
        yield Problem(
            ko=f"{name}에 공백이나 줄바꿈이 들어 있습니다. 다시 복사하세요.",
            en=f"{name} contains a space or a line break. Copy it again.",
        )
    elif unseen:
        told = ", ".join(unseen)
        yield Problem(
            ko=f"{name}에 보이지 않는 문자({told})가 들어 있습니다. 지우고 값을 직접 다시 입력하세요.",
            en=f"{name} contains a character that cannot be seen ({told}). Delete it, or type the value anew.",
        )


def is_unseen(character: str) -> bool:
    """Return whether a character shows nothing: control characters, and those that only format."""
    return unicodedata.category(character) in {"Cc", "Cf"}


def check_base_url(text: str) -> Iterator[Problem]:
    """Tell what is wrong with the exchange's address: plain http goes only to this machine."""
    parts = split_address(text)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(text))
    if not secure or not parts.hostname or parts.path or parts.query:
        shown = shortened(CREDENTIALS.sub(r"\1***@", text))
        yield Problem(
            ko=f"UPBIT_BASE_URL {shown}은(는) 쓸 수 없습니다. https여야 하고, http는 이 컴퓨터(127.0.0.1)만 됩니다.",
            en=f"UPBIT_BASE_URL {shown} cannot be used: it must be https; http only to this machine (127.0.0.1).",
        )


def check_webhook(text: str) -> Iterator[Problem]:
    """Tell what is wrong with the webhook's address, without repeating it: it is a secret."""
    parts = split_address(text)
    last = parts.path.rstrip("/").rpartition("/")[2]
    if last in OTHER_FORMATS:
        yield Problem(
            ko=f"WEBHOOK_URL 끝의 /{last}은(는) 다른 형식의 주소입니다. /{last}을(를) 지우세요.",
            en=f"WEBHOOK_URL ends in /{last}, which is for another format. Remove the /{last}.",
        )
        return
    local = parts.scheme == "http" and is_loopback(text) and parts.path.startswith("/api/webhooks/")
    discord = parts.scheme == "https" and parts.hostname in DISCORD_HOSTS and WEBHOOK_PATH.fullmatch(parts.path)
    if not local and not discord:
        yield Problem(
            ko="WEBHOOK_URL은 https://discord.com/api/webhooks/... 주소여야 합니다. 디스코드에서 다시 복사하세요.",
            en="WEBHOOK_URL must be https://discord.com/api/webhooks/...; copy it from Discord again.",
        )


def check_proxy(text: str) -> Iterator[Problem]:
    """Tell what is wrong with the proxy's address, without repeating it: it may hold a password."""
    parts = split_address(text)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        yield Problem(
            ko="HTTPS_PROXY는 http://호스트:포트 형식이어야 합니다. SOCKS 프록시는 쓸 수 없습니다.",
            en="HTTPS_PROXY must be http://host:port. SOCKS proxies cannot be used.",
        )


def check_ca_file(text: str) -> Iterator[Problem]:
    """Tell whether the file of the certificate authority can be used."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=text)
    except (OSError, ValueError) as error:
        yield Problem(
            ko=f"SSL_CERT_FILE {shortened(text)}에서 인증서를 읽을 수 없습니다 ({error}). PEM 파일의 경로를 적으세요.",
            en=f"SSL_CERT_FILE {shortened(text)} holds no certificate ({error}). Name a PEM file.",
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
    if config.discord_bot_token is not None and None in {config.chat.owner, config.chat.channel}:
        yield Problem(
            ko="DISCORD_BOT_TOKEN이 있으면 chat.owner(내 사용자 ID)와 chat.channel(채널 ID)도 있어야 합니다. "
            "디스코드 설정에서 개발자 모드를 켜고 우클릭해 복사하세요.",
            en="With DISCORD_BOT_TOKEN, chat.owner (your user id) and chat.channel (the channel's id) are needed. "
            "Turn developer mode on in Discord, and copy them with a right click.",
        )
    most = most_spent(config)
    if config.mode == "live" and most >= CONFIRM_FROM and config.risk.confirm_krw != most:
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
