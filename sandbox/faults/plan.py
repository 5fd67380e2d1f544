"""What a fault plan may say. A plan is JSON: a sentence, a seed, and rules; each rule names its fault and its terms.

Times are market time: `minutes` since the plan began, durations in seconds. Whatever has a chance draws from a random
stream of its own rule, so a plan never shifts what the market, the exchange or another rule draws.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sandbox.discord import State
from sandbox.faults.lies import SAYS, ways
from sandbox.keys import PERMISSIONS
from sandbox.refusals import CATALOGUE

Share = Annotated[float, Meta(gt=0, le=1)]
Minute = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Span = Seconds | Annotated[tuple[Seconds, ...], Meta(min_length=2, max_length=2)]
"""Seconds: a number, or a range of which one is drawn each time.

Not a tuple of exactly two: msgspec 0.22 may crash the interpreter over one of those in a union.
"""
Words = tuple[str, ...]
WAYS = ways()
How = Literal["reset", "silence"]
Body = Literal["json", "html", "portal", "plain", "empty", "wrong", "cut", "truncated", "no_route"]
Flag = Literal[
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
]
Act = Literal["deposit", "withdraw", "buy", "sell", "lock", "unlock"]


def need_way(say: str) -> None:
    """Refuse a way to lie that there is not."""
    if say not in WAYS and not say.startswith(SAYS):
        raise ValueError(f"there is no way to lie named {say!r}; there are {', '.join(sorted(WAYS))}")


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a plan; a word it does not know is an error."""


class Calls(Strict, frozen=True, kw_only=True):
    """Which requests: each list that is given must fit. Nothing given: every request."""

    methods: Words = ()
    paths: Words = ()  # `*` stands for anything
    groups: Words = ()  # of the rate limits; also "websocket" (handshakes) and "webhook"
    markets: Words = ()  # as named in the query or the body; "held": coins the account holds
    sides: tuple[Literal["bid", "ask"], ...] = ()


class Frames(Strict, frozen=True, kw_only=True):
    """Which WebSocket frames to clients: each list that is given must fit. Nothing given: every frame."""

    sockets: tuple[Literal["public", "private", "info"], ...] = ()
    types: Words = ()
    markets: Words = ()  # "held": coins the account holds


class Orders(Strict, frozen=True, kw_only=True):
    """Which accepted orders: each list that is given must fit. Nothing given: every order of a client."""

    markets: Words = ()
    sides: tuple[Literal["bid", "ask"], ...] = ()


class Rule(Strict, frozen=True, kw_only=True, tag_field="fault"):
    """Something that goes wrong, from one market minute to another (null: for ever)."""

    minutes: tuple[Minute, Minute | None] = (0.0, None)

    def __post_init__(self) -> None:
        begin, end = self.minutes
        if end is not None and end <= begin:
            raise ValueError(f"minutes must be [from, until) with from < until, not {list(self.minutes)}")


class Occasional(Rule, frozen=True, kw_only=True):
    """Something that goes wrong with single events: by probability, at the nth fitting event, so many times at most."""

    probability: Share = 1.0
    nth: tuple[Annotated[int, Meta(ge=1)], ...] = ()
    count: Annotated[int, Meta(ge=1)] | None = None


# -- requests


class Lost(Occasional, frozen=True, kw_only=True, tag="lost"):
    """No answer: the connection is reset, or nothing ever comes; the request was carried out before, or never."""

    on: Calls = Calls()
    accepted: bool = False
    how: How = "reset"


class Late(Occasional, frozen=True, kw_only=True, tag="late"):
    """No answer, and the request is carried out long after the client gave up."""

    on: Calls = Calls()
    after_s: Span = (20.0, 300.0)
    how: How = "silence"


class Slow(Occasional, frozen=True, kw_only=True, tag="slow"):
    """The answer takes its time; the request is carried out at once (`accepted`), or only at the end of the wait."""

    on: Calls = Calls()
    seconds: Span = 3.0
    accepted: bool = True


class Answered(Occasional, frozen=True, kw_only=True, tag="answered"):
    """The answer is another: a status with a body of some kind; the request was carried out before, or never."""

    on: Calls = Calls()
    status: Annotated[int, Meta(ge=200, le=599)] = 502
    body: Body = "html"
    accepted: bool = False


class RefusedAnswer(Occasional, frozen=True, kw_only=True, tag="refused"):
    """The answer is one of the exchange's own errors; the request was carried out before, or never."""

    error: str
    on: Calls = Calls()
    accepted: bool = False
    retry_after_s: Seconds | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.error not in CATALOGUE:
            raise ValueError(f"there is no error named {self.error!r}")


class Altered(Occasional, frozen=True, kw_only=True, tag="altered"):
    """The answer is well-formed and not true: `say` is one of the ways of `sandbox/faults/lies.py`.

    `where` leads to what is wrong, by names of fields and numbers of rows ("*": every row); empty: the whole answer.
    """

    say: str
    where: tuple[str | int, ...] = ()
    on: Calls = Calls(methods=("GET",))

    def __post_init__(self) -> None:
        super().__post_init__()
        need_way(self.say)


class Stale(Occasional, frozen=True, kw_only=True, tag="stale"):
    """For some seconds after a balance changed, what shows balances answers what it answered before."""

    on: Calls = Calls(methods=("GET",), paths=("/v1/accounts", "/v1/orders/chance"))
    seconds: Span = 5.0


class Unseen(Rule, frozen=True, kw_only=True, tag="unseen"):
    """An order is not found, and stands in no list, for some seconds after it was accepted."""

    seconds: Span = 5.0


# -- orders


class Stuck(Occasional, frozen=True, kw_only=True, tag="stuck"):
    """An accepted order stays in `wait` for some seconds before it meets the book."""

    on: Orders = Orders()
    seconds: Span = 30.0


class Partial(Occasional, frozen=True, kw_only=True, tag="partial"):
    """A market, best or ioc order gets a share of what it asked for, and the rest is cancelled."""

    on: Orders = Orders()
    share: Share = 0.5


# -- frames


class Dropped(Occasional, frozen=True, kw_only=True, tag="dropped"):
    """A frame never arrives; with probability 1, silence."""

    on: Frames = Frames()


class Doubled(Occasional, frozen=True, kw_only=True, tag="doubled"):
    """A frame arrives twice."""

    on: Frames = Frames()


class Swapped(Occasional, frozen=True, kw_only=True, tag="swapped"):
    """A frame arrives after the one that follows it."""

    on: Frames = Frames()


class Spoiled(Occasional, frozen=True, kw_only=True, tag="spoiled"):
    """A frame arrives as bytes that are no JSON."""

    on: Frames = Frames()


class AlteredFrame(Occasional, frozen=True, kw_only=True, tag="altered_frame"):
    """A frame is well-formed and not true, as an answer may be (`altered`)."""

    say: str
    where: tuple[str | int, ...] = ()
    on: Frames = Frames()

    def __post_init__(self) -> None:
        super().__post_init__()
        need_way(self.say)


class HungUp(Occasional, frozen=True, kw_only=True, tag="hung_up"):
    """The connection ends instead of a frame: without a close frame, or with a close code."""

    on: Frames = Frames()
    close: Annotated[int, Meta(ge=1000, le=4999)] | None = None


# -- the state of the exchange


class Key(Rule, frozen=True, kw_only=True, tag="key"):
    """What a key is: expired, deleted, tied to other addresses, or with fewer permissions."""

    expired: bool = False
    deleted: bool = False
    ips: Words | None = None
    permissions: Words | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.permissions or ()) - PERMISSIONS
        if unknown:
            raise ValueError(f"there is no permission {sorted(unknown)}; there are {sorted(PERMISSIONS)}")


class Halted(Rule, frozen=True, kw_only=True, tag="halted"):
    """Trading stands still in some markets (none named: in all): no trades, and orders get `market_offline`."""

    markets: Words = ()


class Flagged(Rule, frozen=True, kw_only=True, tag="flagged"):
    """Markets are an investment warning or carry caution flags."""

    markets: Words
    warning: bool = False
    caution: tuple[Flag, ...] = ()


class Delisted(Rule, frozen=True, kw_only=True, tag="delisted"):
    """A delisting: a notice and its date in tickers at the first minute, then trading ends, later it is gone."""

    markets: Words
    ends: Minute
    gone: Minute

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.minutes[0] < self.ends < self.gone:
            raise ValueError("a delisting is announced (minutes), then trading ends (ends), then it is gone (gone)")


class Gap(Rule, frozen=True, kw_only=True, tag="gap"):
    """Prices stand so many percent higher (or lower) while it lasts: trades, tickers, books, new candles."""

    markets: Words
    percent: Annotated[float, Meta(gt=-99, le=1000)]


class Spike(Rule, frozen=True, kw_only=True, tag="spike"):
    """One wild trade, so many percent away from the last price; the book does not move."""

    markets: Words
    percent: Annotated[float, Meta(gt=-99, le=1000)]
    krw: Annotated[float, Meta(gt=0)] = 10_000.0


class Thin(Rule, frozen=True, kw_only=True, tag="thin"):
    """Books have a few levels, each with a share of its size."""

    markets: Words = ()
    levels: Annotated[int, Meta(ge=0, le=30)] = 1
    share: Share = 0.01


class Skewed(Rule, frozen=True, kw_only=True, tag="skewed"):
    """The clock of the exchange is so many seconds ahead of the client's (negative: behind)."""

    seconds: Annotated[float, Meta(ge=-3600, le=3600)]


class Refusing(Rule, frozen=True, kw_only=True, tag="refusing"):
    """Nobody listens on the port: new connections are refused, open ones go on."""


class Webhook(Rule, frozen=True, kw_only=True, tag="webhook"):
    """Discord's webhook takes no message: it is of a forum, was removed, or its token is another one."""

    state: State


class User(Rule, frozen=True, kw_only=True, tag="user"):
    """The person acts on the account at the first minute: moves money, trades a coin, or locks it in a resting order.

    Of won, or of the coin of a market, an `amount` or a `share` of what is free. `unlock` cancels what was locked.
    """

    act: Act
    market: str | None = None  # None: won; "held": the coin the account holds most of, once it holds one
    amount: Annotated[float, Meta(gt=0)] | None = None
    share: Share | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.act in {"buy", "sell"} and self.market is None:
            raise ValueError(f"to {self.act} needs a market")
        if self.act != "unlock" and (self.amount is None) == (self.share is None):
            raise ValueError("exactly one of amount and share")


CallRule = Lost | Late | Slow | Answered | RefusedAnswer | Altered | Stale | Unseen
OrderRule = Stuck | Partial
FrameRule = Dropped | Doubled | Swapped | Spoiled | AlteredFrame | HungUp
StateRule = Key | Halted | Flagged | Delisted | Gap | Spike | Thin | Skewed | Refusing | Webhook | User
AnyRule = CallRule | OrderRule | FrameRule | StateRule


class FaultPlan(Strict, frozen=True, kw_only=True):
    """A fault plan. The first call, order or frame rule that strikes decides what happens to an event."""

    description: Annotated[str, Meta(min_length=1)]
    rules: tuple[AnyRule, ...]
    seed: int = 1
