"""What nobody could hold against a daemon that was lied to: the lie itself is the cause, and no look tells it apart.

Each row stands for one decision between a daemon that believes too easily and a judge that knows too much.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from worlds.lies.liar import Trial


class Excuse(NamedTuple):
    """Which broken promises are the lie's own doing."""

    key: str  # pattern of the method and path, or frame, that was lied about
    what: str  # pattern of the lie
    lasting: bool  # whether only one that was told for a while excuses anything
    broken: str  # pattern of what the judge says


EXCUSES = (
    # An order by its uuid, shown for a while as another's, or in another size than was asked for, is what another
    # daemon with our key looks like. Buys stop until a person has looked; exits go on (docs/promises.md).
    Excuse(r"GET /v1/order", r".*", True, r"I2[46] .*'(wrong_answer|second_instance)'"),
    # A refusal for want of money of an order that is there: its money was spent by somebody, and if it was not us it
    # was another daemon, whose order bears the same name. It is held and protected; only buys wait for a person.
    Excuse(r"POST /v1/orders", r"answer 400 insufficient_funds_.*", False, r"I2[46] .*'second_instance'"),
    # Discord took the message and its answer says that it did not, in every form in which it is sent.
    Excuse(r"\w+ /api/webhooks/.*", r"answer 4\d\d .*", False, r"I18 a message was not delivered|F4 .* not told"),
)


def is_excused(trial: Trial, broken: str) -> bool:
    """Return whether a broken promise is the lie's own doing."""
    return any(
        re.fullmatch(excuse.key, trial.key)
        and re.fullmatch(excuse.what, str(trial.lie))
        and (trial.seconds or not excuse.lasting)
        and re.match(excuse.broken, broken)
        for excuse in EXCUSES
    )
