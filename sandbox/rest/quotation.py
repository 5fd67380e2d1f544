"""The quotation side of the REST interface: markets, candles, trades, tickers, books. Numbers are JSON numbers."""

from __future__ import annotations

import re
from datetime import MAXYEAR, UTC, datetime
from typing import TYPE_CHECKING

from sandbox.market import views
from sandbox.market.candles import DAY, MONTH, WEEK, join, moved
from sandbox.market.cross import WON, CrossMarkets
from sandbox.market.grouping import grouped, supported_levels
from sandbox.market.ticks import tick_size
from sandbox.refusals import BAD_PARAMETER, CODE_NOT_FOUND, MISSING_PARAMETER, TYPE_MISMATCH, quotation_error
from sandbox.wire import DAY_MS, from_ms, plain, read_decimal, read_moment, read_natural, to_ms, trim

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sandbox.market.feed import Book, Candle
    from sandbox.market.markets import Markets
    from sandbox.rest.call import Call
    from sandbox.wire import Json

MINUTE_UNITS = frozenset({1, 3, 5, 10, 15, 30, 60, 240})
MOST_CANDLES = 200
MOST_TRADES = 500
MOST_DAYS_AGO = 7
LEVELS = 30
SECOND = 1
MONTHS_A_YEAR = 12
TIME_OF_DAY = re.compile(r"([0-9]{2}):?([0-9]{2}):?([0-9]{2})")


class Quotation:
    """Handlers of the quotation endpoints: a call in, a JSON value out, `ApiError` for a refusal."""

    def __init__(self, markets: Markets, book_of: Callable[[str], Book], now_ms: Callable[[], int]) -> None:
        self._markets = markets
        self._book_of = book_of
        self._now_ms = now_ms
        self._cross = CrossMarkets(markets.listed, lambda market: markets.ticker(market).price)

    def markets(self, call: Call) -> list[Json]:
        """`GET /v1/market/all`."""
        details = call.one("is_details") or call.one("isDetails") or "false"
        if details not in {"true", "false"}:
            raise quotation_error(400, TYPE_MISMATCH)
        listed = [*self._markets.listed.values(), *self._cross.listings()]
        return [views.listing_json(listing, details=details == "true") for listing in listed]

    def of_pairs(self, endpoint: Callable[[Call], list[Json]]) -> Callable[[Call], list[Json]]:
        """Let an endpoint about won markets answer about those of other quote currencies, too."""

        def answer(call: Call) -> list[Json]:
            asked = [name for key, value in call.fields if key in {"market", "markets"} for name in value.split(",")]
            pairs = {name: won for name in asked if (won := self._cross.won_market(name))}
            if not pairs:
                return endpoint(call)
            rows: list[Json] = []
            for name in dict.fromkeys(asked):
                found = endpoint(call.about(pairs.get(name, name)))
                rows += [self._cross.shown(name, row) for row in found] if name in pairs else found
            return rows

        return answer

    # -- candles

    def second_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/seconds`."""
        return self._candles(call, SECOND)

    def minute_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/minutes/{unit}`."""
        text = call.path.rsplit("/", 1)[1]
        unit = read_natural(text)
        if unit is None:
            raise quotation_error(400, TYPE_MISMATCH)
        if unit not in MINUTE_UNITS:
            raise quotation_error(400, BAD_PARAMETER)
        return [{**candle, "unit": unit} for candle in self._candles(call, unit * 60)]

    def day_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/days`, each with the close before it."""
        if call.one("converting_price_unit") not in {None, "", "KRW"}:
            raise quotation_error(400, BAD_PARAMETER)
        market, to_ms_, count = self._candle_query(call)
        candles = self._markets.candles(market, DAY, to_ms_, count + 1)
        days = [views.candle_json(market, candle) for candle in candles]
        for index, day in enumerate(days):
            before = candles[index + 1].close if index + 1 < len(candles) else candles[index].open
            days[index] = day | views.day_extras(
                candles[index], before, converted=bool(call.one("converting_price_unit"))
            )
        return days[:count]

    def week_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/weeks`."""
        return self._candles(call, WEEK, first_day=True)

    def month_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/months`."""
        return self._candles(call, MONTH, first_day=True)

    def year_candles(self, call: Call) -> list[Json]:
        """`GET /v1/candles/years`, put together from months."""
        market, to_ms_, count = self._candle_query(call)
        months = self._markets.candles(market, MONTH, _year_after(to_ms_), MONTHS_A_YEAR * (count + 1))
        years: list[Candle] = []
        for month in reversed(months):
            if years and from_ms(years[-1].opened_ms).year == from_ms(month.opened_ms).year:
                years[-1] = join(years[-1], month)
            else:
                first = from_ms(month.opened_ms).replace(month=1, day=1)
                years.append(moved(month, to_ms(first)))
        found = [year for year in reversed(years) if to_ms_ is None or year.opened_ms < to_ms_]
        return [views.candle_json(market, year, first_day=True) for year in found[:count]]

    def _candles(self, call: Call, unit_s: int, *, first_day: bool = False) -> list[Json]:
        market, to_ms_, count = self._candle_query(call)
        candles = self._markets.candles(market, unit_s, to_ms_, count)
        return [views.candle_json(market, candle, first_day=first_day) for candle in candles]

    def _candle_query(self, call: Call) -> tuple[str, int | None, int]:
        market = self._market(call)
        count = _count(call, default=1, most=MOST_CANDLES)
        text = call.one("to")
        if not text:
            return market, None, count
        moment = read_moment(text)
        if moment is None:
            raise quotation_error(400, BAD_PARAMETER)
        return market, to_ms(moment), count

    # -- trades, tickers, books

    def trades(self, call: Call) -> list[Json]:
        """`GET /v1/trades/ticks`."""
        market = self._market(call)
        count = _count(call, default=1, most=MOST_TRADES)
        cursor, days_ago = _natural(call, "cursor"), _natural(call, "days_ago")
        if days_ago is not None and not 1 <= days_ago <= MOST_DAYS_AGO:
            raise quotation_error(400, BAD_PARAMETER)
        before_ms = self._trades_before(call.one("to"), days_ago or 0)
        found = self._markets.recent_trades(market, count, before_id=cursor, before_ms=before_ms)
        previous = self._markets.ticker(market).prev_close
        return [views.trade_json(trade, previous) for trade in found]

    def _trades_before(self, text: str | None, days_ago: int) -> int | None:
        if not text and not days_ago:
            return None
        midnight = self._now_ms() // DAY_MS * DAY_MS - days_ago * DAY_MS
        if not text:
            return midnight + DAY_MS
        time = TIME_OF_DAY.fullmatch(text)
        if time is None:
            raise quotation_error(400, BAD_PARAMETER)
        hours, minutes, seconds = (int(part) for part in time.groups())
        return midnight + 1000 * (hours * 3600 + minutes * 60 + seconds)

    def tickers(self, call: Call) -> list[Json]:
        """`GET /v1/ticker`."""
        return [self._ticker(market) for market in self._many(call)]

    def all_tickers(self, call: Call) -> list[Json]:
        """`GET /v1/ticker/all`."""
        quotes = set((call.one("quote_currencies") or "").upper().split(",")) - {""}
        if not quotes:
            raise quotation_error(400, MISSING_PARAMETER)
        won = [self._ticker(market) for market in self._markets.listed if market.split("-", 1)[0] in quotes]
        pairs = [one.market for one in self._cross.listings() if one.market.split("-", 1)[0] in quotes]
        return won + [self._cross.shown(pair, self._ticker(f"{WON}-{pair.split('-', 1)[1]}")) for pair in pairs]

    def _ticker(self, market: str) -> Json:
        return views.ticker_json(self._markets.ticker(market), self._now_ms())

    def books(self, call: Call) -> list[Json]:
        """`GET /v1/orderbook`."""
        markets = self._many(call)
        count = min(_count(call, default=LEVELS, most=None), LEVELS)
        level = read_decimal(call.one("level") or "0")
        if level is None:
            raise quotation_error(400, TYPE_MISMATCH)
        return [self._book(market, count, level) for market in markets if level in self._levels(market)]

    def _book(self, market: str, count: int, level: Decimal) -> Json:
        book = grouped(self._book_of(market), level)
        return {"market": market, **views.book_fields(book, count), "level": trim(level)}

    def _levels(self, market: str) -> list[Decimal]:
        return supported_levels(self._markets.ticker(market).price)

    def instruments(self, call: Call) -> list[Json]:
        """`GET /v1/orderbook/instruments`."""
        return [
            {
                "market": market,
                "quote_currency": market.split("-", 1)[0],
                "tick_size": plain(tick_size(self._markets.ticker(market).price)),
                "supported_levels": [plain(level) for level in self._levels(market)],
            }
            for market in self._many(call)
        ]

    def supported_levels(self, call: Call) -> list[Json]:
        """`GET /v1/orderbook/supported_levels`, deprecated since 2025: the same levels as numbers."""
        return [
            {"market": market, "supported_levels": [trim(level) for level in self._levels(market)]}
            for market in self._many(call)
        ]

    # -- parameters

    def _market(self, call: Call) -> str:
        market = call.one("market")
        if not market:
            raise quotation_error(400, MISSING_PARAMETER)
        return self._known(market)

    def _many(self, call: Call) -> list[str]:
        """Return the markets of a comma list, of repeated keys, or of both."""
        names = [name for key, value in call.fields if key == "markets" for name in value.split(",") if name]
        if not names:
            raise quotation_error(400, MISSING_PARAMETER)
        return [self._known(name) for name in dict.fromkeys(names)]

    def _known(self, market: str) -> str:
        if market not in self._markets.listed:
            raise quotation_error(404, CODE_NOT_FOUND)
        return market


def _natural(call: Call, name: str) -> int | None:
    text = call.one(name)
    if not text:
        return None
    number = read_natural(text)
    if number is None:
        raise quotation_error(400, TYPE_MISMATCH)
    return number


def _count(call: Call, *, default: int, most: int | None) -> int:
    text = call.one("count")
    if text is None:
        return default
    count = read_natural(text.removeprefix("-"))
    if count is None:
        raise quotation_error(400, TYPE_MISMATCH)
    if text.startswith("-") or count < 1 or (most is not None and count > most):
        raise quotation_error(400, BAD_PARAMETER)
    return count


def _year_after(at_ms: int | None) -> int | None:
    """Return when the year ends that holds the last moment before another one; None: never, as for the end of time."""
    if at_ms is None:
        return None
    year = from_ms(at_ms - 1).year + 1
    return None if year > MAXYEAR else to_ms(datetime(year, 1, 1, tzinfo=UTC))
