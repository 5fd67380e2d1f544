"""The person behind the account: moves money, trades the coins the bot trades, and locks them in orders."""

from __future__ import annotations

import logging
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.exchange.ledger import ZERO, LedgerError
from sandbox.exchange.orders import floor_volume
from sandbox.faults.source import on_tick
from sandbox.refusals import ApiError
from sandbox.wire import EXACT, plain

if TYPE_CHECKING:
    from sandbox.exchange.orders import Order
    from sandbox.faults.exchange_faults import FragileExchange
    from sandbox.faults.order_faults import OrderFaults
    from sandbox.faults.plan import User

logger = logging.getLogger(__name__)

FAR_ABOVE, FAR_BELOW = Decimal(3), Decimal("0.3")  # where orders rest that only lock something, against the price


class AccountOwner:
    """Acts on the account as its owner, and remembers what that did to the balances."""

    def __init__(self, fragile: FragileExchange, faults: OrderFaults) -> None:
        self._fragile = fragile
        self._faults = faults  # of orders; the person's own are spared
        self._moved: Counter[str] = Counter()
        self._orders: list[Order] = []
        self.refused: list[str] = []  # what the exchange did not let the person do

    def act(self, rule: User, market: str | None) -> None:
        """Do what a rule says, with won or with the coin of a market."""
        try:
            self._act(rule, market)
        except (ApiError, LedgerError) as error:
            self.refused.append(f"{rule.act} {market or 'KRW'}: {error}")
            logger.warning("The person could not act=%s market=%s error=%s", rule.act, market, error)

    def flows(self) -> dict[str, Decimal]:
        """Return what the person's doings changed of each currency, to the last decimal."""
        found = {name: Decimal(amount) for name, amount in self._moved.items()}
        for order in self._orders:
            quote, base = order.asked.market.split("-", 1)
            sign = 1 if order.asked.side == "bid" else -1
            add(found, base, order.executed_volume * sign)
            add(found, quote, EXACT.subtract(-sign * order.executed_funds, order.paid_fee))
        return {name: amount for name, amount in found.items() if amount}

    def _act(self, rule: User, market: str | None) -> None:
        currency = market.split("-", 1)[1] if market else "KRW"
        amount = self._amount(rule, "KRW" if rule.act == "buy" else currency)
        match rule.act:
            case "deposit" | "withdraw":
                signed = amount if rule.act == "deposit" else -amount
                self._fragile.exchange.deposit(currency, signed)
                self._moved[currency] += signed  # type: ignore[assignment]  # a Counter counts Decimals as well
            case "buy":
                self._place(market, side="bid", ord_type="price", price=plain(amount))
            case "sell":
                self._place(market, side="ask", ord_type="market", volume=plain(amount))
            case "lock":
                self._lock(market, amount)
            case "unlock":
                for order in self._orders:
                    if order.open and not order.cancelling:
                        self._fragile.exchange.cancel(order)

    def _amount(self, rule: User, currency: str) -> Decimal:
        if rule.amount is not None:
            return floor_volume(Decimal(repr(rule.amount)))
        free, _ = self._fragile.exchange.accounts.of(currency)
        return floor_volume(free * Decimal(repr(rule.share or 0)))

    def _lock(self, market: str | None, amount: Decimal) -> None:
        """Put coins into an offer far above the price, or won into a bid far below it."""
        if market is not None:
            price = on_tick(self._fragile.markets.ticker(market).price * FAR_ABOVE)
            self._place(market, side="ask", ord_type="limit", price=plain(price), volume=plain(amount))
            return
        market = next(iter(self._fragile.markets.listed))
        price = on_tick(self._fragile.markets.ticker(market).price * FAR_BELOW)
        volume = floor_volume(amount / price * Decimal("0.999"))  # the fee is locked too
        self._place(market, side="bid", ord_type="limit", price=plain(price), volume=plain(volume))

    def _place(self, market: str | None, **body: str) -> None:
        with self._faults.sparing():
            placed = self._fragile.exchange.place({"market": market, **body})
        self._faults.spared.add(placed.uuid)
        self._orders.append(placed)


def add(amounts: dict[str, Decimal], name: str, amount: Decimal) -> None:
    """Add to one of some amounts, exactly."""
    amounts[name] = EXACT.add(amounts.get(name, ZERO), amount)
