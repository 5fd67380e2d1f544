"""No client can crash the sandbox: whatever it sends it gets an error of Upbit's shape, and everybody else goes on."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.auth import body_texts
from sandbox.server import Opened, Sandbox, SandboxOptions
from simulation.loop import PacedLoop
from tests.fuzz.hostile import (
    METHODS,
    TOTAL,
    bodies,
    cases,
    content_types,
    frames,
    odd_headers,
    paths,
    queries,
    raw_http,
    tokens,
)
from tests.helpers.sandbox_desk import START, FakeSource

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERED_S = 5.0  # loop time, which is skipped when nothing happens
KEY = "sandbox-access-key"
FEW = 1_000  # up to here the cases are always the same
FAST = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    database=None,
)


class Victim:
    """A sandbox, and raw connections to it. Its clock stands still but for what the test lets pass."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.now = START
        self.options = SandboxOptions(admin=True)
        self.nonce = "once"
        self.box = runner.run(self._open())

    async def _open(self) -> Sandbox:
        box = Sandbox(self.options, lambda: self.now, Opened(FakeSource(), START))
        await box.__aenter__()
        return box

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        port = int(self.box.url.rsplit(":", 1)[1])
        return await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)

    async def send(self, request: bytes) -> tuple[int, dict[str, str], bytes] | None:
        """Send bytes, and return the first answer; None when the connection ended without one."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            if writer.can_write_eof():
                async with asyncio.timeout(ANSWERED_S):
                    return await read_answer(reader)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            return None
        finally:
            writer.close()
        return None

    def token(self, kind: str | bytes, query: str, body: bytes) -> bytes:
        """Return the Authorization header of a token that is right, or wrong in some way."""
        if isinstance(kind, bytes):
            return b"Authorization: Bearer " + base64.urlsafe_b64encode(kind) + b".e30.\r\n"
        if kind == "none":
            return b""
        if kind == "garbage":
            return b"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJhIjpbW119.\r\n"
        self.nonce = self.nonce if kind == "reused" else str(uuid.uuid4())
        claims = {"access_key": "nobody" if kind == "stolen" else KEY, "nonce": self.nonce}
        text = hash_text(query, body)
        if text and kind != "no hash":
            text += "x" if kind == "wrong hash" else ""
            claims["query_hash"] = hashlib.sha512(text.encode("utf-8", "replace")).hexdigest()
        secret = self.options.secret_key
        return b"Authorization: Bearer " + jwt.encode(claims, secret, algorithm="HS256").encode() + b"\r\n"

    def check(self) -> None:
        """Nothing of ours failed, the books balance, and the next client is served."""
        assert self.box.internal_errors == 0
        self.box.exchange.verify()
        self.now += timedelta(seconds=11)  # limits are another test's matter
        answer = self.runner.run(self.send(b"GET /v1/ticker?markets=KRW-BTC HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert answer is not None
        assert answer[0] == 200


def hash_text(query: str, body: bytes) -> str:
    """Return the text a well-meaning client hashes; nothing when the body is not to be read."""
    if query:
        return unquote(query)
    try:
        read = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return ""
    return body_texts(read)[0] if isinstance(read, dict) and read else ""


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Read one HTTP answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    if status == 100:
        return await read_answer(reader)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    body = await reader.readexactly(int(headers.get("content-length", "0"))) if status != 101 else b""
    return status, headers, body


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    """Run a sandbox for all cases of the module: what one of them leaves behind the next one meets."""
    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        found = Victim(runner)
        yield found
        runner.run(found.box.__aexit__(None, None, None))


def check_shape(answer: tuple[int, dict[str, str], bytes] | None, method: str) -> None:
    """An answer is no failure of ours, and an error has a name and a message."""
    if answer is None:
        return  # the connection was ended, which is an answer too
    status, headers, body = answer
    assert status < 500, body
    if status >= 400 and method != "HEAD":
        told = json.loads(body)
        if "code" in told or "retry_after" in told:
            return  # in the words of Discord
        assert isinstance(told["error"]["name"], str | int), told
        assert isinstance(told["error"]["message"], str), told
        assert headers["content-type"].startswith("application/json")


requests = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS) | st.sampled_from(["GET", "POST", "DELETE"]),
        "path": paths,
        "query": queries,
        "body": st.just(b"") | bodies,
        "content_type": content_types,
        "token": tokens,
        "odd": st.lists(odd_headers, max_size=2),
    }
)


def written(victim: Victim, asked: dict[str, Any]) -> bytes:
    """Return a request as it goes over the wire."""
    target = asked["path"] + ("?" + asked["query"] if asked["query"] else "")
    head = f"{asked['method']} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: {asked['content_type']}\r\n"
    odd, body = b"".join(asked["odd"]), asked["body"]
    if body and b"Transfer-Encoding" not in odd and b"Content-Length" not in odd:
        odd += f"Content-Length: {len(body)}\r\n".encode()
    token = victim.token(asked["token"], asked["query"], body)
    return bytes(head.encode("latin-1", "replace") + token + odd + b"\r\n" + body)


@settings(FAST, max_examples=cases(55), derandomize=TOTAL <= FEW)
@given(asked=requests)
def test_any_request_gets_an_answer_of_upbits_shape(victim: Victim, asked: dict[str, Any]) -> None:
    """Paths, methods, queries, bodies, tokens and headers of every kind."""
    check_shape(victim.runner.run(victim.send(written(victim, asked))), asked["method"])
    victim.check()


@settings(FAST, max_examples=cases(1), derandomize=TOTAL <= FEW)
@given(several=st.lists(requests, min_size=20, max_size=40))
def test_a_flood_is_limited_and_hurts_nobody(victim: Victim, several: list[dict[str, Any]]) -> None:
    """While no time passes limits and penalties answer, in the same shape."""
    for asked in several:
        check_shape(victim.runner.run(victim.send(written(victim, asked))), asked["method"])
    victim.now += timedelta(hours=1)
    victim.check()


@settings(FAST, max_examples=cases(14), derandomize=TOTAL <= FEW)
@given(noise=st.lists(raw_http, min_size=1, max_size=6).map(b"".join))
def test_bytes_that_are_no_http_do_not_get_far(victim: Victim, noise: bytes) -> None:
    """A 400 of Upbit's shape, an answer to what could be read, or the end of the connection."""
    check_shape(victim.runner.run(victim.send(noise)), "GET")
    victim.check()


HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@settings(FAST, max_examples=cases(30), derandomize=TOTAL <= FEW)
@given(
    path=st.sampled_from(["/websocket/v1", "/websocket/v1/private", "/websocket/v1/info"]),
    token=tokens,
    sent=st.lists(frames, min_size=1, max_size=5),
)
def test_any_frame_gets_an_error_frame_or_the_end(
    victim: Victim, path: str, token: str | bytes, sent: list[bytes]
) -> None:
    """Text, binary, fragments, control frames, broken and huge ones; many subscriptions; no subscription at all."""
    head = HANDSHAKE.format(path=path).encode() + victim.token(token, "", b"") + b"\r\n"
    victim.runner.run(converse(victim, head, sent))
    victim.check()


async def converse(victim: Victim, head: bytes, sent: list[bytes]) -> None:
    """Open a WebSocket by hand, send bytes, and read until the server ends it or has nothing more to say."""
    reader, writer = await victim.connect()
    writer.write(head)
    try:
        async with asyncio.timeout(ANSWERED_S):
            status, _, _ = await read_answer(reader)
            assert status in {101, 401, 429, 418}
            for message in sent:
                writer.write(message)
                await asyncio.sleep(0.25)  # within the limits
            while await reader.read(1 << 16):
                pass
    except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
        pass
    finally:
        writer.close()
    await asyncio.sleep(1)


def test_a_client_that_never_finishes_its_request_is_let_go(victim: Victim) -> None:
    """Half a head, or half a body: answered with a time-out or ended, and nothing stays behind."""

    async def slow(part: bytes) -> bytes:
        reader, writer = await victim.connect()
        writer.write(part)
        async with asyncio.timeout(600):
            answer = await reader.read()
        writer.close()
        return answer

    victim.runner.run(slow(b"GET /v1/market/all HTTP/1.1\r\nHost: "))
    answer = victim.runner.run(slow(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"))
    assert answer.startswith(b"HTTP/1.1 408 ")
    victim.check()


def test_a_body_that_is_too_large_is_refused_by_its_size(victim: Victim) -> None:
    """Upbit's shape, before it is read to its end."""
    head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
    answer = victim.runner.run(victim.send(head + b"x" * 3_000_000))
    assert answer is not None
    assert (answer[0], json.loads(answer[2])["error"]["name"]) == (413, "request_entity_too_large")
    victim.check()
