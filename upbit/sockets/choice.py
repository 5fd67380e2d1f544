"""Which kind of socket is used."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upbit.sockets.common import Open

PLAIN, FAST = "websockets", "picows"


def library(*, on_uvloop: bool) -> str:
    """Return the name of the library that is used: picows where it is installed, on uvloop alone."""
    return FAST if on_uvloop and find_spec(FAST) else PLAIN


def opener() -> Open:
    """Return what opens sockets on the running loop."""
    loop = asyncio.get_running_loop()
    if library(on_uvloop=type(loop).__module__.startswith("uvloop")) == FAST:
        from upbit.sockets.fast import open_fast  # noqa: PLC0415 - an extra

        return open_fast
    from upbit.sockets.plain import open_plain  # noqa: PLC0415 - who only asks which is used needs none

    return open_plain
