"""Look after the journal's place on the disk, once a minute: is it still there, and is there room for exits?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trader.books.breach import on_unwritten

if TYPE_CHECKING:
    from trader.app import App


def look_after_storage(app: App) -> None:
    """Halt buying when the journal was moved away or the reserve cannot be kept, everything when the disk failed."""
    if app.journal.broken is not None:
        on_unwritten(app.control, app.journal.broken)
    if not app.journal.in_place():
        app.control.halt_buys(
            "journal_moved",
            ko="거래 기록 파일이 실행 중에 지워지거나 바뀌었습니다. 데몬을 끄고, 파일을 되돌리거나 recover 하세요.",
            en="The journal was deleted or replaced while it was in use. Stop the daemon, and restore it or recover.",
        )
    if app.journal.keep_reserve():
        app.control.ended("disk_full")
    else:
        app.control.halt_buys(
            "disk_full",
            ko="디스크가 가득 찼습니다. 매수를 멈추고 매도는 남겨 둔 공간으로 기록합니다. 공간을 비우세요.",
            en="The disk is full. Nothing is bought; sales are written into space that was kept. Free some space.",
            by_itself=True,
        )
