"""`python main.py sandbox` as anybody starts it: a process that says where it is, serves many, and ends well."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest

from cli import sandbox as cli_sandbox
from cli.common.accounts import read_accounts
from sandbox.server import Sandbox, SandboxOptions, open_source
from simulation.loop import LoopClock, PacedLoop
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "secret-of-the-second-account-0123456789"
START = datetime(2026, 11, 2, tzinfo=UTC)


@contextmanager
def sandbox(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the verb in the background, and end it with the block."""
    command = [sys.executable, "main.py", "sandbox", *arguments]
    environment = {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en"}
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE_S)


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the start line of `--json`."""
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert isinstance(line, dict)
    return line


def token(key: dict[str, str]) -> dict[str, str]:
    """Return the headers of a signed request without parameters."""
    claims = {"access_key": key["access_key"], "nonce": str(uuid.uuid4())}
    return {"Authorization": "Bearer " + jwt.encode(claims, key["secret_key"], algorithm="HS256")}


async def held(session: aiohttp.ClientSession, line: dict[str, Any], key: dict[str, str]) -> dict[str, str]:
    """Return what a key sees in its account."""
    async with session.get(line["rest"] + "/accounts", headers=token(key)) as answer:
        assert answer.status == 200, await answer.text()
        return {row["currency"]: row["balance"] for row in await answer.json()}


async def test_the_start_line_opens_every_door(tmp_path: Path) -> None:
    """REST, both streams and the webhook receiver answer at the told addresses, to the told keys of all accounts."""
    pocket = {
        "account": "third",
        "pocket": "daemon",
        "balances": {"KRW": "7000", "BTC": "0.5"},
        "keys": [{"access_key": "k3", "secret_key": SECRET + "3"}],
    }
    (tmp_path / "accounts.json").write_text(json.dumps([pocket]))
    more = ("--account", f"second:k2:{SECRET}:5000", "--accounts", str(tmp_path / "accounts.json"))
    with sandbox("--json", "--markets", "4", *more) as process:
        line = first_line(process)
        keys = [key for account in line["accounts"] for key in account["keys"]]
        async with aiohttp.ClientSession() as session:
            seen = await asyncio.gather(*(held(session, line, key) for key in keys))
            assert seen == [{"KRW": "1000000"}, {"KRW": "5000"}, {"KRW": "7000", "BTC": "0.5"}]
            async with session.ws_connect(line["websocket"]) as public:
                await public.send_json([{"ticket": "t"}, {"type": "ticker", "codes": ["KRW-BTC"]}])
                assert json.loads((await public.receive()).data)["code"] == "KRW-BTC"
            async with session.ws_connect(line["websocket_private"], headers=token(keys[1])) as private:
                await private.send_str("PING")
                assert json.loads((await private.receive()).data)["status"] == "UP"
            async with session.post(line["webhook"], json={"content": "hello"}) as answer:
                assert answer.status in {200, 204}
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert json.loads(output) == {"violations": {}}
    assert errors == ""


def refused(*arguments: str) -> tuple[int, str]:
    """Start what must not start; return exit code and words."""
    with sandbox(*arguments) as process:
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in errors
    return process.returncode, errors


def test_a_taken_port_is_one_sentence() -> None:
    """And exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, words = refused("--markets", "2", "--port", str(taken.getsockname()[1]))
    assert (code, words) == (1, "That port is in use. Name another one with --port.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--account", "b:sandbox-access-key:s:5"), 4, "'sandbox-access-key' is there twice"),
        (("--account", "b:s:5"), 2, "must be NAME:ACCESS:SECRET:WON"),
        (("--account", "b:k:s:many"), 2, "must be an amount of won"),
        (("--accounts", "no-such-file.json"), 4, "The file of accounts no-such-file.json cannot be read"),
        (("--accounts", "pyproject.toml"), 4, "cannot be read: JSON is malformed"),
        (("--start", "2026-11-02", "--replay", "."), 4, "exclude each other"),
        (("--start", "soon"), 2, "must be a time such as"),
        (("--port", "65536"), 2, "must be a port from 0 to 65535"),
    ],
)
def test_contradictions_are_told_before_anything_opens(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    """What is wrong, and the exit code of its kind."""
    told, words = refused(*arguments)
    assert sentence in words
    assert told == code


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ([{"keys": [{"access_key": "a", "secret_key": "b", "permissions": ["fly"]}]}], "unknown permission 'fly'"),
        ([{"balances": {"KRW": "-1"}}], "is not an amount"),
        ([{"ballances": {}}], "unknown field `ballances`"),
        ([{"keys": [{"access_key": "", "secret_key": "b"}]}], "needs an access key"),
        ([{"keys": [{"access_key": "a", "secret_key": "b", "expires_at": "2027-01-01T00:00:00"}]}], "timezone"),
    ],
)
def test_a_wrong_file_of_accounts_is_told(form: list[Any], words: str, tmp_path: Path) -> None:
    """With the field that is wrong, in the sentence."""
    path = tmp_path / "accounts.json"
    path.write_text(json.dumps(form))
    code, told = refused("--accounts", str(path))
    assert words in told
    assert code == 4


def test_a_fast_market_keeps_its_pace_for_real_clients() -> None:
    """At 60 market seconds a second, one second of waiting is a minute of trades; the same on every machine."""

    async def ticks() -> tuple[datetime, list[int]]:
        options = SandboxOptions(markets=5, speed=60.0, start=START)
        source = open_source(options, START)
        clock = LoopClock(source.start, asyncio.get_running_loop(), scale=options.speed)
        async with Sandbox(options, clock, source) as box, aiohttp.ClientSession() as session:
            await asyncio.sleep(10)
            async with session.get(box.url + "/v1/candles/minutes/1?market=KRW-BTC&count=9") as answer:
                candles = await answer.json()
            return clock(), [candle["timestamp"] for candle in candles]

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        now, stamps = runner.run(ticks())
    passed = (now - START).total_seconds()
    assert 600 <= passed < 620
    assert len([stamp for stamp in stamps if stamp >= START.timestamp() * 1000]) >= 9
    assert max(stamps) <= now.timestamp() * 1000


def test_a_reader_that_has_gone_does_not_make_the_end_a_failure() -> None:
    """The script has closed the pipe: SIGTERM still ends the sandbox cleanly, without a traceback."""
    with sandbox("--markets", "2", "--json") as process:
        first_line(process)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert "Traceback" not in process.stderr.read()


def test_a_machine_that_is_too_slow_is_said() -> None:
    """A loop that comes late to its own look says what to lower; one that keeps its pace says nothing."""
    settings = SandboxOptions(markets=289, speed=600.0)
    assert cli_sandbox.behind(settings, 0.2) is None
    assert "--speed 600 with --markets 289" in (cli_sandbox.behind(settings, 2.0) or "")


def test_the_file_of_accounts_in_the_document_can_be_read(tmp_path: Path) -> None:
    """What docs/sandbox.md shows opens an account with its won, its coins and its key."""
    text = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(\[.*?\n\])\n```", text, flags=re.DOTALL)
    path = tmp_path / "accounts.json"
    path.write_text(example, encoding="utf-8")
    second, savings = read_accounts(path)
    assert (second.account, savings.account, savings.name) == ("second", "main", "savings")
    assert second.balances == {"KRW": Decimal(5_000_000), "BTC": Decimal("0.1")}
    assert savings.keys[0].ips == frozenset({"127.0.0.1"})
