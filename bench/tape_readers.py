"""Who reads what `tape export` writes: HftBacktest, and the Tardis loader of nautilus-trader, each in its environment.

    make readers

`write FOLDER` records two minutes of a sandbox and exports them, with counts and sums of what is on the tape beside
the files; `hftbacktest FOLDER` and `nautilus FOLDER` read the files with the programs themselves and compare.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

START = datetime(2026, 11, 2, tzinfo=UTC)
SECONDS, MARKETS = 120.0, 5
TRUTH = "truth.json"


async def record(folder: Path) -> None:
    """Record a sandbox on the running loop."""
    from sandbox.server import Sandbox, SandboxOptions  # noqa: PLC0415 - the readers do without
    from sandbox.stream.stream import PUBLIC_PATH  # noqa: PLC0415 - same
    from simulation.loop import LoopClock, library_clocks  # noqa: PLC0415 - same
    from tape.recorder import Recorder  # noqa: PLC0415 - same
    from tape.writing import Writer  # noqa: PLC0415 - same
    from trader.recording import Recording, Wish  # noqa: PLC0415 - same
    from upbit.rest import Upbit  # noqa: PLC0415 - same
    from upbit.stream import MarketStream  # noqa: PLC0415 - same
    from upbit.transport import open_session  # noqa: PLC0415 - same

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    clock = LoopClock(START, loop)
    with library_clocks(loop):
        async with (
            Sandbox(SandboxOptions(markets=MARKETS, start=START), clock) as box,
            open_session(url=box.url) as session,
        ):
            recording = Recording(
                upbit=Upbit(session, base_url=box.url),
                stream=MarketStream(box.url.replace("http", "ws", 1) + PUBLIC_PATH, rng=random.Random(1)),
                recorder=Recorder(clock),
                writer=Writer(folder / "tape", box.url),
                clock=clock,
                wish=Wish(),
                stop=stop,
            )
            loop.call_later(SECONDS, stop.set)
            await recording.run()


def write(folder: Path) -> None:
    """Record, export, and write down what is on the tape."""
    from sandbox.market.ticks import tick_size  # noqa: PLC0415 - the readers do without
    from simulation.loop import PacedLoop  # noqa: PLC0415 - same
    from tape.export import export  # noqa: PLC0415 - same
    from tape.market import Book, Trade, events  # noqa: PLC0415 - same
    from tape.reading import files_of, records  # noqa: PLC0415 - same

    with asyncio.Runner(loop_factory=PacedLoop) as runner:
        runner.run(record(folder))
    files, truth = files_of(folder / "tape"), dict[str, dict[str, Any]]()
    for form in ("tardis", "hftbacktest"):
        export(files, form, folder / form)
    for event in events(records(files)):
        if isinstance(event, Trade | Book):
            one = truth.setdefault(event.market, {"trades": 0, "volume": Decimal(0), "books": 0})
        if isinstance(event, Trade):
            one["trades"] += 1
            one["volume"] += event.volume
        elif isinstance(event, Book):
            one["books"] += 1
            one["bid"], one["ask"], one["tick"] = (
                event.bids[0].price,
                event.asks[0].price,
                tick_size(event.bids[0].price),
            )
    (folder / TRUTH).write_text(json.dumps(truth, default=str), encoding="utf-8")
    print(f"recorded {sum(one['trades'] for one in truth.values())} trades of {len(truth)} markets")


def truth_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is on the tape, market by market."""
    truth: dict[str, dict[str, Any]] = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    return truth


def same(what: str, found: float, expected: object) -> None:
    """Fail when a figure is another one; floats may differ in the last digits of a sum."""
    wanted = float(str(expected))
    if abs(found - wanted) > 1e-9 * max(1.0, abs(wanted)):
        raise SystemExit(f"{what}: {found} instead of {expected}")


def read_hftbacktest(folder: Path) -> None:
    """Let HftBacktest go through every market to its end."""
    import numpy as np  # noqa: PLC0415 - of the environment of this reader
    from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest  # noqa: PLC0415 - same
    from hftbacktest.data import validate_event_order  # noqa: PLC0415 - same
    from hftbacktest.types import event_dtype  # noqa: PLC0415 - same

    for market, truth in truth_of(folder).items():
        path = folder / "hftbacktest" / f"{market}.npz"
        data = np.load(path)["data"]
        if data.dtype != event_dtype:
            raise SystemExit(f"{market}: {data.dtype} instead of {event_dtype}")
        validate_event_order(data)
        asset = (
            BacktestAsset()
            .data([str(path)])
            .linear_asset(1.0)
            .constant_order_latency(1_000_000, 1_000_000)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0005, 0.0005)
            .tick_size(float(truth["tick"]))  # the book is searched tick by tick
            .lot_size(1e-8)
            .last_trades_capacity(100_000)
        )
        replay = HashMapMarketDepthBacktest([asset])
        while replay.elapse(1_000_000_000) == 0:
            pass
        trades = replay.last_trades(0)
        same(f"{market} trades", len(trades), truth["trades"])
        same(f"{market} volume", float(trades["qty"].sum()), truth["volume"])
        same(f"{market} bid", replay.depth(0).best_bid, truth["bid"])
        same(f"{market} ask", replay.depth(0).best_ask, truth["ask"])
        replay.close()


def read_nautilus(folder: Path) -> None:
    """Load every file with the Tardis loader of nautilus-trader."""
    from nautilus_trader.adapters.tardis.loaders import TardisCSVDataLoader  # noqa: PLC0415 - of this reader
    from nautilus_trader.model.identifiers import InstrumentId  # noqa: PLC0415 - same

    for market, truth in truth_of(folder).items():
        loader = TardisCSVDataLoader(
            price_precision=8, size_precision=8, instrument_id=InstrumentId.from_str(f"{market}.UPBIT")
        )
        files = folder / "tardis"  # a market in which nothing was traded has no trades
        trades = [one for path in files.glob(f"upbit_trades_*_{market}.csv.gz") for one in loader.load_trades(path)]
        books = [
            one
            for path in files.glob(f"upbit_book_snapshot_25_*_{market}.csv.gz")
            for one in loader.load_depth10(path, 25)
        ]
        same(f"{market} trades", len(trades), truth["trades"])
        same(f"{market} volume", float(sum(Decimal(str(one.size)) for one in trades)), truth["volume"])
        same(f"{market} books", len(books), truth["books"])
        same(f"{market} bid", float(str(books[-1].bids[0].price)), truth["bid"])
        same(f"{market} ask", float(str(books[-1].asks[0].price)), truth["ask"])


READERS: dict[str, Callable[[Path], None]] = {
    "write": write,
    "hftbacktest": read_hftbacktest,
    "nautilus": read_nautilus,
}

if __name__ == "__main__":
    reader, folder = sys.argv[1], Path(sys.argv[2])
    READERS[reader](folder)
    print(f"{reader}: {len(truth_of(folder))} markets, equal counts and sums")
