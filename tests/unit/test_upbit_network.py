"""The way out: certificates are verified, redirects lead nowhere, and a proxy is used where one is asked for."""

from __future__ import annotations

import asyncio
import random
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import DummyCookieJar, TCPConnector, web
from websockets.asyncio.server import ServerConnection, serve

from tests.helpers.certificates import Authority, authority, proxy_to
from tests.helpers.wire import Wire
from upbit.errors import ExchangeError
from upbit.http import TIMEOUT
from upbit.network import DIRECT, Network, is_loopback
from upbit.rest import Upbit
from upbit.stream import TickerStream
from upbit.transport import open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LISTING = b'[{"market":"KRW-BTC","korean_name":"x"}]'
ANSWER = b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(LISTING), LISTING)
FRAME = b'{"code":"KRW-BTC","trade_price":1,"trade_timestamp":1,"timestamp":1}'


@pytest.fixture
def own(tmp_path: Path) -> Authority:
    """Return an authority that nobody knows."""
    return authority(tmp_path)


@asynccontextmanager
async def upbit_behind(tls: ssl.SSLContext) -> AsyncIterator[Wire]:
    """Serve one listing after another over TLS."""
    wire = Wire()
    wire.answers = [ANSWER] * 9
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for writer in wire.writers:
            writer.close()


async def listed(url: str, network: Network = DIRECT) -> list[str]:
    """Ask an address for its markets."""
    async with open_session(network, url=url) as session:
        return [one.market for one in await Upbit(session, base_url=url).markets()]


async def first_frame(url: str, network: Network = DIRECT) -> str:
    """Return the market of the first frame of an address."""
    stream, told = TickerStream(url, rng=random.Random(1), network=network), asyncio.Queue[str]()
    stream.wanted(frozenset({"KRW-BTC"}))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(stream.run(lambda frame: told.put_nowait(frame.market)))
        found = await told.get()
        running.cancel()
    return found


async def tell(connection: ServerConnection) -> None:
    """Send one frame, and keep the line open."""
    await connection.recv()
    await connection.send(FRAME)
    await connection.wait_closed()


class Ended(Exception):
    """A connection of the stream has failed."""


async def failed_connections(stream: TickerStream, times: int) -> None:
    """Run a stream until so many of its connections have ended without ever being open."""
    states: list[str] = []
    enough = asyncio.Event()

    def note(state: str) -> None:
        states.append(state)
        if states.count("closed") == times:
            enough.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(stream.run(lambda _: None, note))
        await enough.wait()
        running.cancel()
    assert "open" not in states


# --- certificates ----------------------------------------------------------------------------------------------------


async def test_a_certificate_of_an_unknown_authority_is_not_believed(own: Authority) -> None:
    """No request reaches whoever shows it."""
    async with upbit_behind(own.server("localhost", "127.0.0.1")) as wire:
        with pytest.raises(ExchangeError):
            await listed(f"https://localhost:{wire.port}")
        assert wire.seen == []


async def test_a_session_waits_for_nobody_without_end_and_remembers_nobody() -> None:
    """For Upbit and for Discord: no cookie of theirs comes back to them."""
    async with open_session() as session:
        assert session.timeout == TIMEOUT
        assert None not in {TIMEOUT.total, TIMEOUT.connect, TIMEOUT.sock_read}
        assert isinstance(session.cookie_jar, DummyCookieJar)
        assert dict(session.headers) == {"Accept": "application/json"}
        assert session.raise_for_status is False
        assert isinstance(session.connector, TCPConnector)
        assert session.connector._keepalive_timeout == 30


def test_whom_we_believe_does_not_hang_on_the_machine(own: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slim container has no list of authorities, so we bring one; one's own stands beside them, and names count."""
    usual = len(DIRECT.tls().get_ca_certs())
    assert len(Network(ca_file=own.path).tls().get_ca_certs()) == usual + 1
    monkeypatch.setattr("upbit.network.certifi.where", lambda: str(own.path))
    context = DIRECT.tls()
    assert len(context.get_ca_certs()) == 1
    assert (context.check_hostname, context.verify_mode, context.minimum_version) == (
        True,
        ssl.CERT_REQUIRED,
        ssl.TLSVersion.TLSv1_2,
    )


@pytest.mark.case("S3")
@pytest.mark.usefixtures("sockets")
async def test_an_authority_of_ones_own_is_believed_when_it_is_named(own: Authority) -> None:
    """For REST, and only for the names on its certificates, and not after their end."""
    network = Network(ca_file=own.path)
    async with upbit_behind(own.server("localhost")) as wire:
        assert await listed(f"https://localhost:{wire.port}", network) == ["KRW-BTC"]
        with pytest.raises(ExchangeError):
            await listed(f"https://127.0.0.1:{wire.port}", network)
    async with upbit_behind(own.server("localhost", until=datetime(2021, 1, 1, tzinfo=UTC))) as wire:
        with pytest.raises(ExchangeError):
            await listed(f"https://localhost:{wire.port}", network)


@pytest.mark.usefixtures("sockets")
async def test_a_socket_believes_no_certificate_of_an_unknown_authority(own: Authority) -> None:
    """Neither an unknown authority nor another name opens a stream; a named authority does."""
    network = Network(ca_file=own.path)
    async with serve(tell, "127.0.0.1", 0, ssl=own.server("localhost")) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        assert await first_frame(f"wss://localhost:{port}", network) == "KRW-BTC"
        for url, known in ((f"wss://localhost:{port}", DIRECT), (f"wss://127.0.0.1:{port}", network)):
            stream = TickerStream(url, rng=random.Random(1), network=known)
            stream.wanted(frozenset({"KRW-BTC"}))
            await failed_connections(stream, 1)


def test_a_file_that_holds_no_authority_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is sent."""
    path = tmp_path / "authority.pem"
    for content in (None, "", "nothing"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(OSError):  # noqa: PT011 - whatever the library finds wrong with it
            Network(ca_file=path).tls()


# --- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("sockets")
async def test_a_socket_follows_no_redirect() -> None:
    """Whoever answers with another address hears nothing more, and that address hears nothing at all."""
    visits: list[str] = []
    elsewhere: list[str] = []

    async def there(request: web.Request) -> web.Response:
        elsewhere.append(request.path)
        return web.Response()

    async def redirect(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=302, headers={"Location": f"ws://127.0.0.1:{other.port}/websocket"})

    async with site(there) as other, site(redirect) as first:
        stream = TickerStream(f"ws://127.0.0.1:{first.port}", rng=random.Random(1))
        stream.wanted(frozenset({"KRW-BTC"}))
        await failed_connections(stream, 2)
    assert len(visits) == 2
    assert elsewhere == []


async def test_a_request_follows_no_redirect() -> None:
    """Its signature is for Upbit alone."""
    elsewhere: list[str] = []

    async def there(request: web.Request) -> web.Response:
        elsewhere.append(request.path)
        return web.json_response([])

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{other.port}/"})

    async with site(there) as other, site(redirect) as first:
        with pytest.raises(ExchangeError):
            await listed(f"http://127.0.0.1:{first.port}")
    assert elsewhere == []


class Site:
    """A web server on a port."""

    port = 0


@asynccontextmanager
async def site(handle: Handler) -> AsyncIterator[Site]:
    """Serve every path on a free port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found = Site()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


# --- proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.case("S3")
@pytest.mark.usefixtures("sockets")
async def test_requests_and_sockets_go_through_the_proxy_that_is_named(own: Authority) -> None:
    """A tunnel, so that the proxy sees a name and no key; certificates are verified behind it as ever."""
    tls = own.server("upbit.test")
    async with upbit_behind(tls) as wire, proxy_to(wire.port) as proxy:
        network = Network(proxy=proxy.url, ca_file=own.path)
        assert await listed("https://upbit.test", network) == ["KRW-BTC"]
        assert proxy.asked[0].startswith("CONNECT upbit.test:443 ")
        assert "Proxy-Authorization: Basic" in proxy.asked[0]
        with pytest.raises(ExchangeError):
            await listed("https://other.test", network)
        with pytest.raises(ExchangeError):
            await listed("https://upbit.test", Network(proxy=proxy.url))
    async with (
        serve(tell, "127.0.0.1", 0, ssl=tls) as server,
        proxy_to(next(iter(server.sockets)).getsockname()[1]) as proxy,
    ):
        network = Network(proxy=proxy.url, ca_file=own.path)
        assert await first_frame("wss://upbit.test/websocket/v1", network) == "KRW-BTC"
        assert proxy.asked[0].startswith("CONNECT upbit.test:443 ")


@pytest.mark.parametrize(
    ("url", "no_proxy", "used"),
    [
        ("https://api.upbit.com", "", True),
        ("wss://api.upbit.com/websocket/v1", "", True),
        ("https://discord.com/api/webhooks/1/x", "", True),
        ("https://api.upbit.com", "discord.com", True),
        ("https://api.upbit.com", "localhost,.upbit.com", False),
        ("https://api.upbit.com", "*", False),
        ("http://127.0.0.1:8080", "", False),
        ("ws://localhost:8080", "", False),
    ],
)
def test_a_proxy_is_for_what_is_outside(url: str, no_proxy: str, used: bool) -> None:  # noqa: FBT001 - a column
    """Not for this machine, and not for hosts that are to go without."""
    network = Network(proxy="http://proxy:3128", no_proxy=no_proxy)
    assert network.proxy_for(url) == ("http://proxy:3128" if used else None)
    assert DIRECT.proxy_for(url) is None


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("https://[::1]:1", True),
        ("http://localhost", True),
        ("https://api.upbit.com", False),
        ("https://api-upbit.com", False),
        ("https://10.0.0.1", False),
        ("https://localhost.example", False),
        ("https://user@127.0.0.1.example", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(url: str, here: bool) -> None:  # noqa: FBT001 - a column
    """By address or by its one name."""
    assert is_loopback(url) is here
