"""The picture of the terminal, from what is known at one moment: pure, and whole at any width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from notifier.colours import PALETTES
from notifier.formats import KST, average, percent, price, signed_won, won
from notifier.labels import MODES, PHASES, STATES
from notifier.words import Words
from upbit.rules import base_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from decimal import Decimal

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.style import Style

    from journal.records import Level, Phase
    from views.status import Held, Status

WIDE = 90
"""Columns from which positions are a table, if it is whole in them; else each has lines of its own."""
FRAME = 4
"""Columns of the frame and of the space inside it."""
SILENT_S = 10.0
"""Seconds without prices and wallet after which the exchange is said not to answer."""
OLD_S = 5.0
"""Seconds after which the age of a price stands beside it."""
TARGETS_SHOWN = 12
HEADS = (
    Words("마켓", "market"),
    Words("상태", "state"),
    Words("평균 매수가", "entry"),
    Words("현재가", "price"),
    Words("평가손익", "open profit"),
    Words("손절가", "stop"),
    Words("손절가까지", "to the stop"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A market that is traded: its name, how far its trade has come, and seconds since its price was true."""

    name: str
    market: str
    phase: Phase
    held: Held | None  # None: nothing was bought yet
    age_s: float | None  # None: no price


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that is shown. Sentences are in the language of the settings, and without secrets."""

    language: str
    colors: str  # a key of `PALETTES`
    mode: str  # one of `MODES`
    at: datetime
    state: Level
    silent_s: float  # since the exchange was heard last
    warnings: tuple[str, ...]  # what needs a person
    status: Status
    positions: tuple[Position, ...]
    targets: tuple[str, ...]
    markets: int
    fees: Decimal
    rates: Mapping[str, int]  # requests left of the next second
    in_the_way: str | None  # why nothing is bought
    happened: tuple[tuple[datetime, str], ...]  # oldest first
    logged: tuple[str, ...]  # warnings of the log, oldest first

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Draw it as wide as there is room."""
        width = options.max_width - FRAME
        silent = self.silent_s > SILENT_S
        parts: list[RenderableType] = [Text(line, style="bold red") for line in self.warnings]
        parts += [Text(self.status.sentence(self.language), style="bold"), *self.facts(width)]
        table = self.table()
        fits = (
            options.max_width >= WIDE
            and console.measure(table, options=options.update(max_width=10**4)).maximum <= width
        )
        parts += [table] if fits else list(self.lines(width))
        if self.in_the_way is not None:
            parts.append(Text(self.in_the_way, style="yellow"))
        parts += [Text(f"{at + KST:%H:%M:%S} {words}") for at, words in self.happened]
        parts += [Text(line, style="dim") for line in self.logged]
        yield Panel(
            Group(*parts),
            title=self.title(silent=silent),
            subtitle=f"{self.at + KST:%Y-%m-%d %H:%M:%S} KST",
            border_style="bold red" if silent or self.warnings else "none",
        )

    def say(self, ko: str, en: str) -> str:
        """Return words in the language of the settings."""
        return Words(ko, en).say(self.language)

    def title(self, *, silent: bool) -> Text:
        """Return what this is about, and whether it still hears the exchange."""
        money = MODES[self.mode].say(self.language)
        if silent:
            seconds = f"{self.silent_s:.0f}"
            return Text(f"Upbit {money} · {self.say(f'{seconds}초째 연결 없음', f'no connection for {seconds} s')}")
        return Text(f"Upbit {money} · {STATES[self.state].say(self.language)}")

    def facts(self, width: int) -> Iterator[Text]:
        """Return candidates, won, what was earned, and requests left, as few to a line as are whole in it."""
        more = f" +{len(self.targets) - TARGETS_SHOWN}" if len(self.targets) > TARGETS_SHOWN else ""
        names = " ".join(base_of(market) for market in self.targets[:TARGETS_SHOWN])
        count = f"{self.say('매수 대상', 'targets')} {len(self.targets)}/{self.markets}"
        yield Text(f"{count}: {names}{more}" if names else count)
        left = (self.rates["order"], self.rates["candle"])
        free = "-" if self.status.free_won is None else won(self.status.free_won, self.language)
        yield from packed(
            (
                f"{self.say('주문 가능', 'available')} {free}",
                f"{self.say('누적 실현손익', 'realised')} {signed_won(self.status.realised, self.language)}",
                f"{self.say('수수료', 'fees')} {won(self.fees, self.language)}",
                self.say("남은 요청: 주문 {}, 캔들 {}", "requests left: orders {}, candles {}").format(*left),
            ),
            width,
        )

    def table(self) -> Table:
        """Return one row a position."""
        table = Table(expand=True)
        for number, head in enumerate(HEADS):
            table.add_column(head.say(self.language), justify="left" if number < 2 else "right", no_wrap=number >= 2)  # noqa: PLR2004 - the names
        for position in self.positions:
            table.add_row(f"{position.name} {position.market}", *self.cells(position))
        return table

    def lines(self, width: int) -> Iterator[Text]:
        """Return each position on lines of its own, every number whole."""
        for position in self.positions:
            phase, entry, now, profit, stop, to_stop = self.cells(position)
            yield Text(f"{position.name} {position.market} · {phase}", style="bold")
            way = f"{entry} → {now}"
            goal = f"{self.say('손절', 'stop')} {stop} ({to_stop})"
            yield from packed(("  " + way, profit.plain, goal), width, style=profit.style)

    def cells(self, position: Position) -> tuple[str, str, str, Text, str, str]:
        """Return state, entry, price, profit, stop and the way to it."""
        phase, held = PHASES[position.phase].say(self.language), position.held
        if held is None:
            return phase, "-", "-", Text("-"), "-", "-"
        now = "-" if held.price is None else price(held.price)
        if position.age_s is not None and position.age_s > OLD_S:
            now += self.say(f" ({position.age_s:.0f}초 전)", f" ({position.age_s:.0f} s ago)")
        profit = Text("-")
        if held.profit is not None and held.share is not None:
            shown = f"{signed_won(held.profit, self.language)} ({percent(held.share)})"
            profit = Text(shown, style=PALETTES[self.colors].of(held.profit))
        return (
            phase,
            "-" if held.entry is None else average(held.entry),
            now,
            profit,
            "-" if held.stop is None else price(held.stop),
            "-" if held.to_stop is None else percent(held.to_stop),
        )


def packed(items: Iterable[str], width: int, *, style: str | Style = "") -> Iterator[Text]:
    """Return items one behind the other, on a new line where the next is not whole in the old one."""
    line = ""
    for item in items:
        longer = f"{line} · {item}" if line else item
        if line and cell_len(longer) > width:
            yield Text(line, style=style)
            longer = item
        line = longer
    yield Text(line, style=style)
