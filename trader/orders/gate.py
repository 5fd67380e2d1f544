"""The last question before the first byte of an order: may this one leave, as the journal is at this moment?

Asked by the client itself (`upbit/rest.py`), after every wait for a rate limit, so nothing that places or repeats an
order can forget it, and nothing that happened while it waited is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import Breach
from strategy.portfolio import KST, start_of_day
from trader.orders import risk
from upbit.errors import Withheld
from upbit.models import NewOrder, Side

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from config.settings import Config
    from journal.journal import Journal
    from trader.control import Control
    from upbit.models import Fence


class Gate:
    """Call it with an order and its deadline; it raises `Withheld` when the order must stay here."""

    def __init__(self, config: Config, control: Control, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._control = control
        self._journal = journal
        self._clock = clock
        self._holds: object = None  # what the exposure is of: all that is written, on a day in Korea
        self._exposure = risk.Exposure(by_market={}, spent_today=risk.ZERO, open_trades=0)

    def __call__(self, order: NewOrder | Fence, until: datetime | None) -> None:
        """Let an order pass, or keep it back.

        Raises:
            Withheld: while trading stands still, when the order was decided too long ago, or when a buy would break a
                hard cap in won.
        """
        self._control.gate(order)
        if not isinstance(order, NewOrder):
            return  # a fence spends nothing, and is never late
        now = self._clock()
        if until is not None and now > until:  # it waited for a rate limit
            raise Withheld(f"{order.market}: decided too long ago", name="deadline")
        if order.side is Side.BID:
            refused = self._over_caps(order, now)
            if refused is not None:
                raise Withheld(f"{order.market}: {refused.en}", name=refused.code)

    def _over_caps(self, order: NewOrder, now: datetime) -> risk.Refused | None:
        """Ask the caps once more. The order is written down already, so the journal's sums hold it."""
        if order.total is None:
            raise Breach(f"a buy without a total: {order}")
        if order.total > self._config.risk.max_order_krw:
            return risk.REFUSED["cap_order"]
        holds = (self._journal.written(), (now + KST).date())
        if holds != self._holds:
            self._exposure, self._holds = exposure_of(self._journal, now), holds
        return risk.check_caps(self._config, order.market, risk.ZERO, self._exposure)


def exposure_of(journal: Journal, now: datetime) -> risk.Exposure:
    """Return what is committed by all that is written, in open trades and on this day in Korea."""
    by_market, spent_today = journal.exposure(), journal.spent_since(start_of_day(now))
    return risk.Exposure(by_market=by_market, spent_today=spent_today, open_trades=len(by_market))
