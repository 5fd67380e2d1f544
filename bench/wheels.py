"""Fetch every locked package as a wheel for every machine we promise: `python bench/wheels.py [FILE ...]`.

Ends with 1 when one is missing, and names it. pip judges environment markers by the Python that runs it, so the lock is
cut down to each target here, and pip only has to find, fetch and compare what is left.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent
GLIBC = (*(f"manylinux_2_{minor}" for minor in range(28, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1")
"""What runs with glibc 2.28, of 2018; Debian 12 has 2.36."""


@dataclass(frozen=True, slots=True)
class Target:
    """A CPython, "3.12", on Linux with glibc, on a machine as `uname -m` names it."""

    python: str
    machine: str

    @property
    def environment(self) -> dict[str, str]:
        """What environment markers see there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def options(self) -> list[str]:
        """What tells pip to look for this target."""
        platforms = [f"--platform={glibc}_{self.machine}" for glibc in GLIBC]
        return [*platforms, f"--python-version={self.python}", "--implementation=cp", "--only-binary=:all:"]


TARGETS = [Target(python, machine) for machine in ("x86_64", "aarch64") for python in ("3.12", "3.13")]


def needed(lock: str, target: Target) -> list[str]:
    """Return what a locked file asks for on a target, one `name==version --hash=…` each, without its marker."""
    lines = []
    for line in lock.replace("\\\n", " ").splitlines():
        text, *hashes = line.split(" --hash=")
        if not text.strip() or text.startswith("#"):
            continue
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate(target.environment):
            lines.append(" --hash=".join([f"{wanted.name}{wanted.specifier}", *(one.strip() for one in hashes)]))
    return lines


def fetch(lines: Sequence[str], target: Target, folder: Path, *options: str) -> str:
    """Fetch wheels into a folder, each compared with its hash; return what pip complained about, if anything."""
    asked = folder / "asked.txt"
    asked.write_text("\n".join(lines), encoding="utf-8")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]
    done = subprocess.run(  # noqa: S603 - our own pip, with our own words
        [*pip, "--require-hashes", *target.options, *options, f"--dest={folder}", f"--requirement={asked}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def missing(lines: Sequence[str], target: Target, folder: Path, *options: str) -> list[str]:
    """Return, by name and version, what has no wheel for a target."""
    if not fetch(lines, target, folder, *options):
        return []
    return [line.split()[0] for line in lines if fetch([line], target, folder, *options)]


def main(files: Sequence[str], *options: str) -> int:
    """Print one line a target and file; return 1 if anything is missing."""
    failed = False
    print(f"{'file':<28}{'python':<8}{'machine':<10}{'wheels':>6}{'MiB':>8}  missing")
    for file in files:
        for target in TARGETS:
            lines = needed((ROOT / file).read_text(encoding="utf-8"), target)
            with tempfile.TemporaryDirectory() as name:
                absent = missing(lines, target, Path(name), *options)
                sizes = [wheel.stat().st_size for wheel in Path(name).glob("*.whl")]
            failed = failed or bool(absent) or len(sizes) != len(lines)
            size = f"{sum(sizes) / 2**20:.1f}"
            cells = f"{file:<28}{target.python:<8}{target.machine:<10}{len(sizes):>6}{size:>8}"
            print(f"{cells}  {', '.join(absent) or '-'}")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:] or ["requirements.txt"]))
