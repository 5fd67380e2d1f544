"""What benchmarks share that run ours beside other clients: each in a process of its own, the server in another."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers.counting import ACCESS_KEY, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
Measure = Callable[[str, int, Path], list[float]]
"""Runs one client, by its name, against a port, with a folder shared with the server; returns what was measured."""


def arguments(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of what every such benchmark is told: by a person, and by itself in a process of its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--only", nargs="*", help="some of them")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def there(package: str) -> bool:
    """Return whether a package is installed; the SDK is called as our room, so it is found by its metadata."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def settings(port: int, ca_file: Path, folder: Path) -> dict[str, str]:
    """Return the environment of a daemon of ours that talks to the server on this port."""
    return {
        "ACCESS_KEY": ACCESS_KEY,
        "SECRET_KEY": SECRET_KEY,
        "UPBIT_BASE_URL": f"https://127.0.0.1:{port}",
        "SSL_CERT_FILE": str(ca_file),
        "BOT_DATA_DIR": str(folder / f"data-{os.getpid()}"),
    }


@contextlib.contextmanager
def serving(script: str) -> Iterator[tuple[int, Path]]:
    """Run the server of a benchmark, the script asked to `--serve`; yield its port and the folder it shares."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, script, "--serve", "--folder", folder]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline()), Path(folder)
            finally:
                process.terminate()


def in_turn(options: argparse.Namespace, everybody: list[str], measured: Measure) -> dict[str, list[float]]:
    """Measure those who are asked for, one after the other, in rounds; return all that was measured of each."""
    found: dict[str, list[float]] = {who: [] for who in everybody if not options.only or who in options.only}
    about = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {about}")
    with serving(str(Path(sys.argv[0]).resolve())) as (port, folder):
        for _ in range(options.rounds):
            for who in found:
                found[who] += measured(who, port, folder)
    return found
