"""The simulation is worth its time: broken rules are each caught by a seed, and the real ones by none.

A rule is broken by replacing functions of the daemon inside the process of one world; production code knows nothing of
it. The same seeds with nothing replaced are the control.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest

from journal.journal import Journal
from journal.records import EDGES, IntentState
from sandbox.faults.plan_file import ready_plans
from trader.candles import series
from trader.orders import drive, protocol, tracking
from trader.orders.protocol import Step
from upbit.models import NewOrder
from upbit.rest import Upbit
from worlds.lies.sandbox import LieRates
from worlds.phases import run_world
from worlds.plan import WorldOutcome, draw_plan
from worlds.pool import map_forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from journal.records import Intent
    from state import Balance
    from trader.app import App
    from trader.orders.evidence import Looks, Persistence
    from upbit.models import Fence, Order
    from worlds.world import World

SEEDS = range(1, 25)
HOURS = 0.9
RATES = LieRates(late=0.12, lost_answer=0.08, html_after=0.06, never=0.08, refused=0.03, lag=0.3, partial=0.3)


def replaced(target: str, new: object) -> None:
    """Replace something until the process of this world ends."""
    mock.patch(target, new).start()


def force(journal: Journal, identifier: str, state: IntentState) -> None:
    """Take an order along an edge that does not exist."""
    with mock.patch.dict(EDGES, dict.fromkeys(IntentState, frozenset(IntentState))), journal._transaction():
        journal._move(identifier, state)


def post_before_journal() -> None:
    """The attempt is written down after the answer."""
    began: dict[str, tuple[Any, ...]] = {}
    begin = Journal.begin_attempt
    end: Callable[..., None] = Journal.end_attempt

    def remember(_: Journal, identifier: str, *rest: object) -> None:
        began[identifier] = rest

    def write_both(self: Journal, identifier: str, *rest: object, **named: object) -> None:
        if identifier in began:
            begin(self, identifier, *began.pop(identifier))
        end(self, identifier, *rest, **named)

    replaced("journal.journal.Journal.begin_attempt", remember)
    replaced("journal.journal.Journal.end_attempt", write_both)


def new_identifier_after_a_doubt() -> None:
    """What is sent again is sent under another name."""
    sent: set[str] = set()
    place = Upbit.place

    async def rename(self: Upbit, order: NewOrder | Fence, *, until: datetime | None) -> Order:
        if isinstance(order, NewOrder) and order.identifier in sent:
            name, _, number = order.identifier.rpartition("-")
            order = msgspec.structs.replace(order, identifier=f"{name}-{int(number) + 1}")
        sent.add(order.identifier)
        return await place(self, order, until=until)

    replaced("upbit.rest.Upbit.place", rename)


def not_found_five_times_is_rejected() -> None:
    """A doubt ends by counting."""

    async def count(app: App, intent: Intent, missed: int) -> bool:
        if missed >= 5:
            force(app.journal, intent.identifier, IntentState.REJECTED)
        return missed >= 5

    replaced("trader.orders.drive.take_step", count)


def the_fence_is_skipped() -> None:
    """Where the fence would be sent, the order counts as fenced."""
    real = drive.take_step

    async def expire(app: App, intent: Intent, missed: int) -> bool:
        wanted = drive.why_not(app, intent) is None
        if missed >= protocol.LOOKS_BEFORE_SENDING and not wanted:
            force(app.journal, intent.identifier, IntentState.FENCED)
            return True
        return await real(app, intent, missed)

    def never(doubt: protocol.Doubt) -> Step:
        return Step.SEND if doubt.missed >= protocol.LOOKS_BEFORE_SENDING and doubt.wanted else Step.LOOK

    replaced("trader.orders.drive.take_step", expire)
    replaced("trader.orders.protocol.next_step", never)


def fills_are_counted_by_state() -> None:
    """An order that ended as `cancel` bought nothing."""
    real = tracking.write_progress

    async def by_state(app: App, intent: Intent, order: Order, looks: Looks, strangers: Persistence) -> bool:
        if order.state == "cancel":
            app.journal.finish(intent.identifier)
            return True
        return await real(app, intent, order, looks, strangers)

    replaced("trader.orders.tracking.write_progress", by_state)


def the_whole_wallet_is_sold() -> None:
    """Whatever is free in the account is taken for ours."""

    def everything(ours: Decimal, wallet: Balance | None, _: object) -> Decimal:
        return ours if wallet is None else max(ours, wallet.available)

    replaced("trader.orders.risk.sellable", everything)


def resumes_without_asking() -> None:
    """At a start what was under way counts as not placed, and nothing is compared."""

    def forget(journal: Journal, intent: Intent) -> None:
        force(journal, intent.identifier, IntentState.REJECTED)

    async def trust(app: App) -> None:
        app.comparison.finished, app.comparison.began_s = True, asyncio.get_running_loop().time()

    replaced("trader.restore.settle_intent", forget)
    replaced("trader.books.reconcile.reconcile", trust)


MUTANTS = (
    post_before_journal,
    new_identifier_after_a_doubt,
    not_found_five_times_is_rejected,
    the_fence_is_skipped,
    fills_are_counted_by_state,
    the_whole_wallet_is_sold,
    resumes_without_asking,
)


def what_is_taken_is_kept() -> None:
    """Balances are never compared."""

    async def trust(_: object) -> None:
        """Do nothing."""

    replaced("trader.books.reconcile.compare_balances", trust)


def one_look_is_believed() -> None:
    """What the account does not show is written off at once, if another source does not show it either."""
    replaced("trader.books.balances.surely_gone", lambda short, _: max(short, Decimal(0)))


def one_source_is_believed() -> None:
    """What two looks at the account do not show is written off, and nobody asks whether it is there."""

    async def nothing_is_there(_: object, __: object, ours: Decimal) -> Decimal:
        return ours

    replaced("trader.books.balances.surely_missing", nothing_is_there)


def a_folder_has_no_lock() -> None:
    """Every daemon takes the folder for its own."""
    replaced("journal.store.take_lock", lambda folder: os.open(folder / "nothing", os.O_RDWR | os.O_CREAT, 0o600))


def a_candle_counts_before_it_ends() -> None:
    """The one that is forming decides, and nobody waits for its end."""
    real = series.last_close

    async def go_on(_: object, __: object) -> None:
        """Do nothing."""

    replaced("trader.indicators.last_close", lambda now, unit: real(now, unit) + unit)
    replaced("trader.indicators.until_closed", go_on)


def nobody_minds_another_daemon() -> None:
    """Orders that were never sent from here are written down like any other."""
    replaced("trader.books.discovery.halt_buys_on_unknown", lambda *_: None)
    replaced("trader.orders.drive.halt_buys_beside_another", lambda *_: None)


def a_wrong_clock_is_trusted() -> None:
    """Nothing is forgotten when the clock jumps, and nobody asks the exchange for the time."""

    async def go_on(_: object, __: object) -> None:
        """Do nothing."""

    replaced("trader.guards.host.start_over", go_on)
    replaced("trader.guards.host.judge_skew", lambda *_, **__: False)


def what_cannot_be_written_is_done_all_the_same() -> None:
    """A write that the disk refuses counts as written."""

    @contextlib.contextmanager
    def pretend(journal: Journal) -> Iterator[None]:
        with contextlib.suppress(sqlite3.OperationalError):
            if not journal._db.in_transaction:
                journal._db.execute("BEGIN IMMEDIATE")
            yield
            journal._db.execute("COMMIT")

    replaced("journal.store.Store._transaction", pretend)


MISSTEPS = (
    (what_is_taken_is_kept, "B1", ()),
    (one_look_is_believed, "I20", ("hidden-coins",)),
    (one_source_is_believed, "I20", ("hidden-coins",)),
    (a_folder_has_no_lock, "F3", ("second_here",)),
    (a_candle_counts_before_it_ends, "I15", ()),
    (nobody_minds_another_daemon, "F4", ("other_machine",)),
    (a_wrong_clock_is_trusted, "I15", ("clock_jumps",)),
    (what_cannot_be_written_is_done_all_the_same, "I2", ("disk_full",)),
)
"""Broken rules beside the seven, the promise that accuses them, and the disasters or fault plans it takes."""


def broken_beside_orders(mutate: Callable[[], None], befalls: tuple[str, ...], seeds: tuple[int, ...]) -> list[str]:
    """Return the promises broken in worlds in which some disasters, or fault plans of the sandbox, come often.

    Little else goes wrong in them.
    """
    plans = tuple(name for name in befalls if name in ready_plans())
    disasters = ("fault_plan",) if plans else befalls

    def work(seed: int) -> bytes:
        plan = replace(draw_plan(seed, HOURS), harshness=0.2, kills_an_hour=0.0, markets=4)
        plan = replace(plan, disasters=disasters, fault_plans=plans)

        def prepare(_: World) -> None:
            replaced("worlds.disasters.AN_HOUR", 20.0)
            replaced("worlds.person.EVERY_S", 120.0)
            mutate()

        with tempfile.TemporaryDirectory() as folder:
            return msgspec.json.encode(run_world(plan, Path(folder), prepare)[0])

    worlds = sorted(map_forked(seeds, work, workers=2))
    return [one for _, content in worlds for one in msgspec.json.decode(content, type=WorldOutcome).broken]


@pytest.mark.slow
@pytest.mark.parametrize(("mutate", "rule", "befalls"), MISSTEPS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_rule_beside_orders_is_caught(mutate: Callable[[], None], rule: str, befalls: tuple[str, ...]) -> None:
    """The promise about it is the one that is broken, in one of a few worlds."""
    found: list[str] = []
    for pair in ((1, 2), (3, 4)):
        found += broken_beside_orders(mutate, befalls, pair)
        if any(one.startswith(rule + " ") for one in found):
            return
    pytest.fail(f"only {sorted({one.split(':')[0] for one in found})}")


@pytest.mark.slow
@pytest.mark.parametrize("befalls", sorted({befalls for _, _, befalls in MISSTEPS}), ids=str)
def test_the_real_rules_keep_every_promise_among_the_same_disasters(befalls: tuple[str, ...]) -> None:
    """The control: what catches a broken rule accuses nobody else, in any of the same worlds."""
    assert broken_beside_orders(lambda: None, befalls, (1, 2, 3, 4)) == []


def first_caught(mutate: Callable[[], None], seeds: range) -> tuple[int, str] | None:
    """Return the first seed whose world breaks a promise under a mutant, and which; None when all are kept."""

    def work(seed: int) -> bytes:
        plan = replace(draw_plan(seed, HOURS), harshness=0.5, kills_an_hour=10.0, markets=4)

        def prepare(world: World) -> None:
            world.box.rates = RATES
            mutate()

        with tempfile.TemporaryDirectory() as folder:
            return msgspec.json.encode(run_world(plan, Path(folder), prepare)[0])

    for pair in zip(seeds[::2], seeds[1::2], strict=True):
        for seed, content in sorted(map_forked(pair, work, workers=2)):
            outcome = msgspec.json.decode(content, type=WorldOutcome)
            if outcome.broken:
                return seed, outcome.broken[0]
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTANTS, ids=lambda mutate: mutate.__name__)
def test_a_broken_order_rule_is_caught_by_a_seed(mutate: Callable[[], None]) -> None:
    """At least one of the seeds sees it."""
    caught = first_caught(mutate, SEEDS)
    assert caught is not None
    print(f"{mutate.__name__}: seed {caught[0]}: {caught[1]}")  # noqa: T201 - shown by pytest -rP


@pytest.mark.slow
def test_the_real_rules_keep_every_promise_on_the_same_seeds() -> None:
    """The control: what catches the mutants accuses nobody else."""
    assert first_caught(lambda: None, SEEDS) is None
