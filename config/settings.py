"""The settings as the daemon holds them: checked, frozen, and with secrets that show themselves to nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_BASE_URL = "https://api.upbit.com"
STABLE_COINS = ("KRW-USDT", "KRW-USDC", "KRW-USD1", "KRW-USDE", "KRW-XAUT")


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


def most_spent(config: Config) -> Decimal:
    """Return the most won that can be in positions at one time."""
    each = min(config.trading.order_krw, config.risk.max_order_krw, config.risk.max_market_krw)
    return config.trading.max_open_trades * each
