"""Secrets get nowhere: not into the log, the journal, a message or the screen, whoever repeats them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.redaction import HIDDEN, Redaction, forms_of
from config.settings import Config, Secret
from journal.journal import Journal
from journal.records import Ends, Halt, Level, Note
from journal.rows import canonical
from upbit.auth import token

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
ACCESS, SECRET = "access-key-0123456789abcdefghij", "secret-key-0123456789abcdefghij"
HOOK = "https://discord.com/api/webhooks/123456/the-token-of-the-webhook?thread_id=5"
PROXY = "http://somebody:pass%20word-of-proxy@proxy.example:3128"
BOT = "the-id-of-the-bot.AbCdEf.and-its-secret-part"
CONFIG = Config(
    access_key=Secret(ACCESS),
    secret_key=Secret(SECRET),
    webhook_url=Secret(HOOK),
    discord_bot_token=Secret(BOT),
    proxy=Secret(PROXY),
)
JWT = token(ACCESS, SECRET, "a=b")
PARTS = ("the-token-of-the-webhook", "pass word-of-proxy", "pass%20word-of-proxy")
CANARIES = (ACCESS, SECRET, HOOK, BOT, PROXY, *PARTS, JWT, *JWT.split(".")[:2])


@given(
    st.sampled_from(CANARIES),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_no_secret_is_left_in_any_text_around_it(secret: str, before: str, after: str) -> None:
    """Keys, the webhook and its token, and a token of Upbit's or a part of one."""
    assert secret not in Redaction.of(CONFIG)(f"{before} {secret} {after}")


@pytest.mark.parametrize("length", range(16, len(JWT), 7))
def test_a_token_that_an_answer_repeats_is_hidden_also_when_it_is_cut_off(length: int) -> None:
    """An error quotes the first two hundred bytes of a body."""
    for text in (f"invalid token: {JWT[:length]}", f"Authorization: Bearer {JWT[:length]}"):
        assert JWT[:16] not in Redaction()(text)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.dictionaries(st.text(), inner)))
def test_what_is_left_of_json_is_json(value: object) -> None:
    """The journal hides secrets in the text it writes, which must be read again."""
    text = canonical({"value": value, "hook": f'say "{HOOK}"', "jwt": f"'{JWT}'\\"})
    assert HIDDEN in json.dumps(json.loads(Redaction.of(CONFIG)(text)))


@given(st.text(st.sampled_from("abc 123,.KRW-BTC원%+=:"), max_size=200))
def test_innocent_words_stay(text: str) -> None:
    """Markets, numbers and sentences are what the log is for."""
    assert Redaction.of(CONFIG)(text) == text


def test_a_secret_that_begins_like_another_leaves_nothing_of_it() -> None:
    """The longer one is taken out first; one of five letters is no secret."""
    config = Config(access_key=Secret("abcdef"), secret_key=Secret("abcdefghij"), proxy=Secret("http://a:short@b"))
    assert Redaction.of(config)("abcdefghij abcdef short") == "*** *** short"


def test_an_address_of_a_proxy_or_webhook_hides_with_all_that_is_enough_to_use_it() -> None:
    """A password as it is written there and as it is meant, a token with or without what stands behind it."""
    hide = Redaction.of(CONFIG)
    assert hide(f"{PROXY} pass word-of-proxy! pass%20word-of-proxy@x") == "*** ***! ***@x"
    assert hide("the-token-of-the-webhook ?thread_id=5") == "*** ?thread_id=5"
    assert hide("somebody at proxy.example:3128 and discord.com") == "somebody at proxy.example:3128 and discord.com"
    assert hide('BEARER abc, bearer  x"y, bearers') == 'BEARER *** bearer  ***"y, bearers'
    assert hide("/webhooks/1/a?b=c d") == "/webhooks/*** d"
    assert repr(hide).endswith(" secrets)")


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("http://a:pass:word@proxy:1", "pass:word"),
        ("http://a:pass@word@proxy:1", "pass@word"),
        ("http://proxy:3128", None),
        ("https://hook.example/api/token-1?to=https://b/other", "token-1"),
    ],
)
def test_what_is_secret_in_an_address_is_found_wherever_its_marks_stand(address: str, part: str | None) -> None:
    """A colon or an at-sign in a password, an address in a query."""
    assert set(forms_of(Secret(address))) == {address, *([part] if part else [])}


def test_a_redaction_shows_nobody_what_it_hides() -> None:
    """Not in a traceback either."""
    assert ACCESS not in repr(Redaction.of(CONFIG))


def test_an_answer_that_repeats_everything_leaves_no_secret_in_the_file(tmp_path: Path) -> None:
    """A halt with its evidence, a message, and the reason why one failed; read back as bytes of every table."""
    path, echo = tmp_path / "j.sqlite3", " ".join(CANARIES)
    with Journal.open(path, lambda: NOW, Redaction.of(CONFIG)) as journal:
        note = Note(key="k", kind="x", body={"embeds": [{"title": echo}]})
        halt = Halt(
            code="x", level=Level.HALTED, ends=Ends.PERSON, ko=echo, en=echo, since=NOW, evidence={"said": echo}
        )
        journal.begin_halt(halt, [note])
        journal.mark_failed(["k"], echo)
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    written = path.read_bytes()
    for secret in CANARIES:
        assert secret.encode() not in written
    with closing(sqlite3.connect(path)) as db:
        assert HIDDEN in str(db.execute("SELECT body FROM outbox").fetchone())


def test_a_message_that_waits_in_memory_holds_no_secret(tmp_path: Path) -> None:
    """It is delivered without having been written down."""
    with Journal.open(tmp_path / "j.sqlite3", lambda: NOW, Redaction.of(CONFIG)) as journal:
        journal._db.execute("PRAGMA query_only = ON")
        journal.add_notes([Note(key="k", kind="x", body={"embeds": [{"title": SECRET}]})])
        (note,) = journal.pending_notes(9)
        assert SECRET not in str(note.body)
