"""The faults that are put in by hand can be put in, and the page about them names each."""

from __future__ import annotations

import pytest

from bench.planted import ROOT, Fault, faults


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: str(fault.what))
def test_a_planted_fault_changes_one_place_and_somebody_looks_there(fault: Fault) -> None:
    """The text that it replaces moves with the program, or the fault would be put nowhere and count as noticed."""
    whole = (ROOT / fault.file).read_text(encoding="utf-8")
    assert fault.put_into(whole) != whole
    assert fault.judges(ROOT)
    with pytest.raises(ValueError, match="found 0 times"):
        fault.put_into("")


def test_the_page_shows_what_became_of_every_fault() -> None:
    """Each was noticed by a test that is there, in the run that is written down."""
    page = (ROOT / "docs/mutation.md").read_text(encoding="utf-8")
    shown = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and ".py: test_" in line]
    assert [(what.removeprefix("| "), file.strip("`")) for what, file, _ in shown] == [
        (fault.what, fault.file) for fault in faults()
    ]
    for _, _, test in shown:
        file, name = test.strip("`| ").split(": ")
        (path,) = (ROOT / "tests").glob(f"*/{file}")
        assert f"def {name}(" in path.read_text(encoding="utf-8")
