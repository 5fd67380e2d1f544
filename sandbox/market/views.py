"""How public market data looks on the wire, in REST and in WebSocket frames."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.wire import Json, from_ms, kst_text, utc_text

if TYPE_CHECKING:
    from datetime import date

    from sandbox.market.feed import Book, Candle, Listing, PublicTrade
    from sandbox.market.public_trades import TickerState

CAUTIONS = (
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)
RATE_DIGITS = Decimal("0.0000000001")


def listing_json(listing: Listing, *, details: bool) -> Json:
    """Return a market as `market/all` lists it."""
    shown: Json = {
        "market": listing.market,
        "korean_name": listing.korean_name,
        "english_name": listing.english_name,
    }
    if details:
        caution = {name: name in listing.caution for name in CAUTIONS}
        shown["market_event"] = {"warning": listing.warning, "caution": caution}
    return shown


def date_json(day: date | None) -> Json | None:
    """Return a day as tickers show it."""
    return None if day is None else {"year": day.year, "month": day.month, "day": day.day}


def _candle_fields(candle: Candle) -> Json:
    return {
        "candle_date_time_utc": utc_text(candle.opened_ms),
        "candle_date_time_kst": kst_text(candle.opened_ms),
        "opening_price": candle.open,
        "high_price": candle.high,
        "low_price": candle.low,
        "trade_price": candle.close,
        "timestamp": candle.last_ms,
        "candle_acc_trade_price": candle.turnover,
        "candle_acc_trade_volume": candle.volume,
    }


def candle_json(market: str, candle: Candle, *, first_day: bool = False) -> Json:
    """Return a candle as REST shows it."""
    shown: Json = {"market": market, **_candle_fields(candle)}
    if first_day:
        shown["first_day_of_period"] = utc_text(candle.opened_ms)[:10]
    return shown


def day_extras(candle: Candle, before: Decimal, *, converted: bool) -> Json:
    """Return what only day candles have; the change is signed here."""
    change = candle.close - before
    shown: Json = {"prev_closing_price": before, "change_price": change, "change_rate": _rate(change, before)}
    if converted:
        shown["converted_trade_price"] = candle.close
    return shown


def candle_frame(kind: str, market: str, candle: Candle, stream_type: str) -> Json:
    """Return a `candle.*` frame."""
    return {"type": kind, "code": market, **_candle_fields(candle), "stream_type": stream_type}


def trade_json(trade: PublicTrade, previous: Decimal) -> Json:
    """Return a public trade as REST shows it; the change is signed here."""
    at = utc_text(trade.at_ms)
    return {
        "market": trade.market,
        "trade_date_utc": at[:10],
        "trade_time_utc": at[11:],
        "timestamp": trade.at_ms,
        "trade_price": trade.price,
        "trade_volume": trade.volume,
        "prev_closing_price": previous,
        "change_price": trade.price - previous,
        "ask_bid": trade.taker,
        "sequential_id": trade.sequential_id,
    }


def book_units(book: Book, levels: int) -> list[Json]:
    """Pair the i-th ask with the i-th bid; a thin side is padded with zeros."""
    asks, bids = book.asks[:levels], book.bids[:levels]
    units: list[Json] = []
    for index in range(max(len(asks), len(bids))):
        ask = asks[index] if index < len(asks) else None
        bid = bids[index] if index < len(bids) else None
        units.append(
            {
                "ask_price": ask.price if ask else 0,
                "bid_price": bid.price if bid else 0,
                "ask_size": ask.size if ask else 0,
                "bid_size": bid.size if bid else 0,
            }
        )
    return units


def book_fields(book: Book, levels: int) -> Json:
    """Return the part of a book that REST and WebSocket share."""
    return {
        "timestamp": book.at_ms,
        "total_ask_size": sum(level.size for level in book.asks),
        "total_bid_size": sum(level.size for level in book.bids),
        "orderbook_units": book_units(book, levels),
        "level": 0,
    }


def change_of(price: Decimal, previous: Decimal) -> str:
    """Compare a price with the previous day's close."""
    return "RISE" if price > previous else "FALL" if price < previous else "EVEN"


def _rate(change: Decimal, previous: Decimal) -> Decimal:
    return (change / previous).quantize(RATE_DIGITS) if previous else Decimal(0)


def _compact(text: str) -> tuple[str, str]:
    return text[:10].replace("-", ""), text[11:].replace(":", "")


def _ticker_fields(state: TickerState, now_ms: int) -> Json:
    """Return the fields a REST ticker and a ticker frame share."""
    change = state.price - state.prev_close
    rate = _rate(change, state.prev_close)
    day, time = _compact(utc_text(state.traded_ms))
    return {
        "trade_date": day,
        "trade_time": time,
        "trade_timestamp": state.traded_ms,
        "opening_price": state.open,
        "high_price": state.high,
        "low_price": state.low,
        "trade_price": state.price,
        "prev_closing_price": state.prev_close,
        "change": change_of(state.price, state.prev_close),
        "change_price": abs(change),
        "change_rate": abs(rate),
        "signed_change_price": change,
        "signed_change_rate": rate,
        "trade_volume": state.volume,
        "acc_trade_price": state.turnover_day,
        "acc_trade_price_24h": state.turnover_24h,
        "acc_trade_volume": state.volume_day,
        "acc_trade_volume_24h": state.volume_24h,
        "highest_52_week_price": state.high_52w,
        "highest_52_week_date": f"{from_ms(state.high_52w_ms):%Y-%m-%d}",
        "lowest_52_week_price": state.low_52w,
        "lowest_52_week_date": f"{from_ms(state.low_52w_ms):%Y-%m-%d}",
        "timestamp": now_ms,
    }


def ticker_json(state: TickerState, now_ms: int) -> Json:
    """Return a ticker as REST shows it."""
    day, time = _compact(kst_text(state.traded_ms))
    return {"market": state.market, "trade_date_kst": day, "trade_time_kst": time, **_ticker_fields(state, now_ms)}


def ticker_frame(state: TickerState, now_ms: int, stream_type: str) -> Json:
    """Return a `ticker` frame."""
    return {
        "type": "ticker",
        "code": state.market,
        **_ticker_fields(state, now_ms),
        "ask_bid": state.taker,
        "acc_ask_volume": state.ask_volume_day,
        "acc_bid_volume": state.bid_volume_day,
        "market_state": state.listing.state,
        "is_trading_suspended": False,
        "delisting_date": date_json(state.listing.delisting_date),
        "market_warning": "CAUTION" if state.listing.warning else "NONE",
        "stream_type": stream_type,
    }
