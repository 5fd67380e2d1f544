"""Messages reach Discord: within its limits and its pace, whatever it answers, and no longer late than it takes."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from cli import check
from config.settings import Config, Secret
from journal.journal import Journal
from journal.queries import WEBHOOK
from journal.records import Note
from notifier import answers, embed_limits
from notifier.answers import Delivery, Trouble, judge, retry_after
from notifier.discord import Discord
from notifier.probe import probe
from notifier.webhook import TOTAL_S
from notifier.webhook_rate import WebhookRate
from sandbox.discord import Discord as Receiver
from sandbox.discord import is_within
from simulation.loop import PacedLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = "a-secret-token"
PATH = f"/api/webhooks/1/{TOKEN}"
Script: TypeAlias = "Callable[[], Awaitable[web.Response]] | Late"


def says(status: int, body: object = None) -> Script:
    """Answer with this once, and keep nothing."""

    async def answer() -> web.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return web.Response(status=status, body=data)

    return answer


@dataclass(frozen=True)
class Late:
    """Deliver at once, and answer late."""

    seconds: float


def after(seconds: float) -> Late:
    """Return a webhook that delivers at once, and answers late."""
    return Late(seconds)


GONE = says(404, {"message": "Unknown Webhook", "code": 10015})
REFUSED = says(400, {"message": "Invalid Form Body", "code": 50035})
FORUM = says(400, {"message": "Webhooks posted to forum channels must have a thread_name", "code": 220001})


@dataclass
class Desk:
    """A journal, a webhook that follows a script and is Discord's after it, and what happened when."""

    journal: Journal
    discord: Discord
    script: list[Script]
    url: str
    receiver: Receiver = field(default_factory=Receiver)
    times: list[float] = field(default_factory=list)  # loop time of each request
    bodies: list[Any] = field(default_factory=list)

    def titles(self) -> list[list[str]]:
        """Return what arrived, message by message."""
        return [[embed["title"] for embed in message.get("embeds", [])] for message in self.receiver.messages]

    def queue(self, *keys: str, **embed: object) -> None:
        """Queue one message a key."""
        self.journal.add_notes([note(key, **embed) for key in keys])

    async def run_for(self, seconds: float) -> None:
        """Let the deliverer work."""
        task = asyncio.get_running_loop().create_task(self.discord.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def note(key: str, **embed: object) -> Note:
    """Return a message."""
    return Note(key=key, kind="x", body={"embeds": [{"title": key, **embed}]})


@asynccontextmanager
async def desk_of(journal: Journal, *script: Script) -> AsyncIterator[Desk]:
    """Serve a webhook and make its deliverer."""
    steps = list(script)
    made: list[Desk] = []

    async def serve(request: web.BaseRequest) -> web.Response:
        (desk,) = made
        body = await request.read()
        desk.times.append(asyncio.get_running_loop().time())
        desk.bodies.append(json.loads(body) if body else None)
        step = steps.pop(0) if steps else Late(0)
        if not isinstance(step, Late):
            return await step()
        path, _, query = request.raw_path.partition("?")
        status, told = desk.receiver.receive(request.method, path, query, body)
        await asyncio.sleep(step.seconds)
        return web.Response(status=status, body=told)

    runner = web.ServerRunner(web.Server(serve))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    async with aiohttp.ClientSession() as session:
        made.append(Desk(journal, Discord(session, url, journal, rng=random.Random(1), language="en"), steps, url))
        yield made[0]
    await runner.cleanup()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return an empty journal."""
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW) as opened:
        yield opened


def told(journal: Journal, script: tuple[Script, ...], story: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    """Tell a story whose waiting takes no time."""

    async def whole() -> None:
        async with desk_of(journal, *script) as desk:
            await story(desk)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed=1e9)) as runner:
        runner.run(whole())


# --- limits ---------------------------------------------------------------------------------------------------------


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


def test_a_refused_batch_takes_no_message_with_it(journal: Journal) -> None:
    """Each goes by itself then, the one that Discord does not take once more as plain text; the others arrive."""

    async def story(desk: Desk) -> None:
        desk.queue(*(f"{n:02}" for n in range(11)))
        await desk.discord.flush(60)
        assert desk.titles() == [[], *([f"{n:02}"] for n in range(1, 11))]
        assert desk.receiver.messages[0]["content"] == "00"
        assert journal.waiting_notes() == (0, 0)

    told(journal, (REFUSED, REFUSED), story)


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
    assert retry_after("3", b"<html>") == 3.0
    assert retry_after(None, b"") > 0
    assert retry_after("nan", b'{"retry_after": NaN}') == retry_after(None, b"")
    assert retry_after("3", b'{"retry_after": 1e999}') == 600.0
    assert retry_after("3", b"[" * 100_000) == 3.0


# --- what an answer means -------------------------------------------------------------------------------------------


@pytest.mark.failure("G3")
@pytest.mark.parametrize(
    ("status", "body", "outcome", "trouble"),
    [
        (204, b"", Delivery.TAKEN, None),
        (200, b'{"id": "7"}', Delivery.TAKEN, None),
        (200, b"<html>Welcome</html>", Delivery.LATER, None),
        (200, b'["ok"]', Delivery.LATER, None),
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
    ],
)
def test_an_answer_decides_whether_a_message_waits(
    status: int, body: bytes, outcome: Delivery, trouble: Trouble | None
) -> None:
    """Only Discord's own words take or drop one; gone, blocked and forum are told apart."""
    answer = judge(status, {}, body)
    assert (answer.outcome, answer.trouble) == (outcome, trouble)
    assert "<" not in answer.why


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
        assert desk.times[-1] - desk.times[0] < 10
        desk.script += [GONE] * 30
        desk.queue("b")
        await desk.run_for(3 * 3600)
        gaps = [later - earlier for earlier, later in zip(desk.times[3:], desk.times[4:], strict=False)]
        assert gaps[0] < 3
        assert 300 <= max(gaps) <= 601
        assert len(gaps) < 40

    told(journal, (says(404), says(404, b"<html>nginx</html>")), story)


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


def test_a_trouble_is_known_again_after_a_restart_until_a_message_arrives(journal: Journal) -> None:
    """Whoever starts the daemon sees it at once."""
    journal.keep_fact(WEBHOOK, Trouble.FORUM.name)

    async def story(desk: Desk) -> None:
        assert journal.meta(WEBHOOK) == "FORUM"
        desk.queue("a")
        await desk.discord.flush(5)
        assert not desk.discord.trouble

    told(journal, (), story)


@pytest.mark.failure("G1")
def test_a_network_that_stays_away_is_said_after_some_minutes(journal: Journal) -> None:
    """Not at the first failure; it ends by itself."""

    async def story(desk: Desk) -> None:
        desk.queue("a")
        await desk.run_for(20)
        assert not desk.discord.trouble
        await desk.run_for(600)
        assert journal.meta(WEBHOOK) == "UNREACHABLE"
        desk.script.clear()
        await desk.run_for(120)
        assert desk.titles() == [["a"]]
        assert not desk.discord.trouble

    told(journal, (says(502, b"<html>Bad gateway</html>"),) * 40, story)


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
            again = Discord(session, desk.url, journal, rng=random.Random(1))
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
        desk.queue("a", "b")
        journal._db.execute("PRAGMA query_only = ON")
        assert await desk.discord.deliver_next() is Delivery.TAKEN
        journal._db.execute("PRAGMA query_only = OFF")
        journal.broken = None
        await desk.discord.flush(8)
        assert desk.titles() == [["a"], ["b"]]
        assert journal.pending_notes(9) == []

    told(journal, (), story)


def test_a_post_of_a_forum_is_named_in_the_address(journal: Journal) -> None:
    """With `?thread_id=` in WEBHOOK_URL messages arrive in a forum, too."""

    async def story(desk: Desk) -> None:
        desk.receiver.state = "forum"
        desk.queue("a")
        async with aiohttp.ClientSession() as session:
            posted = Discord(session, f"{desk.url}?thread_id=5", journal, rng=random.Random(1))
            await posted.flush(5)
        assert desk.titles() == [["a"]]

    told(journal, (), story)


# --- before anything is traded --------------------------------------------------------------------------------------


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
