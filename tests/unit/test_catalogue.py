"""The lists of what is tested are complete and fresh."""

from __future__ import annotations

import pytest

from tests.helpers.catalogue import CATALOGUES, ROOT, Catalogue


@pytest.fixture(params=list(CATALOGUES))
def named(request: pytest.FixtureRequest) -> tuple[str, Catalogue]:
    """Return a catalogue with its name."""
    return request.param, CATALOGUES[request.param]


def test_every_key_has_a_test(named: tuple[str, Catalogue]) -> None:
    """No text stands there without a test that holds us to it."""
    _, catalogue = named
    assert set(catalogue.texts()) - set(catalogue.tests) - set(catalogue.later) == set()


def test_no_test_stands_for_an_unknown_key(named: tuple[str, Catalogue]) -> None:
    """A marker names something that is written down."""
    _, catalogue = named
    assert set(catalogue.tests) <= set(catalogue.texts())


def test_the_page_is_fresh(named: tuple[str, Catalogue]) -> None:
    """What is written is what the tests say now; `make docs` writes it anew."""
    _, catalogue = named
    written = (ROOT / catalogue.page).read_text(encoding="utf-8")
    assert written == catalogue.document(), f"{catalogue.page} is stale: make docs"


def test_the_contract_has_all_its_statements() -> None:
    """The numbers run from 1 to 52 without a gap."""
    assert list(CATALOGUES["statements"].texts()) == list(range(1, 53))


def test_every_failure_of_the_catalogue_is_there() -> None:
    """122 rows in nine chapters; what is put off is none that a test already stands for."""
    failures = CATALOGUES["failures"]
    assert len(failures.texts()) == 122
    assert set(failures.later) <= set(failures.texts()) - set(failures.tests)
