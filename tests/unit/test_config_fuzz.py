"""Thousands of spoiled settings: each is a valid configuration or told in words, before a byte reaches the network."""

from __future__ import annotations

import os
import socket
import tempfile
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import main
from config.problems import ConfigError
from config.reading import load
from config.settings import Config, most_spent
from config.tables import ENVIRONMENT, SETTINGS
from strategy import registry
from strategy.registry import STRATEGIES, StrategyError

KEYS = {"ACCESS_KEY": "a" * 40, "SECRET_KEY": "s" * 40}
GOOD = "\n".join(f"{setting.key} = {setting.default}" for setting in SETTINGS if setting.default)
VALUES = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.just("9" * 5000),
    st.floats().map(repr),
    st.text(max_size=20).map(repr),
    st.sampled_from(
        [
            "nan",
            "inf",
            "-inf",
            "1e400",
            "true",
            "[]",
            "{}",
            "[1, 'x']",
            "'KRW-BTC'",
            "1979-05-27",
            "0x10",
            "[" * 2000,
            "-0",
        ]
    ),
    st.sampled_from([name.name for name in STRATEGIES]),
)
NAMES = st.one_of(
    st.sampled_from([setting.key for setting in SETTINGS]),
    st.sampled_from([setting.key[:-1] for setting in SETTINGS]),
    st.from_regex(r"strategy\.parameters\.[a-z_]{1,8}", fullmatch=True),
    st.text(max_size=15),
)
OVERRIDES = st.lists(st.one_of(st.tuples(NAMES, VALUES).map("=".join), st.text(max_size=20)), max_size=4)
ADDRESSES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "http://[::1",
            "https://x:99999",
            "https://api.upbit.com",
            "http://127.0.0.1:1",
            "https://discord.com/api/webhooks/1/x",
        ]
    ),
)
ENVIRONMENTS = st.dictionaries(
    st.sampled_from([name for one in ENVIRONMENT for name in (one.name, *one.aliases, f"{one.name}_FILE")]),
    st.one_of(ADDRESSES, st.sampled_from(["ko", "en", "DEBUG", "a" * 40, "\n", " "])).filter(
        lambda text: "\0" not in text
    ),
    max_size=4,
).filter(lambda environ: "BOT_CONFIG" not in environ)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return a settings file in which something is cut out, doubled, or replaced."""
    text = bytearray(GOOD.encode())
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        text[at : min(end, at + 30)] = draw(st.binary(max_size=12) | VALUES.map(str.encode))
    return bytes(text)


def outcome(environ: dict[str, str], path: Path | None, overrides: list[str]) -> Config | None:
    """Load settings with their strategy; None when they were refused, in words of both languages."""
    told: list[str] = []
    try:
        config = load(environ, path=path, overrides=overrides)
        registry.load(config.strategy.name, config.strategy.parameters)
    except ConfigError as error:
        told = [sentence for problem in error.problems for sentence in (problem.ko, problem.en)]
    except StrategyError as error:
        told = [error.ko, error.en]
    else:
        return config
    assert told
    assert all(0 < len(sentence) < 2000 for sentence in told)
    return None


def is_sane(config: Config) -> None:
    """Hold a configuration that was taken to the bounds in the code."""
    assert 1 <= config.trading.max_open_trades <= 5
    assert Decimal(6000) <= config.trading.order_krw <= config.risk.max_order_krw <= Decimal(10**9)
    assert config.trading.order_krw <= min(config.risk.max_market_krw, config.risk.max_day_krw)
    assert most_spent(config) <= 5 * Decimal(10**8)
    assert config.base_url.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]"))


@pytest.mark.failure("H1")
@pytest.mark.failure("H2")
@settings(max_examples=500)
@given(files(), ENVIRONMENTS, OVERRIDES)
def test_spoiled_settings_are_a_valid_configuration_or_told_in_words(
    content: bytes, environ: dict[str, str], overrides: list[str]
) -> None:
    """Never a traceback, and what is taken keeps every bound."""
    path = FOLDER / "config.toml"
    path.write_bytes(content)
    config = outcome(environ, path, overrides)
    if config is not None:
        is_sane(config)


@pytest.fixture(autouse=True)
def _folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    global FOLDER  # noqa: PLW0603 - hypothesis lends no fixture to each example
    FOLDER = tmp_path_factory.mktemp("fuzz")


FOLDER = Path()


@pytest.mark.failure("H1")
@settings(max_examples=60)
@given(OVERRIDES)
def test_a_start_with_spoiled_settings_ends_before_any_request(overrides: list[str]) -> None:
    """`run` says what is wrong and returns 4, or 2 where the command line itself is wrong; no socket is opened."""
    if outcome(dict(KEYS), None, overrides) is not None:
        return
    words = [word for text in overrides for word in ("--set", text)]
    with (
        tempfile.TemporaryDirectory(dir=FOLDER) as folder,  # the same mistake again would have to wait
        mock.patch.dict(os.environ, {**KEYS, "BOT_DATA_DIR": folder, "BOT_LANGUAGE": "en"}, clear=True),
        mock.patch.object(socket.socket, "connect", side_effect=AssertionError("a byte for the network")),
    ):
        assert main.main(["run", *words]) in {2, 4}


@pytest.mark.failure("H2")
@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["trading.order_krw=200000"], ["max_order_krw", "max_market_krw"]),
        (["risk.max_day_krw=40000"], ["max_day_krw"]),
        (
            ["trading.order_krw=1000000", "risk.max_order_krw=1000000", "risk.max_market_krw=1000000"],
            ["confirm_krw = 5000000"],
        ),
        (["risk.max_spread=nan"], ["0.0005 ~ 0.2"]),
        (["risk.max_slippage=inf"], ["0.0005 ~ 0.1"]),
        (["trading.order_krw=" + "9" * 5000], ["6000 ~ 100000000"]),
    ],
)
def test_an_absurd_value_is_refused_with_what_is_possible(overrides: list[str], words: list[str]) -> None:
    """Alone or together; a zero too many is noticed because a large amount is wanted twice."""
    with pytest.raises(ConfigError) as caught:
        load({}, overrides=overrides)
    told = [problem.en for problem in caught.value.problems]
    assert len(told) == len(words)
    assert all(word in sentence for word, sentence in zip(words, told, strict=True))


@pytest.mark.failure("H2")
@pytest.mark.failure("H4")
def test_a_large_amount_is_confirmed_by_writing_it_twice_and_only_for_real_money() -> None:
    """The sandbox needs no second number; another number than the right one confirms nothing."""
    large = ["trading.order_krw=1000000", "risk.max_order_krw=1000000", "risk.max_market_krw=1000000"]
    load({}, overrides=[*large, "risk.confirm_krw=5000000"])
    load({"UPBIT_BASE_URL": "http://127.0.0.1:1"}, overrides=large)
    with pytest.raises(ConfigError):
        load({}, overrides=[*large, "risk.confirm_krw=50000000"])


@pytest.mark.failure("H3")
@pytest.mark.parametrize(
    ("environ", "content", "words"),
    [
        ({"ACCESS_KEY": "a\n", "SECRET_KEY": "s"}, None, "a line break"),
        ({"ACCESS_KEY": "", "SECRET_KEY": "s"}, None, "ACCESS_KEY is not"),
        ({"ACCESS_KEY": "a"}, "", "SECRET_KEY is not"),
        ({"ACCESS_KEY": "a"}, "s\n\n", "a line break"),
        ({"ACCESS_KEY": "a"}, "s s", "a space"),
    ],
)
def test_a_missing_empty_or_broken_secret_is_refused(
    environ: dict[str, str], content: str | None, words: str, tmp_path: Path
) -> None:
    """From the environment or from a file; one line break at a file's end is cut."""
    if content is not None:
        path = tmp_path / "secret"
        path.touch(mode=0o600)
        path.write_text(content, encoding="utf-8")
        environ = {**environ, "SECRET_KEY_FILE": str(path)}
    with pytest.raises(ConfigError) as caught:
        load(environ)
    assert any(words in problem.en for problem in caught.value.problems)
