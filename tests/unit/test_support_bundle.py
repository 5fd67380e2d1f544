"""`support-bundle`: what helps is inside, and no canary ever gets in."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from journal.records import Command, Ends, Halt, IntentState, Level, Note, Order
from main import main
from tests.helpers.journals import NOW, Book, fill, intent, trade

if TYPE_CHECKING:
    from pathlib import Path

ACCESS, SECRET = "canary-access-9f3b1c77", "canary-secret-0123456789abcdef0123456789"
TOKEN, BOT = "canary-token-AbCdEf123456", "canary-bot.AbCdEf.0123456789abcdef"
OWNER, CHANNEL = 300000000000000001, 300000000000000003
WEBHOOK = f"https://discord.com/api/webhooks/123456789/{TOKEN}"
PROXY = "http://canary-user:canary-password-77@10.1.2.3:8080"
UUID, OTHER = "deadbeef-0000-4000-8000-00000000cafe", "12345678-1234-4234-8234-123456789abc"
ADDRESS, PERSON = "203.0.113.77", "canary-person"
IDENTIFIER = "canary-identifier-1"
CANARIES = (
    *(ACCESS, SECRET, TOKEN, BOT, "canary-password-77", UUID, OTHER, ADDRESS, PERSON, IDENTIFIER, "canary-trade"),
    *(str(OWNER), str(CHANNEL)),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose journal and log hold every canary, written as carelessly as can be."""
    for name, value in (
        ("ACCESS_KEY", ACCESS),
        ("SECRET_KEY", SECRET),
        ("DISCORD_WEBHOOK_URL", WEBHOOK),
        ("DISCORD_BOT_TOKEN", BOT),
        ("HTTPS_PROXY", PROXY),
        ("BOT_DATA_DIR", str(tmp_path)),
        ("BOT_LANGUAGE", "en"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(f"[chat]\nowner = {OWNER}\nchannel = {CHANNEL}\n", encoding="utf-8")
    spilled = f"{ACCESS} {SECRET} {WEBHOOK} {BOT} {PROXY} {UUID} {OTHER} {ADDRESS} /home/{PERSON}/bot {IDENTIFIER}"
    book = Book(tmp_path / "journal.sqlite3")
    with book.journal:
        decided = trade("canary-trade", "KRW-BTC")
        assert book.journal.begin_trade(decided, intent(IDENTIFIER, decided))
        book.journal.begin_attempt(IDENTIFIER)
        book.journal.end_attempt(IDENTIFIER, IntentState.ACCEPTED, outcome=f"accepted {spilled}", uuid=UUID)
        book.journal.record_fills(IDENTIFIER, [fill(OTHER, "100", "2")], Decimal("0.5"))
        halt = Halt(code="x", level=Level.HALT_BUYS, ends=Ends.PERSON, ko=spilled, en=spilled, since=NOW)
        asked = Command(id="c", name=Order.SELL, by="page", asked_at=NOW, codes=("canary-trade", str(OWNER)))
        book.journal.begin_command(asked)
        book.journal.begin_halt(halt, [Note(key=f"bought:{UUID}", kind="bought", body={"text": spilled})])
    (tmp_path / "bot.log").write_text(f"line before\nfailed with {spilled}\n", encoding="utf-8")
    return tmp_path


def read(path: Path) -> dict[str, str]:
    """Return the files of a bundle by name."""
    with zipfile.ZipFile(path) as packed:
        return {name: packed.read(name).decode() for name in packed.namelist()}


def test_no_canary_gets_in_and_what_helps_is_there(folder: Path) -> None:
    """Keys, tokens, uuids, identifiers, addresses and the name of the home folder are left out; the story stays."""
    assert main(["support-bundle", "bundle.zip", "--set", "log.file=bot.log"]) == 0
    files = read(folder / "bundle.zip")
    for name, text in files.items():
        assert [canary for canary in CANARIES if canary in text] == [], name
    assert {"journal/trade.jsonl", "journal/event.jsonl", "settings.json", "versions.json", "log.txt"} <= set(files)
    assert "line before" in files["log.txt"]
    (told,) = (json.loads(line) for line in files["journal/trade.jsonl"].splitlines())
    (order,) = (json.loads(line) for line in files["journal/intent.jsonl"].splitlines())
    assert told["market"] == "KRW-BTC"
    assert order["trade_id"] == told["id"], "who is who can still be followed"
    assert (folder / "bundle.zip").stat().st_mode & 0o077 == 0


def test_the_canaries_would_be_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were nothing hidden, every one of them would stand in some file: the check is awake."""
    monkeypatch.setattr("views.bundle.Names.__call__", lambda _, text: text)
    assert main(["support-bundle", "bundle.zip", "--set", "log.file=bot.log"]) == 0
    whole = "".join(read(folder / "bundle.zip").values())
    assert [canary for canary in CANARIES if canary not in whole] == []


def test_a_file_that_is_there_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, and what was there stays."""
    (folder / "mine.zip").write_text("mine", encoding="utf-8")
    assert main(["support-bundle", "mine.zip"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert (folder / "mine.zip").read_text(encoding="utf-8") == "mine"


def test_without_a_journal_there_is_still_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cannot even start needs help most."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path / "nowhere"))
    assert main(["support-bundle", "bundle.zip", "--json"]) == 0
    assert set(read(tmp_path / "bundle.zip")) == {"settings.json", "versions.json", "log.txt"}
