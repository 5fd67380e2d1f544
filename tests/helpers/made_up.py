"""A made-up history on disk, and the command line to work on it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR_4 = timedelta(hours=4)


def write_history(folder: Path, markets: int = 4, candles: int = 1_200) -> None:
    """Write candles of markets that rise and fall."""
    folder.mkdir()
    names = ["KRW-BTC", *(f"KRW-M{number}" for number in range(1, markets))]
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        trend = 0.002 * np.sin(np.arange(candles) / 90 + number / 9)
        close = 1_000_000 * np.exp(np.cumsum(trend + rng.normal(0, 0.004, candles)))
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["time_utc", "open", "high", "low", "close", "volume", "value"])
            for at, price in enumerate(close.tolist()):
                opened = f"{START + at * HOUR_4:%Y-%m-%dT%H:%M:%SZ}"
                rows.writerow([opened, price, price * 1.002, price * 0.998, price * 1.001, 1000, price * 1000])


def run_main(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one verb on the history of a folder."""
    environment = {**os.environ, "BOT_DATA_DIR": str(folder / "data"), "BOT_LANGUAGE": "en"}
    command = [sys.executable, "main.py", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
