"""The last question before the first byte of an order: may this one leave, as the journal is at this moment?

Asked by the client itself (`upbit/rest.py`), after every wait for a rate limit, so nothing that places or repeats an
order can forget it, and nothing that happened while it waited is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.errors import Breach
from strategy.portfolio import start_of_day
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
    """Call it with an order; it raises `Withheld` when the order must stay here."""

    def __init__(self, config: Config, control: Control, journal: Journal, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._control = control
        self._journal = journal
        self._clock = clock

    def __call__(self, order: NewOrder | Fence) -> None:
        """Let an order pass, or keep it back.

        Raises:
            Withheld: while trading stands still, when the order was decided too long ago, or when a buy would break a
                hard cap in won.
        """
        self._control.gate(order)
        if not isinstance(order, NewOrder):
            return  # a fence spends nothing, and is never late
        deadline = self._journal.deadline_of(order.identifier)
        if deadline is not None and self._clock() > deadline:  # it waited for a rate limit
            raise Withheld(f"{order.market}: decided too long ago", name="deadline")
        if order.side is Side.BID:
            refused = self._over_caps(order)
            if refused is not None:
                raise Withheld(f"{order.market}: {refused.en}", name=refused.code)

    def _over_caps(self, order: NewOrder) -> risk.Refused | None:
        """Ask the caps once more. The order is written down already, so the journal's sums hold it."""
        if order.total is None:
            raise Breach(f"a buy without a total: {order}")
        if order.total > self._config.risk.max_order_krw:
            return risk.REFUSED["cap_order"]
        by_market = self._journal.exposure()  # of each open trade
        spent_today = self._journal.spent_since(start_of_day(self._clock()))
        exposure = risk.Exposure(by_market=by_market, spent_today=spent_today, open_trades=len(by_market))
        return risk.check_caps(self._config, order.market, risk.ZERO, exposure)
