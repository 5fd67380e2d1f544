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
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from types import FrameType


OLDEST_PYTHON = (3, 11)


class Verb(NamedTuple):
    """One verb: the module of `cli/` that is it, and what it does, in two languages."""

    name: str
    ko: str
    en: str

    @property
    def module(self) -> str:
        """Where it lives."""
        return f"cli.{self.name.replace('-', '_')}"


VERBS = (
    Verb("run", "실제 거래 (ACCESS_KEY, SECRET_KEY 필요)", "trade for real; needs ACCESS_KEY and SECRET_KEY"),
    Verb("demo", "키도 인터넷도 없이 내장 업비트에서 연습", "no keys, no internet: rehearse on an embedded Upbit"),
    Verb("sandbox", "내장 업비트만 실행", "only the exchange: an Upbit in a box on this machine"),
    Verb("check", "키, 권한, 시계, 폴더, 설정 점검", "examine keys, permissions, clock, folders and settings"),
    Verb("config", "적용된 설정과 출처", "the settings in force, each with its source"),
    Verb("status", "보유 코인과 이유, 시작 시각, 비용", "what is held, why, since when and at what cost"),
    Verb(
        "why",
        "왜 사지 않는지: 마켓과 시각별 조건, 값, 기준, 거리",
        "why nothing is bought: each gate, value, threshold",
    ),
    Verb("open", "브라우저로 보는 페이지의 일회용 링크", "a one-time link to the page for a browser"),
    Verb("history", "끝난 거래", "the trades that have ended"),
    Verb("tax", "한 해 손익을 두 평균법으로 (추정)", "the profit of a year by both averages, an estimate"),
    Verb("halt-buys", "매수만 멈춤, 보유분은 계속 관리", "buy nothing more; what is held is managed on"),
    Verb("resume", "멈춘 이유를 보여 주고 거래 재개", "show why trading was halted, and go on"),
    Verb("sell-all", "보유분 표시, --yes이면 모두 매도", "show what is held; with --yes sell it and buy no more"),
    Verb("recover", "잃어버린 기록을 거래소에서 복구", "rebuild a lost journal from the exchange alone"),
    Verb("backup", "기록 전체 복사 (실행 중에도 가능)", "copy the whole journal, also while the daemon runs"),
    Verb("restore", "백업을 되돌리고 이전 기록은 보관", "put a backup in the journal's place; the old one is kept"),
    Verb("health", "데몬이 살아 있으면 0, 아니면 1로 종료", "exit 0 while the daemon is alive, 1 otherwise"),
    Verb("support-bundle", "도움을 청할 때 보낼 파일, 비밀 제외", "a file for whoever helps, without secrets"),
    Verb("download", "백테스트용 캔들 내려받기", "fetch candles for backtests; resumes where it stopped"),
    Verb("data", "저장된 캔들 가져오기와 점검", "the candle history on disk: import, check, list"),
    Verb("backtest", "저장된 캔들로 전략 시험", "test the strategy of the settings on that history"),
    Verb("report", "백테스트를 HTML 한 페이지로", "the same as one HTML page with plots"),
    Verb("optimize", "과거에서 매개변수 찾기", "search parameters, and say what they earned afterwards"),
    Verb("strategy", "나의 전략 만들기, 점검, 우연과 비교", "one's own strategy: new, check, chance"),
    Verb("replay", "시뮬레이션 한 판 다시 보기", "run one simulated world again and tell its story"),
)
"""Every verb, in the order of `--help` and of the README's table."""


def build_parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of every verb's name and of the options of one of them: only that one is imported."""
    import argparse  # noqa: PLC0415 - `health` does without

    from config.version import NAME, VERSION  # noqa: PLC0415 - below 3.11 nothing of ours is imported

    parser = argparse.ArgumentParser(
        prog="main.py",
        description="업비트 자동매매 데몬 · An Upbit trading daemon. Without a verb: run.",
        epilog="exit codes: 0 clean stop, 1 error, 2 usage, 3 a second daemon on the same data, 4 configuration",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {VERSION}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for known in VERBS:
        told = f"{known.ko} · {known.en}"
        sub = verbs.add_parser(known.name, help=told, description=told)
        if known.name == verb:
            sub.set_defaults(module=known.module)
            add_options(sub, known.module)
    return parser


def add_options(parser: argparse.ArgumentParser, module: str) -> None:
    """Add what every verb understands, and what this one does."""
    from importlib import import_module  # noqa: PLC0415 - `health` does without

    from cli.common.options import add_common  # noqa: PLC0415 - `--help` needs none of it

    add_common(parser)
    arguments = getattr(import_module(module), "arguments", None)
    if arguments is not None:
        arguments(parser)


def write_whatever_the_terminal_can() -> None:
    """Let what a terminal cannot write become a question mark, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def unsupported(version: tuple[int, ...], platform: str, language: str) -> str | None:
    """Return why the program cannot run here and what to do, in one sentence; None where it can."""
    found = ".".join(map(str, version[:2]))
    if version < OLDEST_PYTHON:
        ko = f"Python 3.11 이상이 필요합니다(지금은 {found}). 3.12를 설치하거나 Docker를 쓰세요: README.md"
        en = f"Python 3.11 or newer is needed, and this is {found}. Install 3.12, or use Docker: README.en.md"
    elif platform == "win32":
        ko = "Windows에서는 바로 실행되지 않습니다. Docker Desktop이나 WSL 2를 쓰세요: README.md"
        en = "It does not run on Windows itself. Use Docker Desktop or WSL 2: README.en.md"
    else:
        return None
    return en if language == "en" else ko


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    write_whatever_the_terminal_can()
    problem = unsupported(sys.version_info[:2], sys.platform, os.environ.get("BOT_LANGUAGE", "ko"))
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201 - the one sentence a person reads
        return 1
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given == ["health"]:
        from cli.health import answer  # noqa: PLC0415 - a verb is imported when it is called

        return answer(os.environ)
    if not given or (given[0].startswith("-") and given[0] not in {"-h", "--help", "--version"}):
        given.insert(0, "run")
    try:
        options = build_parser(given[0]).parse_args(given)
    except SystemExit as end:
        return 2 if end.code else 0
    from importlib import import_module  # noqa: PLC0415 - `health` does without

    from cli.common.dispatch import dispatch  # noqa: PLC0415 - `--help` does without

    return dispatch(import_module(options.module).run, options)


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
