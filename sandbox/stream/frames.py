"""WebSocket frames: what each event looks like with long keys, and the short keys of the SIMPLE formats."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.market.views import book_fields, change_of
from sandbox.wire import EXACT, Json, from_ms, kst_zoned, to_json, trim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.exchange.orders import Fill, Order
    from sandbox.market.feed import Book, PublicTrade
    from sandbox.stream.subscription import Format

SECOND_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A notice of the exchange. `body` is Markdown."""

    uuid: str
    title: str
    category: str
    url: str
    body: str | None
    listed_ms: int


_CHANGES = {"change": "c", "prev_closing_price": "pcp", "change_price": "cp"}
_PRICES = {"opening_price": "op", "high_price": "hp", "low_price": "lp", "trade_price": "tp"}
_HEAD = {"type": "ty", "code": "cd", "stream_type": "st", "timestamp": "tms"}

TICKER = {
    **_HEAD,
    **_PRICES,
    **_CHANGES,
    "signed_change_price": "scp",
    "change_rate": "cr",
    "signed_change_rate": "scr",
    "trade_volume": "tv",
    "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h",
    "acc_trade_price": "atp",
    "acc_trade_price_24h": "atp24h",
    "trade_date": "tdt",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "ask_bid": "ab",
    "acc_ask_volume": "aav",
    "acc_bid_volume": "abv",
    "highest_52_week_price": "h52wp",
    "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp",
    "lowest_52_week_date": "l52wdt",
    "market_state": "ms",
    "delisting_date": "dd",
    "is_trading_suspended": "its",
    "market_warning": "mw",
}
TRADE = {
    **_HEAD,
    **_CHANGES,
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "trade_date": "td",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "sequential_id": "sid",
    "best_ask_price": "bap",
    "best_ask_size": "bas",
    "best_bid_price": "bbp",
    "best_bid_size": "bbs",
}
ORDERBOOK = {
    **_HEAD,
    "total_ask_size": "tas",
    "total_bid_size": "tbs",
    "orderbook_units": "obu",
    "level": "lv",
    "ask_price": "ap",
    "bid_price": "bp",
    "ask_size": "as",
    "bid_size": "bs",
}
CANDLE = {
    **_HEAD,
    **_PRICES,
    "candle_date_time_utc": "cdttmu",
    "candle_date_time_kst": "cdttmk",
    "candle_acc_trade_volume": "catv",
    "candle_acc_trade_price": "catp",
}
MY_ORDER = {
    **_HEAD,
    "uuid": "uid",
    "ask_bid": "ab",
    "order_type": "ot",
    "state": "s",
    "trade_uuid": "tuid",
    "price": "p",
    "avg_price": "ap",
    "volume": "v",
    "remaining_volume": "rv",
    "executed_volume": "ev",
    "trades_count": "tc",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "locked": "l",
    "executed_funds": "ef",
    "time_in_force": "tif",
    "trade_fee": "tf",
    "is_maker": "im",
    "identifier": "id",
    "smp_type": "smpt",
    "prevented_volume": "pv",
    "prevented_locked": "pl",
    "trade_timestamp": "ttms",
    "order_timestamp": "otms",
}
MY_ASSET = {
    **_HEAD,
    "asset_uuid": "astuid",
    "assets": "ast",
    "currency": "cu",
    "balance": "b",
    "locked": "l",
    "asset_timestamp": "asttms",
}
ANNOUNCEMENT = {
    **_HEAD,
    "event_type": "et",
    "uuid": "uid",
    "title": "tt",
    "category": "cat",
    "first_listed_at": "flat",
    "listed_at": "lat",
    "body": "bd",
}
SUBSCRIPTIONS = {"method": "mthd", "result": "rslt", "ticket": "tckt", "type": "ty", "codes": "cds", "level": "lv"}


PUBLIC = (TICKER, TRADE, ORDERBOOK, CANDLE)


def encode(frame: Json, names: Mapping[str, str], form: Format) -> bytes:
    """Return the bytes of a frame in a format."""
    if form in {"SIMPLE", "SIMPLE_LIST"}:
        frame = _shortened(frame, names)
    elif any(names is public for public in PUBLIC):
        frame = _with_exponents(frame)
    return to_json([frame] if form in {"JSON_LIST", "SIMPLE_LIST"} else frame)


def _with_exponents(frame: Json) -> Json:
    """Write round numbers as `1.6E+8`, as public frames with long names are seen to have them; none loses a digit."""
    return {key: _with_exponent(value) for key, value in frame.items()}


def _with_exponent(value: object) -> object:
    if isinstance(value, Decimal):
        return EXACT.normalize(value)
    if isinstance(value, list):
        return [_with_exponents(item) for item in value]
    return value


def _shortened(frame: Json, names: Mapping[str, str]) -> Json:
    return {names.get(key, key): _short_value(value, names) for key, value in frame.items()}


def _short_value(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [_shortened(item, names) if isinstance(item, dict) else item for item in value]
    return value


def book_frame(book: Book, levels: int, stream_type: str) -> Json:
    """Return an `orderbook` frame."""
    return {"type": "orderbook", "code": book.market, **book_fields(book, levels), "stream_type": stream_type}


def trade_frame(trade: PublicTrade, previous: Decimal, book: Book, now_ms: int, stream_type: str) -> Json:
    """Return a `trade` frame."""
    at = from_ms(trade.at_ms)
    ask, bid = (book.asks or (None,))[0], (book.bids or (None,))[0]
    return {
        "type": "trade",
        "code": trade.market,
        "timestamp": now_ms,
        "trade_date": f"{at:%Y-%m-%d}",
        "trade_time": f"{at:%H:%M:%S}",
        "trade_timestamp": trade.at_ms,
        "trade_price": trade.price,
        "trade_volume": trade.volume,
        "ask_bid": trade.taker,
        "prev_closing_price": previous,
        "change": change_of(trade.price, previous),
        "change_price": abs(trade.price - previous),
        "sequential_id": trade.sequential_id,
        "best_ask_price": ask.price if ask else 0,
        "best_ask_size": ask.size if ask else 0,
        "best_bid_price": bid.price if bid else 0,
        "best_bid_size": bid.size if bid else 0,
        "stream_type": stream_type,
    }


def order_frame(order: Order, event: str, fill: Fill | None, now_ms: int) -> Json:
    """Return a `myOrder` frame; `event` is the state it tells, empty values are null.

    An order that names a total and no volume has no executed volume before its first fill, and none prevented; the time
    of an order is in whole seconds: so a market buy of 2025 was seen on the wire.
    """
    asked, by_total = order.asked, order.asked.volume is None
    frame = {
        "type": "myOrder",
        "code": asked.market,
        "uuid": order.uuid,
        "ask_bid": asked.side.upper(),
        "order_type": asked.ord_type,
        "state": event,
        "trade_uuid": fill.uuid if fill else None,
        "price": fill.price if fill else asked.price,
        "avg_price": order.average_price or 0,
        "volume": fill.volume if fill else asked.volume,
        "remaining_volume": order.remaining_volume,
        "executed_volume": None if by_total and not order.fills else order.executed_volume,
        "trades_count": len(order.fills),
        "reserved_fee": order.reserved_fee,
        "remaining_fee": order.remaining_fee,
        "paid_fee": order.paid_fee,
        "locked": order.locked,
        "executed_funds": order.executed_funds,
        "time_in_force": asked.time_in_force,
        "trade_fee": fill.fee if fill else None,
        "is_maker": fill.maker if fill else None,
        "identifier": asked.identifier,
        "smp_type": asked.smp_type,
        "prevented_volume": None if by_total else order.prevented_volume,
        "prevented_locked": order.prevented_locked,
        "trade_timestamp": fill.at_ms if fill else None,
        "order_timestamp": order.created_ms // SECOND_MS * SECOND_MS,
        "timestamp": now_ms,
        "stream_type": "REALTIME",
    }
    return {name: trim(value) if isinstance(value, Decimal) else value for name, value in frame.items()}


def announcement_frame(told: Announcement, now_ms: int, *, body_too: int) -> Json:
    """Return an `announcement` frame; its times are those of Korea."""
    frame: Json = {
        "type": "announcement",
        "event_type": "CREATED",
        "uuid": told.uuid,
        "title": told.title,
        "category": told.category,
        "url": told.url,
        "first_listed_at": kst_zoned(told.listed_ms),
        "listed_at": kst_zoned(told.listed_ms),
        "timestamp": now_ms,
        "stream_type": "REALTIME",
    }
    return frame | {"body": told.body} if body_too else frame


def asset_frame(asset_uuid: str, balances: Mapping[str, tuple[Decimal, Decimal]], now_ms: int) -> Json:
    """Return a `myAsset` frame of the currencies concerned."""
    assets = [
        {"currency": name, "balance": trim(free), "locked": trim(held)} for name, (free, held) in balances.items()
    ]
    return {
        "type": "myAsset",
        "asset_uuid": asset_uuid,
        "assets": assets,
        "asset_timestamp": now_ms,
        "timestamp": now_ms,
        "stream_type": "REALTIME",
    }
