"""What stands for a part of a daemon in tests keeps to what the part has."""

from __future__ import annotations

import pytest

from tests.helpers.parts import NOW, make_app, make_mocked, mock, names_of, only
from trader.control import Control
from upbit.rest import Upbit


def test_what_stands_for_a_class_has_the_named_parts_of_it_alone() -> None:
    """A method, and what `__init__` or that of a base sets; the rest fails, to be read as well as to be set."""
    upbit = only(Upbit, server_date=None, rates=lambda: {"order": 1})
    upbit.server_date = NOW
    assert (upbit.server_date, upbit.rates()) == (NOW, {"order": 1})
    assert not hasattr(upbit, "accounts")
    with pytest.raises(AttributeError):
        upbit.server_date_at = 1.0


def test_a_method_that_is_called_otherwise_by_now_stands_for_nothing() -> None:
    """So a renamed method takes its tests along."""
    with pytest.raises(AttributeError, match="Upbit has no acounts"):
        only(Upbit, acounts=None)
    with pytest.raises(AttributeError):
        mock(Control).resumed()
    with pytest.raises(AttributeError):
        make_mocked().journal.write_down()


def test_parts_are_as_given_and_note_what_they_were_told() -> None:
    """What is not given is there all the same."""
    upbit = only(Upbit)
    app = make_app(upbit=upbit, account="wxyz")
    assert (app.upbit, app.bot) == (upbit, "Swxyz")
    app.tell("hello", market="KRW-A")
    assert app.said == ["hello"]
    assert {"reasons", "halt", "on_change", "_standing"} <= names_of(Control)
