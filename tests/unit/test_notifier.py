"""Messages: what they say, and that each reaches Discord once, in order, in its own time."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from journal.records import Ends, Halt, Level, Note
from notifier.answers import Delivery
from notifier.cards import Room
from notifier.discord import Discord
from notifier.messages import Messages
from notifier.watchers import WATCHERS, sentence
from simulation.loop import PacedLoop
from tests.helpers.told import DIGEST, FILLS, NOW, PAGE, TRADE, document, standing
from trader.health import LIMITS_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from journal.journal import Journal


def text_of(note: Note) -> str:
    """Return everything a message shows."""
    return json.dumps(note.body, ensure_ascii=False)


def test_every_message_says_word_for_word_what_was_read() -> None:
    """Each form of each message, its numbers, colour, key and card, in both languages; `make docs` writes it anew."""
    assert document() == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("language", "words"), [("ko", ["매수", "리플", "조용한 상승", "손절가"]), ("en", ["Bought", "Stop"])]
)
def test_a_buy_tells_market_price_amount_fee_reason_stop_and_mode(language: str, words: list[str]) -> None:
    """Everything a person wants to know, in one language."""
    note = Messages(language=language, mode="sandbox").bought(
        TRADE, name="리플", fills=FILLS, fee=Decimal(15), stop_price=Decimal(2900), at=NOW,
        room=Room(taken=3, places=5, free_krw=Decimal(970_000)),
    )  # fmt: skip
    shown = text_of(note)
    unit, label = ("원", "변동폭") if language == "ko" else (" KRW", "range")
    for word in [*words, "KRW-XRP", "3,000.00", f"30,000{unit}", f"15{unit}", "2,900", label, "1.25", "3/5", "970,000"]:
        assert word in shown
    assert "natr" not in shown
    assert note.body["embeds"][0]["url"] == "https://upbit.com/exchange?code=CRIX.UPBIT.KRW-XRP"  # type: ignore[index]
    assert ("샌드박스" if language == "ko" else "SANDBOX") in shown
    assert note.body["allowed_mentions"] == {"parse": []}
    assert note.key == "bought:t1"


def test_a_sale_tells_profit_after_fees() -> None:
    """Won and percent, with their sign, and how long it was held."""
    note = Messages(language="en", mode="live").sold(TRADE, name="x", dust=Decimal(0), at=NOW + timedelta(hours=26))
    for word in (
        "▲ +986 KRW (▲ +3.28 %)",
        "3,000.00 → 3,101.60",
        "1d 2h 0m",
        "LIVE",
        "**Entry** a calm rise",
        "**Exit**",
    ):
        assert word in text_of(note)


def test_what_the_owner_moved_is_not_called_a_sale() -> None:
    """Nothing was sold, and no price of a sale is made up."""
    moved = replace(
        TRADE, sold=Decimal(0), sold_krw=Decimal(0), proceeds_krw=Decimal(0), taken_krw=Decimal(30015),
        exit_reason={"code": "taken", "ko": "사용자가 코인을 옮김", "en": "the user moved the coins"},
    )  # fmt: skip
    for language, words in (("ko", "직접 정리"), ("en", "Taken out by you")):
        note = Messages(language=language, mode="live").sold(moved, name="x", dust=Decimal(0), at=NOW)
        title = note.body["embeds"][0]["title"]  # type: ignore[index]
        assert words in title
        assert "Sold" not in title
        assert "매도 x" not in title


def test_the_two_states_of_a_card_name_their_trade() -> None:
    """So that the end edits the message of the buy."""
    write = Messages(language="en", mode="live")
    bought = write.bought(TRADE, name="x", fills=FILLS, fee=Decimal(1), stop_price=None, at=NOW)
    assert bought.card == write.sold(TRADE, name="x", dust=Decimal(0), at=NOW).card == "t1"


def test_a_hostile_name_cannot_mark_up_or_mention() -> None:
    """Names come from outside."""
    note = Messages(language="en", mode="live").sold(TRADE, name="@everyone **x**", dust=Decimal(0), at=NOW)
    assert "\\\\@everyone \\\\*\\\\*x" in text_of(note)


@pytest.mark.failure("G6")
@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_digest_reports_the_day_what_is_held_and_what_a_person_should_know(language: str) -> None:
    """Its numbers, or that they are not known yet; what is halted and dead in words; and what its absence means."""
    write = Messages(language=language, mode="live").digest
    well = write(DIGEST, at=NOW)
    assert well.key == "digest:2026-11-01"
    unit = "원" if language == "ko" else " KRW"
    for word in (
        f"▼ -30{unit} (▼ -0.05 %)", "XRP", f"▼ -1,234{unit}", f"1,010,000{unit}", f"▲ +10,000{unit} (▲ +1.00 %)",
        f"▲ +5,000{unit}", "100", "09:00", "11-01", "▼ -3.12 %",
    ):  # fmt: skip
        assert word in text_of(well), word
    ill = write(replace(DIGEST, halts=[standing("day_loss", ends=Ends.PERSON)], dead=["reconcile"]), at=NOW)
    assert ("까닭" if language == "ko" else "because") in text_of(ill)
    assert ("업비트와의 대조" if language == "ko" else "comparison with Upbit") in text_of(ill)
    assert "day_loss" not in text_of(ill)
    nothing = replace(DIGEST, ended=[], open_trades=[], open_krw=None, equity_krw=None, before_krw=None, key_days=None)
    nothing = replace(nothing, bitcoin=None)
    assert text_of(write(nothing, at=NOW)).count("확인 전" if language == "ko" else "not known yet") == 5
    colors = [write(replace(DIGEST, key_days=days), at=NOW).body["embeds"][0]["color"] for days in (31, 30)]  # type: ignore[index]
    assert colors[0] != colors[1]


def test_a_second_halt_in_the_same_hour_is_told_and_so_is_its_end() -> None:
    """Else a person believes the last message: that trading goes on."""
    messages = Messages(language="en", mode="live")
    for ends in ("itself", "person"):
        first = standing("clock_skew", ends=ends)
        second = replace(first, since=NOW + timedelta(minutes=2))
        keys = {messages.halted(first).key, messages.halted(second).key}
        for at in (NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)):
            keys.add(messages.resumed(first, [], by=ends, at=at).key)
        assert len(keys) == 4
        assert messages.halted(first).key == messages.halted(replace(first)).key  # written again: told once


def test_coins_that_are_taken_twice_in_an_hour_are_told_twice_and_two_dead_loops_each() -> None:
    """None of them hides another."""
    messages = Messages(language="en", mode="live")
    notes = [messages.taken(TRADE, Decimal(1), at=NOW + timedelta(minutes=n)) for n in (0, 1)]
    notes += [messages.watcher_stopped(name, at=NOW) for name in ("update_prices", "reconcile")]
    assert len({note.key for note in notes}) == 4


HOSTILE = (
    "<!doctype html><html><body>502 Bad gateway</body></html>",
    "ClientConnectorError: Cannot connect to host",
    "aiohttp.client_exceptions.ServerDisconnectedError() text",
    "KeyError: 'x'",
)
MACHINE_WORDS = re.compile(r"<\w|\w(?:Error|Exception)\b|\b(?:update|execute)_\w+|\bNone\b|Traceback")


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_message_shows_a_class_name_a_name_of_the_program_or_a_page(hostile: str, language: str) -> None:
    """Whatever was caught, and wherever it got into a halt, a reason or a name."""
    messages = Messages(language=language, mode="live")
    halt = Halt(
        code="breach", level=Level.HALTED, ends=Ends.PERSON, ko=f"규칙 {hostile}", en=f"a rule {hostile}", since=NOW,
        evidence={"where": "update_prices", "breach": hostile, "error": hostile, "seconds": "5.2"},
    )  # fmt: skip
    every = [*LIMITS_S, "another"]
    notes = [
        messages.halted(halt),
        messages.resumed(halt, [halt], by="person", at=NOW),
        messages.digest(replace(DIGEST, halts=[halt], dead=every), at=NOW),
        messages.problem("x", hostile, at=NOW),
        messages.strategy_failed("KRW-XRP", at=NOW),
        *(messages.watcher_stopped(name, at=NOW) for name in every),
    ]
    for note in notes:
        assert not MACHINE_WORDS.search(text_of(note)), text_of(note)
    assert "5.2" in text_of(notes[0])


def test_every_watcher_has_its_sentence() -> None:
    """A new one cannot be forgotten: what it means that it stopped, and what to do, in both languages."""
    assert set(WATCHERS) == set(LIMITS_S)
    for name in LIMITS_S:
        assert sentence(name, "ko") != sentence(name, "en")
        assert "restart" in sentence(name, "en")


def queue(journal: Journal, *keys: str) -> None:
    """Queue one message a key."""
    journal.add_notes([Note(key=key, kind="x", body={"embeds": [{"title": key}]}) for key in keys])


@asynccontextmanager
async def webhook(*answers: web.Response) -> AsyncIterator[tuple[str, list[Any]]]:
    """Serve a webhook that gives these answers, then 204."""
    script, received = list(answers), list[Any]()

    async def take(request: web.BaseRequest) -> web.Response:
        received.append([embed["title"] for embed in json.loads(await request.read())["embeds"]])
        return script.pop(0) if script else web.Response(status=204)

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/webhooks/1/secret-token", received
    finally:
        await runner.cleanup()


@asynccontextmanager
async def deliverer(journal: Journal, url: str) -> AsyncIterator[Discord]:
    """Return a deliverer for that address."""
    async with aiohttp.ClientSession() as session:
        yield Discord(session, url, journal, rng=random.Random(1), language="en")


async def test_messages_arrive_in_order_and_once(journal: Journal) -> None:
    """Taken messages are marked; nothing waits afterwards."""
    queue(journal, "a", "b", "c")
    async with webhook() as (url, received), deliverer(journal, url) as discord:
        await discord.flush(5)
    assert received == [["a"], ["b"], ["c"]]
    assert journal.pending_notes(9) == []


@pytest.mark.failure("G2")
async def test_many_waiting_messages_go_together(journal: Journal) -> None:
    """Ten embeds in one, still in order."""
    queue(journal, *(f"{n:02}" for n in range(12)))
    async with webhook() as (url, received), deliverer(journal, url) as discord:
        await discord.flush(5)
    assert received == [[f"{n:02}" for n in range(10)], ["10"], ["11"]]


@pytest.mark.failure("G5")
def test_a_storm_of_alerts_is_one_an_hour_for_each_cause_and_drowns_nothing(journal: Journal) -> None:
    """Three hours of two causes: six messages. What is about money, and each new halt, is told each time."""
    messages = Messages(language="en", mode="live")
    for second in range(0, 3 * 3600, 5):
        at = NOW + timedelta(seconds=second)
        journal.add_notes(
            [messages.problem("loop_dead", "x", at=at), messages.problem("locked:t1", f"{second}", at=at)]
        )
        if second % 600 == 0:
            halt = replace(standing("day_loss", ends=Ends.PERSON), since=at)
            trade = replace(TRADE, id=f"t{second}")
            journal.add_notes([messages.halted(halt), messages.sold(trade, name="x", dust=Decimal(0), at=at)])
            journal.add_notes([messages.halted(replace(halt, code="clock_skew", ends=Ends.ITSELF))])
    received: list[Any] = []

    async def deliver() -> None:
        nonlocal received
        async with webhook() as (url, received), deliverer(journal, url) as discord:
            await discord.flush(600)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed=1e9)) as runner:
        runner.run(deliver())
    titles = Counter(title for request in received for title in request)
    assert titles["Needs attention"] == 2 * 3
    assert titles["Buying halted"] == 18 + 18
    assert titles["Sold x (KRW-XRP)"] == 18
    assert len(received) < titles.total()  # what waits goes together, but for the cards of trades
    assert journal.pending_notes(1) == []


@pytest.mark.failure("D9", "G1")
async def test_the_page_of_a_portal_takes_no_message(journal: Journal) -> None:
    """Whatever its status says: Discord answers with nothing, or with JSON of the message."""
    queue(journal, "a", "b")
    page = web.Response(text="<!doctype html><title>Welcome</title>", content_type="text/html")
    answers = (page, web.json_response(["ok"]), web.json_response({"id": "1"}))
    async with webhook(*answers) as (url, received), deliverer(journal, url) as discord:
        assert await discord.deliver_next() is Delivery.LATER
        assert await discord.deliver_next() is Delivery.LATER
        assert len(journal.pending_notes(9)) == 2
        await discord.flush(5)
    assert received == [["a"], ["a"], ["a"], ["b"]]
    assert journal.pending_notes(9) == []


@pytest.mark.failure("G1")
async def test_an_unreachable_webhook_loses_nothing_and_tells_no_secret(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The message waits; the address, which is a secret, stands in no log."""
    queue(journal, "a")
    async with deliverer(journal, "http://127.0.0.1:9/api/webhooks/1/secret-token") as discord:
        assert await discord.deliver_next() is Delivery.LATER
    assert len(journal.pending_notes(9)) == 1
    assert "secret-token" not in caplog.text


@pytest.mark.failure("G1")
async def test_waking_never_waits(journal: Journal) -> None:
    """Trading says that there is something, and goes on; the deliverer delivers."""
    async with webhook() as (url, received), deliverer(journal, url) as discord:
        task = asyncio.get_running_loop().create_task(discord.run())
        await asyncio.sleep(0)
        queue(journal, "a")
        discord.wake()
        async with asyncio.timeout(5):
            while not received:  # noqa: ASYNC110 - the server of this story has no event to give
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert received == [["a"]]


@pytest.mark.failure("G1")
async def test_a_fault_of_a_library_keeps_the_message_and_ends_nothing(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """The next try delivers; what the fault said, which could hold the address, stands in no log."""
    queue(journal, "a")
    async with webhook() as (url, received), deliverer(journal, url) as discord:
        with patch.object(aiohttp.ClientSession, "request", side_effect=[AttributeError(url)]):
            assert await discord._try_next() is Delivery.LATER
        assert 1 <= discord._pause(Delivery.LATER) <= 2
        assert len(journal.pending_notes(9)) == 1
        assert await discord._try_next() is Delivery.TAKEN
    assert received == [["a"]]
    assert "AttributeError" in caplog.text
    assert "secret-token" not in caplog.text
