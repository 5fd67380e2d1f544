"""The last line before a buy: hard caps in won and the checks no entry may fail, in one place. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from strategy.portfolio import can_leave, order_total

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from config import Config
    from state import Balance
    from upbit.models import Book, Chance

MIN_TOTAL = Decimal(5000)
"""Least notional Upbit takes in a KRW market, for buys and for sells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What has been committed so far, counting orders whose outcome is unknown as spent. KRW."""

    by_market: Mapping[str, Decimal]
    spent_today: Decimal
    open_trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A buy that must not happen, and why."""

    code: str
    ko: str
    en: str


def size_entry(
    config: Config, chance: Chance, wallet: Balance | None, now: datetime, stop_fraction: float | None
) -> Decimal | Refused:
    """Return how many won a buy is for, or why there is none.

    Args:
        config: the caps and the wished order size.
        chance: fee rate and minimum of the market, as Upbit says now.
        wallet: the KRW balance; None while unknown.
        now: UTC.
        stop_fraction: how far below the entry the stop lies, as a fraction of the price; None without a stop.
    """
    if wallet is None or (now - wallet.as_of).total_seconds() > config.risk.wallet_max_age_s:
        return Refused(code="wallet_stale", ko="지갑 정보가 오래됨", en="the wallet is stale")
    if chance.market.state != "active":
        return Refused(code="market_inactive", ko="거래가 중단된 마켓", en="the market is not active")
    minimum = max(MIN_TOTAL, chance.market.bid.min_total)
    total = order_total(config.trading.order_krw, wallet.available, chance.bid_fee, minimum)
    if total is None:
        return Refused(code="no_money", ko="주문 가능한 원화가 부족", en="not enough free won")
    if not can_leave(total, stop_fraction or 0.0, max(MIN_TOTAL, chance.market.ask.min_total)):
        return Refused(code="cannot_leave", ko="손절 시 최소 주문 금액 미만", en="its stop value would be unsellable")
    return total


def check_caps(config: Config, market: str, total: Decimal, exposure: Exposure) -> Refused | None:
    """Return why a buy of `total` won would break a hard cap, None when it breaks none."""
    risk = config.risk
    if total > risk.max_order_krw:
        return Refused(code="cap_order", ko="주문당 한도 초과", en="over the cap per order")
    if exposure.by_market.get(market, Decimal(0)) + total > risk.max_market_krw:
        return Refused(code="cap_market", ko="마켓당 한도 초과", en="over the cap per market")
    if exposure.spent_today + total > risk.max_day_krw:
        return Refused(code="cap_day", ko="하루 한도 초과", en="over the cap per day")
    if exposure.open_trades > config.trading.max_open_trades:
        return Refused(code="cap_trades", ko="동시 거래 수 초과", en="over the number of open trades")
    return None


def check_book(config: Config, book: Book, total: Decimal, price: Decimal) -> Refused | None:
    """Walk the asks a market buy of `total` won would take; refuse a book that is thin or disagrees with `price`."""
    if not book.levels or not book.levels[0].ask_price:
        return Refused(code="book_empty", ko="호가가 없음", en="the book is empty")
    left, volume = total, Decimal(0)
    for level in book.levels:
        taken = min(left, level.ask_price * level.ask_size)
        volume += taken / level.ask_price if level.ask_price else 0
        left -= taken
        if not left:
            break
    if left:
        return Refused(code="book_thin", ko="호가 잔량 부족", en="the book is too thin")
    if total / volume / price - 1 > config.risk.max_slippage:
        return Refused(code="slippage", ko="예상 슬리피지 과다", en="the expected slippage is too high")
    return None


def sellable(ours: Decimal, wallet: Balance | None, bought_at: datetime) -> Decimal:
    """Return how much of our coins can be sold: never more than we bought, never more than is free.

    A wallet read before the buy settled says nothing about it.
    """
    if wallet is None or wallet.as_of <= bought_at:
        return ours
    return min(ours, wallet.available)
