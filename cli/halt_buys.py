"""`halt-buys`: a person wants nothing more to be bought; what is held is managed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.common.exits import ERROR, OK
from cli.common.printing import print_json
from cli.common.request import NOT_TAKEN, give
from journal.records import Order

if TYPE_CHECKING:
    import argparse

    from config.settings import Config

STOPPED = {
    "ko": "매수를 멈췄습니다. 보유분은 계속 관리합니다. 다시 사려면: python main.py resume",
    "en": "Nothing is bought any more, and what is held is managed on. To buy again: python main.py resume",
}


def run(config: Config, options: argparse.Namespace) -> int:
    """Stop buys, of the daemon that runs or of the next one; the exit code is 0 when they are stopped."""
    stopped = give(config, Order.HALT_BUYS).outcome is not None
    if options.json:
        print_json({"halted": stopped})
    else:
        print((STOPPED if stopped else NOT_TAKEN)[config.language])
    return OK if stopped else ERROR
