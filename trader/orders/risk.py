"""The last line before an order: what may be spent, and what no order may rest on. Pure, and in one place.

`judge_buy` says how many won a buy is for, or the first reason not to buy. `check_caps` is asked again by
`trader/orders/gate.py` right before the first byte, of the journal as it is then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from journal.errors import Breach
from strategy.portfolio import MIN_TOTAL, WON, Caps, broken_cap, can_leave, order_total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from config.settings import Config
    from state import Balance
    from upbit.models import Book, Chance

ZERO = Decimal(0)
WALLET_LAG = timedelta(seconds=10)
"""Upbit shows balances some seconds behind the fills: a wallet says nothing about what moved so shortly before it."""
BOOK_MAX_AGE = timedelta(seconds=3)
"""Time between asking for the book and deciding on it; the order lane may be busy in between."""


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
    en: str


NO_MONEY = "no_money"
"""A reason that ends by itself, when won comes back."""
REFUSED = {
    refused.code: refused
    for refused in (
        Refused(code="price_stale", en="the price is stale"),
        Refused(code="wallet_stale", en="the wallet is stale"),
        Refused(code="book_stale", en="the book is stale"),
        Refused(code="market_inactive", en="the market is not active"),
        Refused(code="book_empty", en="the book is empty"),
        Refused(code="book_crossed", en="the book is crossed"),
        Refused(code="spread", en="the spread is too wide"),
        Refused(code="price_gap", en="the last trade and the book disagree"),
        Refused(code=NO_MONEY, en="not enough free won"),
        Refused(code="cannot_leave", en="its stop value would be unsellable"),
        Refused(code="slippage", en="the expected slippage is too high"),
        Refused(code="bids_thin", en="too few bids to sell it again"),
        Refused(code="coins_unexplained", en="the account holds coins of it, and whose they are is not known yet"),
        Refused(code="cap_order", en="over the cap per order"),
        Refused(code="cap_market", en="over the cap per market"),
        Refused(code="cap_day", en="over the cap per day"),
        Refused(code="cap_trades", en="over the number of open trades"),
    )
}
"""Why a buy must not happen, in words, by its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuyPlan:
    """A buy that may happen, and what the book lets us expect of it."""

    total: Decimal  # KRW, without the fee
    expected_price: Decimal  # average price of taking the asks, KRW
    slippage: Decimal  # of that price above the last trade, a fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a buy is judged by, as it was known at one moment."""

    market: str
    now: datetime  # UTC
    price: Decimal  # last trade, KRW
    price_as_of: datetime
    asked_at: datetime  # when chance and book were asked for
    chance: Chance
    book: Book
    wallet: Balance | None  # KRW; None while unknown
    exposure: Exposure
    unexplained: Decimal | None  # units in the account that may be ours unknown to us; None: it cannot be read
    stop_fraction: float | None  # how far below the entry the stop lies; None without a stop


# the order in which a person would ask


def judge_buy(config: Config, facts: Facts) -> BuyPlan | Refused:
    """Return how many won a buy is for and what to expect, or the first reason not to buy."""
    total = check_ages(config, facts) or check_market(config, facts) or size_entry(config, facts)
    if isinstance(total, Refused):
        return total
    plan = fit_to_book(config, facts, total)
    if isinstance(plan, Refused):
        return plan
    return check_caps(config, facts.market, plan.total, facts.exposure) or plan


def check_ages(config: Config, facts: Facts) -> Refused | None:
    """Refuse what is decided on the past: price, wallet, or book."""
    risk = config.risk
    if (facts.now - facts.price_as_of).total_seconds() > risk.price_max_age_s:
        return REFUSED["price_stale"]
    if facts.wallet is None or (facts.now - facts.wallet.as_of).total_seconds() > risk.wallet_max_age_s:
        return REFUSED["wallet_stale"]
    if facts.now - facts.asked_at > BOOK_MAX_AGE:
        return REFUSED["book_stale"]
    return None


def check_market(config: Config, facts: Facts) -> Refused | None:
    """Refuse a market that is closed, wide, or whose last trade and book tell different stories."""
    if facts.chance.market.state != "active":
        return REFUSED["market_inactive"]
    best = facts.book.levels[0] if facts.book.levels else None
    if best is None or not best.ask_price or not best.bid_price:
        return REFUSED["book_empty"]
    if best.ask_price <= best.bid_price:
        return REFUSED["book_crossed"]
    middle = (best.ask_price + best.bid_price) / 2
    if (best.ask_price - best.bid_price) / middle > config.risk.max_spread:
        return REFUSED["spread"]
    if abs(facts.price / middle - 1) > config.risk.max_price_gap:
        return REFUSED["price_gap"]
    return check_coins(facts)


def check_coins(facts: Facts) -> Refused | None:
    """Refuse a market that may be held already: a list of orders that does not show it is one source only."""
    if facts.unexplained is None or facts.unexplained * facts.price >= MIN_TOTAL:
        return REFUSED["coins_unexplained"]
    return None


def size_entry(config: Config, facts: Facts) -> Decimal | Refused:
    """Return how many won the wish and the balance allow, or why none."""
    if facts.wallet is None:
        raise Breach("sized before the ages were checked")
    total = order_total(config.trading.order_krw, facts.wallet.available, facts.chance.bid_fee, least_buy(facts))
    if total is None:
        return REFUSED[NO_MONEY]
    return check_exit(facts, total) or total


def least_buy(facts: Facts) -> Decimal:
    """Return the least notional of a buy, as Upbit says now and never below what we know. KRW."""
    return max(MIN_TOTAL, facts.chance.market.bid.min_total)


def check_exit(facts: Facts, total: Decimal) -> Refused | None:
    """Refuse a buy that could not be sold again when its price has fallen to the stop."""
    if can_leave(total, facts.stop_fraction or 0.0, max(MIN_TOTAL, facts.chance.market.ask.min_total)):
        return None
    return REFUSED["cannot_leave"]


def fit_to_book(config: Config, facts: Facts, total: Decimal) -> BuyPlan | Refused:
    """Walk the asks: return the most won, up to `total`, whose average price slips no more than allowed."""
    limit = facts.price * (1 + config.risk.max_slippage)
    asks = [(level.ask_price, level.ask_size) for level in facts.book.levels if level.ask_price]
    spent, volume = walk(asks, total, limit)
    spent = spent.quantize(WON, rounding=ROUND_FLOOR)
    if spent < least_buy(facts) or check_exit(facts, spent):
        return REFUSED["slippage"]
    _, volume = walk(asks, spent, limit)
    if volume > sum((level.bid_size for level in facts.book.levels), ZERO):
        return REFUSED["bids_thin"]
    average = spent / volume
    return BuyPlan(total=spent, expected_price=average, slippage=average / facts.price - 1)


def walk(levels: Iterable[tuple[Decimal, Decimal]], total: Decimal, limit: Decimal) -> tuple[Decimal, Decimal]:
    """Take `levels` (price, size), best first, for at most `total` won at an average of at most `limit`.

    Returns:
        Won spent and units got.
    """
    spent, volume = ZERO, ZERO
    for price, size in levels:
        won = min(total - spent, price * size)
        if price > limit:  # (spent + won) / (volume + won / price) <= limit, solved for won
            won = min(won, (limit * volume - spent) / (1 - limit / price))
        spent, volume = spent + won, volume + won / price
        if spent >= total or won < price * size:
            break
    return spent, volume


def check_caps(config: Config, market: str, total: Decimal, exposure: Exposure) -> Refused | None:
    """Return why a buy of `total` won would break a hard cap, None when it breaks none."""
    risk = config.risk
    caps = Caps(order_krw=risk.max_order_krw, market_krw=risk.max_market_krw, day_krw=risk.max_day_krw)
    in_market = exposure.by_market.get(market, ZERO)
    code = broken_cap(caps, total, in_market=in_market, spent_today=exposure.spent_today)
    if code is None and exposure.open_trades > config.trading.max_open_trades:
        code = "cap_trades"
    return None if code is None else REFUSED[code]


def exit_price(book: Book, volume: Decimal) -> Decimal:
    """Return the average price a sale of `volume` units may expect of the bids; what they do not cover, at the last."""
    left, proceeds = volume, ZERO
    for level in book.levels:
        taken = min(left, level.bid_size) if level is not book.levels[-1] else left
        left, proceeds = left - taken, proceeds + taken * level.bid_price
    return proceeds / volume


def sellable(ours: Decimal, wallet: Balance | None, filled_at: datetime) -> Decimal:
    """Return how much of our coins can be sold: never more than we bought, never more than is free.

    A wallet that may not show our last fill yet says nothing about it.
    """
    if wallet is None or wallet.as_of <= filled_at + WALLET_LAG:
        return ours
    return min(ours, wallet.available)
