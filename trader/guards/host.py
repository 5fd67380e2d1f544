"""The machine under the daemon: a clock that is wrong, jumps or steps back, a loop that is held up, files that run out.

Durations are loop time, which never steps. The time of day is compared with it every second: when the two disagree, the
machine slept or its clock was set, and everything that carries a time is forgotten and fetched again. The exchange's
own clock is read from the Date of its answers.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from state import State
    from trader.app import App
    from upbit.rest import Upbit

log = logging.getLogger("trader.host")

LOOK_S = 1.0
JUMP = timedelta(seconds=5)
"""More than this between the time of day and the loop's time in one look is a jump."""
SKEW_WARN, SKEW_STOP = timedelta(seconds=2), timedelta(seconds=10)
SKEW_SAID_EVERY_S = 3600.0
LAG_WARN_S, LAG_STOP_S = 0.25, 5.0
LAG_OVER_S = 60.0
"""Buys are allowed again after the loop has kept its time for so long."""
FILES_EVERY_S, FILES_WARN = 60.0, 0.8
CLOCK_JUMP, CLOCK_SKEW, LOOP_LAG = "clock_jump", "clock_skew", "loop_lag"


# --- the loop -------------------------------------------------------------------------------------------------------


async def watch_loop(app: App) -> None:
    """Measure how late the loop wakes us, stop buys while it is very late, keep the watchdog quiet; until cancelled."""
    loop, watchdog = asyncio.get_running_loop(), app.watchdog
    period = watchdog.period_s if watchdog else LOOK_S
    last_late = loop.time() - LAG_OVER_S
    try:
        while True:
            if watchdog:
                watchdog.alive()
            due = loop.time() + period
            await asyncio.sleep(period)
            late = loop.time() - due
            if late > LAG_WARN_S:
                last_late = loop.time() if late > LAG_STOP_S else last_late
                judge_lag(app, late)
            elif loop.time() - last_late >= LAG_OVER_S:
                app.control.ended(LOOP_LAG)
    finally:
        if watchdog:
            watchdog.close()


def judge_lag(app: App, late_s: float) -> None:
    """Say that the loop was held up; what happened meanwhile is not known well enough to buy on."""
    app.tell("loop_late", level=logging.WARNING, seconds=f"{late_s:.2f}")
    if late_s > LAG_STOP_S:
        app.control.halt_buys(
            LOOP_LAG,
            ko="프로그램이 몇 초 동안 멈춰 있었습니다. 서버의 CPU와 디스크를 확인하세요.",
            en="The program was held up for seconds. Look at this machine's processor and disk.",
            by_itself=True,
            seconds=f"{late_s:.1f}",
        )


# --- open files -----------------------------------------------------------------------------------------------------


async def watch_files(app: App) -> None:
    """Tell a person when files or sockets run out, before nothing can be opened any more; until cancelled."""
    while app.watchdog is not None:
        used = app.watchdog.files_used()
        if used >= FILES_WARN:
            app.tell("many_files", level=logging.WARNING, used=f"{used:.2f}")
            app.inform(app.messages.many_files(used, at=app.clock()))
        await asyncio.sleep(FILES_EVERY_S)


# --- the clock ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Clocks:
    """The time of day and the loop's time, as they belonged together at the last look."""

    wall: datetime
    loop_s: float

    def jumped(self, wall: datetime, loop_s: float) -> timedelta:
        """Return how much further the time of day has moved than the loop's; below zero when it stepped back."""
        moved = (wall - self.wall) - timedelta(seconds=loop_s - self.loop_s)
        self.wall, self.loop_s = wall, loop_s
        return moved


async def watch_clock(app: App) -> None:
    """Compare the clocks every second, until cancelled."""
    loop = asyncio.get_running_loop()
    clocks, said = Clocks(app.clock(), loop.time()), loop.time() - SKEW_SAID_EVERY_S
    while True:
        await asyncio.sleep(LOOK_S)
        jump = clocks.jumped(app.clock(), loop.time())
        if abs(jump) > JUMP:
            await start_over(app, jump)
        elif app.control.stands(CLOCK_JUMP) and await is_fresh(app.state):
            app.control.ended(CLOCK_JUMP)
        skew = skew_of(app.upbit, app.clock, loop.time())
        if skew is not None and judge_skew(app, skew, say=loop.time() - said >= SKEW_SAID_EVERY_S):
            said = loop.time()


async def start_over(app: App, jump: timedelta) -> None:
    """Forget all that carries a time, and buy nothing until it is known again. After a step back candles go, too."""
    seconds = f"{jump.total_seconds():+.0f}"
    app.control.halt_buys(
        CLOCK_JUMP,
        ko="시계가 건너뛰었습니다(절전 또는 시간 변경). 가격, 지갑, 지표를 다시 받은 뒤 매수를 계속합니다.",
        en="The clock jumped (sleep, or it was set). Buys go on when prices, wallet and indicators are known again.",
        by_itself=True,
        seconds=seconds,
    )
    app.tell("clock_jump", level=logging.WARNING, seconds=seconds)
    async with app.state.trading_dict.locked() as trading:
        trading.update(dict.fromkeys(trading))
    await app.state.wallet_dict.replace({})
    await app.state.snapshot_dict.replace({})
    await app.state.target_dict.replace({})
    if jump < timedelta(0):
        app.candles.forget(())
    app.tickers.reconnect()


async def is_fresh(state: State) -> bool:
    """Return whether wallet and indicators have come again."""
    return bool(await state.wallet_dict.snapshot()) and bool(await state.snapshot_dict.snapshot())


def skew_of(upbit: Upbit, clock: Callable[[], datetime], loop_s: float) -> timedelta | None:
    """Return how far this machine's clock is ahead of the exchange's; None while no answer has told."""
    heard = upbit.server_date_at
    if upbit.server_date is None or heard is None:
        return None
    return clock() - upbit.server_date - timedelta(seconds=loop_s - heard)


def judge_skew(app: App, skew: timedelta, *, say: bool) -> bool:
    """Stop buys while the clock is far off, and warn now and then while it is a little; return whether it was said."""
    seconds = f"{skew.total_seconds():+.1f}"
    if abs(skew) > SKEW_STOP:
        app.control.halt_buys(
            CLOCK_SKEW,
            ko="이 컴퓨터의 시계가 거래소와 10초 넘게 다릅니다. 시간 동기화(NTP)를 켜세요.",
            en="This machine's clock is more than 10 s away from the exchange's. Switch on time synchronisation (NTP).",
            by_itself=True,
            seconds=seconds,
        )
    else:
        app.control.ended(CLOCK_SKEW)
    if abs(skew) <= SKEW_WARN or not say:
        return False
    app.tell("clock_skew", level=logging.WARNING, seconds=seconds)
    return True
