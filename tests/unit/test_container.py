"""What the image and the compose file promise, read from the files themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.common.parser import build_parser
from config.tables import ENVIRONMENT
from main import VERBS

ROOT = Path(__file__).resolve().parent.parent.parent
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
BOT: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["bot"]


def test_nothing_is_compiled_and_the_process_is_nobody_special() -> None:
    """Wheels alone, each compared with its hash; no program raises rights; the user is told by its number."""
    assert not any("gcc" in line or "apt-get" in line for line in LINES)
    assert any("--require-hashes --only-binary=:all:" in line for line in LINES)
    assert any("-perm /6000 -exec chmod a-s" in line for line in LINES)
    assert "USER 10001" in LINES


def test_the_base_is_pinned_to_its_release_and_can_be_given_by_its_digest() -> None:
    """A new Debian under an old name broke every build once."""
    assert "ARG BASE=python:3.12-slim-trixie" in LINES
    assert [line for line in LINES if line.startswith("FROM")] == ["FROM ${BASE}"]


@pytest.mark.failure("F17")
def test_the_process_is_stopped_and_examined_as_the_daemon_expects() -> None:
    """SIGTERM to the process itself, and its own health verb."""
    assert "STOPSIGNAL SIGTERM" in LINES
    assert 'ENTRYPOINT ["python", "main.py"]' in LINES
    assert any(line.startswith("HEALTHCHECK") and '"health"' in line for line in LINES)


def test_every_room_of_the_house_is_in_the_image() -> None:
    """A folder that main.py needs and the image lacks would fail only on the user's machine."""
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))} - {"tests", "bench"}
    assert "COPY . ." in LINES
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    files = {"main.py", "failure.py", "state.py", "pyproject.toml", "requirements.txt"}
    extras = {"requirements/chat.txt", "requirements/tape.txt"}
    assert rooms | files | extras == kept


def test_compose_passes_every_variable_on_and_each_secret_as_a_file_too() -> None:
    """What the README lists can be set without changing the file, except what the image fixes."""
    passed = set(BOT["environment"])
    secrets = {variable.name for variable in ENVIRONMENT if variable.secret}
    assert {f"{name}_FILE" for name in secrets} <= passed
    assert {variable.name for variable in ENVIRONMENT} - passed == {"BOT_DATA_DIR", "BOT_CONFIG"}
    assert all(value == f"${{{name}:-}}" for name, value in BOT["environment"].items())


def test_systemd_gives_the_daemon_time_to_stop_and_does_not_repeat_what_only_a_person_can_mend() -> None:
    """As Docker does; exit codes 2, 3 and 4 are usage, a second daemon, and settings."""
    unit = (ROOT / "docs" / "systemd" / "upbit-bot.service").read_text(encoding="utf-8")
    assert "RestartPreventExitStatus=2 3 4" in unit
    assert "TimeoutStopSec=20" in unit
    for name in ("upbit-bot.service", "upbit-bot-backup.service"):
        text = (ROOT / "docs" / "systemd" / name).read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=/srv/upbit-bot/.venv/bin/python main.py (.*)$", text, flags=re.MULTILINE)
        words = command.split()
        assert build_parser(VERBS, words[0]).parse_args(words).verb == words[0]


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_workflows_and_forms_are_yaml_and_ask_for_what_helps(path: Path) -> None:
    """A form wants the version and what `check` says; a job gets no more rights than it needs."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "problem.yml":
        asked = {field.get("id"): field.get("validations", {}).get("required") for field in content["body"]}
        assert asked["version"]
        assert asked["check"]
    if path.parent.name == "workflows":
        assert content["permissions"] == {"contents": "read"}
        commands = [step["run"] for job in content["jobs"].values() for step in job["steps"] if "run" in step]
        targets = set(re.findall(r"^make (\S+)", "\n".join(commands), flags=re.MULTILINE))
        assert targets <= set(
            re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
        )


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
    assert "${BOT_DATA:-data}:/data" in BOT["volumes"]
    assert "max-size" in BOT["logging"]["options"]
    assert not any("docker.sock" in volume for volume in BOT["volumes"])
