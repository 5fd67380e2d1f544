"""Settings: every wrong one is told in one sentence, in both languages, at once; secrets show themselves to nobody."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.problems import ConfigError
from config.reading import load, take_secrets
from config.redaction import Redaction
from config.settings import Config, Secret, most_spent
from config.tables import SETTINGS, effective

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"ACCESS_KEY": "a" * 40, "SECRET_KEY": "s" * 40}


def problems(environ: dict[str, str], *overrides: str, path: Path | None = None) -> list[str]:
    """Return what is said about settings, in English; Korean must say something too."""
    with pytest.raises(ConfigError) as caught:
        load(environ, path=path, overrides=overrides)
    assert all(problem.ko for problem in caught.value.problems)
    return [problem.en for problem in caught.value.problems]


def test_nothing_set_is_a_valid_beginning() -> None:
    """Defaults are what we ship."""
    config = load({})
    assert config == Config()
    assert config.websocket_url == "wss://api.upbit.com/websocket/v1"
    assert most_spent(config) == 250_000


def test_the_defaults_of_the_table_are_the_defaults_of_the_code(tmp_path: Path) -> None:
    """A config.toml made of the table changes nothing."""
    path = tmp_path / "config.toml"
    path.write_text("\n".join(f"{s.key} = {s.default}" for s in SETTINGS if s.default), encoding="utf-8")
    assert replace(load({}, path=path), sources={}) == Config()


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """A user mends everything in one go."""
    path = tmp_path / "config.toml"
    path.write_text("[trading]\norder_krw = 1\nmax_open = 3\n[risk]\nmax_day_krw = 'x'\n")
    told = problems({"ACCESS_KEY": "a"}, "nonsense", path=path)
    assert len(told) == 5


@pytest.mark.failure("H1")
@pytest.mark.parametrize(
    ("environ", "overrides", "words"),
    [
        ({"ACCESS_KEY": "a"}, [], "SECRET_KEY is not"),
        ({"SECRET_KEY": "a"}, [], "ACCESS_KEY is not"),
        ({**KEYS, "UPBIT_ACCESS_KEY": "b"}, [], "different values"),
        ({**KEYS, "ACCESS_KEY": "a b"}, [], "a space or a line break"),
        ({"UPBIT_BASE_URL": "http://api.upbit.com"}, [], "must be https"),
        ({"UPBIT_BASE_URL": "https://api.upbit.com/v1"}, [], "cannot be used"),
        ({"WEBHOOK_URL": "http://discord.com/api/webhooks/1/x"}, [], "WEBHOOK_URL must be"),
        ({"WEBHOOK_URL": "https://evil.example/api/webhooks/1/x"}, [], "WEBHOOK_URL must be"),
        ({"BOT_LANGUAGE": "fr"}, [], "ko | en"),
        ({"ACCESS_KEY_FILE": "/nowhere/key"}, [], "cannot be read"),
        ({}, ["trading.max_open_trades=6"], "1 ~ 5"),
        ({}, ["trading.max_open_trades=true"], "1 ~ 5"),
        ({}, ["trading.order_krw=5999"], "6000 ~ 100000000"),
        ({}, ["strategy.unit=7"], "240"),
        ({}, ["stategy.unit=1"], "Did you mean 'strategy.unit'"),
        ({}, ["risk.exclude=KRW-BTC"], "KRW-USDT"),
        ({}, ["strategy.unit"], "KEY=VALUE"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_right(environ: dict[str, str], overrides: list[str], words: str) -> None:
    """One sentence: what, where, what to do."""
    (told,) = problems(environ, *overrides)
    assert words in told


def test_a_damaged_file_is_told_with_its_place(tmp_path: Path) -> None:
    """Neither a traceback nor silence."""
    path = tmp_path / "config.toml"
    path.write_text("[trading\n")
    (told,) = problems({}, path=path)
    assert str(path) in told
    assert "line 1" in told


@pytest.mark.failure("H3")
def test_a_secret_may_come_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    """One trailing line break is no part of it; anybody's eyes are a problem."""
    path = tmp_path / "key"
    path.write_text("a" * 40 + "\n")
    path.chmod(0o600)
    config = load({"ACCESS_KEY_FILE": str(path), "SECRET_KEY": "s"})
    assert config.access_key == Secret("a" * 40)
    path.chmod(0o644)
    (told,) = problems({"ACCESS_KEY_FILE": str(path), "SECRET_KEY": "s"})
    assert "anybody can read" in told


def test_the_same_value_under_two_names_is_no_problem() -> None:
    """Only a contradiction is."""
    assert load({**KEYS, "UPBIT_ACCESS_KEY": KEYS["ACCESS_KEY"]}).access_key == Secret(KEYS["ACCESS_KEY"])


def test_parameters_of_the_strategy_pass_through(tmp_path: Path) -> None:
    """The strategy checks them itself; one can be overridden without losing the others."""
    path = tmp_path / "config.toml"
    path.write_text("[strategy.parameters]\nfast = 5\nmax_natr = 1.5\n")
    config = load({}, path=path, overrides=["strategy.parameters.fast=7"])
    assert config.strategy.parameters == {"fast": 7, "max_natr": Decimal("1.5")}


def test_effective_settings_name_their_source_and_hide_secrets() -> None:
    """`config` shows where each value came from."""
    rows = {key: (value, source) for key, value, source in effective(load(KEYS, overrides=["strategy.unit=1"]))}
    assert rows["ACCESS_KEY"] == ("***", "ACCESS_KEY")
    assert rows["strategy.unit"] == ("0:01:00", "--set")
    assert rows["trading.order_krw"] == ("50000", "default")


def test_secrets_leave_the_environment() -> None:
    """What is started from here, or dumps its environment, does not see them."""
    environ = {**KEYS, "WEBHOOK_URL": "w", "PATH": "p"}
    assert take_secrets(environ)["ACCESS_KEY"] == KEYS["ACCESS_KEY"]
    assert environ == {"PATH": "p"}


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=8).map("Zq{}".format))
def test_no_way_of_showing_a_secret_shows_it(text: str) -> None:
    """repr, str, format, f-string, a dataclass around it, and the log."""
    secret = Secret(text)
    config = Config(access_key=secret)
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>50}", repr(config), repr([secret])):
        assert text not in shown
    assert text not in Redaction.of(config)(f"key={text}")
    assert secret.reveal() == text


def test_a_secret_is_written_nowhere() -> None:
    """Neither pickled nor copied by way of pickling."""
    for write in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(Secret("x"))


def test_tokens_and_webhooks_are_masked_in_every_log_line() -> None:
    """The second net, for what nobody thought of."""
    line = "Bearer eyJhbGciOi.eyJhY2Nlc3M.c2lnbmF0dXJl https://discord.com/api/webhooks/123/token"
    assert Redaction()(line) == "Bearer *** https://discord.com/api/webhooks/***"
