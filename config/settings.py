"""Every setting: its default, what it may be and what it means, once; and all of them as the daemon holds them.

To add one is to add a field here, and its row in the READMEs (a test shows both).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from config.converters import (
    ADDRESS,
    HOSTS,
    MARKETS,
    MINUTES,
    SNOWFLAKE,
    SWITCH,
    amount,
    one_of,
    seconds,
    table,
    whole,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from config.converters import Kind

DEFAULT_BASE_URL = "https://api.upbit.com"


class Secret:
    """A text that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


def setting(default: Any, kind: Kind, *, ko: str, en: str, key: str = "") -> Any:
    """Return the field of a setting: all there is to say about it, said once.

    Args:
        default: as in config.toml; None: nothing is set.
        kind: what it may be.
        ko: what it means, in Korean.
        en: the same in English.
        key: its name in config.toml, where that is another than its section's and its own.
    """
    value = None if default is None else kind.convert(default)
    about = {"kind": kind, "ko": ko, "en": en, "key": key}
    return field(default=value, metadata=about) if default != {} else field(default_factory=dict, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """Which strategy decides, on which candles."""

    name: str = setting("quiet_trend", word("Strategy.md"), ko="전략 이름", en="name of the strategy")
    unit: timedelta = setting(
        240, MINUTES, ko="전략이 보는 캔들의 길이(분)", en="length of the strategy's candles, minutes"
    )
    parameters: Mapping[str, object] = setting(
        {}, table("Strategy.md"), ko="전략 매개변수", en="parameters of the strategy"
    )  # checked by the strategy itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    """How much is traded at a time."""

    max_open_trades: int = setting(
        5, whole(1, 5), ko="동시에 거래하는 최대 마켓 수", en="most markets traded at the same time"
    )
    order_krw: Decimal = setting(50_000, amount("6000", "1e8"), ko="한 번에 매수하는 금액(원)", en="won of one buy")
    seed: int | None = setting(
        None,
        whole(0, 2**32 - 1),
        ko="무작위 추첨의 시드. 없으면 시작할 때마다 새로 정해 로그에 남깁니다",
        en="seed of the random draw; without one each start draws a new one and logs it",
    )
    warning: str = setting(
        "skip",
        one_of("skip", "allow"),
        ko="투자유의 종목을 건너뛸지",
        en="whether markets with an investment warning are left out",
    )
    caution: str = setting(
        "skip",
        one_of("skip", "allow"),
        ko="투자주의 종목을 건너뛸지",
        en="whether markets with a caution flag are left out",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Hard limits."""

    max_order_krw: Decimal = setting(
        100_000, amount("6000", "1e9"), ko="주문 하나의 상한(원)", en="cap of one order, won"
    )
    max_market_krw: Decimal = setting(
        100_000, amount("6000", "1e9"), ko="마켓 하나의 상한(원)", en="cap of one market, won"
    )
    max_day_krw: Decimal = setting(
        1_000_000, amount("6000", "1e10"), ko="하루(KST) 매수 상한(원)", en="cap of all buys of a day in Korea, won"
    )
    max_slippage: Decimal = setting(
        Decimal("0.01"),
        amount("0.0005", "0.1"),
        ko="허용하는 예상 슬리피지(비율)",
        en="largest expected slippage, a fraction",
    )
    max_spread: Decimal = setting(
        Decimal("0.02"),
        amount("0.0005", "0.2"),
        ko="허용하는 매수·매도 호가 차이(비율)",
        en="widest spread of a market that is bought, a fraction",
    )
    max_price_gap: Decimal = setting(
        Decimal("0.03"),
        amount("0.001", "0.3"),
        ko="마지막 체결가와 호가 중간값의 허용 차이(비율). 손절은 매수 1호가가 이 범위까지 내려와야 나갑니다",
        en="largest gap between last trade and middle of the book; a stop needs the best bid that near, too",
    )
    price_max_age_s: float = setting(
        10,
        seconds(1, 300),
        ko="이보다 오래된 가격으로는 결정하지 않음(초)",
        en="seconds after which a price decides nothing",
    )
    wallet_max_age_s: float = setting(
        10,
        seconds(1, 300),
        ko="이보다 오래된 지갑 정보로는 매수하지 않음(초)",
        en="seconds after which the wallet buys nothing",
    )
    max_day_loss: Decimal = setting(
        Decimal("0.3"),
        amount("0.01", "1"),
        ko="하루(KST) 손실 한도: 동시에 투자될 수 있는 최대 금액에 대한 비율. 넘으면 매수를 멈춤",
        en="loss of a day in Korea that stops buys: a fraction of the most won in positions at one time",
    )
    max_drawdown: Decimal = setting(
        Decimal("0.7"),
        amount("0.05", "1"),
        ko="최고 수익에서의 하락 한도(비율). 기본 전략은 40 % 하락이 보통이므로 넉넉하게",
        en="fall from the highest profit that stops buys, a fraction; 40 % is normal for the default strategy",
    )
    allow_withdrawal: bool = setting(
        False,
        SWITCH,
        ko="출금할 수 있는 API 키로도 거래할지",
        en="whether to trade with an API key that can withdraw",
    )
    confirm_krw: Decimal = setting(
        0,
        amount("0", "1e10"),
        ko="실거래에서 동시에 5,000,000원 이상 투자하려면 그 최대 금액을 여기 한 번 더 적습니다",
        en="to have 5,000,000 KRW or more in live positions at one time, write that amount here once more",
    )
    exclude: tuple[str, ...] = setting(
        ["KRW-USDT", "KRW-USDC", "KRW-USD1", "KRW-USDE", "KRW-XAUT"],
        MARKETS,
        ko="매수하지 않는 마켓",
        en="markets that are never bought",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """The daemon's page for a browser."""

    port: int | None = setting(
        None,
        whole(1, 65535),
        ko="브라우저로 보는 페이지의 포트. 없으면 페이지를 열지 않습니다",
        en="port of the page for a browser; without one there is no page",
    )
    bind: str = setting(
        "127.0.0.1",
        ADDRESS,
        ko="페이지가 접속을 받는 주소. 기본값은 이 컴퓨터에서만 열립니다",
        en="address on which the page is served; by default only this machine reaches it",
    )
    hosts: tuple[str, ...] = setting(
        [],
        HOSTS,
        ko="페이지를 여는 다른 이름(HTTPS 역방향 프록시, VPN 등)",
        en="other names under which the page is opened, e.g. of an HTTPS reverse proxy or a VPN",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """Whom the bot in Discord obeys."""

    owner: int | None = setting(
        None,
        SNOWFLAKE,
        ko="디스코드 봇이 명령을 받는 사용자의 ID. DISCORD_BOT_TOKEN과 함께 씁니다",
        en="id of the user whom the bot in Discord obeys; goes with DISCORD_BOT_TOKEN",
    )
    channel: int | None = setting(
        None,
        SNOWFLAKE,
        ko="디스코드 봇이 명령을 받는 채널의 ID",
        en="id of the channel in which the bot in Discord obeys",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be set, checked."""

    access_key: Secret | None = None
    secret_key: Secret | None = None
    webhook_url: Secret | None = None
    discord_bot_token: Secret | None = None
    base_url: str = DEFAULT_BASE_URL
    proxy: Secret | None = None  # http://[user:password@]host:port
    no_proxy: str = ""
    ca_file: Path | None = None
    data_dir: Path = Path("data")
    language: str = setting("ko", one_of("ko", "en"), ko="메시지와 화면의 언어", en="language of messages and screens")
    colors: str = setting(
        "red_blue", one_of("red_blue", "green_red"), ko="이익과 손실의 색", en="colours of gains and losses"
    )
    strategy: StrategySettings = field(default_factory=StrategySettings)
    trading: TradingSettings = field(default_factory=TradingSettings)
    risk: RiskSettings = field(default_factory=RiskSettings)
    dashboard: DashboardSettings = field(default_factory=DashboardSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    log_level: str = setting(
        "INFO", one_of("DEBUG", "INFO", "WARNING", "ERROR"), key="log.level", ko="로그 수준", en="log level"
    )
    log_file: str | None = setting(
        None,
        word("FILE"),
        key="log.file",
        ko="`run`의 로그를 파일에도 남깁니다(데이터 폴더 기준). 10 MB마다 바꾸고 옛 파일 5개를 남깁니다",
        en="a file for the log of `run`, too, in the data folder; a new one every 10 MB, and 5 old ones are kept",
    )
    sources: Mapping[str, str] = field(default_factory=dict)  # key: where its value came from
    paper: bool = False  # whether the exchange of this machine has a real market

    @property
    def log_path(self) -> Path | None:
        """Where the log goes besides stderr."""
        return None if self.log_file is None else self.data_dir / self.log_file

    @property
    def websocket_url(self) -> str:
        """The address of the WebSocket, derived from the REST address."""
        return self.base_url.replace("http", "ws", 1) + "/websocket/v1"

    @property
    def mode(self) -> str:
        """Whose money orders move: "live" everywhere but on this machine, where it is nobody's ("sandbox", "paper")."""
        if not is_loopback(self.base_url):
            return "live"
        return "paper" if self.paper else "sandbox"


def is_loopback(url: str) -> bool:
    """Return whether an address is this very machine: only there no real money can be."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def most_spent(config: Config) -> Decimal:
    """Return the most won that can be in positions at one time."""
    each = min(config.trading.order_krw, config.risk.max_order_krw, config.risk.max_market_krw)
    return config.trading.max_open_trades * each
