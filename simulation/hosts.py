"""A *host* stands for one process on one machine; whatever is started inside it carries it in a context variable."""

from __future__ import annotations

import contextvars
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


@dataclass(eq=False)
class Host:
    """One process on one machine; what runs in its context dies with it."""

    name: str
    address: str  # where its listening sockets are, and where its connections come from
    alive: bool = True
    turns: int = 0  # callbacks it has run
    cut_until: float = 0.0  # loop time until which nothing reaches it or leaves it
    tasks: weakref.WeakSet[asyncio.Task[Any]] = field(default_factory=weakref.WeakSet)


HOST: contextvars.ContextVar[Host | None] = contextvars.ContextVar("host", default=None)
"""Whose code runs; None: nobody's who could be killed."""
