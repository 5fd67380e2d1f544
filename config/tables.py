"""The tables of all settings and environment variables, as the READMEs show them; a test compares them."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from config.converters import toml
from config.settings import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.converters import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of config.toml."""

    key: str
    section: str  # the field of `Config` that holds it; empty: `Config` itself does
    name: str  # its field there
    kind: Kind
    default: str  # as written in the file
    ko: str
    en: str

    @property
    def allowed(self) -> str:
        """What it may be."""
        return self.kind.allowed

    def of(self, config: Config) -> Any:
        """Return its value in some settings."""
        return getattr(getattr(config, self.section) if self.section else config, self.name)


def settings_in(holder: type, section: str = "") -> Iterator[Setting]:
    """Yield the settings that stand in a class of settings, in the order of its fields."""
    for one in fields(holder):
        about = one.metadata
        factory: Any = one.default_factory
        if "kind" in about:
            yield Setting(
                key=about["key"] or f"{section}.{one.name}".lstrip("."),
                section=section,
                name=one.name,
                kind=about["kind"],
                default=toml(one.default if factory is MISSING else factory()),
                ko=about["ko"],
                en=about["en"],
            )
        elif isinstance(factory, type) and is_dataclass(factory):
            yield from settings_in(factory, one.name)


SETTINGS = tuple(settings_in(Config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable."""

    name: str
    aliases: tuple[str, ...]
    ko: str
    en: str
    secret: bool = False
    spaces: bool = False  # whether it may hold some

    @property
    def field(self) -> str:
        """The field of `Config` that holds it."""
        return FIELDS.get(self.name, self.name.lower().removeprefix("upbit_").removeprefix("bot_"))


FIELDS = {"HTTPS_PROXY": "proxy", "SSL_CERT_FILE": "ca_file"}
"""Where the name of a variable is not ours to choose."""


ENVIRONMENT = (
    Variable(name="ACCESS_KEY", aliases=("UPBIT_ACCESS_KEY",), secret=True,
             ko="업비트 Access Key", en="Upbit access key"),
    Variable(name="SECRET_KEY", aliases=("UPBIT_SECRET_KEY",), secret=True,
             ko="업비트 Secret Key", en="Upbit secret key"),
    Variable(name="WEBHOOK_URL", aliases=("DISCORD_WEBHOOK_URL",), secret=True,
             ko="디스코드 웹훅 주소 (없으면 알림 없이 거래)", en="Discord webhook; without it there are no messages"),
    Variable(name="DISCORD_BOT_TOKEN", aliases=(), secret=True,
             ko="명령을 받는 디스코드 봇의 토큰 (없으면 봇 없이 거래)",
             en="token of a Discord bot that takes commands; without it there is none"),
    Variable(name="HTTPS_PROXY", aliases=("https_proxy",), secret=True,
             ko="업비트와 디스코드로 나갈 때 쓰는 HTTP 프록시 (http://호스트:포트)",
             en="HTTP proxy on the way to Upbit and Discord, http://host:port"),
    Variable(name="NO_PROXY", aliases=("no_proxy",), spaces=True,
             ko="프록시 없이 접속할 호스트", en="hosts that are reached without it"),
    Variable(name="SSL_CERT_FILE", aliases=(), spaces=True,
             ko="추가로 신뢰할 인증 기관 파일 (PEM)",
             en="certificate authority to believe besides the usual ones (PEM)"),
    Variable(name="UPBIT_BASE_URL", aliases=(), ko="거래소 주소", en="address of the exchange"),
    Variable(name="BOT_DATA_DIR", aliases=(), spaces=True, ko="거래 기록 폴더", en="folder of the journal"),
    Variable(name="BOT_CONFIG", aliases=(), spaces=True, ko="설정 파일", en="file of settings"),
    Variable(name="BOT_LANGUAGE", aliases=(), ko="언어 (ko, en)", en="language (ko, en)"),
    Variable(name="LOG_LEVEL", aliases=(), ko="로그 수준", en="log level"),
)  # fmt: skip


def effective(config: Config) -> list[tuple[str, str, str]]:
    """Return every setting with its value as config.toml writes it, and where that came from; secrets are masked."""
    rows = []
    for variable in ENVIRONMENT:
        value = getattr(config, variable.field, None)
        rows.append((variable.name, "" if value is None else str(value), config.sources.get(variable.name, "default")))
    return rows + [
        (setting.key, toml(setting.of(config)), config.sources.get(setting.key, "default")) for setting in SETTINGS
    ]
