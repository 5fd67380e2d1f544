"""Measure the time from a decision to its order on the wire, warm, beside other clients of Upbit.

A server in a process of its own takes orders over TLS and notes when each had arrived whole, by the clock that all
processes share. Everybody places one order after another on a connection that is open, a tenth of a second apart, each
client in a process of its own, several rounds in one run. Ours is asked three times: the client alone, which signs and
keeps to the limits; with the gate of the daemon, which looks at halts, deadline and caps before the first byte, while
the journal remembers its sums because nothing was written since; and as the daemon does it, where an order is written
down, and on the disk, before that, and the sums are made anew. Bare asyncio writes a finished request: the road to the
server and its waking up, which is in everybody's figure; aiohttp alone is the library that ccxt asks, and whose
connections ours uses.

    make clients

A peer that is not installed is left out. On a busy machine compare only ratios of one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from bench.beside import ROOT, arguments, in_turn, settings, there
from bench.certificate import AUTHORITY, serving_tls
from bench.peers.counting import ACCESS_KEY, SECRET_KEY, repeat
from config.reading import load
from journal.records import IntentState, Trade
from trader.clock import wall_clock
from trader.daemon import build
from trader.orders.plans import new_intent
from upbit.models import NewOrder, Side
from upbit.network import Network
from upbit.rest import Upbit
from upbit.transport import open_session

if TYPE_CHECKING:
    import argparse
    import ssl

    from trader.app import App

BARE, LIBRARY, OURS, WEIGHED, WHOLE = "bare asyncio", "aiohttp alone", "ours", "ours, gate", "ours, journal"
PEERS = {"sdk": "upbit-sdk", "ccxt": "ccxt"}
PAUSE_S = 0.1
"""Ours would wait for Upbit's limit of 12 orders a second."""
WARM = 10
ORDER = {
    "uuid": "cdd92199-2897-4e14-9448-f923320408ad",
    "side": "bid",
    "ord_type": "price",
    "price": "6000",
    "state": "wait",
    "market": "KRW-BTC",
    "created_at": "2026-11-30T12:00:00+09:00",
    "reserved_fee": "3",
    "remaining_fee": "3",
    "paid_fee": "0",
    "locked": "6003",
    "executed_volume": "0",
    "trades_count": 0,
}


# --- the server


def take_orders(connection: ssl.SSLSocket, arrived: Path) -> None:
    """Answer requests until the connection ends, and note when each was there."""
    body = json.dumps(ORDER).encode()
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with arrived.open("a") as told:
        while whole(connection):
            print(time.monotonic_ns(), file=told, flush=True)
            connection.sendall(head + body)


def whole(connection: ssl.SSLSocket) -> bool:
    """Read one request to its end; return False when there is none any more."""
    held = b""
    while b"\r\n\r\n" not in held:
        if not (more := connection.recv(65536)):
            return False
        held += more
    head, _, body = held.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return True


def serve(folder: Path) -> None:
    """Serve one client after the other until killed; the port is printed."""
    tls = serving_tls(folder)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        while True:
            bare, _ = listening.accept()
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError), tls.wrap_socket(bare, server_side=True) as connection:
                take_orders(connection, folder / "arrived")


# --- who places orders


async def bare(port: int, ca_file: Path, orders: int) -> None:
    """Write a finished request."""
    tls = Network(ca_file=ca_file).tls()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    body = json.dumps({"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}).encode()
    head = f"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {'x' * 400}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def place(_: int) -> None:
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(json.dumps(ORDER)))

    await repeat(place, orders, PAUSE_S)
    writer.close()


async def library(port: int, ca_file: Path, orders: int) -> None:
    """Ask aiohttp, as ours and ccxt do, with nothing to sign, to weigh or to write down."""
    headers = {"Authorization": f"Bearer {'x' * 400}", "Content-Type": "application/json"}
    body = json.dumps({"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}).encode()
    async with open_session(Network(ca_file=ca_file)) as session:

        async def place(_: int) -> None:
            async with session.post(f"https://127.0.0.1:{port}/v1/orders", headers=headers, data=body) as answer:
                await answer.read()

        await repeat(place, orders, PAUSE_S)


async def ours(port: int, ca_file: Path, orders: int) -> None:
    """Place orders with the client alone."""
    async with open_session(Network(ca_file=ca_file)) as session:
        url = f"https://127.0.0.1:{port}"
        upbit = Upbit(session, base_url=url, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
        await repeat(lambda number: upbit.place(a_buy(number)), orders, PAUSE_S)


async def daemon(port: int, ca_file: Path, folder: Path, orders: int, *, journal: bool) -> None:
    """Place orders as the daemon does, written down or not."""
    config = load(settings(port, ca_file, folder), overrides=["risk.max_day_krw=10000000000"])
    async with build(config, wall_clock, asyncio.Event()) as app:

        async def place(number: int) -> None:
            order = a_buy(number)
            if journal:
                write_down(app, order)
            await app.upbit.place(order)
            if journal:  # make room for the next one
                app.journal.end_attempt(order.identifier, IntentState.REJECTED, outcome="bench", http=400)
                app.journal.abandon_trade(order.identifier, "bench")

        gc.collect()
        gc.freeze()  # as `run` does
        await repeat(place, orders, PAUSE_S)


def a_buy(number: int) -> NewOrder:
    """Return an order of its own."""
    name = f"bench-{os.getpid()}-{number}"
    return NewOrder(market=f"KRW-B{number}", side=Side.BID, total=Decimal(6000), identifier=name)


def write_down(app: App, order: NewOrder) -> None:
    """Write a trade, its buy and that it is about to be sent, as before every first byte."""
    now = app.clock()
    trade = Trade(
        id=order.identifier,
        market=order.market,
        strategy=app.strategy.name,
        unit=timedelta(minutes=1),
        decided_at=now,
        entry_reason={},
        stop_distance=None,
    )
    key = f"{order.identifier}:key"
    assert app.journal.begin_trade(trade, new_intent(trade, order, decision_key=key, number=0, now=now, deadline=None))
    app.journal.begin_attempt(order.identifier)


def alone(options: argparse.Namespace) -> None:
    """Run one of those that need no peer, in this process."""
    ca_file, orders = options.folder / AUTHORITY, options.orders + WARM
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if options.alone != BARE else None) as runner:
        if options.alone == BARE:
            runner.run(bare(options.port, ca_file, orders))
        elif options.alone == LIBRARY:
            runner.run(library(options.port, ca_file, orders))
        elif options.alone == OURS:
            runner.run(ours(options.port, ca_file, orders))
        else:
            runner.run(daemon(options.port, ca_file, options.folder, orders, journal=options.alone == WHOLE))


# --- all of them


def measured(orders: int, who: str, port: int, folder: Path) -> list[float]:
    """Run one client; return microseconds from each decision to its order's arrival."""
    (folder / "arrived").unlink(missing_ok=True)
    if who in PEERS:
        script = str(ROOT / "bench" / "peers" / "orders.py")
        told = [who, str(port), str(folder / AUTHORITY), str(orders + WARM), str(PAUSE_S)]
        command = [sys.executable, "-I", script, *told]
    else:
        told = ["--alone", who, "--port", str(port), "--folder", str(folder), "--orders", str(orders)]
        command = [sys.executable, str(Path(__file__)), *told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    arrived = [int(line) for line in (folder / "arrived").read_text().split()] if (folder / "arrived").exists() else []
    if done.returncode or len(arrived) != orders + WARM:
        raise SystemExit(f"{who}: {len(arrived)} orders came\n{done.stderr[-3000:]}")
    decided = json.loads(done.stdout.splitlines()[-1])
    return [(there - here) / 1000 for here, there in zip(decided, arrived, strict=True)][WARM:]


def main() -> None:
    """Print how long an order takes everybody, and the ratios."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--orders", type=int, default=60, help="in a round")
    options = parser.parse_args()
    if options.serve:
        return serve(options.folder)
    if options.alone:
        return alone(options)

    everybody = [BARE, LIBRARY, OURS, WEIGHED, WHOLE, *(who for who, package in PEERS.items() if there(package))]
    found = in_turn(options, everybody, partial(measured, options.orders))
    middle = {who: statistics.median(values) for who, values in found.items()}
    print(f"{'':16}{'us, median':>12}{'p90':>8}{'x ccxt':>9}{'x bare':>9}")
    for who, value in middle.items():
        ratios = [value / middle[base] if base in middle else float("nan") for base in ("ccxt", BARE)]
        late = statistics.quantiles(found[who], n=10)[-1]
        print(f"{who:16}{value:12.0f}{late:8.0f}{ratios[0]:9.2f}{ratios[1]:9.2f}")
    if {OURS, WEIGHED, WHOLE} <= middle.keys():
        adds = (
            f"the gate adds {middle[WEIGHED] - middle[OURS]:.0f} us, the journal {middle[WHOLE] - middle[WEIGHED]:.0f}"
        )
        print(f"{adds} more")
    return None


if __name__ == "__main__":
    main()
