"""Request limits: fixed windows of the wall clock per group and caller, 429 when spent, 418 when that is ignored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sandbox.refusals import ApiError, quotation_error, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND_MS = 1000
# How many 429s, each less than a calm period after the one before, turn into a block. Not documented by Upbit.
STRIKES = 10
CALM_MS = 10 * SECOND_MS
FIRST_BLOCK_MS = 10 * SECOND_MS
LONGEST_BLOCK_MS = 600 * SECOND_MS
FORGIVEN_MS = 3600 * SECOND_MS


class Rule(NamedTuple):
    """So many requests per window; `minute` is the deprecated constant of the `min` field."""

    requests: int
    window_ms: int
    minute: int
    quotation: bool


def _per_second(requests: int, *, quotation: bool = False) -> Rule:
    return Rule(requests, SECOND_MS, 60 * requests, quotation)


RULES: Mapping[str, Rule] = {
    **{name: _per_second(10, quotation=True) for name in ("market", "candle", "trade", "ticker", "orderbook")},
    "origin": Rule(1, 10 * SECOND_MS, 6, quotation=True),
    "default": _per_second(30),
    "order": _per_second(12),
    "order-test": _per_second(8),
    "order-cancel-all": Rule(1, 2 * SECOND_MS, 30, quotation=False),
    "websocket": _per_second(5),
}


@dataclass(slots=True)
class _Window:
    index: int = -1
    used: int = 0


@dataclass(slots=True)
class _Offender:
    strikes: int = 0
    last_ms: int = -FORGIVEN_MS
    blocks: int = 0
    blocked_until_ms: int = 0


@dataclass(slots=True)
class Limits:
    """Counts requests per (group, caller); a caller is an IP on the quotation side and a pocket on the other."""

    _windows: dict[tuple[str, str], _Window] = field(default_factory=dict)
    _offenders: dict[tuple[bool, str], _Offender] = field(default_factory=dict)

    def spend(self, group: str, caller: str, now_ms: int) -> None:
        """Count one request; raise 429 when its window is spent, 418 while the caller is blocked."""
        rule = RULES[group]
        offender = self._offenders.get((rule.quotation, caller))
        if offender and now_ms < offender.blocked_until_ms:
            raise _teapot(rule, offender.blocked_until_ms - now_ms)
        window = self._window(group, caller, now_ms)
        if window.used < rule.requests:
            window.used += 1
            return
        self._strike(rule, caller, now_ms)

    def header(self, group: str, caller: str, now_ms: int) -> str:
        """Return the value of `Remaining-Req`."""
        rule = RULES[group]
        left = rule.requests - self._window(group, caller, now_ms).used
        return f"group={group}; min={rule.minute}; sec={left}"

    def _window(self, group: str, caller: str, now_ms: int) -> _Window:
        window = self._windows.get((group, caller))
        if window is None:
            window = self._windows[group, caller] = _Window()
        index = now_ms // RULES[group].window_ms
        if window.index != index:
            window.index, window.used = index, 0
        return window

    def _strike(self, rule: Rule, caller: str, now_ms: int) -> None:
        offender = self._offenders.setdefault((rule.quotation, caller), _Offender())
        quiet = now_ms - offender.last_ms
        if quiet >= CALM_MS:
            offender.strikes = 0
        if quiet >= FORGIVEN_MS:
            offender.blocks = 0
        offender.last_ms = now_ms
        offender.strikes += 1
        if offender.strikes <= STRIKES:
            raise quotation_error(429, "Too many API requests.") if rule.quotation else refuse("too_many_requests")
        length = min(FIRST_BLOCK_MS << offender.blocks, LONGEST_BLOCK_MS)
        offender.strikes, offender.blocks = 0, min(offender.blocks + 1, 10)
        offender.blocked_until_ms = now_ms + length
        raise _teapot(rule, length)


def _teapot(rule: Rule, left_ms: int) -> ApiError:
    text = f"You have been temporarily blocked. Try again after {-(-left_ms // SECOND_MS)} seconds."
    name: str | int = 418 if rule.quotation else "rate_limit_exceeded_penalty"
    return ApiError(418, name, text)
