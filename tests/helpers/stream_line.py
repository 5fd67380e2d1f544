"""A WebSocket client for contract tests, and the field names of every frame as Upbit's documents write them."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.helpers.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sandbox.stream.session import Session
    from tests.helpers.sandbox_desk import Desk

PUBLIC, PRIVATE, INFO = "/websocket/v1", "/websocket/v1/private", "/websocket/v1/info"
TICKER = {"type": "ticker", "codes": ["KRW-BTC"]}
FORMATS = ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST")


def pairs(text: str) -> dict[str, str]:
    """Read `long=short` words."""
    return dict(word.split("=") for word in text.split())


# Written down from the documents a second time, on purpose: the sandbox has a table of its own.
TICKER_KEYS = pairs(
    "type=ty code=cd opening_price=op high_price=hp low_price=lp trade_price=tp prev_closing_price=pcp change=c "
    "change_price=cp signed_change_price=scp change_rate=cr signed_change_rate=scr trade_volume=tv "
    "acc_trade_volume=atv acc_trade_volume_24h=atv24h acc_trade_price=atp acc_trade_price_24h=atp24h trade_date=tdt "
    "trade_time=ttm trade_timestamp=ttms ask_bid=ab acc_ask_volume=aav acc_bid_volume=abv highest_52_week_price=h52wp "
    "highest_52_week_date=h52wdt lowest_52_week_price=l52wp lowest_52_week_date=l52wdt market_state=ms "
    "delisting_date=dd timestamp=tms stream_type=st is_trading_suspended=its market_warning=mw"
)
TRADE_KEYS = pairs(
    "type=ty code=cd trade_price=tp trade_volume=tv ask_bid=ab prev_closing_price=pcp change=c change_price=cp "
    "trade_date=td trade_time=ttm trade_timestamp=ttms timestamp=tms sequential_id=sid best_ask_price=bap "
    "best_ask_size=bas best_bid_price=bbp best_bid_size=bbs stream_type=st"
)
BOOK_KEYS = pairs(
    "type=ty code=cd total_ask_size=tas total_bid_size=tbs orderbook_units=obu timestamp=tms level=lv stream_type=st"
)
UNIT_KEYS = pairs("ask_price=ap bid_price=bp ask_size=as bid_size=bs")
CANDLE_KEYS = pairs(
    "type=ty code=cd candle_date_time_utc=cdttmu candle_date_time_kst=cdttmk opening_price=op high_price=hp "
    "low_price=lp trade_price=tp candle_acc_trade_volume=catv candle_acc_trade_price=catp timestamp=tms stream_type=st"
)
ORDER_KEYS = pairs(
    "type=ty code=cd uuid=uid ask_bid=ab order_type=ot state=s trade_uuid=tuid price=p avg_price=ap volume=v "
    "remaining_volume=rv executed_volume=ev trades_count=tc reserved_fee=rsf remaining_fee=rmf paid_fee=pf locked=l "
    "executed_funds=ef time_in_force=tif trade_fee=tf is_maker=im identifier=id smp_type=smpt prevented_volume=pv "
    "prevented_locked=pl trade_timestamp=ttms order_timestamp=otms timestamp=tms stream_type=st"
)
ASSET_KEYS = pairs("type=ty asset_uuid=astuid assets=ast asset_timestamp=asttms timestamp=tms stream_type=st")
BALANCE_KEYS = pairs("currency=cu balance=b locked=l")
ANNOUNCEMENT_KEYS = pairs(
    "type=ty event_type=et uuid=uid title=tt category=cat url=url first_listed_at=flat listed_at=lat body=bd "
    "timestamp=tms stream_type=st"
)
LIST_KEYS = pairs("method=mthd result=rslt ticket=tckt")
LISTED_KEYS = pairs("type=ty codes=cds level=lv")


class Line:
    """One client connection; `read` gives the next frame, which must be binary JSON."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, *parts: dict[str, Any], ticket: object = "t") -> None:
        """Send a request message."""
        await self.socket.send_str(json.dumps([{"ticket": ticket}, *parts]))

    async def read(self) -> Any:
        """Return the next frame."""
        message = await self.socket.receive(timeout=PATIENCE_S)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        return json.loads(message.data, parse_float=Decimal)

    async def read_until(self, **wanted: object) -> Any:
        """Return the next frame with these values."""
        while True:
            frame = await self.read()
            if all(frame.get(name) == value for name, value in wanted.items()):
                return frame

    async def nothing_more(self) -> bool:
        """Whether no frame but the answer to one more question arrives."""
        return await self.waiting() == []

    async def waiting(self) -> list[Any]:
        """Return the frames that were on their way before the answer to one more question."""
        await self.ask({"method": "LIST_SUBSCRIPTIONS"}, ticket="end")
        frames: list[Any] = []
        while True:
            frame = await self.read()
            answer = frame[0] if isinstance(frame, list) else frame
            if "end" in {answer.get("ticket"), answer.get("tckt")}:
                return frames
            frames.append(frame)

    async def error(self) -> str:
        """Return the name of the error frame that comes next, after which the server closes normally."""
        name = (await self.read())["error"]["name"]
        assert await self.ended() == 1000
        return str(name)

    async def ended(self) -> int | None:
        """Return the code the server closed with."""
        message = await self.socket.receive(timeout=PATIENCE_S)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}, message
        return self.socket.close_code


@asynccontextmanager
async def connect(
    desk: Desk, path: str = PUBLIC, *, token: bool = True, headers: dict[str, str] | None = None, compress: int = 0
) -> AsyncIterator[Line]:
    """Open a connection; on the paths that need a token with one, unless told otherwise."""
    signed = desk.token() if path != PUBLIC and token else {}
    async with desk.session.ws_connect(
        desk.box.url + path, headers=signed | (headers or {}), compress=compress
    ) as socket:
        yield Line(socket)


def only_session(desk: Desk) -> Session:
    """Return the server's end of the only connection."""
    (session,) = desk.box._stream.audience.sessions
    return session


def unwrapped(frame: object, form: str) -> dict[str, Any]:
    """Return the object in a frame of a format, which is a list of one in the list formats."""
    if form.endswith("LIST"):
        assert isinstance(frame, list)
        assert len(frame) == 1
        frame = frame[0]
    assert isinstance(frame, dict)
    return frame


def spelled(keys: dict[str, str], form: str) -> set[str]:
    """Return the names of a frame in a format."""
    return set(keys.values() if form.startswith("SIMPLE") else keys)
