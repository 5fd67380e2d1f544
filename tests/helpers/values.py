"""Frozen values of which a test changes a few fields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    D = TypeVar("D", bound=DataclassInstance)


def changed(value: D, **fields: object) -> D:
    """Return a copy with these fields.

    Raises:
        TypeError: it has no such field.
    """
    return replace(value, **fields)
