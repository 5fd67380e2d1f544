"""The health file: what a daemon writes about itself, and how the verb `health` reads it.

A container asks every minute, so reading it loads little even of the standard library.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from config.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "health.json"
MAX_AGE_S = 60.0
"""Twelve times the period of writing: a machine with one loaded core may be late, but not by that much."""


def write_report(
    path: Path, *, dead: Mapping[str, str], waiting: Mapping[str, str], halts: Mapping[str, str] | None = None
) -> None:
    """Replace the health file in one step. Its reader is another process, so its time is the machine's.

    Args:
        path: the file.
        dead: loop: its last error, of loops that are silent for longer than their limit.
        waiting: what is waited for: why, in a sentence; the exchange, or a loop that only lacks its answers.
        halts: code: level, of what stops trading.
    """
    report = {
        "version": VERSION,
        "written_at": datetime.now(UTC).isoformat(),
        "dead": dict(dead),
        "waiting": dict(waiting),
        "halts": dict(halts or {}),
    }
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    draft.replace(path)


def forget(path: Path) -> None:
    """Remove the health file: no daemon runs here any more."""
    with contextlib.suppress(OSError):  # one that stays grows old, and says so
        path.unlink()


def read_health(path: str, language: str) -> tuple[bool, str]:
    """Return whether a daemon that writes `path` is alive, and one sentence about it.

    Waiting for the exchange and a halt are no death: to end the process would mend neither.
    """
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib is a third of what all of this may cost
            report = json.load(file)
        alive, ko, en = judge(path, report)
    except FileNotFoundError:
        alive = False
        ko, en = f"실행 중인 데몬이 없습니다: {path} 없음", f"no daemon is running here: {path} does not exist"
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        alive, ko, en = False, f"{path}을(를) 읽을 수 없습니다: {error}", f"{path} cannot be read: {error}"
    return alive, ko if language == "ko" else en


def judge(path: str, report: Mapping[str, Any]) -> tuple[bool, str, str]:
    """Return what a report means: whether the daemon is alive, and the sentence in both languages."""
    age_s = (datetime.now(UTC) - datetime.fromisoformat(report["written_at"])).total_seconds()
    dead, waiting, halts = report["dead"], listed(report["waiting"]), listed(report["halts"])
    if age_s > MAX_AGE_S:
        ko, en = f"{age_s:.0f}초 동안 {path}에 쓰지 않았습니다", f"nothing was written to {path} for {age_s:.0f} s"
        return False, f"데몬이 멈췄습니다: {ko}", f"the daemon is dead: {en}"
    if dead:
        return False, f"멈춘 부분: {listed(dead)}", f"dead: {listed(dead)}"
    told = [("매매 정지", "halted", halts), ("기다리는 중", "waiting", waiting)]
    korean = "; ".join(f"{words}: {text}" for words, _, text in told if text) or "정상"
    english = "; ".join(f"{words}: {text}" for _, words, text in told if text) or "ok"
    return True, f"{korean} (버전 {report['version']})", f"{english} (version {report['version']})"


def listed(pairs: Mapping[str, str]) -> str:
    """Return pairs as one text."""
    return ", ".join(f"{name}: {text}" for name, text in pairs.items())
