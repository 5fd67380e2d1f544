"""The simulated loop and network: unmodified aiohttp on both sides, and hosts that die between two callbacks."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sqlite3
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from simulation.disk import committed, inherit, lose_power
from simulation.hosts import Host
from simulation.network import Network
from simulation.virtual import Deadlock, VirtualLoop, owned_libraries, run
from simulation.weather import Rates, Storm
from worlds.pool import map_forked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

SERVER, CLIENT = "10.0.0.1", "10.0.0.2"


def apart(work: Callable[[], Any]) -> Any:
    """Run something in a process of its own: what is killed in it stays as it is, and ends with it."""
    ((_, content),) = map_forked([None], lambda _: json.dumps(work()).encode(), workers=1)
    return json.loads(content)


async def serve(handler: Handler) -> None:
    """Serve HTTP on port 80 for ever."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    await web.TCPSite(runner, SERVER, 80).start()
    await asyncio.Event().wait()


class Site:
    """A loop with a server on it that doubles what it is sent, and a client host."""

    def __init__(self, rates: Rates | None = None, seed: int = 1) -> None:
        self.loop = VirtualLoop()
        self.storm = Storm(random.Random(seed), rates or Rates())
        self.loop.network = self.network = Network(self.loop, self.storm)
        self.network.names["site.test"] = SERVER
        self.server, self.client = Host("server", SERVER), Host("client", CLIENT)
        self.got: list[Any] = []
        self.faults: list[str] = []
        self.network.on_fault = self.faults.append

    async def double(self, request: web.BaseRequest) -> web.Response:
        """Answer twice what was sent."""
        body = await request.read()
        self.got.append(len(body))
        return web.Response(body=body * 2)

    async def fetch(self, body: bytes = b"x" * 5000) -> Any:
        """Send a body; return the answer, or the name of what went wrong."""
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post("http://site.test/", data=body) as answer,
            ):
                return (await answer.read()).decode()
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__

    def run(self, main: Callable[[], Any]) -> Any:
        """Run a script beside the server."""

        async def script() -> Any:
            self.loop.start(self.server, serve(self.double))
            await asyncio.sleep(1)
            return await main()

        with owned_libraries(self.loop, 1e9):
            return run(self.loop, script())

    async def as_client(self) -> Any:
        """Fetch once, as the client."""
        return await self.loop.start(self.client, self.fetch())


def once(rates: Rates) -> Any:
    """Fetch once in some weather."""

    def work() -> Any:
        site = Site(rates)
        return [site.run(site.as_client), site.got, site.loop.time()]

    return apart(work)


def test_a_request_crosses_the_network_whole() -> None:
    """Both unmodified ends of aiohttp talk, and time passes only by the network's latency."""
    text, got, seconds = once(Rates())
    assert (len(text), got) == (10_000, [5000])
    assert 1 < seconds < 1.1


def test_bytes_keep_their_order_however_they_are_cut() -> None:
    """Slices with latencies of their own arrive as they were sent."""
    text, got, _ = once(Rates(cut=1.0, jitter_s=0.5))
    assert (len(text), got) == (10_000, [5000])


@pytest.mark.failure("D1")
@pytest.mark.parametrize(
    ("rates", "error"),
    [
        (Rates(dns=1.0), "ClientConnectorDNSError"),
        (Rates(refuse=1.0), "ClientConnectorError"),
        (Rates(hang=1.0), "TimeoutError"),
        (Rates(stall=1.0), "TimeoutError"),
        (Rates(reset=1.0), "ServerDisconnectedError|ClientOSError|ConnectionResetError"),
    ],
)
def test_every_kind_of_bad_weather_arrives_as_the_error_the_library_knows(rates: Rates, error: str) -> None:
    """What the simulator does to a connection looks to aiohttp as it does on a real network."""
    told, _, _ = once(rates)
    assert told in error.split("|")


def test_the_same_seed_gives_the_same_moments() -> None:
    """Two runs of one seed end at the same instant; another seed at another."""

    def seconds(seed: int) -> Any:
        def work() -> float:
            site = Site(Rates(jitter_s=0.2, cut=0.5), seed)
            site.run(site.as_client)
            return site.loop.time()

        return apart(work)

    assert seconds(1) == seconds(1) != seconds(2)


def killed(after_turns: int) -> dict[str, Any]:
    """Kill the client before its callback number `after_turns`, and look at what is left."""

    def work() -> dict[str, Any]:
        site = Site()
        after: list[str] = []

        async def client() -> None:
            try:
                asyncio.get_running_loop().call_later(3, after.append, "a timer")
                await site.fetch()
                after.append("answered")
                await asyncio.sleep(3)
            finally:
                after.append("finally")

        def watch(host: Host) -> None:
            if host is site.client and host.turns == after_turns:
                site.loop.kill(host)

        async def script() -> None:
            site.loop.start(site.client, client())
            site.loop.before_turn = watch
            await asyncio.sleep(60)

        site.run(script)
        turns = site.client.turns
        return {"turns": turns, "after": after, "got": site.got, "connections": site.loop.sizes()["connections"]}

    found = apart(work)
    assert isinstance(found, dict)
    return found


def test_a_killed_host_runs_nothing_more_wherever_it_is_killed() -> None:
    """No `finally`, no timer, no callback of the dead; its connections end; and the server lives on."""
    alive = killed(after_turns=10**9)
    assert alive["after"] == ["answered", "a timer", "finally"]
    for turn in range(alive["turns"]):
        dead = killed(turn)
        assert "finally" not in dead["after"]
        assert "a timer" not in dead["after"][:1]
        assert dead["turns"] == turn
        assert dead["connections"] == 0


def test_what_was_sent_before_a_kill_still_arrives() -> None:
    """The kernel sends what a killed process had written: somewhere between two kills the request begins to arrive."""
    turns = killed(after_turns=10**9)["turns"]
    arrived = [bool(killed(turn)["got"]) for turn in range(turns)]
    assert arrived == sorted(arrived)
    assert len(set(arrived)) == 2


def test_nothing_to_do_for_ever_is_a_deadlock() -> None:
    """A world in which everybody waits for nobody says so instead of standing still."""
    with pytest.raises(Deadlock):
        run(VirtualLoop(), asyncio.Event().wait())


def test_timers_of_one_moment_run_in_the_order_they_were_set() -> None:
    """Equal times keep their order, so that no trace depends on how a heap happens to be built."""
    ran: list[int] = []

    async def script() -> None:
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_at(5.0, ran.append, number)
        await asyncio.sleep(6)

    run(VirtualLoop(), script())
    assert ran == list(range(100))


def test_calm_ends_every_kind_of_weather() -> None:
    """After the storm the latency is the base, and nothing fails."""
    storm = Storm(random.Random(1), Rates(spike=1, cut=1, reset=1, stall=1, refuse=1, hang=1, dns=1, jitter_s=9))
    assert storm.sending() is not None
    storm.calm()
    assert storm.sending() is None
    assert storm.opening() is None
    assert storm.name() == 0.001
    assert math.isclose(storm.latency(), 0.001)
    assert list(storm.pieces(b"x" * 9000)) == [b"x" * 9000]


def rows(folder: Path) -> int:
    """Count the rows of the table of a folder's database."""
    database = sqlite3.connect(folder / "j.sqlite3")
    try:
        return int(database.execute("SELECT count(*) FROM t").fetchone()[0])
    finally:
        database.close()


@pytest.mark.failure("E6")
def test_a_loss_of_power_keeps_every_commit_and_nothing_else(tmp_path: Path) -> None:
    """Committed rows survive noise at the end of the log; rows of a transaction that was not committed do not."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    living = sqlite3.connect(old / "j.sqlite3", isolation_level=None)
    living.execute("PRAGMA journal_mode = WAL")
    living.execute("PRAGMA synchronous = FULL")
    living.execute("PRAGMA cache_size = 1")  # so that pages of an open transaction reach the log, too
    living.execute("CREATE TABLE t (x BLOB)")
    for _ in range(10):
        living.execute("INSERT INTO t VALUES (randomblob(5000))")
    living.execute("BEGIN")
    living.executemany("INSERT INTO t VALUES (randomblob(5000))", [()] * 200)
    inherit(old, new)
    assert not (new / "j.sqlite3-shm").exists()
    log = new / "j.sqlite3-wal"
    assert 0 < committed(log.read_bytes()) < log.stat().st_size
    lose_power(new, random.Random(1))
    assert rows(new) == 10
    living.execute("ROLLBACK")
    living.close()


def test_a_set_of_futures_or_tasks_has_the_order_in_which_they_came() -> None:
    """Libraries go through such sets; by address, two processes would wake their waiters in another order."""
    loop = VirtualLoop()

    async def script() -> None:
        litter = [bytearray(17 * n) for n in range(300)]
        futures = [loop.create_future() for _ in litter]
        tasks = [loop.create_task(asyncio.sleep(0)) for _ in litter]
        assert [hash(future) for future in futures] == sorted(map(hash, futures))
        assert [hash(task) for task in tasks] == sorted(map(hash, tasks))
        assert hash(futures[0]) == hash(futures[0]) < hash(futures[1])
        await asyncio.gather(*tasks)

    run(loop, script())
