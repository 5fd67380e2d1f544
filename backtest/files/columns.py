"""What the columns of a table are called by those who save them, and what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backtest.files.refusal import Refused
from backtest.files.table import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTED = ("timestamp", "open", "high", "low", "close", "volume")
"""What six numbers without names are: the order of ccxt and freqtrade."""

VALUE_NAMES = {
    "open": "open openingprice openprice o 시가 시작가",
    "high": "high highprice h 고가 최고가",
    "low": "low lowprice l 저가 최저가",
    "close": "close tradeprice closeprice closingprice c 종가 마감가",
    "volume": "volume vol v candleacctradevolume acctradevolume basevolume 거래량 누적거래량 거래수량",
    "turnover": "turnover value candleacctradeprice acctradeprice quotevolume volumekrw "
    "거래대금 거래금액 누적거래대금 누적거래금액",
    "market": "market code symbol pair ticker 마켓 종목 종목코드 코인 페어",
    "unit": "unit",
}
TIME_NAMES = (
    "timeutc candledatetimeutc datetimeutc dateutc openedatutc openedat 시각utc 시간utc 일시utc",
    "unix unixtime unixtimestamp epoch opentime opentimestamp",
    "timestamp",
    "timekst candledatetimekst datetimekst datekst 시각kst 시간kst 일시kst 날짜kst 한국시간",
    "datetime candledatetime date time 일시 날짜 일자 시각 시간 기준시각 기준시간 캔들시각 캔들시간",
    " index unnamed0 indexlevel0 level0",
)
"""Of several the first group is taken: what names its zone before what does not, a column without a name last."""
DATES = frozenset({"date", "날짜", "일자"})
CLOCKS = frozenset({"time", "시각", "시간"})

ROLES = {name: role for role, names in VALUE_NAMES.items() for name in names.split()}
TIMES = {name: rank for rank, names in enumerate(TIME_NAMES) for name in names.split(" ")}


def role_of(name: str) -> str | None:
    """Return what a column means: a field of a candle, `time`, `market`, `unit`, or nothing we need."""
    known, bare = plain(name), plain(name.split("(", maxsplit=1)[0])  # "거래대금(원)"
    if rank_of(name) is not None:
        return "time"
    if known.startswith("volume") and known not in ROLES:  # CryptoDataDownload: "Volume BTC"
        return "volume"
    return ROLES.get(known) or ROLES.get(bare)


def rank_of(name: str) -> int | None:
    """Return how surely a column is the opening of candles, 0 the surest; None when it is something else."""
    known, bare = plain(name), plain(name.split("(", maxsplit=1)[0])
    return TIMES.get(known, TIMES.get(bare) if bare else None)


def known_roles(names: Sequence[str]) -> set[str]:
    """Return which fields a header names."""
    return {role for name in names if (role := role_of(name))}


def places_of(names: Sequence[str], market: str | None) -> dict[str, int]:
    """Return where each field stands.

    Args:
        names: the header.
        market: what the rows or the file's name say it is, for `Volume BTC` beside `Volume ETH`.

    Raises:
        Refused: when a field is lacking, or two columns claim to be it.
    """
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        role = role_of(name)
        if role is None or role == "time":
            continue
        if role in places:
            role = settled(names, places[role], index, market)
        if role is not None:
            places[role] = index
    places["time"] = time_place(names)
    lacking = [field for field in (*LISTED[1:],) if field not in places]
    if places["time"] < 0:
        lacking.insert(0, "time")
    if lacking:
        words = ", ".join(lacking)
        raise Refused(f"없는 열: {words}", f"columns that are lacking: {words}")
    return places


def settled(names: Sequence[str], first: int, second: int, market: str | None) -> str | None:
    """Say which of two columns of one meaning counts: for volumes the one in the coin; else nobody knows.

    Raises:
        Refused: when nobody knows.
    """
    coin = (market or "").removeprefix("KRW-").casefold()
    if coin and role_of(names[first]) == "volume":
        if plain(names[first]) == f"volume{coin}":
            return None
        if plain(names[second]) == f"volume{coin}":
            return "volume"
    pair = f"'{names[first]}', '{names[second]}'"
    raise Refused(f"같은 뜻의 열이 둘입니다: {pair}", f"two columns mean the same: {pair}")


def time_place(names: Sequence[str]) -> int:
    """Return the column of the candles' opening, or -1. Upbit's own `timestamp` is of the last trade, never this."""
    ranked = [(rank, index) for index, name in enumerate(names) if (rank := rank_of(name)) is not None]
    if any(plain(name).startswith("candledatetime") for name in names):
        ranked = [(rank, index) for rank, index in ranked if plain(names[index]) != "timestamp"]
    return min(ranked, default=(0, -1))[1]


def clock_place(names: Sequence[str], time: int) -> int | None:
    """Return the column with the time of day, where date and time stand apart."""
    if time < 0 or plain(names[time]) not in DATES:
        return None
    return next((index for index, name in enumerate(names) if plain(name) in CLOCKS), None)
