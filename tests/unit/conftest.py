"""The parts of a daemon as most tests want them; a file that wants others says so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from journal.journal import Journal
from tests.helpers.handmade import NOW, written_by_hand
from tests.helpers.trading import trading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers.parts import Mocked
    from tests.helpers.trading import Trading


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trading]:
    """Return a daemon's parts around a real journal, whose pauses do not last."""
    with trading(tmp_path, monkeypatch) as parts:
        yield parts


@pytest.fixture
def daemon() -> Mocked:
    """Return a daemon whose journal and exchange are written by hand."""
    return written_by_hand()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return an empty journal."""
    with Journal.open(tmp_path / "journal.sqlite3", lambda: NOW) as opened:
        yield opened
