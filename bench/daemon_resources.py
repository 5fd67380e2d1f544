"""Measure what the daemon costs: memory and processor time with many markets at wall speed.

Starts `main.py sandbox` and `main.py run` as two processes, as a user would, and reads both from /proc. Linux only.

    python bench/daemon_resources.py --markets 289 --minutes 10
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 5.0
SECRET = "bench-secret-key-0123456789abcdef01234567"  # noqa: S105 - opens nothing but the sandbox started here


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextlib.contextmanager
def started(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a verb of main.py until the block ends."""
    command = [sys.executable, "main.py", *arguments]
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own program with our own words
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def measure(markets: int, minutes: float, unit: int) -> dict[str, float | int]:
    """Run both processes for `minutes` and return what they used."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        bare = {"PATH": os.environ["PATH"], "BOT_LANGUAGE": "en"}
        sandbox = ["sandbox", "--json", "--markets", str(markets), "--access-key", "bench", "--secret-key", SECRET]
        with started(sandbox, bare, logs / "sandbox.log") as box:
            assert box.stdout is not None
            url = json.loads(box.stdout.readline())["url"]
            keys = {
                "UPBIT_BASE_URL": url,
                "ACCESS_KEY": "bench",
                "SECRET_KEY": SECRET,
                "BOT_DATA_DIR": folder + "/data",
            }
            with started(["run", "--set", f"strategy.unit={unit}"], bare | keys, logs / "run.log") as bot:
                figures = watch(bot.pid, box.pid, minutes)
        log = (logs / "run.log").read_text()
        figures["trades"] = log.count(" bought ")
        figures["rate_limited_429"] = log.count("too_many_requests") + (logs / "sandbox.log").read_text().count("429")
        return figures


def watch(bot: int, box: int, minutes: float) -> dict[str, float | int]:
    """Sample both processes until the time is over."""
    began, cpu_bot, cpu_box = time.monotonic(), cpu_seconds(bot), cpu_seconds(box)
    memory = [resident_mb(bot)]
    while time.monotonic() - began < minutes * 60:
        time.sleep(SAMPLE_S)
        memory.append(resident_mb(bot))
    passed = time.monotonic() - began
    return {
        "minutes": round(passed / 60, 2),
        "daemon_rss_mb_max": round(max(memory), 1),
        "daemon_rss_mb_last": round(memory[-1], 1),
        "daemon_cpu_percent": round(100 * (cpu_seconds(bot) - cpu_bot) / passed, 2),
        "sandbox_rss_mb": round(resident_mb(box), 1),
        "sandbox_cpu_percent": round(100 * (cpu_seconds(box) - cpu_box) / passed, 2),
    }


def main() -> None:
    """Print the figures as one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--unit", type=int, default=240, help="candle unit of the strategy, minutes")
    options = parser.parse_args()
    for name, value in measure(options.markets, options.minutes, options.unit).items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
