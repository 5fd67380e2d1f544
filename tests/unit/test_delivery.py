"""Messages reach Discord: within its limits and its pace, whatever it answers, and no longer late than it takes."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier import embed_limits
from notifier.answers import Delivery, retry_after
from notifier.curve import KEPT, Curve, picture
from notifier.discord import Discord, tell_at_once
from notifier.webhook import TOTAL_S
from notifier.webhook_rate import WebhookRate
from sandbox.discord import is_within
from tests.helpers.webhook_desk import (
    GONE,
    PATH,
    REFUSED,
    Desk,
    after,
    note,
    says,
    told,
)

if TYPE_CHECKING:
    from journal.journal import Journal
    from journal.records import Note


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.case("D1")
def test_twelve_long_messages_all_arrive_in_order_and_none_is_refused(journal: Journal) -> None:
    """Together they are over 6,000 characters: as many go together as Discord takes (case D1)."""

    async def story(desk: Desk) -> None:
        desk.queue(*(f"{n:02}" for n in range(12)), description="가" * 1500)
        await desk.discord.flush(60)
        assert [title for embeds in desk.titles() for title in embeds] == [f"{n:02}" for n in range(12)]
        assert len(desk.times) == len(desk.receiver.messages) < 12
        assert [len(embeds) for embeds in desk.titles()][:1] == [3]

    told(journal, (), story)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5000)


@given(
    title=TEXTS,
    text=TEXTS,
    footer=TEXTS,
    fields=st.lists(st.fixed_dictionaries({"name": TEXTS, "value": TEXTS}), max_size=30),
)
def test_whatever_a_message_says_it_is_cut_to_what_discord_takes(
    title: str, text: str, footer: str, fields: list[dict[str, str]]
) -> None:
    """Every part, all of them together, and nothing empty; judged by the sandbox's own reading of the limits."""
    shown = embed_limits.fit({"title": title, "description": text, "footer": {"text": footer}, "fields": fields})
    assert is_within({"embeds": [shown]})
    assert embed_limits.size(shown) <= embed_limits.MOST_TOGETHER


@given(TEXTS, st.integers(0, 100))
def test_a_text_that_is_cut_says_so_and_cuts_no_escape_in_two(text: str, most: int) -> None:
    """A single backslash at the end would make a star of what comes after it."""
    shown = embed_limits.cut(text.replace("*", "\\*"), most)
    assert embed_limits.length(shown) <= most
    if embed_limits.length(text.replace("*", "\\*")) > most > 0:
        assert shown.endswith(embed_limits.MORE)
        kept = shown[: -len(embed_limits.MORE)]
        assert (len(kept) - len(kept.rstrip("\\"))) % 2 == 0


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        ("", 0, ""),
        ("\U0001f680\U0001f680", 4, "\U0001f680\U0001f680"),
        ("\U0001f680\U0001f680", 3, "\U0001f680…"),
        ("\U0001f680\U0001f680", 2, "…"),
        ("a\\*bc", 4, "a\\*…"),
        ("a\\*bc", 3, "a…"),
        ("\\\\bcd", 3, "\\\\…"),
    ],
)
def test_a_text_is_cut_where_it_must_be_and_no_sooner(text: str, most: int, shown: str) -> None:
    """Counted as UTF-16 does: what stands beyond its first plane counts twice."""
    assert embed_limits.cut(text, most) == shown


def test_every_part_of_a_message_is_as_long_as_discord_takes_it() -> None:
    """And what is empty is a dash, as it takes no empty text."""
    most = {"title": 256, "description": 4096}
    shown = embed_limits.fit(dict.fromkeys(most, "x" * 9000))
    assert {name: len(shown[name]) for name in most} == most
    assert len(embed_limits.fit({"footer": {"text": "x" * 9000, "icon_url": "i"}})["footer"]["text"]) == 2048
    assert embed_limits.fit({"footer": {"text": "", "icon_url": "i"}})["footer"] == {"text": "-", "icon_url": "i"}
    fields = embed_limits.fit({"fields": [{"name": "x" * 300, "value": "y" * 1100, "inline": True}] * 30})["fields"]
    assert {(len(field["name"]), len(field["value"]), field["inline"]) for field in fields} == {(256, 1024, True)}
    assert len(fields) == 4  # of which a fifth would be over 6,000 characters
    assert len(embed_limits.fit({"fields": [{"name": "", "value": ""}] * 30})["fields"]) == 25
    assert embed_limits.fit({"title": "", "fields": [{"name": "", "value": ""}]}) == {
        "title": "-",
        "fields": [{"name": "-", "value": "-"}],
    }
    assert embed_limits.fit("only words") == {"description": "only words"}
    assert embed_limits.fit({"footer": {"icon_url": "i"}})["footer"]["text"] == "-"
    whole = embed_limits.fit({"title": "x" * 300, "description": "x" * 5000, "footer": {"text": "x" * 3000}})
    assert len(whole["description"]) == 6000 - 256 - 2048
    exact = [{"name": "x" * 200, "value": "y" * 1000}] * 5
    assert embed_limits.fit({"fields": exact})["fields"] == exact


def test_every_part_of_a_message_counts_and_as_many_go_together_as_count_to_the_limit() -> None:
    """Title, text, footer, names and values; ten embeds, or six thousand characters, in units of UTF-16."""
    fields = [{"name": "gh", "value": "i"}, {"name": "j", "value": "k"}]
    whole = {"title": "ab", "description": "cde", "footer": {"text": "f"}, "fields": fields}
    assert [embed_limits.size(embed) for embed in (whole, {"footer": {"icon_url": "x"}}, {})] == [11, 0, 0]
    assert [embed_limits.length(text) for text in ("\uffff", "\U00010000")] == [1, 2]
    assert [len(embed_limits.pack([note("k", description="x" * most)] * 2)) for most in (2999, 3000)] == [2, 1]
    for embeds, together in ((5, 2), (6, 1)):
        several = replace(note("k"), body={"embeds": [{"title": "t"}] * embeds})
        assert len(embed_limits.pack([several, several])) == together


def test_a_message_as_plain_text_holds_its_title_its_words_and_its_facts() -> None:
    """One a line; a message of nothing is told by its kind."""
    embed = {"title": "Bought", "description": "why", "fields": [{"name": "Volume", "value": "1"}]}
    whole = replace(note("k"), body={"embeds": [embed, {"title": "more"}]})
    assert embed_limits.as_text(whole) == "Bought\nwhy\nVolume: 1\nmore"
    assert embed_limits.as_text(replace(whole, kind="sold", body={"embeds": []})) == "sold"
    assert embed_limits.as_text(replace(whole, body={"embeds": [{"description": "why"}]})) == "why"
    assert len(embed_limits.as_text(note("k", description="x" * 4000))) == 2000


@pytest.mark.case("D1")
def test_a_refused_batch_takes_no_message_with_it(journal: Journal) -> None:
    """Each goes by itself then, the one that Discord does not take once more as plain text; they ring for nobody."""

    async def story(desk: Desk) -> None:
        desk.queue(*(f"{n:02}" for n in range(11)))
        await desk.discord.flush(60)
        assert desk.titles() == [[], *([f"{n:02}"] for n in range(1, 11))]
        assert desk.receiver.messages[0]["content"] == "00"
        assert [message["allowed_mentions"] for message in desk.receiver.messages] == [{"parse": []}] * 11
        assert journal.waiting_notes() == (0, 0)

    told(journal, (REFUSED, REFUSED), story)


def test_also_of_two_that_are_refused_together_each_goes_by_itself_as_it_is(journal: Journal) -> None:
    """Only what is refused alone is told without its form."""

    async def story(desk: Desk) -> None:
        desk.queue(*(f"{n:02}" for n in range(11)), description="x" * 2900)
        await desk.discord.flush(60)
        assert desk.titles()[:2] == [["00"], ["01"]]

    told(journal, (REFUSED,), story)


def test_a_message_that_is_refused_in_every_form_stops_nobody_behind_it(journal: Journal) -> None:
    """It is marked as failed and `status` counts it; the reason that is kept holds no secret."""

    async def story(desk: Desk) -> None:
        desk.queue("a", "b")
        await desk.discord.flush(60)
        assert desk.titles() == [["b"]]
        assert journal.waiting_notes() == (0, 1)
        (row,) = journal._db.execute("SELECT failed FROM outbox WHERE failed IS NOT NULL").fetchall()
        assert row["failed"] == "HTTP 400 50035: at /api/webhooks/***"

    echo = says(400, {"message": f"at {PATH}", "code": 50035})
    told(journal, (REFUSED, echo), story)


def test_a_picture_comes_with_its_message_by_itself_and_in_words(journal: Journal) -> None:
    """Drawn when it is sent; of many that wait the message with one has a request of its own, in its place."""

    async def story(desk: Desk) -> None:
        journal.add_notes([*(note(f"{n}") for n in range(6)), drawn("digest"), *(note(f"x{n}") for n in range(6))])
        await desk.discord.flush(60)
        (place,) = [at for at, embeds in enumerate(desk.titles()) if "digest" in embeds]
        message = desk.receiver.messages[place]
        assert desk.titles()[place] == ["digest"]
        assert [title for embeds in desk.titles() for title in embeds][6] == "digest"
        assert message["embeds"][0]["image"] == {"url": "attachment://curve.png"}
        assert message["attachments"] == [{"id": 0, "filename": "curve.png", "description": "from 1 to 2"}]
        assert message["allowed_mentions"] == {"parse": []}
        assert desk.receiver.files == {"curve.png": picture(CURVE)}
        assert re.findall(rb"Content-Type: (\S+)", desk.raw[place]) == [b"application/json", b"image/png"]
        assert journal.waiting_notes() == (0, 0)

    told(journal, (), story)


def test_a_picture_that_is_refused_does_not_take_its_message_with_it(journal: Journal) -> None:
    """Once more as plain text, without it."""

    async def story(desk: Desk) -> None:
        journal.add_notes([drawn("digest")])
        await desk.discord.flush(60)
        assert [message["content"] for message in desk.receiver.messages] == ["digest"]
        assert desk.receiver.files == {}

    told(journal, (REFUSED,), story)


CURVE = Curve(levels=(Decimal(1), Decimal(2)), color=0x123456, told="from 1 to 2")


def drawn(key: str) -> Note:
    """Return a message with a picture."""
    plain = note(key)
    return replace(plain, body={**plain.body, KEPT: msgspec.to_builtins(CURVE)})


# --- pace -----------------------------------------------------------------------------------------------------------


@pytest.mark.failure("G2")
def test_no_more_than_five_messages_leave_in_two_seconds(journal: Journal) -> None:
    """Ten of them, one by one: a webhook that is asked more often answers 429."""

    async def story(desk: Desk) -> None:
        desk.queue(*"abcdefghij")
        await desk.discord.flush(60)
        assert len(desk.times) == 10
        assert all(later - earlier >= 1.99 for earlier, later in zip(desk.times, desk.times[5:], strict=False))

    told(journal, (), story)


@pytest.mark.failure("G2")
def test_what_discord_says_is_left_is_kept_to() -> None:
    """With nothing left the next request waits; rubbish is no time, and no wait is longer than a minute."""
    pace = WebhookRate()
    for moment in (0.0, 2.0, 4.0):
        assert pace.wait_s(moment) == 0.0
        for step in range(5):
            pace.leave(moment + step / 16)
        assert pace.wait_s(moment + 0.5) == 1.5
    pace.hear({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1.5"}, 10.0)
    assert pace.wait_s(10.5) == 1.0
    for rubbish in ("", "nan", "soon"):
        pace.hear({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": rubbish}, 12.0)
    pace.hear({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset-After": "9"}, 12.0)
    assert pace.wait_s(12.0) == 0.0
    pace.hear({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "1e999"}, 12.0)
    assert pace.wait_s(12.0) == 60.0


@pytest.mark.failure("G2")
def test_a_limit_is_waited_out_for_as_long_as_discord_says(journal: Journal) -> None:
    """The same message is sent again then, once."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        await desk.run_for(60)
        assert desk.times[1] - desk.times[0] == pytest.approx(7.5, abs=0.1)
        assert desk.titles() == [["a"]]

    told(journal, (says(429, {"message": "You are being rate limited.", "retry_after": 7.5}),), story)


@pytest.mark.failure("G2")
def test_discord_says_how_long_to_wait() -> None:
    """Its body is more exact than its header; rubbish falls back, and no hour of silence comes of it."""
    assert retry_after("3", b'{"retry_after": 0.65}') == 0.65
    for no_wait in (b"<html>", b"[]", b"{}", b'{"retry_after": null}'):
        assert retry_after("3", no_wait) == 3.0
    assert retry_after(None, b"") > 0
    assert retry_after("nan", b'{"retry_after": NaN}') == retry_after(None, b"")
    assert retry_after("3", b'{"retry_after": 1e999}') == 600.0
    assert retry_after("3", b"[" * 100_000) == 3.0


# --- cards ----------------------------------------------------------------------------------------------------------


def card(key: str, trade: str = "t1") -> Note:
    """Return a state of the card of a trade."""
    return replace(note(key), card=trade)


def test_a_trade_is_one_message_that_is_edited_when_it_ends(journal: Journal) -> None:
    """Other messages between them, and a restart, change nothing: the journal keeps its id."""

    async def story(desk: Desk) -> None:
        journal.add_notes([card("bought"), note("other"), card("bought2", "t2")])
        await desk.discord.flush(10)
        assert journal.message_of("t1") == "1"
        async with aiohttp.ClientSession() as session:
            again = Discord(session, desk.url, journal, rng=random.Random(1), language="en")
            journal.add_notes([card("sold")])
            await again.flush(10)
        assert desk.titles() == [["sold"], ["other"], ["bought2"]]
        assert (desk.receiver.received, desk.receiver.edits) == (3, 1)

    told(journal, (), story)


def test_of_many_that_wait_each_card_goes_by_itself_and_in_order(journal: Journal) -> None:
    """A message of ten embeds would be the card of none."""

    async def story(desk: Desk) -> None:
        journal.add_notes([*(note(f"{n}") for n in range(12)), card("bought"), *(note(f"x{n}") for n in range(12))])
        journal.add_notes([card("sold")])
        await desk.discord.flush(60)
        assert ["sold"] in desk.titles()
        assert desk.receiver.edits == 1
        assert [title for embeds in desk.titles() for title in embeds][12] == "sold"
        assert journal.waiting_notes() == (0, 0)

    told(journal, (), story)


def test_a_card_whose_edit_is_not_answered_is_edited_again_and_stays_one(journal: Journal) -> None:
    """To edit twice is to edit once."""

    async def story(desk: Desk) -> None:
        journal.add_notes([card("bought")])
        await desk.discord.flush(10)
        desk.script += [after(10 * TOTAL_S), says(500)]
        journal.add_notes([card("sold")])
        await desk.run_for(2 * TOTAL_S)
        assert desk.titles() == [["sold"]]
        assert desk.receiver.edits == 2
        assert journal.pending_notes(9) == []

    told(journal, (), story)


def test_a_card_that_somebody_deleted_is_sent_anew(journal: Journal) -> None:
    """The end of a trade is told, also where nothing is left to edit; the new card is the one from then on."""

    async def story(desk: Desk) -> None:
        journal.add_notes([card("bought")])
        await desk.discord.flush(10)
        desk.receiver.receive("DELETE", f"{PATH}/messages/1", "", b"")
        journal.add_notes([card("sold")])
        await desk.discord.flush(10)
        assert desk.titles() == [["sold"]]
        assert journal.message_of("t1") == "2"

    told(journal, (), story)


def test_the_id_of_a_card_that_could_not_be_written_down_is_not_forgotten(journal: Journal) -> None:
    """The end edits it all the same, and both marks are written when the disk takes them again."""

    async def story(desk: Desk) -> None:
        journal.add_notes([card("bought")])
        journal._db.execute("PRAGMA query_only = ON")
        assert await desk.discord.deliver_next() is Delivery.TAKEN
        journal._db.execute("PRAGMA query_only = OFF")
        journal.broken = None
        assert journal.message_of("t1") is None
        journal.add_notes([card("sold")])
        await desk.discord.flush(10)
        assert desk.titles() == [["sold"]]
        assert journal.message_of("t1") == "1"
        assert journal.pending_notes(9) == []

    told(journal, (), story)


# --- slow answers and stops -----------------------------------------------------------------------------------------


def test_a_webhook_that_delivers_after_fifteen_seconds_makes_one_alert(journal: Journal) -> None:
    """Its answer is waited for: nobody can ask Discord whether a message without an answer arrived."""

    async def story(desk: Desk) -> None:
        desk.queue("bought")
        await desk.run_for(120)
        assert desk.titles() == [["bought"]]
        assert len(desk.times) == 1
        assert journal.pending_notes(9) == []

    told(journal, (after(15.0),), story)


def test_a_stop_waits_for_an_answer_that_is_on_its_way(journal: Journal) -> None:
    """The request that was under way is not sent again by the flush."""

    async def story(desk: Desk) -> None:
        desk.queue("bought", "stopped")
        await desk.run_for(2)
        await desk.discord.flush(8)
        assert desk.titles() == [["bought"], ["stopped"]]
        assert len(desk.times) == 2

    told(journal, (after(6.0),), story)


def test_a_message_that_nobody_announced_is_found_within_five_seconds(journal: Journal) -> None:
    """What another part has written down is looked for, too; and once everything is sent nothing is asked."""

    async def story(desk: Desk) -> None:
        asyncio.get_running_loop().call_later(2, desk.queue, "a")
        await desk.run_for(5.5)
        assert desk.titles() == [["a"]]

    told(journal, (), story)


def test_one_message_can_be_told_without_a_journal(journal: Journal) -> None:
    """As it is, once, and what came of it is said."""

    async def story(desk: Desk) -> None:
        async with aiohttp.ClientSession() as session:
            answers = [await tell_at_once(session, desk.url, note("a")) for _ in range(2)]
        assert [answer.outcome for answer in answers] == [Delivery.STUCK, Delivery.TAKEN]
        assert desk.titles() == [["a"]]

    told(journal, (GONE,), story)


def test_an_answer_that_never_comes_means_to_send_again(journal: Journal) -> None:
    """To tell twice is better than never."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        await desk.run_for(TOTAL_S + 10)
        assert len(desk.times) == 2
        assert journal.pending_notes(9) == []

    told(journal, (after(10 * TOTAL_S),), story)


def test_the_flush_at_a_stop_keeps_trying_until_its_grace_ends(journal: Journal) -> None:
    """An error, a limit and a lost connection in the last seconds lose nothing."""

    async def story(desk: Desk) -> None:
        desk.queue("a", "b")
        await desk.discord.flush(8)
        assert desk.titles() == [["a"], ["b"]]
        desk.script += [says(500)] * 100
        desk.queue("c")
        began = asyncio.get_running_loop().time()
        await desk.discord.flush(8)
        assert asyncio.get_running_loop().time() - began == pytest.approx(8, abs=0.1)
        assert [left.key for left in journal.pending_notes(9)] == ["c"]

    told(journal, (says(500), says(429, {"retry_after": 1.0}), says(502)), story)


def test_a_stop_does_not_wait_for_a_webhook_that_is_gone(journal: Journal) -> None:
    """It does not come back within seconds; its messages wait for the next start."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        began = asyncio.get_running_loop().time()
        await desk.discord.flush(8)
        assert asyncio.get_running_loop().time() - began < 1
        assert len(journal.pending_notes(9)) == 1

    told(journal, (GONE,) * 9, story)


def test_what_the_journal_could_not_note_is_noted_with_the_next(journal: Journal) -> None:
    """A delivered message whose mark was not taken by the disk is not sent again, and marked when it can be."""

    async def story(desk: Desk) -> None:
        desk.queue(*"abcdefghij")
        journal._db.execute("PRAGMA query_only = ON")
        for _ in range(8):
            assert await desk.discord.deliver_next() is Delivery.TAKEN
            journal.broken = None
        journal._db.execute("PRAGMA query_only = OFF")
        await desk.discord.flush(8)
        assert desk.titles() == [[key] for key in "abcdefghij"]
        assert journal.pending_notes(9) == []

    told(journal, (), story)


def test_a_post_of_a_forum_is_named_in_the_address(journal: Journal) -> None:
    """With `?thread_id=` in WEBHOOK_URL messages arrive in a forum, too."""

    async def story(desk: Desk) -> None:
        desk.receiver.state = "forum"
        desk.queue("a")
        async with aiohttp.ClientSession() as session:
            posted = Discord(session, f"{desk.url}?thread_id=5", journal, rng=random.Random(1), language="en")
            await posted.flush(5)
        assert desk.titles() == [["a"]]
        assert desk.requests == [f"POST {PATH}?thread_id=5&wait=true"]

    told(journal, (), story)
