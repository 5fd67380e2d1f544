"""What a gate may ask of a value. Without arrays: whoever only reads verdicts needs none."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
}
"""What a value may be asked to be to its threshold. None of them holds for NaN: what is not known never passes."""
