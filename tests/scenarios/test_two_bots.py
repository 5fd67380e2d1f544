"""Two unchanged daemons with folders of their own behind one address, on one exchange that counts what both ask."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.helpers.daemon_desk import opened, serving, told

if TYPE_CHECKING:
    from pathlib import Path

BANS = frozenset({"418", "rate_limit_exceeded_penalty"})


@pytest.mark.slow
@pytest.mark.failure("A21")
def test_two_daemons_behind_one_address_trade_for_an_hour_without_a_ban(tmp_path: Path) -> None:
    """As many markets as Upbit has: both know the targets of every minute, and nobody is blocked for the other."""

    async def story() -> None:
        async with opened(tmp_path, markets=289) as (box, config, clock):
            folders = [tmp_path / name for name in ("one", "two")]
            for folder in folders:
                folder.mkdir(mode=0o700)
            first, second = (replace(config, data_dir=folder) for folder in folders)
            async with serving(first, clock) as one, serving(second, clock) as two:
                await asyncio.sleep(3600)
                for app in (one, two):
                    assert len(await app.state.snapshot_dict.snapshot()) == 289
                    newest = max(one.candle_closed_at for one in (await app.state.snapshot_dict.snapshot()).values())
                    assert (app.clock() - newest).total_seconds() < 180
                assert one.journal.counts().buys + two.journal.counts().buys > 0
            assert not BANS & box.violations.keys()
            print(dict(box.violations))  # noqa: T201 - how often each was asked to slow down

    told(story)
