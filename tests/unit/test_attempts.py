"""A start that only a person can mend does not hammer, and does not make him wait once he has mended it."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from cli.common.attempts import LONGEST_S, Attempts, stop_asked
from config.settings import Config, Secret
from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


class Story:
    """A folder, a clock, and what was waited for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 11, 2, tzinfo=UTC)
        self.paused: list[float] = []
        self.stopped = False

    def attempts(self, key: str = "wrong") -> Attempts:
        """Return the starts with a key."""
        return Attempts.of(Config(data_dir=self.folder, access_key=Secret(key)), lambda: self.now)

    def pause(self, seconds: float) -> bool:
        """Let the time pass."""
        self.paused.append(seconds)
        self.now += timedelta(seconds=seconds)
        return self.stopped


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """Return an empty folder."""
    return Story(tmp_path)


def test_the_pauses_between_starts_that_fail_grow_up_to_ten_minutes(story: Story) -> None:
    """A day of a wrong key in a container that is always started again is some 150 attempts, not thousands."""
    end, count = story.now + timedelta(days=1), 0
    while story.now < end:
        assert story.attempts().wait(story.pause)
        assert story.attempts().failed() == count + 1
        count += 1
    assert story.paused[:4] == [5, 10, 20, 40]
    assert story.paused[-1] == LONGEST_S
    assert count < 160


def test_whatever_was_changed_is_tried_at_once(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    """A new key, or a start that went well in between."""
    for _ in range(5):
        story.attempts().failed()
    assert story.attempts("right").wait(story.pause)
    story.attempts().forget()
    story.attempts().forget()
    assert story.attempts().wait(story.pause)
    assert story.paused == []
    assert caplog.text == ""


def test_who_stops_the_pause_has_the_next_start_at_once(story: Story) -> None:
    """An IP that was registered at Upbit changes nothing here: `docker restart` is enough then."""
    story.attempts().failed()
    story.stopped = True
    assert not story.attempts().wait(story.pause)
    assert story.attempts().wait(story.pause)
    assert story.paused == [5]


def test_a_failure_of_long_ago_and_a_clock_that_went_back_cost_nobody_a_pause(story: Story) -> None:
    """Only what repeats itself hammers."""
    story.folder = story.folder / "new" / "data"
    story.attempts().failed()
    assert story.folder.stat().st_mode & 0o777 == 0o700
    story.now += timedelta(minutes=59)
    assert story.attempts().failures() == 1
    story.now += timedelta(minutes=1)
    assert story.attempts().failures() == 0
    story.now -= timedelta(hours=2)
    assert story.attempts().failures() == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"settings": 1}', '{"at": "x"}'])
def test_a_record_that_cannot_be_read_counts_for_nothing(story: Story, content: str) -> None:
    """Neither does a folder that cannot be written make the start fail twice."""
    (story.folder / "start.json").write_text(content)
    assert story.attempts().failures() == 0
    story.folder = story.folder / "start.json" / "below a file"
    assert story.attempts().failed() == 0  # what cannot be counted would be told as the first at every start
    story.attempts().forget()


def test_no_key_can_be_read_from_the_record(story: Story) -> None:
    """Only a fingerprint is kept."""
    story.attempts("very-secret-key").failed()
    assert "very-secret-key" not in (story.folder / "start.json").read_text()


def test_sigterm_ends_a_pause() -> None:
    """`docker stop` does not wait for ten minutes, nor is the process killed without a word."""
    with stop_asked() as asked:
        assert not asked.wait(0.0)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        assert asked.wait(PATIENCE_S)
