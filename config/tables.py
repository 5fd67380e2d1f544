"""Every setting and every environment variable. These are also the tables of the README; a test compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.converters import Convert, amount, markets, one_of, seconds, switch, table, unit, whole, word

if TYPE_CHECKING:
    from config.settings import Config

LANGUAGES = ("ko", "en")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


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
