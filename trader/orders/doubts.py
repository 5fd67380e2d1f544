"""What stops buys when Upbit shows an order otherwise than it should be, in words. Exits go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from notifier.explain import explain

if TYPE_CHECKING:
    from journal.records import Intent
    from trader.app import App
    from trader.control import Control
    from upbit.errors import UnknownRefusal
    from upbit.models import Order

FILLS_DIFFER = "fills_differ"
SAME_REFUSAL = 2
"""In so many markets the same refusal is one of the account."""


def halt_buys_on_other(control: Control, intent: Intent, order: Order) -> None:
    """Buy nothing more when Upbit goes on showing another order in the place of ours; exits go on."""
    control.halt_buys(
        "wrong_answer",
        ko=f"업비트가 {intent.identifier} 주문에 계속 다른 주문의 내용으로 답합니다. "
        "업비트 주문 내역을 확인한 뒤 resume 하세요.",
        en=f"Upbit keeps answering {intent.identifier} with an order that is not ours. "
        "Look at Upbit's orders, then resume.",
        meant=intent.request,
        market=intent.market,
        shown=msgspec.to_builtins(order),
    )


def halt_buys_beside_another(control: Control, intent: Intent, order: Order) -> None:
    """Buy nothing more when somebody else has sent an order under our name: another daemon trades this account."""
    control.halt_buys(
        "second_instance",
        ko=f"우리가 보내지 않은 {intent.identifier} 주문이 업비트에 이미 있습니다. "
        "같은 계정으로 도는 다른 데몬을 끄고 resume 하세요.",
        en=f"{intent.identifier} is at Upbit, but not from here. "
        "Stop the other daemon that trades this account, then resume.",
        market=intent.market,
        uuid=order.uuid,
    )


def halt_buys_on_odd_fills(control: Control, order: Order) -> None:
    """Buy nothing while the fills of an order that has ended do not add up: what is known is held, with its stop.

    What is missing is taken in as soon as Upbit shows it, which ends this (`trader/books/discovery.py`).
    """
    control.halt_buys(
        FILLS_DIFFER,
        ko=f"{order.market} {order.identifier} 주문은 끝났는데 체결 내역이 맞지 않습니다. "
        "확인된 것만 보유하고 손절가를 지킵니다. 업비트의 체결 내역이 맞으면 스스로 다시 매수합니다.",
        en=f"{order.market} {order.identifier} has ended, and its fills do not add up. What is known is held, with its "
        "stop. Buys go on by themselves when Upbit's fills add up.",
        by_itself=True,
        market=order.market,
        executed=order.executed_volume,
        uuid=order.uuid,
    )


def tell_unknown_refusal(app: App, intent: Intent, error: UnknownRefusal) -> None:
    """Hand on at once what Upbit says where nobody knows the name; the same in two markets halts buys.

    Nothing is proven by it, so the order stays in doubt.
    """
    markets = app.refusals.setdefault(error.name, set())
    markets.add(intent.market)
    ko, en = explain(error, "ko"), explain(error, "en")
    if len(markets) >= SAME_REFUSAL:
        app.control.halt_buys(
            "unknown_refusal",
            ko=f"여러 마켓의 주문을 업비트가 같은 이유로 거절합니다. {ko} 해결한 뒤 resume 하세요.",
            en=f"Upbit refuses orders in several markets for the same reason. {en} Then resume.",
            name=error.name,
        )
        return
    words = ko if app.config.language == "ko" else en
    app.inform(app.messages.problem(f"refusal:{error.name}", f"{intent.market}: {words}", at=app.clock()))
