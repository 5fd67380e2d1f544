"""What goes wrong with the exchange itself: keys, halts, flags, delistings, prices, books, the clock, the port."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import singledispatch
from typing import TYPE_CHECKING, Protocol

from sandbox.exchange.orders import SATOSHI, floor_volume
from sandbox.faults.chance import moment_ms
from sandbox.faults.plan import Delisted, Flagged, Gap, Halted, Key, Refusing, Skewed, Spike, Thin, Webhook
from sandbox.faults.source import on_tick
from sandbox.market.feed import PublicTrade
from sandbox.wire import KST, to_ms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from sandbox.auth import TokenCheck
    from sandbox.discord import Discord
    from sandbox.exchange.desk import Exchange
    from sandbox.faults.plan import StateRule
    from sandbox.faults.source import FaultySource
    from sandbox.market.feed import Taker
    from sandbox.market.markets import Markets

    Undo = Callable[[], object]

WILD_NUMBER = 9_997  # the last digits of numbers that neither a source nor a fill gives


class Sleep(Protocol):
    """Waits in market time."""

    def __call__(self, delay_ms: int, *, at_least: float = 0.0) -> Awaitable[bool]:
        """Wait milliseconds of market time, and at least some loop seconds; false: the sandbox closes meanwhile."""


class SkewedClock:
    """The exchange's clock, which may be ahead of the real one or behind it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.real = clock
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        """Return what the exchange believes to be the time, UTC."""
        return self.real() + self.ahead if self.ahead else self.real()


@dataclass(frozen=True, slots=True, kw_only=True)
class FragileExchange:
    """The exchange that faults may change."""

    exchange: Exchange
    gate: TokenCheck
    markets: Markets
    source: FaultySource
    clock: SkewedClock
    later: Callable[[int, Callable[[], None]], None]  # after milliseconds of market time
    sleep: Sleep
    listen: Callable[[bool], None]  # whether somebody listens on the port
    discord: Discord
    announce: Callable[[str, str], None]  # a notice to all who listen for them: its title and its category

    def held(self) -> list[str]:
        """Return the markets of the coins the account holds, the most valuable first."""
        coins = {f"KRW-{name}": sum(parts) for name, parts in self.exchange.accounts.all().items() if any(parts)}
        listed = [market for market in coins if market in self.markets.listed]
        return sorted(listed, key=lambda market: -coins[market] * self.markets.ticker(market).price)

    def chosen(self, markets: Sequence[str]) -> list[str]:
        """Return the listed markets of some names; none named: all."""
        if not markets:
            return list(self.markets.listed)
        named = [*markets, *(self.held()[:1] if "held" in markets else ())]
        return [market for market in dict.fromkeys(named) if market in self.markets.listed]


@singledispatch
def apply(rule: StateRule, fragile: FragileExchange) -> Undo | None:
    """Make a rule true of an exchange, and return what makes it untrue again, if there is anything to undo."""
    raise NotImplementedError(f"{rule} in {fragile}")


@apply.register(Key)
def spoil_keys(rule: Key, fragile: FragileExchange) -> Undo:
    """Change every key."""
    gate, now = fragile.gate, fragile.clock()
    before = dict(gate.keys)
    for name, key in before.items():
        changed = key
        if rule.expired:
            changed = replace(changed, expires_at=now)
        if rule.ips is not None:
            changed = replace(changed, ips=frozenset(rule.ips))
        if rule.permissions is not None:
            changed = replace(changed, permissions=frozenset(rule.permissions))
        gate.keys[name] = changed
    if rule.deleted:
        gate.keys.clear()
    return lambda: gate.keys.update(before)


@apply.register(Halted)
def halt_some(rule: Halted, fragile: FragileExchange) -> Undo:
    """Let trading stand still in the markets of a rule."""
    return halt(fragile, fragile.chosen(rule.markets))


def halt(fragile: FragileExchange, markets: list[str]) -> Undo:
    """Let trading stand still: no trades, no orders."""
    new = set(markets) - fragile.exchange.halted
    fragile.exchange.halted |= new
    fragile.source.silent |= new

    def undo() -> None:
        fragile.exchange.halted -= new
        fragile.source.silent -= new

    return undo


@apply.register(Flagged)
def flag(rule: Flagged, fragile: FragileExchange) -> Undo:
    """Change the protection flags of markets."""
    before = [fragile.markets.listed[market] for market in fragile.chosen(rule.markets)]
    for listing in before:
        fragile.markets.relist(replace(listing, warning=rule.warning, caution=frozenset(rule.caution)))

    def undo() -> None:
        for listing in before:
            fragile.markets.relist(listing)

    return undo


@apply.register(Delisted)
def delist(rule: Delisted, fragile: FragileExchange) -> Undo:
    """Announce the end of markets now, end their trading later, and take them off the list after that."""
    markets = fragile.chosen(rule.markets)
    listings = [fragile.markets.listed[market] for market in markets]
    lasts = timedelta(minutes=rule.ends - rule.minutes[0])
    last_day = (fragile.clock() + lasts).astimezone(KST).date()
    undo = ExitStack()
    names = ", ".join(market.split("-", 1)[1] for market in markets)
    fragile.announce(f"{names} 거래지원 종료 안내 ({last_day:%Y-%m-%d})", "trade")
    for listing in listings:
        undo.callback(fragile.markets.relist, listing)
        fragile.markets.relist(replace(listing, delisting_date=last_day))

    def end() -> None:
        undo.callback(halt(fragile, markets))
        for listing in listings:
            fragile.markets.relist(replace(listing, delisting_date=last_day, state="DELISTED"))
        for order in list(fragile.exchange.open_orders()):
            if order.asked.market in markets and not order.cancelling:
                fragile.exchange.cancel(order)

    def vanish() -> None:
        for market in markets:
            fragile.markets.unlist(market)

    fragile.later(moment_ms(rule.ends - rule.minutes[0]), end)
    fragile.later(moment_ms(rule.gone - rule.minutes[0]), vanish)
    return undo.close


@apply.register(Gap)
def shift_prices(rule: Gap, fragile: FragileExchange) -> Undo:
    """Let prices jump, and jump back in the end."""
    markets = fragile.chosen(rule.markets)
    fragile.source.factors |= dict.fromkeys(markets, 1 + Decimal(repr(rule.percent)) / 100)
    return lambda: [fragile.source.factors.pop(market, None) for market in markets]


@apply.register(Spike)
def trade_wildly(rule: Spike, fragile: FragileExchange) -> None:
    """Let one trade happen in each market far away from its last price."""
    for market in fragile.chosen(rule.markets):
        last, at_ms = fragile.markets.ticker(market).price, to_ms(fragile.clock())
        price = on_tick(last * (1 + Decimal(repr(rule.percent)) / 100))
        volume = max(floor_volume(Decimal(repr(rule.krw)) / price), SATOSHI)
        taker: Taker = "BID" if price > last else "ASK"
        fragile.source.add(PublicTrade(market, price, volume, at_ms, taker, at_ms * 10_000 + WILD_NUMBER))


@apply.register(Thin)
def thin_out(rule: Thin, fragile: FragileExchange) -> Undo:
    """Leave little in the books."""
    markets = fragile.chosen(rule.markets)
    fragile.source.thin |= dict.fromkeys(markets, (rule.levels, Decimal(repr(rule.share))))
    return lambda: [fragile.source.thin.pop(market, None) for market in markets]


@apply.register(Skewed)
def skew(rule: Skewed, fragile: FragileExchange) -> Undo:
    """Put the exchange's clock ahead, or back."""
    fragile.clock.ahead = timedelta(seconds=rule.seconds)
    return lambda: setattr(fragile.clock, "ahead", timedelta())


@apply.register(Refusing)
def refuse_connections(_: Refusing, fragile: FragileExchange) -> Undo:
    """Let nobody in."""
    fragile.listen(False)
    return lambda: fragile.listen(True)


@apply.register(Webhook)
def close_webhook(rule: Webhook, fragile: FragileExchange) -> Undo:
    """Let the webhook take no message."""
    fragile.discord.state = rule.state
    return lambda: setattr(fragile.discord, "state", None)
