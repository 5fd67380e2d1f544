"""What happened, event by event of the journal, each in one sentence; what only a machine needs has none."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from journal.records import IntentState, Level, Order, worst
from notifier.formats import price, units
from notifier.labels import STATES
from notifier.words import Words, readable
from views.history import SIDES, TURNS

if TYPE_CHECKING:
    from journal.queries import Queries
    from journal.records import Command
    from journal.scans import Happening

COMMANDS = {
    Order.HALT_BUYS: Words("매수 중단", "stop buying"),
    Order.RESUME: Words("거래 재개", "resume"),
    Order.SELL: Words("매도", "sell"),
    Order.SELL_ALL: Words("모두 매도", "sell all"),
}
FROM = {
    "cli": Words("명령줄", "command line"),
    "page": Words("페이지", "page"),
    "discord": Words("디스코드", "Discord"),
}
"""Where a command may come from."""
WHAT = {
    Order.HALT_BUYS: Words(
        "새로 사지 않습니다. 보유분은 손절과 매도를 계속합니다. 재개할 때까지 이어집니다.",
        "Nothing new is bought. What is held keeps its stops and exits. It lasts until a resume.",
    ),
    Order.RESUME: Words(
        "이 이유를 끝내고 거래를 다시 시작합니다. 원인이 남아 있으면 다시 멈춥니다.",
        "This reason ends and trading goes on. A cause that is still there stops it again.",
    ),
    Order.SELL: Words(
        "봇이 산 이 코인을 모두 시장가로 팝니다. 매수는 멈추지 않습니다. 되돌릴 수 없습니다.",
        "What the bot bought of this coin is sold at the market. Buys do not stop. It cannot be undone.",
    ),
    Order.SELL_ALL: Words(
        "봇이 산 코인을 모두 시장가로 팔고, 재개할 때까지 사지 않습니다. 되돌릴 수 없습니다.",
        "Everything the bot bought is sold at the market, and nothing is bought before a resume. It cannot be undone.",
    ),
}
"""What a command does, to who is about to give it."""
OUTCOMES = {"done": Words("실행됨", "done"), "nothing": Words("바뀐 것이 없음", "nothing was to be changed")}
SELLING = Words("접수됨, 파는 중", "taken, it is being sold")
WAITS = Words("접수됨, 전체 주문 중단이 끝나면 팝니다", "taken, it is sold once trading is not halted any more")
"""What `done` means of a command that sells: how the sale ended says its trade."""
NOT_DONE = Words(
    "디스크에 기록할 수 없어 실행하지 않았습니다. 디스크를 확인하고 다시 하세요.",
    "It was not done: the disk takes nothing. See to the disk, and try again.",
)
"""What is told of a command that needs the journal while nothing can be written."""
ORDERS = {
    IntentState.REJECTED: Words("업비트가 주문을 거절함", "Upbit refused the order"),
    IntentState.UNKNOWN: Words("주문의 결과를 확인하는 중", "it is being found out what became of the order"),
    IntentState.FENCED: Words("주문은 체결되지 않은 것으로 확인됨", "the order was proven not to exist"),
}


def what_came_of(journal: Queries, command: Command) -> Words:
    """Return what became of a command; without an outcome it is under way."""
    name, came = name_of(journal, command), outcome_of(command)
    if came is SELLING and worst(journal.standing_halts()) is Level.HALTED:
        came = WAITS
    return Words(f"{name.ko}: {came.ko}", f"{name.en}: {came.en}")


def name_of(journal: Queries, command: Command) -> Words:
    """Return what a person calls a command, with the market where it is of one."""
    name = COMMANDS[command.name]
    market = journal.market_of_trade(command.codes[0]) if command.name is Order.SELL and command.codes else None
    return name if market is None else Words(f"{market} {name.ko}", f"{name.en} {market}")


def outcome_of(command: Command) -> Words:
    """Return what came of a command, without its name."""
    if command.outcome == "done" and command.name in {Order.SELL, Order.SELL_ALL}:
        return SELLING
    return OUTCOMES.get(command.outcome or "", Words("실행하는 중", "under way"))


def told(journal: Queries, event: Happening) -> Words | None:
    """Return an event in a sentence; None for one that a person needs not know."""
    words = _words(journal, event)
    if words is None or event.market is None:
        return words
    return Words(f"{event.market} {words.ko}", f"{event.market} {words.en}")


def _words(journal: Queries, event: Happening) -> Words | None:
    teller = TELLERS.get(event.kind)
    return None if teller is None else teller(journal, event)


def _order(_: Queries, event: Happening) -> Words | None:
    return ORDERS.get(IntentState(event.data["state"]))


def _stop(_: Queries, event: Happening) -> Words:
    stop = price(Decimal(event.data["stop_price"]))
    return Words(f"손절가 {stop}", f"stop {stop}")


def _moved(_: Queries, event: Happening) -> Words:
    moved = units(abs(Decimal(event.data["volume"])))
    return Words(f"주문 없이 옮겨진 코인 {moved}", f"{moved} moved without an order")


def _halted(journal: Queries, event: Happening) -> Words:
    halt, state = journal.halt_words(event.ref, event.at), STATES[Level(event.data["level"])]
    ko, en = (halt.ko, halt.en) if halt else (event.ref, event.ref)
    return Words(f"{state.ko}: {ko}", f"{state.en}: {en}")


def _went_on(_: Queries, event: Happening) -> Words:
    return Words(f"중단 이유 해소: {event.ref}", f"a reason to stand still is over: {event.ref}")


def _turn(_: Queries, event: Happening) -> Words | None:
    data = event.data
    words = TURNS.get(str(data.get("phase")))
    if words is None:
        return None
    reason = data.get("reason") or {}
    ko, en = (f": {readable(str(reason[word]))}" if reason.get(word) else "" for word in ("ko", "en"))
    return Words(words.ko + ko, words.en + en)


def _filled(journal: Queries, event: Happening) -> Words | None:
    rows = event.data["fills"]  # name, order, price, volume, won, time
    if not rows:
        return None
    side = SIDES[journal.intent(event.ref).side.value]
    volume = units(sum((Decimal(row[3]) for row in rows), Decimal(0)))
    prices = ", ".join(dict.fromkeys(price(Decimal(row[2])) for row in rows))
    return Words(f"{side.ko} 체결 {volume} × {prices}", f"{side.en} {volume} × {prices}")


def _command(journal: Queries, event: Happening) -> Words | None:
    command = journal.command(event.ref)
    if command is None:
        return None
    name = name_of(journal, command)
    if "outcome" not in event.data:
        by = FROM.get(command.by, Words(command.by, command.by))
        return Words(f"명령을 받음 ({by.ko}): {name.ko}", f"a command was taken ({by.en}): {name.en}")
    outcome = outcome_of(replace(command, outcome=event.data["outcome"]))
    return Words(f"명령 '{name.ko}': {outcome.ko}", f"command '{name.en}': {outcome.en}")


TELLERS = {
    "trade": _turn,
    "intent": _order,
    "fill": _filled,
    "stop": _stop,
    "flow": _moved,
    "halt": _halted,
    "halt_ended": _went_on,
    "command": _command,
}
"""Who tells which kind of event."""
