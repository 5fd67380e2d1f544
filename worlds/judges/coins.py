"""Whose coins are in the account: what the bot's fills have brought, and what its owner has taken of that since.

Known from the exchange, to which everything happens that happens to coins, and not from the journal under judgement.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from worlds.judges.books import SIGNS, ZERO

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sandbox.exchange.orders import Fill, Order

NOTICED_S = 200.0
"""What is missing for so long, while answers are true, must be known: it is looked for every minute, and seen twice."""


class Away(NamedTuple):
    """What the owner took of the bot's coins of a market, and what he had of his own before."""

    volume: Decimal
    beside: Decimal


class Coins:
    """The bot's coins in the account, by market. `held` says what the account has of a currency, free and locked.

    `ever_taken` is all that the owner took; `taken` what of it is away: who brings back all that was there, to the last
    digit, cannot be told from somebody who never took it, and what the bot then sells had not been taken.
    """

    def __init__(self, held: Callable[[str], Decimal]) -> None:
        self._held = held
        self._brought: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self._was_held: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # when something happened last
        self._away: dict[str, Away] = {}
        self.ever_taken: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.taken: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.noticeable: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)  # of these, what nobody can overlook
        self._missing: dict[str, tuple[float, Decimal]] = {}  # since when the account lacks how much at least

    def on_our_fill(self, order: Order, fill: Fill) -> None:
        """Take notice of a fill of the bot's."""
        self._brought[order.asked.market] += SIGNS[order.asked.side] * fill.volume
        self._was_held[order.asked.market] = self._held(order.asked.market[4:])

    def on_owner(self, market: str) -> None:
        """Take notice that the owner sold or moved coins: where the account has fewer than the bot's, they are gone."""
        held, left = self._held(market[4:]), self.left(market)
        away = self._away.get(market)
        if held < left:
            before = away or Away(ZERO, max(self._was_held[market] - left, ZERO))
            self._away[market] = Away(before.volume + left - held, before.beside)
            self.taken[market] += left - held
            self.ever_taken[market] += left - held
        elif away is not None and held == away.beside + left + away.volume:
            self._give_back(market, away.volume)
            del self._away[market]
        self._was_held[market] = held

    def settle(self, market: str) -> None:
        """Take notice that a sale of the bot has been judged: what it sold is not away."""
        if (over := -self.left(market)) > 0:
            self._give_back(market, over)

    def _give_back(self, market: str, volume: Decimal) -> None:
        self.taken[market] -= volume
        self.noticeable[market] = min(self.noticeable[market], self.taken[market])

    def position(self, market: str) -> Decimal:
        """Return what all fills of the bot came to."""
        return self._brought[market]

    def left(self, market: str) -> Decimal:
        """Return what is left of that."""
        return self._brought[market] - self.taken[market]

    def forget(self) -> None:
        """Take notice that a journal is lost: what was noticed stood nowhere else."""
        self.noticeable.clear()
        self._missing.clear()

    def look(self, now_s: float, true_since: float | None) -> None:
        """See what is missing long enough to be noticed: what is brought back before is nobody's fault."""
        for market in self.taken:
            short = self._brought[market] - self.noticeable[market] - self._held(market[4:])
            if short <= 0 or true_since is None:
                self._missing.pop(market, None)
                continue
            since, least = self._missing.get(market, (now_s, short))
            since, least = max(since, true_since), min(least, short)
            self._missing[market] = since, least
            if now_s - since >= NOTICED_S:
                self.noticeable[market] += least
                del self._missing[market]
