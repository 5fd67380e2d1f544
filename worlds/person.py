"""The owner of the account: moves money, trades and locks the coins the bot trades, cancels its orders, and resumes it.

What is the person's must stay the person's, and what the person takes of the bot's is written off and told, and never
bought back.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from journal import records
from journal.errors import JournalError
from sandbox.exchange.orders import floor_volume
from sandbox.market.ticks import tick_size
from sandbox.refusals import ApiError
from sandbox.wire import plain
from trader.repair import say_never
from trader.requests import ask
from worlds.judges.books import ZERO
from worlds.judges.names import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.exchange.desk import Exchange
    from sandbox.exchange.orders import Order
    from worlds.aim import Aim
    from worlds.machine import Machine
    from worlds.stage import Stage

EVERY_S = 600.0
AIMED = 0.3
"""Share of acts that come with an order of the bot."""
ACTS = ("moves_won", "deposits", "sells", "sells", "withdraws", "buys", "locks", "locks", "locks_won", "cancels")
FAR_ABOVE, FAR_BELOW = Decimal("1.3"), Decimal("0.7")
"""Where orders rest that only lock something, against the price."""
WORTH_SELLING = Decimal(6_000)
"""KRW: a little more than the least an order may be."""
WRITTEN_OFF_S = 200.0
"""Within this what was taken must be written off: it is looked for every minute, and believed when seen twice."""
STANDING = "SELECT 1 FROM halt WHERE ended_ms IS NULL"
USED_UP = """
SELECT DISTINCT intent.id FROM intent JOIN attempt USING (id)
WHERE intent.state = 'UNKNOWN' AND attempt.outcome = 'DuplicatedIdentifier'
ORDER BY intent.rowid
"""
TOLD_OF = "SELECT 1 FROM outbox WHERE kind = 'problem' AND instr(body, ?)"
IN_DOUBT = "SELECT 1 FROM intent WHERE market = ? AND state = 'UNKNOWN'"
HOLDING = "SELECT id, market FROM trade WHERE phase = 'holding' ORDER BY rowid"


class Person:
    """Acts on the exchange of a world now and then, and tells its checker."""

    def __init__(self, stage: Stage, aim: Aim, machine: Machine) -> None:
        self._stage = stage
        self._aim = aim
        self._machine = machine
        self._exchange = stage.box.exchange
        self._rng = random.Random(f"{stage.plan.seed} person")
        self._resting: list[Order] = []
        self._slower: Callable[[Order], int] = lambda _: 0
        self.stand_before(self._exchange)
        self._cancels = 0  # so many of the bot's next orders meet the book late, and are cancelled before

    # -- a life

    async def live(self) -> None:
        """Do something now and then, until cancelled."""
        while self._stage.plan.person:
            await asyncio.sleep(self._rng.expovariate(1 / EVERY_S))
            if self._rng.random() < AIMED:
                await self._aim.order_comes(self._rng)
            act = self._rng.choice(ACTS)
            try:
                told = getattr(self, act)()
            except ApiError as error:  # as for everybody: too little, or too small
                told = {"refused": error.name}
            if told is not None:
                self._tell(act, **told)

    def _tell(self, act: str, **facts: object) -> None:
        self._stage.befall("person_" + act, **facts)

    def calm(self) -> None:
        """Take back what rests, and cancel nothing more."""
        self._cancels = 0
        for order in self._resting:
            self._cancel(order)

    async def attend(self) -> None:
        """Resume after a while when trading stands still, and settle doubts that nobody else can, as one who looks."""
        stage = self._stage
        while True:
            await asyncio.sleep(60)
            lost = [identifier for identifier in self.lost() if self._told_of(identifier)]
            standing = stage.checker.books and stage.checker.books.rows(STANDING)
            if not lost and not standing:
                continue
            await asyncio.sleep(self._rng.uniform(60, 600) if stage.stormy else 1.0)
            for identifier in lost:
                self._machine.chores.append(partial(self._say_never, identifier))
            if lost:
                self._machine.kill("stop")
            elif standing:
                stage.story.tell("person", "resumes")
                stage.story.counts["resume"] += 1
                stage.checker.person_resumes()
                ask(self._machine.folder(), records.Order.RESUME)

    def lost(self) -> list[str]:
        """Return the doubtful orders whose names are used up, and that the exchange does not have.

        A refused order may use its name up; when its answer was lost, or was another daemon's, nobody but a person can
        say that it never was.
        """
        books = self._stage.checker.books
        used_up = [row["id"] for row in books.rows(USED_UP)] if books else []
        return [one for one in used_up if not self._exists(one) and one not in self._stage.box.late]

    def _told_of(self, identifier: str) -> bool:
        books = self._stage.checker.books
        return books is not None and bool(books.rows(TOLD_OF, identifier))

    def _exists(self, identifier: str) -> bool:
        try:
            self._exchange.find(None, identifier)
        except ApiError:
            return False
        return True

    async def _say_never(self, identifier: str) -> None:
        stage = self._stage
        try:
            await self._machine.in_shell(lambda: say_never(self._machine.config(), identifier, self._machine.clock))
        except JournalError as error:
            stage.story.tell("person", "told that it may be", identifier=identifier, why=error.en)
        else:
            stage.befall("person_says_never", identifier=identifier)

    # -- what a person does; None: nothing this time

    def moves_won(self) -> dict[str, object] | None:
        """Deposit or withdraw won."""
        amount = Decimal(self._rng.choice((-50_000, 30_000, 100_000)))
        if amount < 0 and self._free("KRW") < -amount:
            return None
        self._exchange.deposit("KRW", amount)
        return {"amount": str(amount)}

    def deposits(self) -> dict[str, object]:
        """Bring coins of a market that the bot may trade, worth about what it buys."""
        market = self._rng.choice(sorted(self._exchange.markets))
        volume = floor_volume(self._stage.plan.order_krw * Decimal(self._rng.choice((1, 3))) / self._price(market))
        self._exchange.deposit(market[4:], volume)
        return {"market": market, "volume": str(volume)}

    def sells(self) -> dict[str, object] | None:
        """Sell coins of a market in which the bot holds some: all that is free, or a part."""
        market = self._held()
        return None if market is None else self._sell(market, Decimal(self._rng.choice(("0.3", "0.8", "1", "1"))))

    def withdraws(self) -> dict[str, object] | None:
        """Move coins away of a market in which the bot holds some."""
        market = self._held()
        if market is None:
            return None
        volume = floor_volume(self._free(market[4:]) * Decimal(self._rng.choice(("0.5", "1"))))
        self._exchange.deposit(market[4:], -volume)
        self._stage.checker.owner_acted(market)
        return {"market": market, "volume": str(volume)}

    def buys(self) -> dict[str, object] | None:
        """Buy the same coins as the bot."""
        market = self._held()
        if market is None:
            return None
        self._exchange.place({"market": market, "side": "bid", "ord_type": "price", "price": "30000"})
        return {"market": market}

    def locks(self) -> dict[str, object] | None:
        """Lock coins, the bot's among them, in an offer far above the price, for a while."""
        market = self._held()
        if market is None:
            return None
        price = self._on_tick(self._price(market) * FAR_ABOVE)
        volume = floor_volume(self._free(market[4:]) * Decimal(self._rng.choice(("0.5", "1"))))
        return self._rest(market, "ask", price, volume)

    def locks_won(self) -> dict[str, object]:
        """Lock won in a bid far below the price, for a while."""
        market = self._rng.choice(sorted(self._exchange.markets))
        price = self._on_tick(self._price(market) * FAR_BELOW)
        return self._rest(market, "bid", price, floor_volume(self._free("KRW") * Decimal("0.9") / price))

    def cancels(self) -> dict[str, object]:
        """Cancel the next order of the bot before it has met the book."""
        self._cancels += 1
        return {}

    # -- how

    def _held(self) -> str | None:
        markets = [name for name in sorted(self._exchange.markets) if self._stage.checker.coins.left(name) > 0]
        return self._rng.choice(markets) if markets else None

    def _free(self, currency: str) -> Decimal:
        return self._exchange.accounts.of(currency)[0]

    def _price(self, market: str) -> Decimal:
        return self._stage.source.price(market, int(self._stage.clock().timestamp() * 1000))

    @staticmethod
    def _on_tick(price: Decimal) -> Decimal:
        step = tick_size(price)
        return price // step * step

    def _sell(self, market: str, share: Decimal) -> dict[str, object]:
        volume = floor_volume(self._free(market[4:]) * share)
        self._exchange.place({"market": market, "side": "ask", "ord_type": "market", "volume": plain(volume)})
        return {"market": market, "volume": str(volume)}

    def _rest(self, market: str, side: str, price: Decimal, volume: Decimal) -> dict[str, object]:
        body = {"market": market, "side": side, "ord_type": "limit", "price": plain(price), "volume": plain(volume)}
        order = self._exchange.place(body)
        self._resting.append(order)
        self._stage.loop.call_later(self._rng.uniform(60, 900), self._cancel, order)
        return {"market": market, "volume": str(volume)}

    def _cancel(self, order: Order) -> None:
        if order.open and not order.cancelling:
            self._exchange.cancel(order)

    def stand_before(self, exchange: Exchange) -> None:
        """Be asked first how late an order meets the book; again after somebody else has put himself there."""
        self._slower = exchange.delay_ms
        exchange.delay_ms = self._delay_ms

    def _delay_ms(self, order: Order) -> int:
        """Let an order that will be cancelled meet the book late enough for it."""
        if not self._cancels or not is_ours(order) or order.asked.ord_type == "limit":
            return self._slower(order)
        self._cancels -= 1
        delay_ms = self._rng.randrange(200, 3000)
        self._stage.loop.call_later(self._rng.random() * delay_ms / 1000, self._cancel_of_bot, order)
        return delay_ms

    def _cancel_of_bot(self, order: Order) -> None:
        self._stage.befall("person_cancelled", identifier=order.asked.identifier)
        self._cancel(order)

    # -- when nothing else goes wrong

    async def take_and_watch(self) -> None:
        """B1: sell all the owner's and some or all of the bot's coins: exactly that is written off, and told."""
        books, checker = self._stage.checker.books, self._stage.checker
        assert books is not None
        held = [row for row in books.rows(HOLDING) if self._is_quiet(row["market"])]
        if not self._stage.plan.person or not held:
            return
        trade, market = held[0]["id"], held[0]["market"]
        before, ours = books.taken(market), checker.believed(market)
        half = floor_volume(ours / 2)
        keeps = half if half * self._price(market) > WORTH_SELLING else ZERO
        free = self._free(market[4:])
        told = self._sell(market, (free - keeps) / free)
        await asyncio.sleep(1)
        short = max(ours - sum(self._exchange.accounts.of(market[4:])), ZERO)
        self._tell("sells_in_peace", **told, short=str(short))
        life = self._machine.generation
        await asyncio.sleep(WRITTEN_OFF_S)
        if self._machine.generation != life or books.rows(IN_DOUBT, market):
            return
        if books.taken(market) - before != short:
            found = str(books.taken(market) - before)
            self._stage.story.breach("B1 what the owner took is not written off", market=market, found=found)
        if short and not books.rows("SELECT 1 FROM outbox WHERE key LIKE ?", f"%taken:{trade}:%"):
            self._stage.story.breach("B1 what the owner took is not told", market=market)

    def _is_quiet(self, market: str) -> bool:
        ours, (free, locked) = self._stage.checker.believed(market), self._exchange.accounts.of(market[4:])
        return not locked and free >= ours and free * self._price(market) > WORTH_SELLING
