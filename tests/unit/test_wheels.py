"""Which packages a machine needs, and that one without a wheel fails the check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import wheels
from bench.wheels import ROOT, TARGETS, Target, main, missing, needed

if TYPE_CHECKING:
    from pathlib import Path

LOCK = """
one==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
two==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
three==3.0 ; python_full_version < '3.12' \\
    --hash=sha256:dd
four==4.0 ; platform_machine == 'aarch64' \\
    --hash=sha256:ee
"""


def test_markers_are_judged_for_the_machine_that_is_asked_about() -> None:
    """Not for the one that asks, as pip does."""
    assert needed(LOCK, Target("3.12", "x86_64")) == ["one==1.0 --hash=sha256:aa --hash=sha256:bb"]
    assert [line.split()[0] for line in needed(LOCK, Target("3.11", "aarch64"))] == [
        "one==1.0",
        "three==3.0",
        "four==4.0",
    ]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_tulipy_is_asked_for_once_and_as_wheels(target: Target) -> None:
    """From Python 3.12 on it is the package that has wheels; both at once would overwrite each other."""
    names = [line.split("==")[0] for line in needed((ROOT / "requirements.txt").read_text(), target)]
    assert [name for name in names if "tulipy" in name] == ["octobot-tulipy"]


def test_a_package_without_a_wheel_is_named_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty shelf has no wheel of anything: each is named, and the check ends with 1."""
    monkeypatch.setattr(wheels, "TARGETS", TARGETS[:1])
    lines = needed(LOCK, TARGETS[0])
    assert missing(lines, TARGETS[0], tmp_path, "--no-index") == ["one==1.0"]
    lock = tmp_path / "lock.txt"
    lock.write_text("gone==1.0 --hash=sha256:aa\n")
    assert main([str(lock)], "--no-index") == 1
    assert capsys.readouterr().out.count("gone==1.0") == 1
