"""Every setting: where it comes from, what it may be, and what is said when it is something else.

Settings stand in `config.toml`, secrets and addresses in the environment. Both are read once, and every problem is
reported at the same time. `SETTINGS` and `ENVIRONMENT` are also the tables of the README; a test compares them.
"""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DISCORD_HOSTS = frozenset({"discord.com", "discordapp.com"})
DEFAULT_BASE_URL = "https://api.upbit.com"
LANGUAGES = ("ko", "en")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
UNITS = (1, 3, 5, 10, 15, 30, 60, 240)
LIVE_HOST = "api.upbit.com"
LONGEST_TOLD = 100
"""Characters of a wrong value that are repeated."""
UNREADABLE = (ValueError, ArithmeticError, RecursionError)
"""What reading TOML ends in: it is none, a number is too long or its exponent too large, brackets are too deep."""
LONGEST_PROBLEM = 1000
CONFIRM_FROM = Decimal(5_000_000)
"""From this many won in positions at one time on, a live start wants the number a second time."""
STABLE_COINS = ("KRW-USDT", "KRW-USDC", "KRW-USD1", "KRW-USDE", "KRW-XAUT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with the settings, in one sentence: what, where, what to do."""

    ko: str
    en: str


class ConfigError(Exception):
    """The settings cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.en for problem in problems))
        self.problems = tuple(problems)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """Which strategy decides, on which candles."""

    name: str = "quiet_trend"
    unit: timedelta = timedelta(minutes=240)
    parameters: Mapping[str, object] = field(default_factory=dict)  # checked by the strategy itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSettings:
    """How much is traded at a time."""

    max_open_trades: int = 5
    order_krw: Decimal = Decimal(50_000)
    seed: int | None = None  # of the draws; None: a new one at each start, which is logged
    warning: str = "skip"
    caution: str = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSettings:
    """Hard limits."""

    max_order_krw: Decimal = Decimal(100_000)
    max_market_krw: Decimal = Decimal(100_000)
    max_day_krw: Decimal = Decimal(1_000_000)
    max_slippage: Decimal = Decimal("0.01")
    max_spread: Decimal = Decimal("0.02")
    max_price_gap: Decimal = Decimal("0.03")
    price_max_age_s: float = 10.0
    wallet_max_age_s: float = 10.0
    max_day_loss: Decimal = Decimal("0.3")
    max_drawdown: Decimal = Decimal("0.7")
    allow_withdrawal: bool = False
    confirm_krw: Decimal = Decimal(0)
    exclude: tuple[str, ...] = STABLE_COINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be set, checked."""

    access_key: Secret | None = None
    secret_key: Secret | None = None
    webhook_url: Secret | None = None
    base_url: str = DEFAULT_BASE_URL
    data_dir: Path = Path("data")
    language: str = "ko"
    log_level: str = "INFO"
    strategy: StrategySettings = field(default_factory=StrategySettings)
    trading: TradingSettings = field(default_factory=TradingSettings)
    risk: RiskSettings = field(default_factory=RiskSettings)
    sources: Mapping[str, str] = field(default_factory=dict)  # key: where its value came from

    @property
    def websocket_url(self) -> str:
        """The address of the WebSocket, derived from the REST address."""
        return self.base_url.replace("http", "ws", 1) + "/websocket/v1"


# --- what each setting may be --------------------------------------------------------------------------------------

Convert = Callable[[Any], Any]


def whole(least: int, most: int) -> Convert:
    """Return a converter for whole numbers in a range."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{least} ~ {most}")
        return value

    return convert


def amount(least: str, most: str) -> Convert:
    """Return a converter for exact amounts in a range."""
    low, high = Decimal(least), Decimal(most)

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"{low:f} ~ {high:f}")  # noqa: TRY004 - reported like every other wrong value
        number = Decimal(value)
        if not number.is_finite() or not low <= number <= high:
            raise ValueError(f"{low:f} ~ {high:f}")
        return number

    return convert


def one_of(*words: str) -> Convert:
    """Return a converter for words of a list."""

    def convert(value: Any) -> str:
        if value not in words:
            raise ValueError(" | ".join(words))
        return str(value)

    return convert


def switch(value: Any) -> bool:
    """Convert a yes or no."""
    if not isinstance(value, bool):
        raise ValueError("true | false")  # noqa: TRY004 - reported like every other wrong value
    return value


def seconds(value: Any) -> float:
    """Convert a number of seconds."""
    return float(amount("1", "300")(value))


def unit(value: Any) -> timedelta:
    """Convert the length of a candle, minutes."""
    if value not in UNITS or isinstance(value, bool):
        raise ValueError(" | ".join(map(str, UNITS)))
    return timedelta(minutes=value)


def word(value: Any) -> str:
    """Convert a text."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TOLD:
        raise ValueError("text")
    return value


def markets(value: Any) -> tuple[str, ...]:
    """Convert a list of markets."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one.startswith("KRW-") for one in value):
        raise ValueError('["KRW-USDT", ...]')
    return tuple(value)


def table(value: Any) -> Mapping[str, object]:
    """Convert a table that somebody else checks."""
    if not isinstance(value, dict):
        raise ValueError("a table")  # noqa: TRY004 - reported like every other wrong value
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key of config.toml."""

    key: str
    default: str  # as written in the file
    allowed: str
    ko: str
    en: str
    convert: Convert


SETTINGS = (  # one setting, one paragraph
    Setting(key="language", default='"ko"', allowed="ko, en", convert=one_of(*LANGUAGES),
            ko="메시지와 화면의 언어", en="language of messages and screens"),
    Setting(key="strategy.name", default='"quiet_trend"', allowed="Strategy.md", convert=word,
            ko="전략 이름", en="name of the strategy"),
    Setting(key="strategy.unit", default="240", allowed="1, 3, 5, 10, 15, 30, 60, 240", convert=unit,
            ko="전략이 보는 캔들의 길이(분)", en="length of the strategy's candles, minutes"),
    Setting(key="strategy.parameters", default="{}", allowed="Strategy.md", convert=table,
            ko="전략 매개변수", en="parameters of the strategy"),
    Setting(key="trading.max_open_trades", default="5", allowed="1 ~ 5", convert=whole(1, 5),
            ko="동시에 거래하는 최대 마켓 수", en="most markets traded at the same time"),
    Setting(key="trading.order_krw", default="50000", allowed="6000 ~ 100000000", convert=amount("6000", "1e8"),
            ko="한 번에 매수하는 금액(원)", en="won of one buy"),
    Setting(key="trading.seed", default="", allowed="0 ~ 4294967295", convert=whole(0, 2**32 - 1),
            ko="무작위 추첨의 시드. 없으면 시작할 때마다 새로 정해 로그에 남깁니다",
            en="seed of the random draw; without one each start draws a new one and logs it"),
    Setting(key="trading.warning", default='"skip"', allowed="skip, allow", convert=one_of("skip", "allow"),
            ko="투자유의 종목을 건너뛸지", en="whether markets with an investment warning are left out"),
    Setting(key="trading.caution", default='"skip"', allowed="skip, allow", convert=one_of("skip", "allow"),
            ko="투자주의 종목을 건너뛸지", en="whether markets with a caution flag are left out"),
    Setting(key="risk.max_order_krw", default="100000", allowed="6000 ~ 1000000000", convert=amount("6000", "1e9"),
            ko="주문 하나의 상한(원)", en="cap of one order, won"),
    Setting(key="risk.max_market_krw", default="100000", allowed="6000 ~ 1000000000", convert=amount("6000", "1e9"),
            ko="마켓 하나의 상한(원)", en="cap of one market, won"),
    Setting(key="risk.max_day_krw", default="1000000", allowed="6000 ~ 10000000000", convert=amount("6000", "1e10"),
            ko="하루(KST) 매수 상한(원)", en="cap of all buys of a day in Korea, won"),
    Setting(key="risk.max_slippage", default="0.01", allowed="0.0005 ~ 0.1", convert=amount("0.0005", "0.1"),
            ko="허용하는 예상 슬리피지(비율)", en="largest expected slippage, a fraction"),
    Setting(key="risk.max_spread", default="0.02", allowed="0.0005 ~ 0.2", convert=amount("0.0005", "0.2"),
            ko="허용하는 매수·매도 호가 차이(비율)", en="widest spread of a market that is bought, a fraction"),
    Setting(key="risk.max_price_gap", default="0.03", allowed="0.001 ~ 0.3", convert=amount("0.001", "0.3"),
            ko="마지막 체결가와 호가 중간값의 허용 차이(비율). 손절은 매수 1호가가 이 범위까지 내려와야 나갑니다",
            en="largest gap between last trade and middle of the book; a stop needs the best bid that near, too"),
    Setting(key="risk.price_max_age_s", default="10", allowed="1 ~ 300", convert=seconds,
            ko="이보다 오래된 가격으로는 결정하지 않음(초)", en="seconds after which a price decides nothing"),
    Setting(key="risk.wallet_max_age_s", default="10", allowed="1 ~ 300", convert=seconds,
            ko="이보다 오래된 지갑 정보로는 매수하지 않음(초)", en="seconds after which the wallet buys nothing"),
    Setting(key="risk.max_day_loss", default="0.3", allowed="0.01 ~ 1", convert=amount("0.01", "1"),
            ko="하루(KST) 손실 한도: 동시에 투자될 수 있는 최대 금액에 대한 비율. 넘으면 매수를 멈춤",
            en="loss of a day in Korea that stops buys: a fraction of the most won in positions at one time"),
    Setting(key="risk.max_drawdown", default="0.7", allowed="0.05 ~ 1", convert=amount("0.05", "1"),
            ko="최고 수익에서의 하락 한도(비율). 기본 전략은 40 % 하락이 보통이므로 넉넉하게",
            en="fall from the highest profit that stops buys, a fraction; 40 % is normal for the default strategy"),
    Setting(key="risk.allow_withdrawal", default="false", allowed="true, false", convert=switch,
            ko="출금할 수 있는 API 키로도 거래할지", en="whether to trade with an API key that can withdraw"),
    Setting(key="risk.confirm_krw", default="0", allowed="0 ~ 10000000000", convert=amount("0", "1e10"),
            ko="실거래에서 동시에 5,000,000원 이상 투자하려면 그 최대 금액을 여기 한 번 더 적습니다",
            en="to have 5,000,000 KRW or more in live positions at one time, write that amount here once more"),
    Setting(key="risk.exclude", default='["KRW-USDT", "KRW-USDC", "KRW-USD1", "KRW-USDE", "KRW-XAUT"]',
            allowed="KRW-...", convert=markets, ko="매수하지 않는 마켓", en="markets that are never bought"),
    Setting(key="log.level", default='"INFO"', allowed=", ".join(LOG_LEVELS), convert=one_of(*LOG_LEVELS),
            ko="로그 수준", en="log level"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable."""

    name: str
    aliases: tuple[str, ...]
    ko: str
    en: str
    secret: bool = False


ENVIRONMENT = (
    Variable(name="ACCESS_KEY", aliases=("UPBIT_ACCESS_KEY",), secret=True,
             ko="업비트 Access Key", en="Upbit access key"),
    Variable(name="SECRET_KEY", aliases=("UPBIT_SECRET_KEY",), secret=True,
             ko="업비트 Secret Key", en="Upbit secret key"),
    Variable(name="WEBHOOK_URL", aliases=("DISCORD_WEBHOOK_URL",), secret=True,
             ko="디스코드 웹훅 주소 (없으면 알림 없이 거래)", en="Discord webhook; without it there are no messages"),
    Variable(name="UPBIT_BASE_URL", aliases=(), ko="거래소 주소", en="address of the exchange"),
    Variable(name="BOT_DATA_DIR", aliases=(), ko="거래 기록 폴더", en="folder of the journal"),
    Variable(name="BOT_CONFIG", aliases=(), ko="설정 파일", en="file of settings"),
    Variable(name="BOT_LANGUAGE", aliases=(), ko="언어 (ko, en)", en="language (ko, en)"),
    Variable(name="LOG_LEVEL", aliases=(), ko="로그 수준", en="log level"),
)  # fmt: skip


# --- reading ---------------------------------------------------------------------------------------------------------


def load(environ: Mapping[str, str], *, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read all settings.

    Args:
        environ: environment variables.
        path: the file of settings; None: there is none.
        overrides: `KEY=VALUE`, as after `--set`.

    Raises:
        ConfigError: with every problem found.
    """
    reader = Reader(environ)
    if path is not None:
        reader.read_file(path)
    for text in overrides:
        reader.read_override(text)
    config = reader.finish()
    if reader.problems:
        raise ConfigError(reader.problems)
    return config


class Reader:
    """Collects values, where they came from, and what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}

    def fail(self, ko: str, en: str) -> None:
        """Note a problem, in a sentence of readable length whatever it repeats."""
        self.problems.append(Problem(ko=ko[:LONGEST_PROBLEM], en=en[:LONGEST_PROBLEM]))

    def read_file(self, path: Path) -> None:
        """Read config.toml."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (OSError, UnicodeDecodeError) as error:
            self.fail(
                f"설정 파일 {path}을(를) 읽을 수 없습니다 ({error}). BOT_CONFIG를 확인하세요.",
                f"The settings file {path} cannot be read ({error}). Check BOT_CONFIG.",
            )
            return
        except UNREADABLE as error:
            self.fail(
                f"설정 파일 {path}의 형식이 잘못되었습니다: {error}. TOML 문법을 확인하세요.",
                f"The settings file {path} is damaged: {error}. Check its TOML syntax.",
            )
            return
        for key, value in flatten(content):
            self.take(key, value, str(path))

    def read_override(self, text: str) -> None:
        """Read one `--set KEY=VALUE`."""
        key, equals, raw = text.partition("=")
        if not equals or not key.strip():
            self.fail(
                f"--set {text}: KEY=VALUE 형식이어야 합니다. 예: --set strategy.unit=1",
                f"--set {text}: must be KEY=VALUE, for example --set strategy.unit=1",
            )
            return
        self.take(key.strip(), toml_value(raw.strip()), "--set")

    def take(self, key: str, value: Any, source: str) -> None:
        """Check one value and keep it."""
        setting = next((one for one in SETTINGS if one.key == key), None)
        if key.startswith("strategy.parameters."):
            parameters = self.values.setdefault("strategy.parameters", {})
            self.values["strategy.parameters"] = {**parameters, key.removeprefix("strategy.parameters."): value}
            self.sources[key] = source
            return
        if setting is None:
            guess = get_close_matches(key, [one.key for one in SETTINGS], n=1, cutoff=0.0)[0]
            self.fail(
                f"{source}: '{key}'라는 설정은 없습니다. 혹시 '{guess}'인가요?",
                f"{source}: there is no setting '{key}'. Did you mean '{guess}'?",
            )
            return
        try:
            self.values[key] = setting.convert(value)
            self.sources[key] = source
        except ValueError as error:
            told = shortened(value)
            self.fail(
                f"{source}: {key} = {told}은(는) 쓸 수 없습니다. 가능한 값: {error}",
                f"{source}: {key} = {told} cannot be used. Allowed: {error}",
            )

    def variable(self, name: str) -> str | None:
        """Return the value of an environment variable, by any of its names; None when it is not set."""
        known = next(one for one in ENVIRONMENT if one.name == name)
        found: dict[str, str] = {}
        for spelling in (known.name, *known.aliases):
            if self._environ.get(spelling, ""):
                found[spelling] = self._environ[spelling]
            if known.secret and self._environ.get(f"{spelling}_FILE", ""):
                content = self.secret_file(f"{spelling}_FILE", Path(self._environ[f"{spelling}_FILE"]))
                if content:
                    found[f"{spelling}_FILE"] = content
        if len(set(found.values())) > 1:
            names = ", ".join(found)
            self.fail(
                f"{names}의 값이 서로 다릅니다. 하나만 남기세요.",
                f"{names} hold different values. Keep only one of them.",
            )
        for spelling, text in found.items():
            self.sources[name] = spelling
            if any(character.isspace() for character in text):
                self.fail(
                    f"{spelling}에 공백이나 줄바꿈이 들어 있습니다. 다시 복사하세요.",
                    f"{spelling} contains a space or a line break. Copy it again.",
                )
        return next(iter(found.values()), None)

    def secret_file(self, name: str, path: Path) -> str | None:
        """Return what a secret file holds, without its last line break."""
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o004 and not path.is_relative_to("/run/secrets"):
                self.fail(
                    f"{name}: {path} 파일을 아무나 읽을 수 있습니다. 권한을 바꾸세요: chmod 600 {path}",
                    f"{name}: anybody can read {path}. Change its permissions: chmod 600 {path}",
                )
            return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            self.fail(
                f"{name}: {path} 파일을 읽을 수 없습니다 ({error}). 경로를 확인하세요.",
                f"{name}: {path} cannot be read ({error}). Check the path.",
            )
            return None

    def finish(self) -> Config:
        """Put everything together."""
        access, secret = self.variable("ACCESS_KEY"), self.variable("SECRET_KEY")
        if bool(access) != bool(secret):
            there, missing = ("ACCESS_KEY", "SECRET_KEY") if access else ("SECRET_KEY", "ACCESS_KEY")
            self.fail(
                f"{there}만 있고 {missing}가 없습니다. 두 키를 모두 설정하세요.",
                f"{there} is set but {missing} is not. Set both keys.",
            )
        for name, key in (("BOT_LANGUAGE", "language"), ("LOG_LEVEL", "log.level")):
            if given := self.variable(name):
                self.take(key, given, name)
        values = self.values
        config = Config(
            access_key=Secret(access) if access else None,
            secret_key=Secret(secret) if secret else None,
            webhook_url=self.webhook(),
            base_url=self.base_url(),
            data_dir=Path(self.variable("BOT_DATA_DIR") or "data"),
            language=values.get("language", "ko"),
            log_level=values.get("log.level", "INFO"),
            strategy=StrategySettings(**section(values, "strategy")),
            trading=TradingSettings(**section(values, "trading")),
            risk=RiskSettings(**section(values, "risk")),
            sources=dict(self.sources),
        )
        if not self.problems:
            self.compare(config)
        return config

    def compare(self, config: Config) -> None:
        """Check what is fine alone and makes no sense together."""
        order = config.trading.order_krw
        for name in ("max_order_krw", "max_market_krw", "max_day_krw"):
            cap = getattr(config.risk, name)
            if order > cap:
                self.fail(
                    f"trading.order_krw {order:f}이(가) risk.{name} {cap:f}보다 커서 모든 매수가 거절됩니다. "
                    "둘 중 하나를 고치세요.",
                    f"trading.order_krw {order:f} is above risk.{name} {cap:f}, so every buy would be refused. "
                    "Mend one of them.",
                )
        most = most_spent(config)
        live = split_address(config.base_url).hostname == LIVE_HOST
        if live and most >= CONFIRM_FROM and config.risk.confirm_krw != most:
            self.fail(
                f"동시에 최대 {most:,.0f}원까지 투자하는 설정입니다. 맞으면 추가하세요: risk.confirm_krw = {most:.0f}",
                f"These settings put up to {most:,.0f} KRW into positions. If so, add risk.confirm_krw = {most:.0f}.",
            )

    def base_url(self) -> str:
        """Return the exchange's address; plain http only to this machine."""
        text = (self.variable("UPBIT_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        parts = split_address(text)
        secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        if not secure or not parts.hostname or parts.path or parts.query:
            self.fail(
                f"UPBIT_BASE_URL {text}은(는) 쓸 수 없습니다. https여야 하고, http는 이 컴퓨터(127.0.0.1)만 됩니다.",
                f"UPBIT_BASE_URL {text} cannot be used: it must be https; http only to this machine (127.0.0.1).",
            )
        return text

    def webhook(self) -> Secret | None:
        """Return the webhook's address, which is a secret."""
        text = self.variable("WEBHOOK_URL")
        if text is None:
            return None
        parts = split_address(text)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        discord = parts.scheme == "https" and parts.hostname in DISCORD_HOSTS
        if not (local or discord) or not parts.path.startswith("/api/webhooks/"):
            self.fail(
                "WEBHOOK_URL은 https://discord.com/api/webhooks/... 주소여야 합니다. 디스코드에서 다시 복사하세요.",
                "WEBHOOK_URL must be https://discord.com/api/webhooks/...; copy it from Discord again.",
            )
        return Secret(text)


def shortened(value: object) -> str:
    """Return a wrong value as a sentence can hold it."""
    try:
        text = str(value)
    except ValueError:  # a whole number with more digits than Python writes
        return "..."
    return text if len(text) <= LONGEST_TOLD else f"{text[:LONGEST_TOLD]}..."


def split_address(text: str) -> SplitResult:
    """Take an address apart; one that is none has no parts."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # looked at only when asked for
    except ValueError:
        return urlsplit("")
    return parts


def flatten(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the dotted keys of a TOML document."""
    pairs: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


def toml_value(raw: str) -> Any:
    """Return what a text means in TOML; a bare word is a text."""
    try:
        return tomllib.loads(f"value = {raw}", parse_float=Decimal)["value"]
    except UNREADABLE:
        return raw


def section(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings of one section."""
    return {key.removeprefix(f"{name}."): value for key, value in values.items() if key.startswith(f"{name}.")}


def take_secrets(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return a copy of the environment, and take the secrets out of the original."""
    copy = dict(environ)
    for variable in ENVIRONMENT:
        if variable.secret:
            for spelling in (variable.name, *variable.aliases):
                environ.pop(spelling, None)
    return copy


def most_spent(config: Config) -> Decimal:
    """Return the most won that can be in positions at one time."""
    each = min(config.trading.order_krw, config.risk.max_order_krw, config.risk.max_market_krw)
    return config.trading.max_open_trades * each


def effective(config: Config) -> list[tuple[str, str, str]]:
    """Return every setting with its value and where that came from; secrets are masked."""
    rows = []
    for variable in ENVIRONMENT:
        attribute = variable.name.lower().removeprefix("upbit_").removeprefix("bot_")
        value = getattr(config, attribute, None)
        rows.append((variable.name, "" if value is None else str(value), config.sources.get(variable.name, "default")))
    for setting in SETTINGS:
        group, _, name = setting.key.partition(".")
        value = config.log_level if setting.key == "log.level" else getattr(config, group)
        value = getattr(value, name) if name and setting.key != "log.level" else value
        rows.append((setting.key, str(value), config.sources.get(setting.key, "default")))
    return rows
