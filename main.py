"""The door: `python main.py [VERB] [options]`; without a verb, `run`: trade.

A running daemon (`trader/daemon.py`) is five coroutines on one event loop, which share the dicts of `state.py`:

    update_indicators_periodically  trader/indicators.py  each minute  indicators of all KRW markets, and the targets
    update_trading_dict             trader/targets.py     every 3 s    draws up to 5 of the targets
    update_prices                   trader/prices.py      pushed       prices of what was drawn, over WebSocket
    update_wallet_realtime          trader/wallet.py      every 1 s    what the account holds
    execute_trades                  trader/executor.py    every 1 s    buys, sells, tells Discord, cleans up

A verb is one module of `cli/`, imported when it is called: `run(config, options)`, and `arguments(parser)` for its
options.

No import here may take long or fail: `health` passes through each minute, and an old Python is told in one sentence.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cli.common.supported import unsupported, write_whatever_the_terminal_can

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

VERBS = {
    "run": ("실제 거래 (ACCESS_KEY, SECRET_KEY 필요)", "trade for real; needs ACCESS_KEY and SECRET_KEY"),
    "demo": ("키도 인터넷도 없이 내장 업비트에서 연습", "no keys, no internet: rehearse on an embedded Upbit"),
    "paper": ("실제 시세, 가짜 돈: 키 없이 모의 거래", "the real market, money of nobody: trade on paper, no keys"),
    "sandbox": ("내장 업비트만 실행", "only the exchange: an Upbit in a box on this machine"),
    "record": ("시장이 보내는 모든 것을 그대로 파일에", "keep everything the market sends on disk, as it comes"),
    "shadow": (
        "실제 주문을 모의로도 체결해 모의의 오차를 bp로",
        "how wrong paper is: each real order filled on paper, too",
    ),
    "tape": ("기록한 테이프 점검과 내보내기", "what was recorded: check, export"),
    "check": ("키, 권한, 시계, 폴더, 설정 점검", "examine keys, permissions, clock, folders and settings"),
    "config": ("적용된 설정과 출처", "the settings in force, each with its source"),
    "status": ("보유 코인과 이유, 시작 시각, 비용", "what is held, why, since when and at what cost"),
    "why": ("왜 사지 않는지: 마켓과 시각별 조건, 값, 기준, 거리", "why nothing is bought: each gate, value, threshold"),
    "open": ("브라우저로 보는 페이지의 일회용 링크", "a one-time link to the page for a browser"),
    "history": ("끝난 거래", "the trades that have ended"),
    "tax": ("한 해 손익을 두 평균법으로 (추정)", "the profit of a year by both averages, an estimate"),
    "halt-buys": ("매수만 멈춤, 보유분은 계속 관리", "buy nothing more; what is held is managed on"),
    "resume": ("멈춘 이유를 보여 주고 거래 재개", "show why trading was halted, and go on"),
    "sell": ("한 마켓의 보유분 표시, --yes이면 매도", "show what is held of a market; with --yes sell it"),
    "sell-all": ("보유분 표시, --yes이면 모두 매도", "show what is held; with --yes sell it and buy no more"),
    "recover": ("잃어버린 기록을 거래소에서 복구", "rebuild a lost journal from the exchange alone"),
    "backup": ("기록 전체 복사 (실행 중에도 가능)", "copy the whole journal, also while the daemon runs"),
    "restore": ("백업을 되돌리고 이전 기록은 보관", "put a backup in the journal's place; the old one is kept"),
    "health": ("데몬이 살아 있으면 0, 아니면 1로 종료", "exit 0 while the daemon is alive, 1 otherwise"),
    "support-bundle": ("도움을 청할 때 보낼 파일, 비밀 제외", "a file for whoever helps, without secrets"),
    "download": ("백테스트용 캔들 내려받기", "fetch candles for backtests; resumes where it stopped"),
    "data": ("저장된 캔들 가져오기와 점검", "the candle history on disk: import, check, list"),
    "backtest": ("저장된 캔들로 전략 시험", "test the strategy of the settings on that history"),
    "diverge": (
        "하루를 같은 캔들의 백테스트와 비교, 차이의 원인",
        "a day beside its backtest, each won with its cause",
    ),
    "report": ("백테스트를 HTML 한 페이지로", "the same as one HTML page with plots"),
    "optimize": ("과거에서 매개변수 찾기", "search parameters, and say what they earned afterwards"),
    "strategy": ("나의 전략 만들기, 점검, 우연과 비교", "one's own strategy: new, check, chance"),
    "replay": ("시뮬레이션 한 판 다시 보기", "run one simulated world again and tell its story"),
}
"""Every verb, what it does in Korean and English, in the order of `--help` and of the README's table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    write_whatever_the_terminal_can()
    problem = unsupported(sys.version_info[:2], sys.platform, os.environ.get("BOT_LANGUAGE", "ko"))
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the one sentence a person reads
        return 1
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["health"]:
        from cli.health import answer  # noqa: PLC0415 - it does without all that follows

        return answer(os.environ)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    from cli.common.parser import build_parser, module_of  # noqa: PLC0415 - `health` does without

    try:
        options = build_parser(VERBS, given[0]).parse_args(given)
    except SystemExit as end:
        return 2 if end.code else 0
    from importlib import import_module  # noqa: PLC0415 - `health` does without

    from cli.common.dispatch import dispatch  # noqa: PLC0415 - `--help` does without

    return dispatch(import_module(module_of(options.verb)), options)


def door() -> None:
    """Run as a program: Ctrl-C ends it with 130 and without a traceback, also while it still imports."""
    import signal  # noqa: PLC0415 - for the program alone

    heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN  # a shell's `&` lets it be ignored
    if heard:
        signal.signal(signal.SIGINT, leave)
    code = main()
    if heard:  # what is done is done, and the interpreter may take a moment to end
        signal.signal(signal.SIGINT, leave)
    raise SystemExit(code)


def leave(number: int, _: FrameType | None) -> None:
    """End at once: outside of a verb nothing is open, and what is interrupted while it loads shows a traceback."""
    os._exit(128 + number)


if __name__ == "__main__":
    door()
