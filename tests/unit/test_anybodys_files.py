"""`data import` with the files people have: each form comes in whole, or is refused with its reason, alone."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from backtest.files.importer import import_files
from backtest.files.reading import Wishes
from backtest.history.store import Store
from backtest.units import to_ms
from tests.unit.forms_of_files import H4, NOW, OWN, iso, rows, table
from tests.unit.forms_refused import REFUSED
from tests.unit.forms_taken import TAKEN

if TYPE_CHECKING:
    from pathlib import Path

    from backtest.history.candles import Candles
    from tests.unit.forms_of_files import Case

LATER = NOW + timedelta(days=9)
"""When the files were saved: after every candle in them, so that only the time of the import says what is closed."""


def written(folder: Path, case: Case) -> list[Path]:
    """Write the files of a case."""
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LATER.timestamp(), LATER.timestamp()))
    return [folder / name for name in case.files]


def wishes(case: Case) -> Wishes:
    """Return what the person of a case says."""
    return Wishes(now=NOW, unit=case.unit, zone=case.zone, market=case.market)


def same(candles: Candles, case: Case) -> None:
    """Fail unless candles are those of the case, to the last digit."""
    assert candles.opened_at_ms.tolist() == [to_ms(row[0]) for row in case.holds]
    for index, name in enumerate(("open", "high", "low", "close", "volume", "turnover"), start=1):
        values = getattr(candles, name).tolist()
        if name == "turnover" and not case.turnover:
            assert np.isnan(values).all()
        else:
            assert values == [row[index] for row in case.holds], name


def test_sixty_forms_and_more_are_tried() -> None:
    """Each has a name; what is taken and what is refused is more than sixty each."""
    assert len(TAKEN) >= 60
    assert len(REFUSED) >= 50


@pytest.mark.parametrize("name", TAKEN)
def test_a_form_comes_in_whole(tmp_path: Path, name: str) -> None:
    """It is taken for what it is, and every time and number is what was written."""
    case = TAKEN[name]
    store = Store(tmp_path / "store")
    (outcome,) = import_files(store, written(tmp_path, case), wishes(case))
    assert outcome.refused is None, outcome.refused
    assert outcome.reading is not None
    assert outcome.reading.form.code == case.form
    unit = case.unit or H4
    assert store.markets(unit) == list(case.markets)
    assert outcome.came == len(case.holds) * len(case.markets)
    for market in case.markets:
        same(store.read(unit, market).candles, case)
    counted = {name: getattr(outcome, name) for name in ("repeated", "conflicts", "without")}
    counted |= {name: getattr(outcome.reading, name) for name in ("empty", "idle", "forming")}
    if name != "empty rows, and rows of commas":
        assert {name: count for name, count in counted.items() if count} == case.notes
    assert outcome.clean is case.clean


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_with_its_reason_and_the_others_come_in(tmp_path: Path, name: str) -> None:
    """One sentence in both languages; nothing of it is in the store; the file beside it is."""
    case = REFUSED[name]
    store = Store(tmp_path / "store")
    good = tmp_path / "good" / "KRW-AAA.csv"
    good.parent.mkdir()
    good.write_text(table(OWN, lambda at: f"{iso(at)}Z", rows(case.unit or H4)))
    bad, after = import_files(store, [*written(tmp_path, case), good], wishes(case))
    assert bad.refused is not None
    assert case.refused in bad.refused.en
    assert bad.refused.ko != bad.refused.en
    assert not bad.clean
    assert bad.came == 0
    assert after.clean
    assert [store.markets(unit) for unit in store.units()] == [["KRW-AAA"]]
