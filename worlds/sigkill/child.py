"""Child processes of `make sigkill`: the exchange that is talked to in lines, and the real program that dies."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worlds.sigkill.points import VARIABLE, Instructions

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
ANSWERS_WITHIN_S = 60.0
ARMED = ROOT / "worlds" / "sigkill" / "armed"


class Child:
    """A process of ours. It ends with the block."""

    process: subprocess.Popen[bytes]

    def wait(self, seconds: float) -> int | None:
        """Return the exit code, negative for a signal; None while it still runs."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it with SIGKILL if it still lives."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class ExchangeProcess(Child):
    """`worlds.sigkill.exchange` in a process of its own."""

    def __init__(self, seed: int, journal: Path) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "worlds.sigkill.exchange", str(seed), str(journal)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.url = str(self._answer())

    def tell(self, *words: object) -> Any:
        """Send a command and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(str(word) for word in words).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], ANSWERS_WITHIN_S)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"the exchange does not answer: exit code {self.process.poll()}")
        return json.loads(line)


class Program(Child):
    """`python main.py ...`, told on which crash point to die; it says when it trades."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str], log: Path, point: str | None = None, nth: int = 1
    ) -> None:
        said, pipe = os.pipe()
        self._said = os.fdopen(said, "rb", buffering=0)
        told = Instructions(began=time.monotonic(), pipe=pipe, point=point, nth=nth)
        armed = {"PYTHONPATH": str(ARMED), VARIABLE: told.to_text()}
        with log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "main.py", *arguments],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **environment, **armed},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(pipe,),
            )
        os.close(pipe)

    def trading(self, seconds: float) -> dict[str, float] | None:
        """Wait until it trades, and return what that took; None when it dies before, or not in time."""
        ready, _, _ = select.select([self._said], [], [], seconds)
        line = self._said.read(4096) if ready else b""
        return json.loads(line) if line else None

    def kill(self) -> None:
        """End it, and let go of the pipe."""
        super().kill()
        self._said.close()
