"""Build the image and try it as a user would, with docker or podman: `python bench/image.py [--markets N]`.

The exchange is the embedded one, in a container of the same image; nothing but the base image and the packages comes
over the network. Prints a table and ends with 1 when a line of it is red.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
KEYS = {"ACCESS_KEY": "sandbox-access-key", "SECRET_KEY": "sandbox-secret-key-0123456789abcdef0123"}
LOCKED_DOWN = (
    "--init",
    "--read-only",
    "--tmpfs=/tmp:noexec,nosuid,size=16m",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=64",
    "--memory=256m",
    "--stop-timeout=20",
)
MOST_MB = 100
MOST_HEALTH_S = 0.15
MOST_TIMES = 1.3
PATIENCE_S = 300.0
MINUTE_S = 60.0
LONGEST_S = 900.0
PROCESSOR_TIME = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "main.py", "health"])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime)
raise SystemExit(done.returncode)
"""
USAGE = """
import os
from pathlib import Path
ticks = os.sysconf("SC_CLK_TCK")
group = Path("/sys/fs/cgroup/cpu.stat")
used = dict(line.split() for line in group.read_text().splitlines()) if group.exists() else {"usage_usec": "nan"}
for place in Path("/proc").glob("[0-9]*"):
    if place.joinpath("cmdline").read_bytes().split(bytes(1))[1:3] == [b"main.py", b"run"]:
        words = place.joinpath("stat").read_text().rpartition(")")[2].split()
        print(float(used["usage_usec"]) / 1e6, (int(words[11]) + int(words[12])) / ticks)
"""


class WrongError(Exception):
    """What was seen is not what a user was promised."""


@dataclass
class Trial:
    """One engine, one image, and what is left behind unless it is removed."""

    engine: str
    base: str
    markets: int
    tag: str = "upbit-bot"
    name: str = field(default_factory=lambda: f"upbit-trial-{secrets.token_hex(3)}")
    port: int = 0
    held: dict[str, Any] = field(default_factory=dict)
    health_s: float = 0.0

    def call(self, *words: str, code: int | None = 0) -> str:
        """Run a command of the engine; return all it said. Any exit code but `code` is an error; None: any will do."""
        asked = [self.engine, *words]
        pipe = subprocess.PIPE
        try:
            done = subprocess.run(  # noqa: S603 - the engine, with words of this file
                asked, stdout=pipe, stderr=subprocess.STDOUT, text=True, check=False, cwd=ROOT, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired as error:
            raise WrongError(f"{' '.join(words[:2])}: no end after {error.timeout:.0f} s") from error
        if code is not None and done.returncode != code:
            raise WrongError(f"{' '.join(words[:2])}: exit code {done.returncode}: {done.stdout.strip()[-300:]}")
        return done.stdout

    def once(self, *words: str, code: int | None = 0, options: tuple[str, ...] = ()) -> str:
        """Run a verb in a container of its own."""
        fixed = ("--rm", f"--name={self.name}-once", "--env=BOT_LANGUAGE=en")
        return self.call("run", *fixed, *options, self.tag, *words, code=code)

    def inside(self, *words: str, code: int | None = 0) -> str:
        """Run a verb beside the daemon."""
        return self.call("exec", f"{self.name}-bot", "python", "main.py", *words, code=code)

    def start(self, name: str, *words: str, options: tuple[str, ...] = ()) -> None:
        """Start a container that stays."""
        fixed = ("--detach", f"--name={self.name}-{name}", "--network=host", "--env=BOT_LANGUAGE=en")
        self.call("run", *fixed, *options, self.tag, *words)

    def open_trades(self) -> dict[str, str]:
        """Return market and cost of what is held."""
        answer = self.inside("status", "--json", code=None)
        try:
            return {trade["market"]: trade["cost_krw"] for trade in json.loads(answer)["open_trades"]}
        except (ValueError, KeyError):
            return {}  # no journal yet

    def remove(self) -> None:
        """Remove containers and volumes of this trial."""
        for name in ("bot", "exchange", "once"):
            self.call("rm", "--force", f"{self.name}-{name}", code=None)
        for name in ("data", "foreign"):
            self.call("volume", "rm", "--force", f"{self.name}-{name}", code=None)


def wait_for(what: str, look: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Look once a second until it is so."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            raise WrongError(f"{what}: not within {seconds:.0f} s")
        time.sleep(1)


def must(found: object, what: str) -> None:
    """Refuse what a user was not promised."""
    if not found:
        raise WrongError(what)


def build(trial: Trial) -> str:
    """The image is built from this folder, its base untouched."""
    format_ = ["--format=docker"] if "podman" in trial.engine else []
    arguments = [f"--build-arg=BASE={trial.base}"]
    trial.call("build", "--network=host", *format_, *arguments, f"--tag={trial.tag}", ".")
    return trial.base


def size(trial: Trial) -> str:
    """At most 100 MB on top of the base."""
    whole, base = (int(trial.call("image", "inspect", "--format={{.Size}}", one)) for one in (trial.tag, trial.base))
    must((whole - base) / 1e6 <= MOST_MB, f"{(whole - base) / 1e6:.0f} MB on top of the base")
    return f"{whole / 1e6:.0f} MB, {(whole - base) / 1e6:.0f} MB on top of the base"


def no_setuid(trial: Trial) -> str:
    """No program in it raises rights, and the process is nobody special."""
    root = ("run", "--rm", "--user=0", "--entrypoint=find", trial.tag)
    found = trial.call(*root, "/", "-xdev", "-type", "f", "-perm", "/6000")
    programs = [line for line in found.splitlines() if line.startswith("/")]  # podman may warn beside them
    must(not programs, f"setuid: {programs}")
    user = trial.call("run", "--rm", "--entrypoint=id", trial.tag, "-u").split()[-1]
    must(user == "10001", f"it runs as user {user}")
    return "none; user 10001"


def verbs(trial: Trial) -> str:
    """Each verb works on its own, or says in one sentence where it does."""
    must("upbit-trading-daemon" in trial.once("--version"), "no version")
    must("There is no journal yet" in trial.once("status", code=1), "status does not say that there is no journal")
    must("ACCESS_KEY" in trial.once("check", code=4), "check does not say that keys are missing")
    must("requirements/research.txt" in trial.once("backtest", code=1), "backtest does not say where it works")
    must("no daemon is running here" in trial.once("health", code=1), "health does not say that nothing runs")
    return "version, status, check, backtest, health"


def demo(trial: Trial) -> str:
    """The rehearsal trades without a network."""
    said = trial.once("demo", "--minutes=5", "--speed=inf", "--json", options=("--network=none",))
    summary = json.loads(said.splitlines()[-1])
    must(summary["buys"] > 0 and summary["violations"] == 0, f"demo: {summary}")
    return f"{summary['buys']} buys, {summary['sells']} sells"


def trades(trial: Trial) -> str:
    """The daemon buys on the embedded exchange, with a read-only root and without capabilities."""
    place = (f"--port={trial.port}", f"--markets={trial.markets}")
    trial.start("exchange", "sandbox", *place, options=("--no-healthcheck",))
    environment = {**KEYS, "UPBIT_BASE_URL": f"http://127.0.0.1:{trial.port}"}
    given = tuple(f"--env={name}={value}" for name, value in environment.items())
    options = (*LOCKED_DOWN, f"--volume={trial.name}-data:/data", *given)
    trial.start("bot", "run", "--set", "strategy.unit=1", options=options)
    wait_for("the first buy", lambda: bool(trial.open_trades()))
    trial.held = trial.open_trades()
    return f"{len(trial.held)} held, {trial.markets} markets"


def health(trial: Trial) -> str:
    """It is alive, says so with its version, and asking is cheap."""
    sentence = trial.inside("health").strip()
    must("version" in sentence, f"health says {sentence!r}")
    asked = ("exec", f"{trial.name}-bot", "python", "-c", PROCESSOR_TIME)
    seconds = min(float(trial.call(*asked).splitlines()[-1]) for _ in range(5))
    trial.health_s = seconds
    must(seconds <= MOST_HEALTH_S, f"health takes {seconds:.3f} s of processor time")
    return f"{sentence}; {seconds:.3f} s of processor time"


def minute(trial: Trial) -> str:
    """The container's minute is not much more than the daemon's own: its health check costs little."""
    asked = ("exec", f"{trial.name}-bot", "python", "-c", USAGE)
    before = [float(word) for word in trial.call(*asked).split()]
    time.sleep(MINUTE_S)
    after = [float(word) for word in trial.call(*asked).split()]
    container, daemon = after[0] - before[0], after[1] - before[1]
    how = "measured"
    if math.isnan(container):  # the engine shows no control group: the daemon, and a check a minute
        container, how = daemon + trial.health_s, "reckoned"
    must(container <= MOST_TIMES * daemon, f"container {container:.2f} s, daemon {daemon:.2f} s")
    return f"container {container:.2f} s ({how}), daemon {daemon:.2f} s: {container / daemon:.2f} times"


def stop(trial: Trial) -> str:
    """A stop ends it cleanly and in time."""
    trial.held = trial.open_trades()
    began = time.monotonic()
    trial.call("stop", f"{trial.name}-bot")
    code = trial.call("inspect", "--format={{.State.ExitCode}}", f"{trial.name}-bot").strip()
    must(code == "0", f"exit code {code}")
    return f"exit code 0 after {time.monotonic() - began:.1f} s"


def restart(trial: Trial) -> str:
    """What was held is held again, at the same cost."""
    trial.call("start", f"{trial.name}-bot")
    wait_for("health", lambda: "version" in trial.inside("health", code=None))
    now = trial.open_trades()
    kept = {market: cost for market, cost in trial.held.items() if now.get(market) == cost}
    must(kept or not trial.held, f"held {trial.held}, then {now}")
    return f"{len(kept)} of {len(trial.held)} still held"


def killed(trial: Trial) -> str:
    """Nor does SIGKILL lose anything."""
    trial.held = trial.open_trades()
    trial.call("kill", f"{trial.name}-bot")
    return restart(trial)


def wrong_keys(trial: Trial) -> str:
    """Wrong keys end it at once, with one sentence and exit code 4."""
    given = ("--env=ACCESS_KEY=wrong", "--env=SECRET_KEY=wrong-0123456789abcdef0123456789")
    address = f"--env=UPBIT_BASE_URL=http://127.0.0.1:{trial.port}"
    said = trial.once("run", code=4, options=("--network=host", address, *given))
    must("The API keys are wrong" in said, f"it says {said!r}")
    return "exit code 4"


def foreign_folder(trial: Trial) -> str:
    """A data folder of another user is told with the user it must belong to."""
    volume = f"--volume={trial.name}-foreign:/data"
    foreign = "touch /data/not-empty && chown -R 0:0 /data"  # an empty volume would be given to the image's user again
    trial.call("run", "--rm", "--user=0", "--entrypoint=sh", volume, trial.tag, "-c", foreign)
    given = tuple(f"--env={name}={value}" for name, value in KEYS.items())
    said = trial.once("run", code=1, options=(volume, *given))
    must("10001" in said, f"it says {said!r}")
    return "says which user it must belong to"


STEPS = (build, size, no_setuid, verbs, demo, trades, health, minute, stop, restart, killed, wrong_keys, foreign_folder)


def find_engine() -> str:
    """Return an engine that answers."""
    for name in (os.environ.get("ENGINE"), "docker", "podman"):
        path = shutil.which(name) if name else None
        if path and subprocess.run([path, "info"], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return path
    raise SystemExit("neither docker nor podman answers; set ENGINE, or start one")


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def tried(trial: Trial) -> Iterator[tuple[str, float, bool, str]]:
    """Yield each step with its seconds, whether it went well, and what was seen; stop where nothing can follow."""
    for step in STEPS:
        began = time.monotonic()
        try:
            well, seen = True, step(trial)
        except WrongError as error:
            well, seen = False, str(error)
        yield step.__name__, time.monotonic() - began, well, seen
        if not well and step in {build, trades}:
            return


def main() -> int:
    """Print the table; return 1 if anything is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--base", default="python:3.12-slim-trixie", help="the base image, by name or digest")
    options = parser.parse_args()
    trial = Trial(engine=find_engine(), base=options.base, markets=options.markets, port=free_port())
    good = True
    try:
        for name, seconds, well, seen in tried(trial):
            good = good and well
            print(f"{'✔' if well else '✘'} {name:<15}{seconds:>7.1f} s  {seen}", flush=True)
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            trial.remove()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
