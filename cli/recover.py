"""`recover`: rebuild a lost journal from the exchange alone, or say of one order that it never was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cli.common.exits import OK
from cli.run import NO_KEYS
from config.problems import ConfigError
from trader.clock import wall_clock
from trader.repair import recover, say_never

if TYPE_CHECKING:
    import argparse

    from config.settings import Config
    from trader.books.rebuild import Rebuilt

LOST = {
    "ko": "되살릴 수 없는 것: 매수·매도 이유, 진입 후 최고가, 메시지와 판정 기록. "
    "손절가는 데몬이 현재 캔들로 다시 계산합니다.",
    "en": "What cannot be recovered: why trades were entered and closed, the highest prices since entry, messages and "
    "verdicts. The daemon recomputes stops from current candles.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--account", metavar="XXXX", help="the bot whose orders to take: the 4 characters after ub1-L")
    parser.add_argument(
        "--never", metavar="IDENTIFIER", help="instead: an order in doubt that Upbit's own list does not show never was"
    )


def run(config: Config, options: argparse.Namespace) -> int:
    """Rebuild, or settle one order; print what came back and what cannot."""
    if config.access_key is None or config.secret_key is None:
        raise ConfigError((NO_KEYS,))
    if options.never:
        asyncio.run(say_never(config, options.never, wall_clock))
        return OK
    rebuilt = asyncio.run(recover(config, options.account, wall_clock))
    print("\n".join(report(rebuilt, config.language)))  # noqa: T201 - what was asked for
    return OK


def report(rebuilt: Rebuilt, language: str) -> list[str]:
    """Return what came back and what cannot, a line each."""
    ko = language == "ko"
    held = [f"  {t.market} {t.volume:f} ({t.cost_krw:,.0f} KRW)" for t in rebuilt.held]
    away = "계정에 없어 기록에서 뺐습니다" if ko else "no longer in the account, written off"
    gone = [f"  {market} {volume:f}: {away}" for market, volume in rebuilt.gone.items()]
    return [
        f"업비트에서 주문 {rebuilt.orders}건을 되살렸습니다. 보유 중: {len(held)}"
        if ko
        else f"{rebuilt.orders} orders recovered from Upbit. Open positions: {len(held)}",
        *held,
        *gone,
        LOST[language],
    ]
