"""`/state`: the daemon's own health: its loops, requests left, versions, sizes, and for its owner the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from config.tables import effective
from config.version import VERSION
from dashboard.html import el
from dashboard.pages.parts import Page, facts, section, table, warning
from dashboard.passes import Role
from journal.backups import last_backup
from notifier import watchers
from notifier.formats import stamp
from notifier.labels import MODES
from notifier.words import readable
from trader.health import LIMITS_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from dashboard.desk import Sight
    from dashboard.html import Node
    from trader.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How a daemon is at this moment; asked of it on its own loop."""

    quiet_s: Mapping[str, float]  # loop: seconds since it last finished a step
    dead: Mapping[str, str]  # loop: error
    waiting: Mapping[str, str]  # those of them that only lack an answer
    rates: Mapping[str, int]  # requests left, by group
    strategy: str
    mode: str
    viewers: int
    journal_bytes: int
    last_backup: datetime | None  # UTC; None: never, as far as is known


def pulse_of(app: App, viewers: int, journal: Path) -> Pulse:
    """Return how a daemon is."""
    return Pulse(
        quiet_s={loop: app.health.quiet_s(loop) for loop in LIMITS_S},
        dead=app.health.dead(),
        waiting=app.health.waiting(),
        rates=app.upbit.rates(),
        strategy=app.strategy.name,
        mode=app.mode,
        viewers=viewers,
        journal_bytes=journal.stat().st_size,
        last_backup=last_backup(journal),
    )


def page(pulse: Pulse, sight: Sight) -> Page:
    """Return how the daemon is."""
    title = sight.say("상태", "Health")
    stopped = [warning(watchers.sentence(loop, sight.language)) for loop in sorted(pulse.dead)]
    fine = el("p", sight.say("모든 부분이 정상으로 동작합니다.", "All parts are at work."))
    never = sight.say("없음", "none")
    pairs = [
        (sight.say("버전", "version"), VERSION),
        (sight.say("모드", "mode"), MODES[pulse.mode].say(sight.language)),
        (sight.say("전략", "strategy"), pulse.strategy),
        (sight.say("거래 기록 크기", "size of the journal"), f"{pulse.journal_bytes / 1e6:,.1f} MB"),
        (sight.say("마지막 백업", "last backup"), f"{stamp(pulse.last_backup)} KST" if pulse.last_backup else never),
        (sight.say("보는 사람", "viewers"), f"{pulse.viewers:,}"),
    ]
    pairs += [
        (sight.say(f"남은 요청: {group}", f"requests left: {group}"), f"{left:,}")
        for group, left in sorted(pulse.rates.items())
    ]
    rows = [[key, value or "-", source] for key, value, source in effective(sight.config)]
    heads = [sight.say("이름", "name"), sight.say("값", "value"), sight.say("출처", "source")]
    settings = sight.say("적용된 설정", "Settings in force")
    parts = [
        section("head", None, el("h1", title), *(stopped or [fine])),
        section("daemon", sight.say("데몬", "The daemon"), facts(pairs)),
    ]
    parts.append(section("loops", sight.say("부분", "Its parts"), loops(pulse, sight)))
    if sight.role is Role.OWNER:
        parts.append(section("settings", None, el("details", el("summary", settings), table(settings, heads, rows))))
    return Page(title, tuple(parts))


def loops(pulse: Pulse, sight: Sight) -> Node:
    """Return when each part last finished a step, and how long it may take."""
    heads = (("부분", "part"), ("마지막 동작", "last step"), ("허용 시간", "may take"), ("오류", "error"))
    rows = [
        [
            watchers.name_of(loop, sight.language),
            sight.say(f"{quiet_s:,.0f}초 전", f"{quiet_s:,.0f} s ago"),
            sight.say(f"{LIMITS_S[loop]:,.0f}초", f"{LIMITS_S[loop]:,.0f} s"),
            readable(pulse.dead.get(loop, "-")),
        ]
        for loop, quiet_s in pulse.quiet_s.items()
    ]
    return table(sight.say("부분", "parts"), [sight.say(*head) for head in heads], rows)
