"""Rows of the database and the records they stand for."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from journal.records import (
    ZERO,
    Attempt,
    Command,
    Ends,
    Fill,
    Flow,
    Halt,
    Intent,
    IntentState,
    Level,
    Note,
    Order,
    Phase,
    Trade,
)
from upbit.models import Side

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_ms(moment: datetime) -> int:
    """Return epoch milliseconds, exactly."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def to_ms(moment: datetime | None) -> int | None:
    """Return epoch milliseconds, None for none."""
    return None if moment is None else as_ms(moment)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC time of epoch milliseconds."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def maybe_ms(milliseconds: int | None) -> datetime | None:
    """Return the UTC time of epoch milliseconds, None for none."""
    return None if milliseconds is None else from_ms(milliseconds)


def money(text: str | None) -> Decimal | None:
    """Return the amount a text stands for, None for none."""
    return None if text is None else Decimal(text)


def to_text(amount: Decimal | None) -> str | None:
    """Return an amount as plain text, without an exponent."""
    return None if amount is None else format(amount, "f")


def canonical(data: object) -> str:
    """Return JSON that is equal for equal data. A number that JSON cannot say, such as NaN, becomes text."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def chain(previous: bytes, at_ms: int, kind: str, ref: str, data: str) -> bytes:
    """Return the hash of an event, which also covers every event before it."""
    text = f"{at_ms}|{kind}|{ref}|{data}"
    return hashlib.sha256(previous + text.encode()).digest()


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add Decimals; zero for none."""
    return sum(amounts, ZERO)


def to_intent(row: sqlite3.Row) -> Intent:
    """Read an order."""
    return Intent(
        identifier=row["id"],
        decision_key=row["decision_key"],
        n=row["n"],
        trade_id=row["trade_id"],
        market=row["market"],
        side=Side(row["side"]),
        request=row["request"],
        decided_at=from_ms(row["decided_ms"]),
        deadline=maybe_ms(row["deadline_ms"]),
        state=IntentState(row["state"]),
        uuid=row["uuid"],
        paid_fee=Decimal(row["paid_fee"]),
    )


def paid_for_buy(row: sqlite3.Row, funds: Decimal | None) -> tuple[Decimal, Decimal]:
    """Return what a buy of which `funds` were executed has cost, KRW, and what it may yet: the rest, until it is over.

    `funds` is None when no fill is known. A first partial fill says nothing about those that follow.
    """
    paid = (funds or ZERO) + Decimal(row["paid_fee"])
    if IntentState(row["state"]) in IntentState.live():
        return paid, max(Decimal(row["total"] or 0) - paid, ZERO)
    return paid, ZERO


def to_attempt(row: sqlite3.Row) -> Attempt:
    """Read an attempt."""
    state = None if row["state"] is None else IntentState(row["state"])
    return Attempt(
        number=row["k"], kind=row["kind"], began_at=from_ms(row["begun_ms"]), state=state, outcome=row["outcome"]
    )


def to_fill(row: sqlite3.Row) -> Fill:
    """Read a fill."""
    return Fill(
        uuid=row["trade_uuid"],
        identifier=row["id"],
        price=Decimal(row["price"]),
        volume=Decimal(row["volume"]),
        funds=Decimal(row["funds"]),
        at=from_ms(row["at_ms"]),
    )


def to_flow(row: sqlite3.Row) -> Flow:
    """Read what moved without an order; a reader may look at the file of a version that did not keep its worth."""
    krw = money(row["krw"]) if "krw" in row.keys() else None  # noqa: SIM118 - a row is no mapping
    return Flow(volume=Decimal(row["volume"]), krw=krw, why=row["why"])


def to_note(row: sqlite3.Row) -> Note:
    """Read a message; a reader may look at the file of a version without cards."""
    card = row["card"] if "card" in row.keys() else None  # noqa: SIM118 - a row is no mapping
    return Note(key=row["key"], kind=row["kind"], body=json.loads(row["body"]), card=card)


def to_command(row: sqlite3.Row) -> Command:
    """Read a command."""
    return Command(
        id=row["id"],
        name=Order(row["name"]),
        by=row["by"],
        asked_at=from_ms(row["asked_ms"]),
        codes=tuple(json.loads(row["codes"])),
        outcome=row["outcome"],
    )


def to_halt(row: sqlite3.Row) -> Halt:
    """Read why trading stands still."""
    return Halt(
        code=row["code"],
        level=Level(row["level"]),
        ends=Ends(row["ends"]),
        ko=row["ko"],
        en=row["en"],
        since=from_ms(row["since_ms"]),
        evidence=json.loads(row["evidence"]),
    )


def to_trade(row: sqlite3.Row, intents: list[Intent], fills: list[Fill], flows: list[Flow]) -> Trade:
    """Read a trade and add up its fills and flows."""
    side_of = {intent.identifier: intent.side for intent in intents}
    by_side: dict[str, list[Fill]] = {"bid": [], "ask": []}
    for fill in fills:
        by_side[side_of[fill.identifier]].append(fill)
    fees = {side: total(intent.paid_fee for intent in intents if intent.side == side) for side in ("bid", "ask")}
    bought, cost = total(fill.volume for fill in by_side["bid"]), total(fill.funds for fill in by_side["bid"])
    received = total(fill.funds for fill in by_side["ask"])
    return Trade(
        id=row["id"],
        market=row["market"],
        strategy=row["strategy"],
        unit=timedelta(seconds=row["unit_s"]),
        phase=Phase(row["phase"]),
        decided_at=from_ms(row["decided_ms"]),
        opened_at=maybe_ms(row["opened_ms"]),
        closed_at=maybe_ms(row["closed_ms"]),
        entry_reason=json.loads(row["entry_reason"]),
        exit_reason=maybe_json(row["exit_reason"]),
        stop_distance=money(row["stop_distance"]),
        stop_price=money(row["stop_price"]),
        highest_price=money(row["highest_price"]),
        dust=Decimal(row["dust"]),
        moved=total(flow.volume for flow in flows),
        bought=bought,
        sold=total(fill.volume for fill in by_side["ask"]),
        bought_krw=cost,
        sold_krw=received,
        cost_krw=cost + fees["bid"],
        proceeds_krw=received - fees["ask"],
        fees_krw=fees["bid"] + fees["ask"],
        taken_krw=-total(worth_of(flow, cost + fees["bid"], bought) for flow in flows if flow.why == "taken"),
    )


def worth_of(flow: Flow, cost: Decimal, bought: Decimal) -> Decimal:
    """Return what moved coins were worth, KRW; what they cost where nobody knew."""
    if flow.krw is not None:
        return flow.krw
    return flow.volume * cost / bought if bought else ZERO


def maybe_json(text: str | None) -> Any:
    """Return what a JSON text says, None for none."""
    return None if text is None else json.loads(text)
