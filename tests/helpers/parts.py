"""One daemon's parts for tests: a real `App`, of which a test brings what it is about and nothing else."""

from __future__ import annotations

import random
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from config.settings import Config
from trader.app import App

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
NAMES = frozenset(field.name for field in fields(App))


class Parts(App):
    """An `App` of which a test may replace methods, and on which it may keep what it wants to look at later."""

    tell: Mock  # what was told is looked at, not logged
    wake_notifier: Mock  # same

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tell, self.wake_notifier = Mock(), Mock()


def make_app(**given: Any) -> Parts:
    """Return a daemon's parts: those that are given, and for the rest the settings' defaults and mocks.

    What is no part of a daemon, such as a test's own clockwork, becomes an attribute.
    """
    parts: dict[str, Any] = {
        "config": Config(),
        "clock": lambda: NOW,
        "rng": random.Random(0),
        "seed": 0,
        "discord": None,
        "account": "abcd",
        "fingerprint": "abcd" * 4,
        "mode": "sandbox",
        "parameters": "parameters",
        "strategy": SimpleNamespace(name="s", enter=Mock()),
        "candles": SimpleNamespace(unit=timedelta(minutes=1)),
    }
    parts |= {name: Mock() for name in ("upbit", "tickers", "journal", "control", "messages", "health")}
    app = Parts(**parts | {name: part for name, part in given.items() if name in NAMES})
    for name in given.keys() - NAMES:
        setattr(app, name, given[name])
    return app
