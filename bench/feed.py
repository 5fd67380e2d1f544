"""Measure what a frame of the stream costs in processor time, from TLS to the shared dicts, beside other clients.

A server in a process of its own sends a thousand frames a second over TLS, each in a record and a segment of its own,
none sooner than a millisecond after the one before. Everybody follows five markets in turn, each in a process of its
own, several rounds in one run; processor time is the process' own, user and system, all threads, from one frame to
another well after the start. Ours runs `update_prices` of a whole daemon: every frame is decoded, checked, kept in
exchange time and shared; it lets frames gather for 30 ms. The floor reads a blocking socket and unpacks the headers of
frames with `struct`; it wakes for each frame as it comes, and nothing of what they say is looked at. The line below it
also decodes with msgspec what we read of it.

    make clients

A peer that is not installed is left out, and so is picows. cryptofeed gets trades in Upbit's short form, a third as
long as tickers: it knows nothing else of Upbit's but books. On a busy machine compare only ratios of one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import random
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
import uvloop
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from bench.beside import ROOT, arguments, in_turn, settings, there
from bench.certificate import AUTHORITY, serving_tls
from bench.peers.counting import MARKETS, Counter, Enough
from config.reading import load
from state import Price
from trader.clock import wall_clock
from trader.daemon import build
from trader.prices import update_prices

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from websockets.sync.server import ServerConnection

    from trader.app import App
    from upbit.models import StreamTicker
    from upbit.sockets.common import Message

A_SECOND = 1000
SHORT, LONG = 4, 126
"""Bytes of a header whose length takes two more, and what stands then for the length itself (RFC 6455, 5.2)."""
WARM = 1000
OURS = {"ours": "websockets", "ours, picows": "picows"}
PEERS = {"cryptofeed": "cryptofeed", "sdk": "upbit-sdk", "ccxt": "ccxt"}
FLOOR, DECODED = "floor", "floor, decoded"
Pace = Callable[[], Any]


# --- what is sent


def ticker(market: str, price: float, now_ms: int) -> bytes:
    """Return a ticker frame as Upbit sends it, in the long form."""
    return (
        f'{{"type":"ticker","code":"{market}","opening_price":1.09715E8,"high_price":1.10756E8,"low_price":1.08714E8,'
        f'"trade_price":{price},"prev_closing_price":1.09500E8,"acc_trade_price":1.7826952864757E11,"change":"RISE",'
        f'"change_price":256000.0,"signed_change_price":256000.0,"change_rate":0.0023378995,'
        f'"signed_change_rate":0.0023378995,"ask_bid":"BID","trade_volume":0.00132661,"acc_trade_volume":1622.71326612,'
        f'"trade_date":"20260826","trade_time":"080837","trade_timestamp":{now_ms - 40},"acc_ask_volume":801.11823331,'
        f'"acc_bid_volume":821.59503281,"highest_52_week_price":1.63325E8,"highest_52_week_date":"2026-01-14",'
        f'"lowest_52_week_price":8.2E7,"lowest_52_week_date":"2025-09-30","market_state":"ACTIVE",'
        f'"is_trading_suspended":false,"delisting_date":null,"market_warning":"NONE","timestamp":{now_ms},'
        f'"acc_trade_price_24h":2.0213852864757E11,"acc_trade_volume_24h":1843.66120912,"stream_type":"REALTIME"}}'
    ).encode()


def trade(market: str, price: float, now_ms: int) -> bytes:
    """Return a trade frame in the short form."""
    return (
        f'{{"ty":"trade","cd":"{market}","tms":{now_ms},"td":"2026-08-26","ttm":"08:08:37","ttms":{now_ms - 40},'
        f'"tp":{price},"tv":0.00132661,"ab":"BID","pcp":109500000,"c":"RISE","cp":256000,"sid":{now_ms}0000,'
        f'"bap":{price + 1000},"bas":0.4744314,"bbp":{price - 1000},"bbs":0.00545511,"st":"REALTIME"}}'
    ).encode()


def evenly(a_second: float) -> Iterator[None]:
    """Yield so many times a second; what a busy machine delays delays all after it, so that none follow at once."""
    period, due = 1 / a_second, time.perf_counter()
    while True:
        now = time.perf_counter()
        due = period + (due if now < due + period / 2 else now)
        time.sleep(max(0.0, due - now))
        yield


def play(connection: ServerConnection) -> None:
    """Send frames of what is subscribed, for ever."""
    asked = json.loads(connection.recv())
    kind = next(part["type"] for part in asked if "type" in part)
    made = {"ticker": ticker, "trade": trade}[kind]
    rng, price = random.Random(1), 1e8
    with contextlib.suppress(ConnectionClosed):
        for number, _ in enumerate(evenly(A_SECOND)):
            price = max(1e6, price + 1000 * rng.choice((-1, 1)))
            connection.send(made(MARKETS[number % len(MARKETS)], price, time.time_ns() // 1_000_000))


def server(folder: Path) -> None:
    """Serve until killed; the port is printed."""
    with serve(play, "127.0.0.1", 0, ssl=serving_tls(folder), compression=None, ping_interval=None) as serving:
        print(serving.socket.getsockname()[1], flush=True)
        serving.serve_forever()


# --- the floor


class Told(msgspec.Struct):
    """What we read of a ticker."""

    code: str
    trade_price: float
    trade_timestamp: int
    timestamp: int


def floor(port: int, ca_file: Path, counter: Counter, *, decoded: bool) -> None:
    """Read frames from a blocking socket."""
    tls = ssl.create_default_context(cafile=ca_file)
    read = msgspec.json.Decoder(Told).decode
    subscription = json.dumps([{"ticket": "bench"}, {"type": "ticker", "codes": MARKETS}]).encode()
    with (
        socket.create_connection(("127.0.0.1", port)) as bare,
        tls.wrap_socket(bare, server_hostname="127.0.0.1") as sock,
    ):
        sock.sendall(
            b"GET /websocket/v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        held = b""
        while b"\r\n\r\n" not in held:
            held += sock.recv(65536)
        held = held.split(b"\r\n\r\n", 1)[1]
        # fin and text; the length of a masked frame; a mask of zeros leaves what is masked as it is
        sock.sendall(struct.pack("!BBI", 0x81, 0x80 | len(subscription), 0) + subscription)
        while True:
            held = held or sock.recv(65536)
            begin, length = header(held)
            while len(held) < begin + length:
                held += sock.recv(65536)
                begin, length = header(held)
            payload, held = held[begin : begin + length], held[begin + length :]
            if decoded:
                read(payload)
            counter.frame()


def header(held: bytes) -> tuple[int, int]:
    """Return where the payload of a frame begins and how long it is; a length nobody has while it is not known."""
    if len(held) < SHORT:
        return SHORT, 1
    _, length, long = struct.unpack_from("!BBH", held)
    return (SHORT, long) if length == LONG else (2, length)


# --- ours


async def ours(port: int, ca_file: Path, folder: Path, counter: Counter) -> None:
    """Run `update_prices` of a daemon that trades five markets."""
    async with build(load(settings(port, ca_file, folder)), wall_clock, asyncio.Event()) as app:
        await app.state.trading_dict.replace(dict.fromkeys(MARKETS, Price(price=Decimal(1), as_of=wall_clock())))
        counted(app, counter)
        gc.collect()
        gc.freeze()  # as `run` does
        await update_prices(app)


def counted(app: App, counter: Counter) -> None:
    """Count every frame after the daemon has taken it, and leave at the last one."""
    take = app.tickers._take  # noqa: SLF001

    def taken(message: Message, on_frame: Callable[[StreamTicker], None]) -> bool:
        wanted = take(message, on_frame)
        try:
            counter.frame()
        except Enough:
            os._exit(0)  # whatever is raised into a connection would only end that
        return wanted

    app.tickers._take = taken  # type: ignore[method-assign]  # noqa: SLF001


def alone(options: argparse.Namespace) -> None:
    """Run one of ours in this process."""
    counter = Counter(WARM, options.frames)
    ca_file = options.folder / AUTHORITY
    if options.alone in OURS:
        if OURS[options.alone] == "websockets":
            sys.modules["picows"] = None  # type: ignore[assignment]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(ours(options.port, ca_file, options.folder, counter))
    else:
        with contextlib.suppress(Enough):
            floor(options.port, ca_file, counter, decoded=options.alone == DECODED)


# --- all of them


def measured(frames: int, who: str, port: int, folder: Path) -> list[float]:
    """Run one client; return processor microseconds a frame."""
    if who in PEERS:
        script = [str(ROOT / "bench" / "peers" / "feed.py"), who, str(port), str(folder / AUTHORITY), str(WARM)]
        command = [sys.executable, "-I", *script, str(frames)]
    else:
        told = ["--alone", who, "--port", str(port), "--folder", str(folder), "--frames", str(frames)]
        command = [sys.executable, str(Path(__file__)), *told]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    lines = done.stdout.splitlines()
    if not lines:
        raise SystemExit(f"{who} told nothing:\n{done.stderr[-3000:]}")
    return [float(json.loads(lines[-1])["us"])]


def main() -> None:
    """Print what a frame costs everybody, and the ratios."""
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--frames", type=int, default=3000, help="in a round")
    options = parser.parse_args()
    if options.serve:
        return server(options.folder)
    if options.alone:
        return alone(options)

    needed = {FLOOR: None, DECODED: None, "ours": None, "ours, picows": "picows", **PEERS}
    everybody = [who for who, package in needed.items() if package is None or there(package)]
    found = in_turn(options, everybody, partial(measured, options.frames))
    middle = {who: statistics.median(values) for who, values in found.items()}
    print(f"{'':16}{'us a frame':>12}{'least':>8}{'most':>8}{'x floor':>9}{'x cryptofeed':>14}")
    for who, value in middle.items():
        ratios = [value / middle[base] if base in middle else float("nan") for base in (FLOOR, "cryptofeed")]
        print(f"{who:16}{value:12.1f}{min(found[who]):8.1f}{max(found[who]):8.1f}{ratios[0]:9.2f}{ratios[1]:14.2f}")
    return None


if __name__ == "__main__":
    main()
