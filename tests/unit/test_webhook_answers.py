"""What an answer of Discord means, how it is told to a person, and how `check` finds it before anything is traded."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from cli import check
from config.settings import Config, Secret
from journal.queries import WEBHOOK
from notifier import answers
from notifier.answers import Delivery, Trouble, judge
from notifier.probe import probe
from notifier.webhook import Webhook
from tests.helpers.webhook_desk import (
    FORUM,
    GONE,
    PATH,
    ROOT,
    TOKEN,
    Desk,
    Script,
    after,
    says,
    told,
)

if TYPE_CHECKING:
    from journal.journal import Journal


# --- what an answer means -------------------------------------------------------------------------------------------


@pytest.mark.failure("G3")
@pytest.mark.parametrize(
    ("status", "body", "outcome", "trouble"),
    [
        (204, b"", Delivery.TAKEN, None),
        (200, b'{"id": "7"}', Delivery.TAKEN, None),
        (200, b"<html>Welcome</html>", Delivery.LATER, None),
        (200, b'["ok"]', Delivery.LATER, None),
        (300, b"{}", Delivery.LATER, None),
        (302, b"", Delivery.LATER, None),
        (400, b'{"message": "Invalid Form Body", "code": 50035}', Delivery.REFUSED, None),
        (400, b"<html>Bad Request</html>", Delivery.LATER, None),
        (400, (ROOT / "tests/helpers/discord-forum-400.json").read_bytes(), Delivery.STUCK, Trouble.FORUM),
        (413, b"<html>Too Large</html>", Delivery.REFUSED, None),
        (401, b'{"message": "Invalid Webhook Token", "code": 50027}', Delivery.STUCK, Trouble.BLOCKED),
        (403, b"<html>error code: 1015</html>", Delivery.STUCK, Trouble.BLOCKED),
        (404, b'{"message": "Unknown Webhook", "code": 10015}', Delivery.STUCK, Trouble.GONE),
        (404, b'{"message": "404: Not Found", "code": 0}', Delivery.LATER, None),
        (404, b"<html>nginx</html>", Delivery.LATER, None),
        (418, b"", Delivery.LATER, None),
        (429, b"", Delivery.LATER, None),
        (500, b"", Delivery.LATER, None),
        (502, b"[" * 100_000, Delivery.LATER, None),
    ],
)
def test_an_answer_decides_whether_a_message_waits(
    status: int, body: bytes, outcome: Delivery, trouble: Trouble | None
) -> None:
    """Only Discord's own words take or drop one; gone, blocked and forum are told apart."""
    answer = judge(status, {}, body)
    assert (answer.outcome, answer.trouble) == (outcome, trouble)
    assert "<" not in answer.why


def test_an_answer_keeps_discords_code_its_sentence_and_its_wait() -> None:
    """A code decides what is done about a card; the sentence is for the log, on one line; a header may hold a wait."""
    gone = judge(404, {}, b'{"message": "Unknown\\n Message", "code": 10008}')
    assert (gone.code, gone.why) == (10008, "HTTP 404 10008: Unknown Message")
    assert [judge(status, {}, b'{"code": 7}').code for status in (400, 401, 500)] == [7, 7, 7]
    assert judge(400, {}, b'{"message": "x", "code": "y"}').why == "HTTP 400 0: x"
    assert judge(429, {"Retry-After": "3"}, b"").wait_s == 3.0


async def test_a_webhook_that_cannot_be_reached_is_named_by_no_word_of_its_address() -> None:
    """What a library says of a failure may hold the address, and whoever has it can write there."""
    async with aiohttp.ClientSession() as session:
        answer = await Webhook(session, f"http://127.0.0.1:{unused_port()}{PATH}?thread_id=5").send({})
        assert (answer.outcome, answer.why) == (Delivery.LATER, "ClientConnectorError")
        with patch.object(aiohttp.ClientSession, "request", side_effect=TimeoutError) as asked:
            assert (await Webhook(session, PATH).look()).why == "TimeoutError"
    waits = asked.call_args.kwargs["timeout"]
    assert (waits.connect, waits.total) == (5.0, 30.0)


def test_a_webhook_is_followed_nowhere_else(journal: Journal) -> None:
    """A message is for one address; whoever points to another gets none."""

    async def elsewhere() -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async def story(desk: Desk) -> None:
        desk.queue("a")
        assert await desk.discord.deliver_next() is Delivery.LATER
        assert desk.requests == [f"POST {PATH}?wait=true"]

    told(journal, (elsewhere,), story)


def test_only_a_number_of_discords_becomes_part_of_an_address() -> None:
    """What somebody in between makes up is no id of a message."""
    assert judge(200, {}, b'{"id": "123"}').message_id == "123"
    for made_up in (b'{"id": "../../1"}', b'{"id": 5}', b'{"id": "\xd9\xa1"}', b"{}"):
        assert judge(200, {}, made_up).message_id is None


@pytest.mark.failure("G3")
def test_a_passing_404_costs_seconds_and_a_deleted_webhook_ten_minutes_at_most(journal: Journal) -> None:
    """Retries grow; a message that waits arrives soon after the webhook is there again."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        await desk.run_for(1)
        assert desk.titles() == []
        await desk.run_for(60)
        assert desk.titles() == [["a"]]
        first, second = (later - earlier for earlier, later in pairwise(desk.times))
        assert 1 <= first <= 2.1
        assert 2 <= second <= 4.1
        desk.script += [GONE] * 30
        desk.queue("b")
        await desk.run_for(3 * 3600)
        gaps = [later - earlier for earlier, later in pairwise(desk.times[3:])]
        assert 1 <= gaps[0] <= 2.1
        assert 300 <= max(gaps) <= 601
        assert len(gaps) < 40

    told(journal, (says(404), says(404, b"<html>nginx</html>")), story)


@pytest.mark.case("D2")
@pytest.mark.failure("G3")
@pytest.mark.parametrize(
    ("answer", "trouble", "words"),
    [
        (GONE, Trouble.GONE, "Make a new one"),
        (says(403, b"<html>blocked</html>"), Trouble.BLOCKED, "copied completely"),
        (FORUM, Trouble.FORUM, "thread_id"),
    ],
)
def test_what_only_a_person_can_mend_is_said_once_an_hour_and_kept_for_status(
    answer: Script, trouble: Trouble, words: str, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """In words that say what to do; the message waits, and it is over when one arrives."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        await desk.run_for(1800)
        assert [desk.discord.trouble] == [trouble]
        assert journal.meta(WEBHOOK) == trouble.name
        assert caplog.text.count(words) == 1
        await desk.run_for(3000)
        assert caplog.text.count(words) == 2
        assert journal.waiting_notes() == (1, 0)
        desk.script.clear()
        await desk.run_for(700)
        assert desk.titles() == [["a"]]
        assert not desk.discord.trouble
        assert not journal.meta(WEBHOOK)
        assert TOKEN not in caplog.text

    told(journal, (answer,) * 100, story)


def test_a_trouble_is_known_again_after_a_restart_until_a_message_arrives(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever starts the daemon sees it at once, and reads again what to do when it is met again."""
    journal.keep_fact(WEBHOOK, Trouble.FORUM.name)

    async def story(desk: Desk) -> None:
        assert [desk.discord.trouble] == [Trouble.FORUM]
        desk.queue("a")
        await desk.discord.flush(5)
        assert caplog.text.count("thread_id") == 1
        await desk.discord.flush(5)
        assert not desk.discord.trouble
        assert journal.meta(WEBHOOK) == ""

    told(journal, (FORUM,), story)


@pytest.mark.failure("G1")
def test_a_network_that_stays_away_is_said_after_some_minutes(journal: Journal) -> None:
    """At the eighth failure, not at the first; it is asked again within a minute, and it ends by itself."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        for _ in range(7):
            await desk.discord.deliver_next()
        assert not desk.discord.trouble
        await desk.discord.deliver_next()
        assert journal.meta(WEBHOOK) == "UNREACHABLE"
        await desk.run_for(600)
        assert 30 <= max(later - earlier for earlier, later in pairwise(desk.times)) <= 61
        desk.script.clear()
        await desk.run_for(120)
        assert desk.titles() == [["a"]]
        assert not desk.discord.trouble

    told(journal, (says(502, b"<html>Bad gateway</html>"),) * 40, story)


# --- before anything is traded --------------------------------------------------------------------------------------


@pytest.mark.case("D2")
@pytest.mark.parametrize(
    ("script", "outcome", "trouble", "requests"),
    [
        ((), Delivery.TAKEN, None, 3),
        ((GONE,), Delivery.STUCK, Trouble.GONE, 1),
        ((says(401, {"message": "Invalid Webhook Token", "code": 50027}),), Delivery.STUCK, Trouble.BLOCKED, 1),
        ((after(0), FORUM), Delivery.STUCK, Trouble.FORUM, 2),
        ((after(0), after(0), says(500)), Delivery.TAKEN, None, 3),
        ((says(502, b"<html>"),), Delivery.LATER, None, 1),
    ],
)
def test_check_finds_what_would_keep_messages_from_arriving_and_leaves_nothing_behind(
    script: tuple[Script, ...], outcome: Delivery, trouble: Trouble | None, requests: int, journal: Journal
) -> None:
    """It asks with GET, sends a message without a sound, and removes it: only a message shows a forum (case D2)."""

    async def story(desk: Desk) -> None:
        async with aiohttp.ClientSession() as session:
            answer = await probe(session, desk.url, "ko")
        assert (answer.outcome, answer.trouble, len(desk.times)) == (outcome, trouble, requests)
        assert desk.requests == [f"GET {PATH}", f"POST {PATH}?wait=true", f"DELETE {PATH}/messages/1"][:requests]
        for body in desk.bodies[1:2]:
            assert (body["flags"], body["allowed_mentions"]) == (1 << 12, {"parse": []})
        assert len(desk.receiver.messages) == (1 if script[2:] else 0)  # one that cannot be removed says what it is

    told(journal, script, story)


@pytest.mark.parametrize(("answer", "level", "code"), [(None, "ok", 0), (FORUM, "fail", 4), (says(500), "fail", 1)])
def test_check_says_whether_messages_arrive(answer: Script | None, level: str, code: int, journal: Journal) -> None:
    """What a person must mend in the settings ends with the code of settings."""

    async def story(desk: Desk) -> None:
        config = replace(Config(), webhook_url=Secret(desk.url))
        finding = await check.webhook(config)
        assert (finding.level, finding.code) == (level, code)
        assert TOKEN not in finding.ko + finding.en

    told(journal, (after(0), answer) if answer else (), story)


def test_every_trouble_has_a_sentence_with_what_to_do_in_both_languages() -> None:
    """None names a class or a code of the program."""
    for trouble in Trouble:
        for language in ("ko", "en"):
            assert len(trouble.say(language)) > 40
            assert trouble.name not in trouble.say(language)
        assert trouble.say("ko") != trouble.say("en")
    assert set(answers.WORDS) == set(Trouble)
