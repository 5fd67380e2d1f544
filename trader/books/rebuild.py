"""Rebuild a lost journal from the exchange alone: every order whose identifier is ours, oldest first, with its fills.

What the exchange does not know cannot come back: why a trade was begun or ended, its stop (computed anew by the running
daemon), the highest price since its entry, messages and verdicts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING

from failure import Failure
from strategy.portfolio import MIN_TOTAL
from trader.books.adoption import adopted_intent, created_at, trade_for
from trader.books.discovery import AHEAD, says_the_same
from trader.books.holdings import held_of, read_accounts, surely_missing
from trader.books.owner import check_account
from trader.loops import pause
from trader.orders import names
from upbit.errors import MarketUnavailable, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from journal.records import Trade
    from trader.app import App
    from upbit.models import Order
    from upbit.rest import Upbit

FIRST = datetime(2024, 10, 18, tzinfo=UTC)
"""Upbit keeps the identifiers of orders created since."""
LOOK_AGAIN_S = 1.0

log = logging.getLogger("trader.rebuild")


class UnclearAccountError(Failure):
    """Orders of several bots are on this account, and none of the keys in use."""

    def __init__(self, accounts: Sequence[str]) -> None:
        several = ", ".join(accounts)
        super().__init__(
            f"이 계정에는 여러 봇의 주문이 있습니다({several}). --account 로 하나를 고르세요.",
            f"There are orders of several bots on this account ({several}). Choose one with --account.",
        )


@dataclass(slots=True)
class Rebuilt:
    """What came back."""

    orders: int = 0
    account: str = ""
    held: list[Trade] = field(default_factory=list)
    gone: dict[str, Decimal] = field(default_factory=dict)  # market: units that are not in the account any more


async def rebuild(app: App, account: str | None = None) -> Rebuilt:
    """Fill the empty journal of `app` with what the exchange knows.

    Args:
        app: with a new journal.
        account: four characters that stand for the bot in its identifiers; None: those of the keys in use, or of the
            only bot there is.

    Raises:
        UnclearAccountError: when nobody can say whose orders to take.
        ExchangeError: when the exchange does not answer; nothing is half done, the journal is thrown away.
    """
    now = app.clock()
    shown = await all_orders(app, now)
    app.account = choose_account(app, shown, account)
    await check_account(app)
    rebuilt = Rebuilt(account=app.account)
    for order in sorted(shown, key=lambda order: (created_at(order) or now, order.uuid)):
        name = names.read_name(order.identifier, names.prefix_of(app.bot))
        if name is not None and names.fits(name, order.market, order.side) and order.executed_volume:
            put(app, await whole(app.upbit, order), name)
            rebuilt.orders += 1
    await write_off(app, rebuilt)
    app.journal.note_import(now)
    rebuilt.held = app.journal.open_trades()
    return rebuilt


async def all_orders(app: App, now: datetime) -> list[Order]:
    """Return every order of any bot of ours that has ended, once two lists in a row show the same ones."""
    before: set[str] | None = None
    while True:
        listed = await app.upbit.closed_orders(start=FIRST, end=now + AHEAD, prefix=names.family_of(app.mode))
        shown = [*listed, *await readable(app.upbit, listed.dropped)]
        found = {order.uuid for order in shown}
        if found == before:
            return shown
        before = found
        await pause(LOOK_AGAIN_S)


async def readable(upbit: Upbit, identifiers: Iterable[str]) -> list[Order]:
    """Return those orders that can be read by themselves, although the list shows them in a way nobody can read."""
    found: list[Order] = []
    for identifier in sorted(identifiers):
        try:
            found.append(await upbit.order(identifier=identifier))
        except OutcomeUnknown as error:
            if error.status != HTTPStatus.OK:
                raise
            log.warning("order left out identifier=%s error=%s", identifier, error)
    return found


async def whole(upbit: Upbit, shown: Order) -> Order:
    """Return an order that has ended with all of its fills, and as the list tells it: it may be shown late."""
    while True:
        order = await upbit.order(uuid=shown.uuid)
        if order.is_final and says_the_same(order, shown):
            return order
        await pause(LOOK_AGAIN_S)


def choose_account(app: App, shown: Sequence[Order], wished: str | None) -> str:
    """Return which bot's orders are ours."""
    found = {bot for order in shown if order.identifier and (bot := names.bot_in(order.identifier, app.mode))}
    if wished is not None or app.account in found or not found:
        return wished or app.account
    if len(found) > 1:
        raise UnclearAccountError(sorted(found))
    return found.pop()


def put(app: App, order: Order, name: names.Name) -> None:
    """Write one order down under its trade."""
    trade = trade_for(app, order, name)
    app.journal.adopt(trade, adopted_intent(app.clock, trade, order, name), order.fills, order.paid_fee, [])


async def write_off(app: App, rebuilt: Rebuilt) -> None:
    """End what is dust by now, and take out what is not in the account any more."""
    accounts = await read_accounts(app.upbit)
    for trade in app.journal.open_trades():
        bid = await best_bid(app.upbit, trade.market)
        held = held_of(accounts, trade.market)
        gone = Decimal(0) if held is None else trade.volume - held
        if gone > 0:
            gone = min(gone, await surely_missing(app, trade.market, trade.volume))
        if gone > 0:
            app.journal.take_out(trade.id, gone, price=bid)
            rebuilt.gone[trade.market] = gone
        left = app.journal.position_volume(trade.id)
        is_dust = bool(trade.sold) and bid is not None and left * bid < MIN_TOTAL
        if is_dust or not left:
            app.journal.close_trade(trade.id, closed_at=app.clock(), dust=left)


async def best_bid(upbit: Upbit, market: str) -> Decimal | None:
    """Return the best bid of a market, KRW; None where nobody bids, also because it is listed no more.

    Raises:
        ExchangeError: when the exchange does not answer.
    """
    try:
        (book,) = await upbit.books([market])
    except MarketUnavailable:
        return None
    except OutcomeUnknown as error:
        if error.status != HTTPStatus.OK:
            raise
        return None
    return book.levels[0].bid_price
