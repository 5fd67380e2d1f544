"""Ask something of the daemon that runs: a file is put into its data folder, and is gone when it was taken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 10.0
LOOK_S = 0.1

NOT_TAKEN = {
    "ko": "실행 중인 데몬이 응답하지 않습니다. `python main.py health`로 확인하고, 데몬을 끝낸 뒤 다시 하세요.",
    "en": "The running daemon does not answer. Look with `python main.py health`, stop the daemon, and try again.",
}


def taken(request: Path) -> bool:
    """Wait until the running daemon has taken a request; take it back when it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while request.exists():
        if time.monotonic() > deadline:
            request.unlink(missing_ok=True)
            return False
        time.sleep(LOOK_S)
    return True
