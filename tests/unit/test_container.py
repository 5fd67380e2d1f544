"""What the image and the compose file promise, read from the files themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
BOT: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["bot"]


def final_stage() -> list[str]:
    """Return the lines of the last stage."""
    last = max(index for index, line in enumerate(LINES) if line.startswith("FROM"))
    return LINES[last:]


def test_the_last_stage_has_no_compiler_and_runs_as_nobody_special() -> None:
    """Gcc stays in the first stage; the process is user 10001."""
    stage = final_stage()
    assert not any("gcc" in line or "apt-get" in line for line in stage)
    assert "USER 10001" in stage


@pytest.mark.failure("F17")
def test_the_process_is_stopped_and_examined_as_the_daemon_expects() -> None:
    """SIGTERM to the process itself, and its own health verb."""
    stage = final_stage()
    assert "STOPSIGNAL SIGTERM" in stage
    assert 'ENTRYPOINT ["python", "main.py"]' in stage
    assert any(line.startswith("HEALTHCHECK") and '"health"' in line for line in stage)


def test_every_room_of_the_house_is_in_the_image() -> None:
    """A folder that main.py needs and the image lacks would fail only on the user's machine."""
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))} - {"tests", "bench"}
    copied = {line.split()[1] for line in final_stage() if line.startswith("COPY") and len(line.split()) == 3}
    assert rooms <= copied
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert rooms | {"main.py", "failure.py", "state.py", "requirements.txt"} == kept


def test_no_secret_is_written_into_the_image() -> None:
    """Keys come from the environment of the container, never from a layer."""
    assert not any(word in line for line in LINES for word in ("ACCESS_KEY", "SECRET_KEY", "WEBHOOK"))


@pytest.mark.failure("F5")
def test_compose_locks_the_container_down() -> None:
    """Read-only, without capabilities, limited, restarted, given time to stop."""
    assert BOT["read_only"] is True
    assert BOT["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in BOT["security_opt"]
    assert BOT["restart"] == "unless-stopped"
    assert BOT["init"] is True
    assert BOT["stop_grace_period"] == "20s"
    assert BOT["pids_limit"] <= 64
    assert "data:/data" in BOT["volumes"]
    assert "max-size" in BOT["logging"]["options"]
    assert not any("docker.sock" in volume for volume in BOT["volumes"])
