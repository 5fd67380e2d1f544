"""Measure what streaming costs the sandbox: frames a second, and the processor share of its process.

Every client subscribes to every public type of every market. The peer is a bare `websockets` server that sends the very
same frames, encoded before, at the same pace to as many clients: what is left is the price of a market, of frames made
from it and of Upbit's rules. Both run as processes of their own and are read from /proc. Linux only.

    python bench/sandbox_stream.py --markets 289 --clients 1 4 --speed 1 3
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import websockets.asyncio.client
import websockets.asyncio.server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
TYPES = (
    "ticker",
    "trade",
    "orderbook",
    *(f"candle.{u}" for u in ("1s", "1m", "3m", "5m", "10m", "15m", "30m", "60m", "240m")),
)
WARM_UP_S = 3.0
SNAPSHOTS = 10  # of each market at least: a quiet one has no trade and no second to show


class Load(NamedTuple):
    """What one server did in a stretch of time."""

    frames: float  # a second and client
    bytes: float  # a second and client, before compression
    cpu: float  # processor seconds a second


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[tuple[int, str]]:
    """Run a server that prints its address as JSON, and yield its process id and the address."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        assert process.stdout is not None
        yield process.pid, json.loads(process.stdout.readline())["websocket"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


class Client:
    """Counts frames, and keeps when each arrived if asked to."""

    def __init__(self, *, keep: bool) -> None:
        self.frames = self.bytes = 0
        self.kept: list[tuple[float, bytes]] | None = [] if keep else None

    async def listen(self, url: str, message: str, *, deflate: bool) -> None:
        """Count until cancelled."""
        compression = "deflate" if deflate else None
        async with websockets.asyncio.client.connect(
            url, compression=compression, max_queue=None, open_timeout=60, ping_interval=None
        ) as socket:
            await socket.send(message)
            async for frame in socket:
                assert isinstance(frame, bytes)
                self.frames += 1
                self.bytes += len(frame)
                if self.kept is not None:
                    self.kept.append((time.perf_counter(), frame))


@contextlib.asynccontextmanager
async def listening(url: str, message: str, count: int, *, deflate: bool) -> AsyncIterator[list[Client]]:
    """Connect `count` clients, not more than five a second."""
    clients = [Client(keep=index == 0) for index in range(count)]
    async with asyncio.TaskGroup() as group:
        tasks = []
        for client in clients:
            tasks.append(group.create_task(client.listen(url, message, deflate=deflate)))
            await asyncio.sleep(0.3)
        yield clients
        for task in tasks:
            task.cancel()


async def measure(
    pid: int, url: str, message: str, options: Options, at_first: int
) -> tuple[Load, list[tuple[float, bytes]]]:
    """Listen for a while once each client has its first frames; return the load and what the first client got."""
    async with listening(url, message, options.clients, deflate=options.deflate) as clients:
        while min(client.frames for client in clients) < at_first:  # noqa: ASYNC110 - a client only counts
            await asyncio.sleep(0.1)
        await asyncio.sleep(WARM_UP_S)
        kept = clients[0].kept
        assert kept is not None
        kept.clear()
        frames, size = total(clients)
        cpu, began = cpu_seconds(pid), time.perf_counter()
        await asyncio.sleep(options.seconds)
        passed = time.perf_counter() - began
        shares = passed * len(clients)
        later = total(clients)
        load = Load((later[0] - frames) / shares, (later[1] - size) / shares, (cpu_seconds(pid) - cpu) / passed)
        return load, [(at - began, frame) for at, frame in kept]


def total(clients: list[Client]) -> tuple[int, int]:
    """Return how many frames and bytes all clients got."""
    return sum(client.frames for client in clients), sum(client.bytes for client in clients)


class Options(NamedTuple):
    """One line of the table."""

    markets: int
    clients: int
    speed: float
    seconds: float
    deflate: bool


def compare(options: Options) -> tuple[Load, Load]:
    """Return the load of the sandbox and that of the peer with the same frames."""
    arguments = ["--markets", str(options.markets), "--speed", str(options.speed)]
    with started("main.py", "sandbox", "--json", *arguments) as (pid, url):
        codes = [market for market, _ in zip(market_names(url), range(options.markets), strict=False)]
        parts = [{"ticket": "bench"}, *({"type": kind, "codes": codes} for kind in TYPES)]
        ours, kept = asyncio.run(measure(pid, url, json.dumps(parts), options, SNAPSHOTS * len(codes)))
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        Path(file.name).write_bytes(pickle.dumps(kept))
        with started(__file__, "--peer", file.name) as (pid, url):
            theirs, _ = asyncio.run(measure(pid, url, "go", options, 1))
    return ours, theirs


def market_names(websocket_url: str) -> list[str]:
    """Return the markets of a sandbox."""
    import urllib.request  # noqa: PLC0415 - only here

    url = websocket_url.replace("ws", "http", 1).replace("/websocket/v1", "/v1/market/all")
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - the sandbox started here
        return [listing["market"] for listing in json.loads(answer.read())]


async def serve_peer(kept: list[tuple[float, bytes]]) -> None:
    """Send recorded frames at the pace they came, over and over, to everybody who connects."""
    length = kept[-1][0] + 0.05

    async def hold(socket: websockets.asyncio.server.ServerConnection) -> None:
        await socket.wait_closed()

    async with websockets.asyncio.server.serve(hold, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        print(json.dumps({"websocket": f"ws://{host}:{port}"}), flush=True)
        loop = asyncio.get_running_loop()
        began, turn = loop.time(), 0
        while True:
            for at, frame in kept:
                wait = began + turn * length + at - loop.time()
                if wait > 0:
                    await asyncio.sleep(wait)
                websockets.asyncio.server.broadcast(server.connections, frame)
            turn += 1


def main() -> None:
    """Print a line for every combination."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--speed", type=float, nargs="+", default=[1.0, 3.0], help="market seconds a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--no-deflate", action="store_true", help="clients do not offer compression")
    parser.add_argument("--peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve_peer(pickle.loads(options.peer.read_bytes())))  # noqa: S301 - written by this script
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {sys.version.split()[0]}")
    print(
        "markets clients speed deflate | frames/s/client  KB/s/client | cpu share  peer  ratio | frames per cpu second"
    )
    for speed in options.speed:
        for clients in options.clients:
            case = Options(options.markets, clients, speed, options.seconds, not options.no_deflate)
            ours, theirs = compare(case)
            print(row(case, ours, theirs))


def row(case: Options, ours: Load, theirs: Load) -> str:
    """Return a line of the table."""
    kilobytes, ratio = ours.bytes / 1024, ours.cpu / max(theirs.cpu, 1 / TICKS / case.seconds)
    return (
        f"{case.markets:7} {case.clients:7} {case.speed:5g} {case.deflate!s:>7} | {ours.frames:15.0f} {kilobytes:12.0f}"
        f" | {ours.cpu:9.2f} {theirs.cpu:5.2f} {ratio:6.1f} | {ours.frames * case.clients / ours.cpu:9.0f}"
    )


if __name__ == "__main__":
    main()
