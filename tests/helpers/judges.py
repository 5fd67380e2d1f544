"""Judges: real clients in processes of their own, the sandbox they are sent to, and a second reading of it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlencode

import jwt
import pytest

from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = ROOT / "tests" / "contract" / "clients"
ACCESS_KEY, SECRET_KEY = "judge-access-key", "judge-secret-key-" + "0123456789abcdef" * 3
TOO_MANY = 429


@dataclass(frozen=True)
class Box:
    """A sandbox in a process of its own. `get` reads it with nothing but the standard library and PyJWT, over HS512."""

    url: str

    def get(self, path: str, *, signed: bool = False, **query: str) -> Any:
        """GET a JSON answer, numbers as exact decimals; when the client spent the second's budget, in the next one."""
        text = urlencode(query)
        while True:
            request = urllib.request.Request(f"{self.url}{path}" + (f"?{text}" if text else ""))  # noqa: S310 - ours
            if signed:
                request.add_header("Authorization", "Bearer " + token(unquote(text)))
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the sandbox on this machine
                    return json.loads(answer.read(), parse_float=Decimal, parse_int=Decimal)
            except urllib.error.HTTPError as refusal:
                refusal.close()
                if refusal.code != TOO_MANY:
                    raise
                time.sleep(1 - time.time() % 1)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what is available and locked, by currency."""
        accounts = self.get("/v1/accounts", signed=True)
        return {account["currency"]: (Decimal(account["balance"]), Decimal(account["locked"])) for account in accounts}

    def trade(self, market: str, number: int) -> tuple[Decimal, Decimal]:
        """Return price and volume of the public trade of this `sequential_id`."""
        page = self.get("/v1/trades/ticks", market=market, count="200", cursor=str(number + 1))
        (found,) = [trade for trade in page if trade["sequential_id"] == number]  # ids are unique, not ordered
        return found["trade_price"], found["trade_volume"]

    def minutes(self, market: str, before: str, count: int) -> list[dict[str, Any]]:
        """Return minute candles that began before a moment in Korea, oldest first, in pages of an odd size."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            page = self.get(
                "/v1/candles/minutes/1", market=market, count=str(min(149, count - len(found))), to=before + "+09:00"
            )
            assert page, "there is less history than asked for"
            found += page
            before = page[-1]["candle_date_time_kst"]
        return found[::-1]


def token(hashed: str) -> str:
    """Sign a request."""
    claims = {"access_key": ACCESS_KEY, "nonce": str(uuid.uuid4())}
    if hashed:
        claims["query_hash"] = hashlib.sha512(hashed.encode()).hexdigest()
    return jwt.encode(claims, SECRET_KEY, algorithm="HS512")


@contextmanager
def open_box(*options: str) -> Iterator[Box]:
    """Start a sandbox as a user does, on a port of its own, and insist that it ends cleanly and in peace."""
    with started("--seed", "7", "--markets", "8", *options) as (box, _):
        yield box


@contextmanager
def open_paper_box() -> Iterator[Box]:
    """Start another one in front of its market, and insist that it breaks no rule there."""
    with (
        started("--seed", "7", "--markets", "8") as (upbit, ended),
        started("--live", "--upstream", upbit.url) as (box, _),
    ):
        yield box
    assert json.loads(ended[-1]) == {"violations": {}}


@contextmanager
def started(*options: str) -> Iterator[tuple[Box, list[str]]]:
    """Start a sandbox, and say what it said when it has ended."""
    keys = ("--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY)
    command = [sys.executable, "main.py", "sandbox", "--json", *keys, *options]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ended: list[str] = []
    try:
        assert process.stdout is not None
        yield Box(json.loads(process.stdout.readline())["url"]), ended
    finally:
        process.send_signal(signal.SIGTERM)
        last, errors = process.communicate(timeout=PATIENCE_S)
        ended += last.splitlines()
    assert process.returncode == 0
    assert errors == "", f"the sandbox logs only its own failures: {errors}"


def judge(name: str, box: Box, *arguments: str) -> dict[str, Any]:
    """Let a client live through its story against a sandbox; return what it saw.

    `-I` keeps our own packages out of its sight: the official SDK is called `upbit`, as our room of clients is.
    """
    command = [sys.executable, "-I", str(CLIENTS / name), box.url, *arguments]
    done = subprocess.run(  # noqa: S603 - our own script
        command, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    if done.returncode:
        pytest.fail(f"{name} failed:\n{done.stderr}", pytrace=False)
    story = json.loads(done.stdout)
    assert isinstance(story, dict)
    return story


def environment() -> dict[str, str]:
    """Return an environment that holds nothing of the machine's but its path."""
    return {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en", "HOME": os.environ.get("HOME", "/")}
