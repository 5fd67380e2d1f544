"""What each command of the chat is answered with, made of the views that the command line prints; without Discord."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from chat.buttons import Button
from dashboard.passes import FOLDER, NoPage, Passes, Role, address_of
from failure import Failure
from journal.records import Ends, Order
from notifier.embed_limits import TEXT, length
from notifier.formats import units
from notifier.words import Words, readable
from notifier.writer import plain
from views.events import COMMANDS, WHAT
from views.history import sums
from views.lines import (
    HELD,
    SUMS,
    TRADES,
    cells_of_position,
    cells_of_sum,
    cells_of_trade,
    earned,
    state_and_halts,
    why_in_lines,
)
from views.status import overview
from views.why import funnel, market_of, why_market

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dashboard.desk import Sight
    from journal.queries import Queries

NEWEST_TRADES, NEWEST_SUMS = 10, 12
LAST_LINE = 40
"""Letters for how many lines found no room."""
NOTHING_HALTED = Words(
    "사람이 재개해야 하는 중단이 없습니다. 할 일이 없습니다.", "No reason waits for a person; there is nothing to do."
)
NO_TRADES = Words("끝난 거래가 없습니다.", "No trade has ended.")
NOTHING_HELD = Words("보유한 코인이 없습니다.", "Nothing is held.")
A_MARKET = Words("마켓, 예: XRP", "a market, e.g. XRP")
ONCE = Words("5분 안에 한 번 열 수 있는 링크:", "Opens once, within five minutes:")


@dataclass(frozen=True, slots=True)
class Reply:
    """Lines for a person, as Discord shows them, and buttons below them."""

    lines: Sequence[str]
    buttons: tuple[Button, ...] = ()


class Verb(NamedTuple):
    """One command of the chat."""

    name: str
    what: Words
    answer: Callable[[Queries, Sight], Reply]
    market: Words | None = None  # what the market behind it means; None: there is none
    private: bool = False  # whether only who asked sees the answer


def status(journal: Queries, sight: Sight) -> Reply:
    """Return what is held, what it is worth, and why trading stands still."""
    language, found = sight.language, overview(journal, sight.now)
    lines = [found.now.sentence(language), *state_and_halts(found.halts, language)]
    lines += [f"⚠ {line}" for line in found.warnings(language)]
    lines += in_rows(HELD, [cells_of_position(one, language) for one in found.now.held], language)
    return shown([*lines, found.now.account(language), earned(found, language)])


def why(journal: Queries, sight: Sight) -> Reply:
    """Return what stands in the way of a market, or of all of them."""
    market = sight.asked.get("market")
    found = why_market(journal, market_of(market), sight.now) if market else funnel(journal, sight.now)
    return shown(why_in_lines(found, sight.language))


def trades(journal: Queries, sight: Sight) -> Reply:
    """Return the newest trades that have ended."""
    rows = [cells_of_trade(one, sight.language) for one in journal.closed_trades(NEWEST_TRADES)]
    return shown(in_rows(TRADES, rows, sight.language) or [NO_TRADES.say(sight.language)])


def profit(journal: Queries, sight: Sight) -> Reply:
    """Return what was earned since ever, and in each of the newest months."""
    language, found = sight.language, sums(journal.closed_trades(-1), "month")
    rows = [cells_of_sum(one, language) for one in found[::-1][:NEWEST_SUMS]]
    return shown([earned(overview(journal, sight.now), language), *in_rows(SUMS, rows, language)])


def halt(_: Queries, sight: Sight) -> Reply:
    """Return what stopping buys means, and its button."""
    return asking(Order.HALT_BUYS, sight, [])


def resume(journal: Queries, sight: Sight) -> Reply:
    """Return what waits for a person, and a button for each reason: none ends with another."""
    halts = [one for one in journal.standing_halts() if one.ends is Ends.PERSON]
    if not halts:
        return shown([NOTHING_HALTED.say(sight.language)])
    label = COMMANDS[Order.RESUME].say(sight.language)
    buttons = tuple(Button(Order.RESUME, f"{label}: {one.code}", one.code) for one in halts)
    lines = [WHAT[Order.RESUME].say(sight.language), *state_and_halts(halts, sight.language)]
    return Reply(shown(lines).lines, buttons)


def sell(journal: Queries, sight: Sight) -> Reply:
    """Return what could be sold, of a market or of all, and a button for each trade: none is sold with another."""
    market = sight.asked.get("market")
    trades = [trade for trade in journal.open_trades() if not market or trade.market == market_of(market)]
    if not trades:
        return shown([NOTHING_HELD.say(sight.language)])
    label = COMMANDS[Order.SELL].say(sight.language)
    buttons = tuple(Button(Order.SELL, f"{label}: {trade.market}", trade.id) for trade in trades)
    held = [f"{trade.market} {units(trade.volume)}" for trade in trades]
    return Reply(shown([WHAT[Order.SELL].say(sight.language), *held]).lines, buttons)


def sell_all(journal: Queries, sight: Sight) -> Reply:
    """Return what would be sold, and the button that sells it."""
    held = [f"{trade.market} {units(trade.volume)}" for trade in journal.open_trades()]
    return asking(Order.SELL_ALL, sight, held or [NOTHING_HELD.say(sight.language)])


def link(_: Queries, sight: Sight) -> Reply:
    """Return a one-time link to the page.

    Raises:
        NoPage: none is served.
    """
    address = address_of(sight.config.dashboard)
    if address is None:
        raise NoPage
    passes = Passes(folder=sight.config.data_dir / FOLDER, clock=lambda: sight.now)
    return Reply([ONCE.say(sight.language), f"<{passes.link(address, Role.OWNER)}>"])


def asking(order: Order, sight: Sight, lines: Sequence[str]) -> Reply:
    """Return what a command would do, and the button that gives it."""
    button = Button(order, COMMANDS[order].say(sight.language))
    return Reply(shown([WHAT[order].say(sight.language), *lines]).lines, (button,))


def shown(lines: Sequence[str]) -> Reply:
    """Return lines as Discord shows them: names come from outside and may hold markup."""
    return Reply([plain(readable(line)) if line else "" for line in lines])


def text_of(answer: Reply, language: str) -> str:
    """Return an answer as one text: a line that finds no room is left out whole, so no number is ever cut."""
    kept, room = list(answer.lines), TEXT - LAST_LINE
    while kept and length("\n".join(kept)) > room:
        kept.pop()
    left_out = len(answer.lines) - len(kept)
    more = Words(f"… 외 {left_out}줄", f"… and {left_out} more lines").say(language)
    return "\n".join([*kept, more] if left_out else kept)


def in_rows(heads: Sequence[Words], rows: Sequence[Sequence[str]], language: str) -> list[str]:
    """Return a table for a narrow screen: each row begins with its name, and its other cells bear theirs."""
    named = [head.say(language) for head in heads[1:]]
    return [
        f"{first} · {' · '.join(f'{name} {cell}' for name, cell in zip(named, cells, strict=True))}"
        for first, *cells in rows
    ]


def answer_of(verb: Verb, journal: Queries, sight: Sight) -> Reply:
    """Return the answer to a command; what cannot be answered is said in a sentence."""
    try:
        return verb.answer(journal, sight)
    except Failure as failure:
        return shown([failure.sentence(sight.language)])


VERBS = (
    Verb("status", Words("보유, 평가손익, 멈춘 이유", "positions, open profit, why trading stands still"), status),
    Verb("why", Words("왜 사지 않는지", "why nothing is bought"), why, A_MARKET),
    Verb("trades", Words("최근에 끝난 거래", "the newest trades that have ended"), trades),
    Verb("profit", Words("누적과 월별 손익", "profit since ever and by month"), profit),
    Verb("halt", Words("매수 중단 (확인 버튼)", "stop buying (a button confirms)"), halt),
    Verb("resume", Words("거래 재개 (이유마다 버튼)", "resume (a button for each reason)"), resume),
    Verb("sell", Words("한 마켓 매도 (확인 버튼)", "sell one market (a button confirms)"), sell, A_MARKET),
    Verb("sell-all", Words("모두 매도 (확인 버튼)", "sell all (a button confirms)"), sell_all),
    Verb("link", Words("페이지의 일회용 링크", "a one-time link to the page"), link, private=True),
)
"""Every command of the chat."""
