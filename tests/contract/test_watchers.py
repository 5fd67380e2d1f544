"""What watches beside the five loops: health file, breakers, a person's request, the key."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from journal.errors import JournalFull
from journal.records import Order
from tests.helpers.trading_desk import Desk, told
from trader.daemon import serve
from trader.health_file import FILE, read_health
from trader.requests import ask

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.failure("E1")
def test_a_full_disk_ends_nothing_that_watches(tmp_path: Path) -> None:
    """Each fails, is tried again, and does its work when there is room: a person's request is not lost on the way."""

    async def story(desk: Desk) -> None:
        async with desk.daemon() as app, asyncio.TaskGroup() as tasks:
            daemon = tasks.create_task(serve(app))
            await asyncio.sleep(30)
            app.control.halt_buys("strange", ko="x", en="x")
            full = JournalFull(desk.folder, "database or disk is full")
            no_room = OSError(errno.ENOSPC, "No space left on device")
            with (
                patch.object(app.journal, "_transaction", side_effect=full),
                patch("trader.guards.heartbeat.write_report", side_effect=no_room),
            ):
                request = ask(desk.folder, Order.RESUME)
                (desk.folder / FILE).unlink()
                await asyncio.sleep(120)
                assert not daemon.done()
                assert request.exists()
                assert app.control.stands("strange")
            await asyncio.sleep(60)
            assert not request.exists()
            assert app.control.may_buy()
            assert read_health(str(desk.folder / FILE), "en")[0]
            app.stop.set()

    told(tmp_path, story)
