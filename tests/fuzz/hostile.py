"""What a hostile client may send: strategies for requests, tokens and WebSocket bytes, and a raw connection."""

from __future__ import annotations

import json
import os
import struct
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

PATHS = (
    "/v1/market/all", "/v1/candles/minutes/1", "/v1/candles/minutes/7", "/v1/candles/minutes/", "/v1/candles/seconds",
    "/v1/candles/days", "/v1/candles/weeks", "/v1/candles/months", "/v1/candles/years", "/v1/trades/ticks",
    "/v1/ticker", "/v1/ticker/all", "/v1/orderbook", "/v1/orderbook/instruments", "/v1/orderbook/supported_levels",
    "/v1/accounts", "/v1/api_keys", "/v1/status/wallet", "/v1/orders/chance", "/v1/orders", "/v1/orders/test",
    "/v1/orders/cancel_and_new", "/v1/order", "/v1/orders/uuids", "/v1/orders/open", "/v1/orders/closed",
    "/v1/withdraws", "/v1/deposits/krw", "/v1/pockets", "/api/webhooks/1/token", "/api/webhooks/1/token/x",
    "/admin/faults", "/admin/violations", "/websocket/v1", "/websocket/v1/private", "/websocket/v1/info",
)  # fmt: skip
METHODS = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW")
NAMES = (
    "market", "markets", "count", "to", "cursor", "days_ago", "daysAgo", "level", "is_details", "quote_currencies",
    "converting_price_unit", "uuid", "identifier", "uuids[]", "identifiers[]", "state", "states[]", "page", "limit",
    "order_by", "start_time", "end_time", "pairs", "excluded_pairs", "cancel_side", "side", "ord_type", "price",
    "volume", "time_in_force", "smp_type", "prev_order_uuid", "prev_order_identifier", "new_ord_type", "new_price",
    "new_volume", "new_identifier", "new_time_in_force", "currency", "amount", "",
)  # fmt: skip
WORDS = (
    "KRW-BTC", "KRW-XRP", "krw-btc", "KRW-", "-", "KRW", "BTC-KRW", "KRW-BTC,KRW-XRP", "bid", "ask", "limit", "price",
    "market", "best", "ioc", "fok", "post_only", "wait", "watch", "done", "cancel", "cancel_maker", "reduce", "none",
    "remain_only", "asc", "desc", "all", "true", "false", "True", "None", "null", "NaN", "Infinity", "-Infinity", "0",
    "-0", "1", "-1", "0.1", "1e400", "1e-400", "1E+9", "5000", "100000", "160594000", "160594000.5", "1_000", "0x10",
    "9" * 30, "9" * 5000, "-" + "9" * 5000, "0." + "0" * 400 + "1", "1" + "0" * 400, "٣", "１２", "½", "²", " 1", "1 ",
    "2026-11-24T09:00:00Z", "2026-11-24 09:00:00", "2026-11-24T09:00:00+09:00", "0001-01-01", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-W01-1", "253402300800000", "99999999999999999",
    "-1", "24:00:00", "99:99:99", "\x00", "\ud800", "😀", "a" * 65, "i" * 64, "../../etc/passwd", "' OR 1=1 --", "%",
    "%00", "%zz", "+", "&", "=", "[]", "{}", "<img onerror=1>", "\r\nX: y", "",
)  # fmt: skip

words = st.sampled_from(WORDS) | st.text(max_size=12)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=6
)
names = st.sampled_from(NAMES) | words


def clean(text: str) -> str:
    """Return text that can be encoded."""
    return text.encode("utf-8", "replace").decode()


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """Return an order that is nearly right."""
    side = draw(st.sampled_from(["bid", "ask", "bid", draw(words)]))
    order: dict[str, Any] = {
        "market": draw(st.sampled_from(["KRW-BTC", "KRW-XRP", draw(words)])),
        "side": side,
        "ord_type": draw(st.sampled_from(["limit", "price", "market", "best", draw(words)])),
    }
    prices = st.sampled_from(["160000000", "161000000", "1000", "999", "6000", "1001", "50000", "5e3", "0.1"]) | values
    volumes = st.sampled_from(["0.001", "0.0001", "10", "6", "0.00000001", "1e-05", "100000"]) | values
    optional = {
        "price": prices,
        "volume": volumes,
        "identifier": values,
        "time_in_force": st.sampled_from(["ioc", "fok", "post_only", None]) | values,
        "smp_type": st.sampled_from(["cancel_maker", "cancel_taker", "reduce", "none"]) | values,
    }
    for name in draw(st.lists(st.sampled_from(sorted(optional)), unique=True)):
        order[name] = draw(optional[name])
    for _ in range(draw(st.integers(0, 1))):
        order[draw(names)] = draw(values)
    return order


replacements = st.fixed_dictionaries(
    {},
    optional={
        "prev_order_uuid": words,
        "prev_order_identifier": words,
        "new_ord_type": words,
        "new_price": values,
        "new_volume": st.just("remain_only") | values,
        "new_identifier": values,
        "new_time_in_force": values,
    },
)
DEEP = 100_000
TOTAL = int(os.environ.get("FUZZ_CASES", "500"))  # cases of all tests together
bodies = (
    (orders() | replacements | values).map(lambda value: json.dumps(value).encode("utf-8", "replace"))
    | st.binary(max_size=60)
    | st.sampled_from(
        [
            b"[" * DEEP, b'{"a":' * DEEP, b'{"price":' + b"9" * 5000 + b"}", b'{"price":1e99999}', b'{"a":1,"a":2}',
            b'{"market":"KRW-BTC","side":"bid","ord_type":"price","price":NaN}', b"\xff\xfe{}", b"null", b"0", b'"x"',
            b"x" * 3_000_000, b"{" + b'"k":1,' * 20_000 + b'"z":1}', b"\x1f\x8b\x08\x00broken", b" " * 9,
        ]
    )
)  # fmt: skip
queries = st.lists(st.tuples(names, words), max_size=5).map(
    lambda pairs: urlencode([(clean(name), clean(value)) for name, value in pairs])
) | st.text(st.characters(codec="ascii", exclude_characters=" \r\n\x00#"), max_size=40)
paths = st.sampled_from(PATHS) | st.tuples(st.sampled_from(PATHS), words).map(
    lambda parts: f"{parts[0]}/{quote(clean(parts[1]))}"
)
content_types = st.sampled_from(
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
        "\xff",
    ]
)
odd_headers = st.sampled_from(
    [
        b"Origin: https://example.com\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n",
        b"Content-Encoding: br\r\n", b"Content-Encoding: nonsense\r\n", b"Expect: 100-continue\r\n", b"Expect: x\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
        b"X: " + b"y" * 9_000 + b"\r\n", b"X: y\r\n" * 200, b"Host: other\r\n", b"Upgrade: websocket\r\n",
        b"\xff: \xff\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b": empty\r\n",
        b"Cookie: a=b\r\n", b"Authorization: Bearer " + b"[" * 5_000 + b".a.b\r\n",
    ]
)  # fmt: skip
KINDS = ["right", "wrong hash", "no hash", "none", "garbage", "stolen", "reused"]
tokens = st.sampled_from(KINDS) | st.binary(max_size=20)


# -- WebSocket bytes


def frame(opcode: int, payload: bytes, *, fin: bool = True, mask: bool = True, reserved: int = 0) -> bytes:
    """Return one client frame as it goes over the wire."""
    head = bytes([(0x80 if fin else 0) | (reserved << 4) | opcode])
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    return head + (b"\x00\x00\x00\x00" if mask else b"") + payload  # a mask of zeros changes nothing


TYPES = (
    "ticker", "trade", "orderbook", "candle.1s", "candle.1m", "candle.240m", "candle.7m", "myOrder", "myAsset",
    "announcement", "indicator", "indicator_signal", "nope", "",
)  # fmt: skip
CODES = ["KRW-BTC", "KRW-XRP", "KRW-BTC.5", "KRW-BTC.x", "krw-btc", "", "."]
codes = st.lists(st.sampled_from(CODES) | words, max_size=4)
subscriptions = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES) | values},
    optional={
        "codes": codes | values,
        "level": values,
        "is_only_snapshot": st.booleans() | values,
        "is_only_realtime": st.booleans() | values,
        "isOnlyRealtime": st.booleans() | values,
        "categories": codes | values,
        "include_body": values,
        "timeframe": values,
        "indicators": values,
        "method": st.just("LIST_SUBSCRIPTIONS") | values,
    },
)
formats = st.sampled_from(["DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST", "XML"]) | values
messages = st.tuples(
    st.just([{"ticket": "t"}]) | st.lists(st.fixed_dictionaries({}, optional={"ticket": values}), max_size=2),
    st.lists(subscriptions, max_size=3),
    st.lists(st.fixed_dictionaries({"format": formats}), max_size=1),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])
MANY = json.dumps([{"ticket": "t"}, *[{"type": "ticker", "codes": [f"KRW-A{n}" for n in range(300)]}] * 40])
texts = (
    (messages | values).map(lambda value: json.dumps(value).encode("utf-8", "replace"))
    | st.sampled_from([b"PING", b"[" * DEEP, b'[{"ticket":' * DEEP, b"\xff\xff", b"", MANY.encode(), b"x" * 200_000])
    | st.binary(max_size=30)
)


def in_fragments(payload: bytes, cut: int, between: bytes) -> bytes:
    """Return a message in two fragments, with something in between."""
    cut = min(cut, len(payload))
    return frame(1, payload[:cut], fin=False) + between + frame(0, payload[cut:])


def oversized(size: int) -> bytes:
    """Return the head of a frame that promises more than anybody should send."""
    return b"\x81\xff" + struct.pack("!Q", size) + b"\x00" * 4


CLOSES = [b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x01", b"\x03\xe8\xff"]
frames = st.one_of(
    texts.map(lambda text: frame(1, text)),
    messages.map(lambda message: frame(1, json.dumps(message).encode("utf-8", "replace"))),
    texts.map(lambda text: frame(2, text)),
    st.builds(
        in_fragments,
        texts,
        st.integers(0, 60),
        st.sampled_from([b"", frame(9, b"ping"), frame(1, b"new"), frame(0, b"")]),
    ),
    st.builds(frame, st.sampled_from([9, 10]), st.binary(max_size=125)),
    st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=200),
        fin=st.booleans(),
        mask=st.booleans(),
        reserved=st.integers(0, 7),
    ),
    st.sampled_from([5_000_000, 2**40, 2**63]).map(oversized),
    st.sampled_from(CLOSES).map(lambda reason: frame(8, reason)),
    st.binary(max_size=60),
)
"""One message, mostly well-framed: whole, in fragments, or broken."""

MARKET_ALL = b"GET /v1/market/all HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
raw_http = st.binary(max_size=80) | st.sampled_from(
    [
        MARKET_ALL,
        CHUNKED + b"zz\r\n",
        CHUNKED + b"5\r\nabc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /v1/market/all HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"GET /v1/market/all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://elsewhere/v1/market/all HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 3000 + b"\r\n",
        b"GET /%ff%fe?%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //v1//market/all HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/market/all?\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ]
)


def cases(percent: int) -> int:
    """Return how many cases a test tries: its share of all."""
    return max(1, TOTAL * percent // 100)
