"""Which market and which unit a name means: of a file, of a folder, in a column."""

from __future__ import annotations

import re
from datetime import timedelta

from backtest.files.refusal import Refused
from backtest.units import DAY, UNITS, name_of

LETTER = r"(?=[0-9]*[A-Z])"
COIN = rf"{LETTER}[A-Z0-9]{{1,12}}"
GLUED = rf"{LETTER}[A-Z0-9]{{2,12}}"
BEGIN, END = r"(?<![A-Z0-9])", r"(?![A-Z0-9])"
WHOLE = re.compile(rf"KRW-({COIN})")
FIRST = re.compile(rf"KRW-({COIN})(?=[. (]|$)")
IN_NAMES = (  # the surest first: Upbit's own way, then freqtrade's and everybody else's
    re.compile(rf"{BEGIN}KRW[-_]({COIN}){END}"),
    re.compile(rf"{BEGIN}({COIN})[-_]KRW{END}"),
    re.compile(rf"{BEGIN}({GLUED})KRW{END}"),
)
IN_CELLS = (WHOLE, re.compile(rf"({COIN})[-_/]KRW"), re.compile(rf"({GLUED})KRW"))
QUOTES = frozenset({"USDT", "USDC", "BUSD", "USD", "BTC", "ETH", "EUR", "JPY"})
PAIR = re.compile(rf"{BEGIN}(?=([A-Z0-9]{{1,12}})[-_/]([A-Z0-9]{{1,12}}){END})")
GLUED_PAIR = re.compile(rf"{BEGIN}[A-Z0-9]{{2,8}}(?:USDT|BUSD|USD){END}")
NO_COINS = re.compile(
    r"\d+(MIN|[SMHDW])|KRW|UPBIT|DATA|CANDLES?|CHART|PRICES?|OHLCV?|HISTORY|ALL|TEST|MARKETS?|COINS?|DAYS?|DAILY|"
    r"HOURS?|HOURLY|MIN|MINUTES?|\d*MINUTE\d*|WEEK|MONTH|YEAR|CSV|JSON|PARQUET|FEATHER|RAW|OLD|NEW|COPY|KST|UTC|SPOT|"
    r"BACKUP|FILE|TABLE|EXPORT|TICKER|FROM|TO"
)
"""Words beside KRW in the names of files that are no coins."""

LENGTH = re.compile(
    r"(?:_candle-(?P<official>\w+?)(?:_|\.|$)|_KRW-(?P<freqtrade>\d+[mhdwM])(?:\.|$)|KRW_(?P<download>\d*[a-z]+)(?:_|\.|$))"
)
LENGTHS = {
    "s": timedelta(seconds=1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hourly"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "daily"), DAY),
    **dict.fromkeys(("w", "week"), 7 * DAY),
    **dict.fromkeys(("M", "month"), 30 * DAY),
}
"""Words for lengths in the names of files; those of no unit of ours are known to be refused."""


def market_of_file(name: str, folder: str) -> str | None:
    """Return the won market that the name of a file says, else that of its folder; None when neither does.

    Raises:
        Refused: when it names a market of another currency, or two.
    """
    upper = name.upper()
    if first := FIRST.match(upper):
        return f"KRW-{first[1]}"
    for pattern in IN_NAMES:
        found = sorted({one for one in pattern.findall(upper) if not NO_COINS.fullmatch(one)})
        if len(found) > 1:
            words = ", ".join(found)
            raise Refused(
                f"파일 이름에 마켓이 여럿입니다 ({words}). --market으로 알려 주세요",
                f"the file's name has several markets in it ({words}). Say --market",
            )
        if found:
            return f"KRW-{found[0]}"
    refuse_foreign_market(upper)
    return folder.upper() if is_market(folder.upper()) else None


def market_of_cell(text: str) -> str | None:
    """Return the won market that a cell names: `KRW-BTC`, `BTC/KRW`, `BTCKRW`; None when it names none.

    Raises:
        Refused: when it names a market of another currency.
    """
    upper = re.split("[.:]", text.upper())[-1]  # CRIX.UPBIT.KRW-BTC, UPBIT:BTCKRW
    for pattern in IN_CELLS:
        if (found := pattern.fullmatch(upper)) and found[1] != "KRW":
            return f"KRW-{found[1]}"
    refuse_foreign_market(upper)
    return None


def refuse_foreign_market(upper: str) -> None:
    """Refuse what is named after a market of another currency.

    Raises:
        Refused: for `USDT-BTC`, `BTC/USDT`, `ETHBTC` and the like.
    """
    pairs = [f"{one}-{other}" for one, other in PAIR.findall(upper) if {one, other} & QUOTES and is_pair(one, other)]
    if foreign := [*pairs, *GLUED_PAIR.findall(upper)]:
        raise Refused(
            f"{foreign[0]}은(는) 원화 마켓이 아닙니다. 원화 마켓의 캔들만 가져옵니다",
            f"{foreign[0]} is no won market. Only candles of won markets are taken",
        )


def is_pair(*words: str) -> bool:
    """Return whether words beside each other may be two currencies."""
    return not any(word.isdigit() or NO_COINS.fullmatch(word) for word in words)


def is_market(text: str) -> bool:
    """Return whether a text is the name of a won market, and nothing else."""
    return WHOLE.fullmatch(text) is not None and text != "KRW-KRW"


def unit_in(name: str) -> timedelta | None:
    """Return the length of a candle that a file's name says; None when it says none.

    Raises:
        Refused: for a length that is not kept here.
    """
    found = LENGTH.search(name)
    if found is None:
        return None
    text = found["official"] or found["freqtrade"] or found["download"]
    word = text.lstrip("0123456789")
    count = int(text.removesuffix(word) or 1)
    return unit_of(count * LENGTHS[word], text) if word in LENGTHS else None


def unit_of(length: timedelta, shown: str) -> timedelta:
    """Return a length that is one of Upbit's units.

    Raises:
        Refused: when this program keeps no such candles.
    """
    if length not in UNITS.values():
        known = ", ".join(UNITS)
        raise Refused(
            f"{shown} 캔들은 쓰지 않습니다. 가능한 단위: {known}",
            f"{shown} candles are not used here. Possible units: {known}",
        )
    return length


def written(length: timedelta) -> str:
    """Return a length of candles for a person: `60m`, `120m`, `7d`."""
    if length in UNITS.values():
        return name_of(length)
    days, rest = divmod(length, timedelta(days=1))
    return f"{days}d" if days and not rest else f"{length / timedelta(minutes=1):g}m"
