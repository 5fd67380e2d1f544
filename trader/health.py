"""Whether the daemon is alive: when each loop last finished a step, and whether one only waits for the exchange.

`guards/heartbeat.py` writes that to `health.json` (`health_file.py`) and tells a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from upbit.errors import ExchangeError, passes

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITS_S = {
    "update_indicators_periodically": 300.0,
    "update_trading_dict": 60.0,
    "update_prices": 60.0,
    "update_wallet_realtime": 60.0,
    "execute_trades": 60.0,
    "reconcile": 300.0,
}
"""Seconds after which a loop that finished no step counts as dead."""


def throw(breach: Exception) -> None:
    """Let a broken rule end the loop: nobody is there to halt on it."""
    raise breach


@dataclass(slots=True)
class Health:
    """The last sign of life of each loop, in loop time."""

    clock: Callable[[], float]  # loop time, seconds
    on_breach: Callable[[str, Exception], None] = field(default=lambda _, breach: throw(breach))  # by a loop's step
    _alive: dict[str, float] = field(default_factory=dict)
    _error: dict[str, str] = field(default_factory=dict)
    _waited: dict[str, float] = field(default_factory=dict)  # when a step last ended for want of an answer

    def __post_init__(self) -> None:
        now = self.clock()
        self._alive = dict.fromkeys(LIMITS_S, now)

    def alive(self, loop: str) -> None:
        """Note that a loop finished a step."""
        self._alive[loop] = self.clock()
        self._error.pop(loop, None)
        self._waited.pop(loop, None)

    def failed(self, loop: str, error: Exception) -> None:
        """Note why a loop's step failed; a broken rule of our own goes to `on_breach`, which halts trading."""
        if isinstance(error, AssertionError):
            self.on_breach(loop, error)
            return
        self._error[loop] = f"{type(error).__name__}: {error}"
        if isinstance(error, ExchangeError) and passes(error):
            self._waited[loop] = self.clock()
        else:
            self._waited.pop(loop, None)

    def quiet_s(self, *loops: str) -> float:
        """Return for how many seconds none of some loops has finished a step."""
        return self.clock() - max(self._alive[loop] for loop in loops)

    def dead(self) -> dict[str, str]:
        """Return the loops that are silent for longer than their limit, with the last error."""
        now = self.clock()
        return {
            loop: self._error.get(loop, "no step finished")
            for loop, limit in LIMITS_S.items()
            if now - self._alive[loop] > limit
        }

    def waiting(self) -> dict[str, str]:
        """Return those of the dead that still try, and only lack an answer of the exchange."""
        now = self.clock()
        return {
            loop: error
            for loop, error in self.dead().items()
            if loop in self._waited and now - self._waited[loop] <= LIMITS_S[loop]
        }
