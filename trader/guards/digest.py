"""The digest of 09:00 in Korea: what the journal, the wallet and the prices of this moment say of the day before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from journal.records import ZERO
from journal.rows import total
from notifier.digest import Digest
from notifier.words import Words
from strategy.portfolio import KST, start_of_day
from trader.guards.account import KEY_ENDS
from trader.guards.equity import gained
from views.equity import FACT, Mark, as_fact, marks
from views.why import NothingKnown, funnel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from journal.queries import Queries
    from journal.records import Trade
    from journal.scans import Scans
    from state import Balance, Price
    from trader.app import App

DAY = timedelta(days=1)
BITCOIN = "KRW-BTC"
SAME_TIME = timedelta(minutes=10)
"""So long before a moment a price is still one of it: the daemon looks every minute."""


async def tell_digest(app: App, dead: Iterable[str]) -> None:
    """Queue the digest of the day that is over; the same day is told once, also over restarts."""
    now, trades = app.clock(), app.journal.open_trades()
    today = start_of_day(now)
    prices = await app.state.trading_dict.snapshot()
    equity = equity_of(await app.state.wallet_dict.snapshot(), trades, prices)
    day = (today - DAY + KST).date()
    known = marks(app.journal)
    before = [mark.equity for mark in known if mark.day < f"{day}"]
    digest = Digest(
        day=day,
        ended=app.journal.closed_between(today - DAY, today),
        open_trades=trades,
        open_krw=open_profit(trades, prices),
        equity_krw=equity,
        before_krw=before[-1] if before else None,
        realised_krw=app.journal.realised(),
        halts=app.control.reasons,
        dead=sorted(dead),
        key_days=days_until(app.journal.meta(KEY_ENDS), now),
        bitcoin=bitcoin_between(app.journal, today - DAY, today),
        in_the_way=what_stands_in_the_way(app.journal, now),
        curve=() if equity is None else (*before, equity),
    )
    app.inform(app.messages.digest(digest, at=now))
    if equity is not None:
        mark = Mark(day=f"{day}", equity=equity, bitcoin=bitcoin_at(app.journal, today))
        app.journal.keep_fact(FACT, as_fact(known, mark))


def what_stands_in_the_way(journal: Queries, now: datetime) -> Words | None:
    """Return why nothing was bought for a day; None where something was, or nobody knows."""
    if journal.spent_since(now - DAY):
        return None
    try:
        found = funnel(journal, now)
    except NothingKnown:
        return None
    return Words(found.sentence("ko"), found.sentence("en"))


def bitcoin_between(journal: Scans, begin: datetime, end: datetime) -> Decimal | None:
    """Return what holding bitcoin would have earned, a fraction; None where nobody looked at either time."""
    before, after = (bitcoin_at(journal, moment) for moment in (begin, end))
    return None if before is None or after is None else after / before - 1


def bitcoin_at(journal: Scans, moment: datetime) -> Decimal | None:
    """Return the price of bitcoin at the last look before a moment, KRW; None when that is too long ago."""
    look = journal.scan_at(moment)
    if look is None or look.scan is None or moment - look.minute > SAME_TIME or BITCOIN not in look.scan.markets:
        return None
    return look.scan.prices[look.scan.markets.index(BITCOIN)]


def open_profit(trades: Sequence[Trade], prices: Mapping[str, Price | None]) -> Decimal | None:
    """Return what the open trades have earned at the prices of now, KRW; None while one of them is not known."""
    known = [(trade, price.price) for trade in trades if (price := prices.get(trade.market)) is not None]
    return None if len(known) < len(trades) else total(gained(trade, price) for trade, price in known)


def equity_of(
    wallet: Mapping[str, Balance], trades: Sequence[Trade], prices: Mapping[str, Price | None]
) -> Decimal | None:
    """Return the account's won and what the bot's positions are worth, KRW; None while any of it is not known.

    Other coins of the account are its owner's, and not counted.
    """
    krw = wallet.get("KRW")
    worth = [trade.volume * price.price for trade in trades if (price := prices.get(trade.market)) is not None]
    if krw is None or len(worth) < len(trades):
        return None
    return krw.available + krw.locked + sum(worth, ZERO)


def days_until(ends: str | None, now: datetime) -> int | None:
    """Return how many whole days are left; None while nobody knows."""
    return None if ends is None else max(0, (datetime.fromisoformat(ends) - now) // DAY)
