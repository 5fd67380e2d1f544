"""What the tests of the sandbox's REST side share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.helpers.sandbox_desk import Desk, open_desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    """Run a sandbox whose first pocket has 1,000,000 KRW."""
    async with open_desk() as opened:
        yield opened
