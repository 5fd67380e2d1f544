"""Settings: every wrong one is told in one sentence, in both languages, at once; secrets show themselves to nobody."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.converters import (
    ADDRESS,
    HOSTS,
    MARKETS,
    MINUTES,
    SNOWFLAKE,
    SWITCH,
    amount,
    one_of,
    seconds,
    table,
    toml,
    whole,
    word,
)
from config.problems import ConfigError
from config.reading import UnusableSettings, load, take_secrets
from config.redaction import Redaction
from config.settings import DEFAULT_BASE_URL, Config, RiskSettings, Secret, TradingSettings, most_spent, setting
from config.tables import SETTINGS, Setting, effective, settings_in
from tests.helpers.certificates import authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from config.converters import Kind

KEYS = {"ACCESS_KEY": "a" * 40, "SECRET_KEY": "s" * 40}


def problems(environ: dict[str, str], *overrides: str, path: Path | None = None) -> list[str]:
    """Return what is said about settings, in English; Korean must say something too."""
    with pytest.raises(ConfigError) as caught:
        load(environ, path=path, overrides=overrides)
    assert all(problem.ko for problem in caught.value.problems)
    for language in ("ko", "en"):
        lines = [getattr(problem, language) for problem in caught.value.problems]
        assert caught.value.sentence(language) == "\n".join(lines)
    return [problem.en for problem in caught.value.problems]


def test_nothing_set_is_a_valid_beginning() -> None:
    """Defaults are what we ship."""
    config = load({})
    assert config == Config()
    assert config.websocket_url == "wss://api.upbit.com/websocket/v1"
    assert most_spent(config) == 250_000
    assert load({"UPBIT_BASE_URL": "https://api.upbit.com/"}).base_url == "https://api.upbit.com"
    assert load({"UPBIT_BASE_URL": "https://upbit.X"}).base_url == "https://upbit.X"


def test_a_setting_of_each_section_arrives() -> None:
    """And those of none."""
    given = ["strategy.unit=3", "trading.max_open_trades=2", "risk.max_day_krw=7e5", "dashboard.port=8080"]
    found = load({}, overrides=[*given, "chat.owner=12345678901234567", "log.file=bot.log", "colors=green_red"])
    assert (found.strategy.unit, found.trading.max_open_trades) == (timedelta(minutes=3), 2)
    assert (found.risk.max_day_krw, found.dashboard.port, found.chat.owner) == (
        Decimal(700_000),
        8080,
        12345678901234567,
    )
    assert (found.log_file, found.colors) == ("bot.log", "green_red")


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
        ({"ACCESS_KEY": "a"}, [], "ACCESS_KEY is set but SECRET_KEY is not"),
        ({"SECRET_KEY": "a"}, [], "SECRET_KEY is set but ACCESS_KEY is not"),
        ({**KEYS, "UPBIT_ACCESS_KEY": "b"}, [], "ACCESS_KEY, UPBIT_ACCESS_KEY hold different values"),
        ({**KEYS, "ACCESS_KEY": "a b"}, [], "a space or a line break"),
        ({"UPBIT_BASE_URL": "http://api.upbit.com"}, [], "must be https"),
        ({"UPBIT_BASE_URL": "https://api.upbit.com/v1"}, [], "cannot be used"),
        ({"UPBIT_BASE_URL": "https://api.upbit.com?key=1"}, [], "cannot be used"),
        ({"UPBIT_BASE_URL": "https://"}, [], "cannot be used"),
        ({"UPBIT_BASE_URL": "https://api.upbit.com:port"}, [], "cannot be used"),
        ({"UPBIT_BASE_URL": "ftp://127.0.0.1"}, [], "cannot be used"),
        ({"WEBHOOK_URL": "http://127.0.0.1:8080/api/hooks/1/x"}, [], "WEBHOOK_URL must be"),
        ({"WEBHOOK_URL": "http://discord.com/api/webhooks/1/x"}, [], "WEBHOOK_URL must be"),
        ({"WEBHOOK_URL": "https://evil.example/api/webhooks/1/x"}, [], "WEBHOOK_URL must be"),
        ({"BOT_LANGUAGE": "fr"}, [], "ko, en"),
        ({"ACCESS_KEY_FILE": "/nowhere/key"}, [], "cannot be read"),
        ({}, ["trading.max_open_trades=6"], "1 ~ 5"),
        ({}, ["trading.max_open_trades=true"], "1 ~ 5"),
        ({}, ["trading.order_krw=5999"], "6000 ~ 100000000"),
        ({}, ["strategy.unit=7"], "240"),
        ({}, ["stategy.unit=1"], "Did you mean 'strategy.unit'"),
        ({}, ["가=1"], "there is no setting '가'. Did you mean '"),
        ({}, ["risk.exclude=KRW-BTC"], '["KRW-...", ...]'),
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
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o601, 0o644, 0o604])
def test_a_secret_may_come_from_a_file_that_only_its_owner_reads(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One trailing line break is no part of it; anybody's eyes are a problem, except in a container's own place."""
    path = tmp_path / "key"
    given = {"ACCESS_KEY_FILE": str(path), "SECRET_KEY": "s"}
    for end in (b"", b"\n", b"\r\n"):
        path.write_bytes(b"a" * 40 + end)
        path.chmod(mode)
        if mode & 0o004:
            (told,) = problems(given)
            assert f"anybody can read {path}. Change its permissions: chmod 600 {path}" in told
        else:
            assert load(given).access_key == Secret("a" * 40)
    monkeypatch.setattr("config.reading.MOUNTED", tmp_path)
    assert load(given).access_key == Secret("a" * 40)


def test_the_same_value_under_two_names_is_no_problem() -> None:
    """Only a contradiction is."""
    assert load({**KEYS, "UPBIT_ACCESS_KEY": KEYS["ACCESS_KEY"]}).access_key == Secret(KEYS["ACCESS_KEY"])


def test_parameters_of_the_strategy_pass_through(tmp_path: Path) -> None:
    """The strategy checks them itself; one can be overridden without losing the others."""
    path = tmp_path / "config.toml"
    path.write_text("[strategy.parameters]\nfast = 5\nmax_natr = 1.5\n")
    config = load({}, path=path, overrides=["strategy.parameters.fast=7", "strategy.parameters.low=0.1"])
    assert config.strategy.parameters == {"fast": 7, "max_natr": Decimal("1.5"), "low": Decimal("0.1")}
    assert config.sources["strategy.parameters.fast"] == "--set"


# --- what users bring -----------------------------------------------------------------------------------------------


CP949 = "# 한 번에 사는 금액\n[trading]\norder_krw = 20000\n"


@pytest.mark.case("S2")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_settings_file_with_a_byte_order_mark_is_read(encoding: str, tmp_path: Path) -> None:
    """Editors on Windows put one in front."""
    path = tmp_path / "config.toml"
    path.write_text(CP949, encoding=encoding)
    assert load({}, path=path).trading.order_krw == 20_000


@pytest.mark.case("S2")
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *[(CP949, encoding) for encoding in ("cp949", "utf-16", "utf-16-le", "utf-16-be", "utf-32")],
        *[("language = 'en'", encoding) for encoding in ("utf-16-le", "utf-16-be", "utf-32-le")],  # all but its zeros
    ],
)
def test_a_settings_file_in_another_encoding_is_to_be_saved_as_utf_8(text: str, encoding: str, tmp_path: Path) -> None:
    """One sentence that says what to do, also for a file of secrets."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding=encoding)
    (told,) = problems({}, path=path)
    assert "Save it as UTF-8" in told
    path.chmod(0o600)
    (told,) = problems({"ACCESS_KEY_FILE": str(path), "SECRET_KEY": "s"})[:1]
    assert "Save it as UTF-8" in told


@pytest.mark.case("S1")
@pytest.mark.parametrize(
    ("access", "words"),
    [
        ('"sandbox-access-key"', "quotation marks"),
        ("'sandbox-access-key'", "quotation marks"),
        ("\u201csandbox-access-key\u201d", "quotation marks"),
        ("'sandbox-access-key", "quotation marks"),
        ("sandbox-access-key`", "quotation marks"),
        ("sandbox\u200b-access-key", "U+200B"),
        ("\ufeffsandbox-access-key", "U+FEFF"),
        ("sandbox-access-key\u2060", "U+2060"),
        ("sandbox\u0007key", "U+0007"),
        ("sandbox\u200bkey\u2060\u200b", "(U+200B, U+2060)"),
        (" sandbox-access-key", "a space or a line break"),
        ("sandbox-access-key\u00a0", "a space or a line break"),
        ("sandbox-access-key\r", "a space or a line break"),
    ],
)
def test_what_copying_left_in_a_key_is_named(access: str, words: str, tmp_path: Path) -> None:
    """One sentence, from the environment or from a file, and never the key itself."""
    (told,) = problems({**KEYS, "ACCESS_KEY": access})
    assert words in told
    assert "sandbox" not in told
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(access.encode())
    if not access.startswith("\ufeff") and not access.endswith("\r"):  # a file may begin and end so
        (told,) = problems({"ACCESS_KEY_FILE": str(path), "SECRET_KEY": "s"})
        assert words in told


def test_a_folder_may_have_a_space_in_its_name() -> None:
    """Only where nothing of the kind can be meant is one a mistake."""
    assert str(load({"BOT_DATA_DIR": "/my data"}).data_dir) == "/my data"
    assert load({"NO_PROXY": "a.example, b.example"}).no_proxy == "a.example, b.example"


def test_the_command_line_wins_over_the_file_and_the_environment_over_both(tmp_path: Path) -> None:
    """And each value says where it came from."""
    path = tmp_path / "config.toml"
    path.write_text('language = "en"\nlog.level = "ERROR"\ntrading.max_open_trades = 2\nstrategy.unit = 60\n')
    config = load({"BOT_LANGUAGE": "ko", "LOG_LEVEL": "DEBUG"}, path=path, overrides=["trading.max_open_trades=4"])
    assert (config.language, config.log_level) == ("ko", "DEBUG")
    assert (config.trading.max_open_trades, config.strategy.unit) == (4, timedelta(hours=1))
    wanted = {"language": "BOT_LANGUAGE", "log.level": "LOG_LEVEL", "trading.max_open_trades": "--set"}
    assert {name: config.sources[name] for name in wanted} == wanted
    assert config.sources["strategy.unit"] == str(path)


@pytest.mark.case("S6")
@pytest.mark.parametrize("language", ["KO", "En", "en", "ko"])
def test_a_language_in_capitals_is_that_language(language: str) -> None:
    """So is a log level in small letters."""
    config = load({"BOT_LANGUAGE": language, "LOG_LEVEL": "debug"})
    assert (config.language, config.log_level) == (language.lower(), "DEBUG")


@pytest.mark.case("D3")
@pytest.mark.parametrize(
    "address",
    [
        "https://discord.com/api/webhooks/1234/to-k_en",
        "https://discordapp.com/api/webhooks/1234/token",
        "https://ptb.discord.com/api/webhooks/1234/token",
        "https://canary.discord.com/api/webhooks/1234/token",
        "https://discord.com/api/v10/webhooks/1234/token",
        "https://discord.com/api/webhooks/1234/token?thread_id=5",
        "https://discord.com/api/webhooks/1234/slackX",
        "http://127.0.0.1:8080/api/webhooks/1/demo",
    ],
)
def test_every_address_of_discord_is_one(address: str) -> None:
    """Of the test versions, of a numbered API, of a thread."""
    assert load({"WEBHOOK_URL": address}).webhook_url == Secret(address)


@pytest.mark.case("D3")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://discord.com/api/webhooks/1234/token/slack", "/slack"),
        ("https://discord.com/api/webhooks/1234/token/github/", "/github"),
        ("https://discord.com/api/webhooks/1234", "copy it"),
        ("https://discord.com.evil.example/api/webhooks/1234/token", "copy it"),
        ("https://x.discord.com/api/webhooks/1234/token", "copy it"),
        ("https://discord.com/api/webhooks/../1234/token", "copy it"),
        ("https://discord.com/channels/1/2", "copy it"),
    ],
)
def test_an_address_that_is_none_of_discord_is_refused_in_words(address: str, words: str) -> None:
    """Another format is named; the address itself is not repeated."""
    (told,) = problems({"WEBHOOK_URL": address})
    assert words in told
    assert "1234" not in told


@pytest.mark.case("S3")
def test_a_proxy_and_an_authority_come_from_the_usual_variables(tmp_path: Path) -> None:
    """As every program takes them; a password in the proxy's address is a secret like any other."""
    path = authority(tmp_path).path
    proxy = "http://name:pass-word@proxy.example:3128"
    config = load({"https_proxy": proxy, "NO_PROXY": "discord.com", "SSL_CERT_FILE": str(path)})
    assert (config.proxy, config.no_proxy, config.ca_file) == (Secret(proxy), "discord.com", path)
    assert "pass-word" not in repr(config)
    assert "pass-word" not in Redaction.of(config)(f"connecting to {proxy}")
    assert "pass-word" not in str(effective(config))
    assert load({"HTTPS_PROXY": "http://proxy:3128/"}).proxy == Secret("http://proxy:3128/")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"HTTPS_PROXY": "socks5://user:1234@proxy:1080"}, "SOCKS"),
        ({"HTTPS_PROXY": "proxy:1234"}, "http://host:port"),
        ({"HTTPS_PROXY": "http://proxy:1234/path"}, "http://host:port"),
        ({"HTTPS_PROXY": "http://proxy:1234/X"}, "http://host:port"),
        ({"HTTPS_PROXY": "http://proxy:1234?way=1"}, "http://host:port"),
        ({"HTTPS_PROXY": "http://:1234"}, "http://host:port"),
        ({"HTTPS_PROXY": "http://proxy:12345678"}, "http://host:port"),
        ({"SSL_CERT_FILE": "/nowhere/authority.pem"}, "holds no certificate"),
    ],
)
def test_a_way_out_that_cannot_be_used_is_told_in_words(environ: dict[str, str], words: str) -> None:
    """Before anything is sent, and without the password."""
    (told,) = problems(environ)
    assert words in told
    assert "1234" not in told


def test_an_address_that_cannot_be_used_is_used_by_nobody() -> None:
    """What can be read of wrong settings tells a person of them, and nothing of it goes to such a place."""
    given = {
        "WEBHOOK_URL": "https://evil.example/api/webhooks/1/x",
        "UPBIT_BASE_URL": "http://evil.example",
        "HTTPS_PROXY": "socks5://evil.example",
        "SSL_CERT_FILE": "/nowhere/authority.pem",
        "BOT_LANGUAGE": "en",
        "NO_PROXY": "a.example",
    }
    with pytest.raises(UnusableSettings) as told:
        load(given)
    found = told.value.readable
    assert len(told.value.problems) == 4
    assert (found.webhook_url, found.base_url, found.proxy, found.ca_file) == (None, DEFAULT_BASE_URL, None, None)
    assert (found.language, found.no_proxy) == ("en", "a.example")


def test_no_sentence_about_settings_repeats_a_secret() -> None:
    """It goes to the terminal, into the container's log and to Discord; a key is pasted into the wrong line soon."""
    keys = {"ACCESS_KEY": "an-access-key-0123456789", "SECRET_KEY": "a-secret-key-0123456789abcdef"}
    wrong = {"BOT_LANGUAGE": keys["SECRET_KEY"], "UPBIT_BASE_URL": "http://me:my-password@upbit.example"}
    with pytest.raises(UnusableSettings) as told:
        load(keys | wrong, overrides=[f"strategy.unit={keys['ACCESS_KEY']}"])
    said = "".join(problem.ko + problem.en for problem in told.value.problems)
    assert said.count("***") == 6
    assert said.count("UPBIT_BASE_URL http://***@upbit.example") == 2
    assert not any(secret in said for secret in (*keys.values(), "my-password"))


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("https://api.upbit.com", "live"),
        ("https://sg-api.upbit.com", "live"),
        ("https://upbit.example:8443", "live"),
        ("https://10.0.0.7", "live"),
        ("https://localhost.example", "live"),
        ("http://127.0.0.1:8080", "sandbox"),
        ("https://127.1.2.3", "sandbox"),
        ("http://localhost:1", "sandbox"),
        ("http://[::1]:1", "sandbox"),
    ],
)
def test_everything_but_this_machine_is_real_money(url: str, mode: str) -> None:
    """A proxy of one's own, another region or a typing error may lead to an account that is real."""
    assert load({"UPBIT_BASE_URL": url}).mode == mode
    large = ["trading.order_krw=1000000", "risk.max_order_krw=1000000", "risk.max_market_krw=1000000"]
    if mode == "live":
        (told,) = problems({"UPBIT_BASE_URL": url}, *large)
        assert "confirm_krw" in told
    else:
        load({"UPBIT_BASE_URL": url}, overrides=large)


@pytest.mark.parametrize(
    ("order", "confirmed", "fine"),
    [
        (999_999, 0, True),
        (1_000_000, 0, False),
        (1_000_000, 4_999_999, False),
        (1_000_000, 5_000_001, False),
        (1_000_000, 5_000_000, True),
    ],
)
def test_five_million_won_are_confirmed_to_the_won(order: int, confirmed: int, fine: bool) -> None:  # noqa: FBT001 - a column
    """Five places of so much each: the number is written a second time, and a typing error is none of it."""
    each = [f"trading.order_krw={order}", f"risk.max_order_krw={order}", f"risk.max_market_krw={order}"]
    each += ["risk.max_day_krw=100000000", f"risk.confirm_krw={confirmed}"]
    if fine:
        assert most_spent(load({}, overrides=each)) == 5 * order
    else:
        (told,) = problems({}, *each)
        assert f"add risk.confirm_krw = {5 * order}." in told


@pytest.mark.parametrize("cap", ["max_order_krw", "max_market_krw"])
def test_no_more_is_spent_than_a_cap_allows(cap: str) -> None:
    """Whatever one buy should cost."""
    trading = TradingSettings(order_krw=Decimal(50_000), max_open_trades=3)
    caps: dict[str, Any] = {cap: Decimal(20_000)}
    assert most_spent(Config(trading=trading, risk=RiskSettings(**caps))) == 60_000


@pytest.mark.parametrize("cap", ["max_order_krw", "max_market_krw", "max_day_krw"])
def test_a_cap_below_what_one_buy_costs_is_told(cap: str) -> None:
    """Every buy would be refused; one that is just as large is none of it."""
    load({}, overrides=["trading.order_krw=50000", f"risk.{cap}=50000"])
    (told,) = problems({}, "trading.order_krw=50000", f"risk.{cap}=49999")
    assert f"50000 is above risk.{cap} 49999" in told


def test_a_bot_in_discord_needs_to_know_whom_it_obeys() -> None:
    """Its owner and its channel, both."""
    owner, channel = "chat.owner=12345678901234567", "chat.channel=12345678901234568"
    load({"DISCORD_BOT_TOKEN": "t"}, overrides=[owner, channel])
    load({}, overrides=[owner])
    for some in ([], [owner], [channel]):
        (told,) = problems({"DISCORD_BOT_TOKEN": "t"}, *some)
        assert "chat.owner (your user id) and chat.channel" in told


# --- a setting is written once --------------------------------------------------------------------------------------


def test_a_new_setting_is_one_field() -> None:
    """Its key, its default as the file holds it, its range in the README and in a refusal follow from it."""

    @dataclass(frozen=True)
    class NewSettings:
        """A section with settings, as somebody would add it."""

        patience: Decimal = setting(Decimal("0.5"), amount("0.1", "2"), ko="참을성", en="patience")
        odd: str = setting("a", one_of("a", "b"), key="other.name", ko="-", en="-")
        unset: int | None = setting(None, whole(1, 2), ko="-", en="-")
        of_others: dict[str, object] = setting({}, table("theirs"), ko="-", en="-")

    first, second, third, fourth = settings_in(NewSettings, "new")
    assert (first.key, first.default, first.allowed, first.ko) == ("new.patience", "0.5", "0.1 ~ 2", "참을성")
    assert (first.section, first.name, first.en) == ("new", "patience", "patience")
    assert (second.key, second.default, second.allowed) == ("other.name", '"a"', "a, b")
    assert [one.default for one in (third, fourth)] == ["", "{}"]
    assert NewSettings() == NewSettings(Decimal("0.5"), "a", None, {})
    assert NewSettings().of_others is not NewSettings().of_others
    with pytest.raises(ValueError, match=r"^0.1 ~ 2$"):
        first.kind.convert(3)


def test_every_setting_of_every_section_stands_in_the_table_once() -> None:
    """In the order in which the README shows them: those of no section by their own key."""
    found = list(settings_in(Config))
    assert found == list(SETTINGS)
    assert [one.key for one in found if not one.section] == ["language", "colors", "log.level", "log.file"]
    assert {one.key for one in found if one.section} == {f"{one.section}.{one.name}" for one in found if one.section}


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        (lambda: whole(1, 5), {1: 1, 5: 5}, (0, 6, True, Decimal(2), Decimal("2.5"), "2", None)),
        (
            lambda: amount("0.1", "2"),
            {Decimal("0.1"): Decimal("0.1"), 2: Decimal(2)},
            (Decimal("0.09"), Decimal("2.01"), True, "1", 1.5, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        ),
        (lambda: seconds(1, 5), {1: 1.0, Decimal("4.5"): 4.5, 5: 5.0}, (0, 6, True, "1")),
        (lambda: one_of("a", "b"), {"a": "a", "b": "b"}, ("c", "ab", "", "A", None)),
        (lambda: word("a word"), {"a": "a", "a" * 100: "a" * 100}, ("", "a" * 101, 1, ["a"])),
        (lambda: table("theirs"), {}, ("a", 1, [])),
        (lambda: SWITCH, {True: True, False: False}, (2, "true", None)),
        (lambda: MINUTES, {1: timedelta(minutes=1), 240: timedelta(hours=4)}, (0, 2, True, "1")),
        (lambda: MARKETS, {}, ("KRW-BTC", ["BTC"], [1], ["KRW-BTC", "USDT-BTC"], {"KRW-BTC": 1}, None)),
        (lambda: ADDRESS, {"127.0.0.1": "127.0.0.1", "0::1": "::1"}, ("localhost", 1, "1.2.3", "", True)),
        (lambda: HOSTS, {}, ("a.example", ["a b"], [1], [""], ["A.EXAMPLE"], ["a.example", "x/y"], {"a.example": 1})),
        (
            lambda: SNOWFLAKE,
            {12345678901234567: 12345678901234567, "12345678901234567890": 12345678901234567890},
            (
                1234567890123456,
                "02345678901234567",
                "123456789012345678901",
                True,
                None,
                ["12345678901234567"],
                Decimal(12345678901234567),
                "x" * 18,
            ),
        ),
    ],
)
def test_a_kind_takes_what_it_says_and_nothing_else(
    kind: Callable[[], Kind], taken: dict[object, object], refused: tuple[object, ...]
) -> None:
    """The ends of a range are in it; what merely looks like a number, a word or a list is none."""
    found = kind()
    assert {given: found.convert(given) for given in taken} == taken
    assert {type(found.convert(given)) for given in taken} == {type(value) for value in taken.values()}
    for value in refused:
        with pytest.raises(ValueError, match=f"^{re.escape(found.allowed)}$"):
            found.convert(value)


def test_lists_and_tables_are_kept_as_they_are() -> None:
    """In their order, and nobody can change them afterwards by way of what was given."""
    given = {"a": 1}
    kept = table("theirs").convert(given)
    assert (kept, kept is given) == (given, False)
    assert MARKETS.convert(["KRW-B", "KRW-A"]) == ("KRW-B", "KRW-A")
    assert HOSTS.convert(["b.example:8443", "a"]) == ("b.example:8443", "a")
    assert (MARKETS.convert([]), HOSTS.convert([])) == ((), ())
    assert [whole(1, 5).allowed, seconds(1, 5).allowed, amount("1e3", "1e4").allowed] == ["1 ~ 5"] * 2 + [
        "1000 ~ 10000"
    ]
    assert [one_of("a", "b").allowed, word("x").allowed, table("y").allowed] == ["a, b", "x", "y"]


def test_no_default_is_out_of_its_own_range() -> None:
    """It is held to what enforces it when the program starts."""
    with pytest.raises(ValueError, match="0 ~ 1"):
        setting(2, whole(0, 1), ko="-", en="-")


@pytest.mark.parametrize("one", SETTINGS, ids=lambda one: one.key)
def test_what_is_allowed_is_what_a_refusal_says(one: Setting) -> None:
    """Of every setting: nobody writes the range a second time."""
    (told,) = problems({}, f"{one.key}=1979-05-27")
    assert told.endswith(f"Allowed: {one.allowed}")


def test_effective_settings_name_their_source_and_hide_secrets() -> None:
    """`config` shows where each value came from."""
    rows = {key: (value, source) for key, value, source in effective(load(KEYS, overrides=["strategy.unit=1"]))}
    assert rows["ACCESS_KEY"] == ("***", "ACCESS_KEY")
    assert rows["strategy.unit"] == ("1", "--set")
    assert rows["trading.order_krw"] == ("50000", "default")
    assert (rows["WEBHOOK_URL"], rows["BOT_DATA_DIR"]) == (("", "default"), ("data", "default"))


def test_effective_settings_are_written_as_people_write_them() -> None:
    """No None, no capital True, no tuple: what stands there could stand in config.toml, or is not set."""
    assert [
        toml(value) for value in ('빠른 "것"', 1, Decimal("1E+3"), Decimal("0.50"), timedelta(hours=1), (), None)
    ] == [
        '"빠른 \\"것\\""',
        *("1", "1000", "0.5", "60", "[]", ""),
    ]
    given = ["strategy.parameters={fast=5, slow=20}", "risk.exclude=['KRW-A', 'KRW-B']", "risk.allow_withdrawal=true"]
    rows = {key: value for key, value, _ in effective(load({}, overrides=given))}
    assert rows["strategy.parameters"] == "{fast = 5, slow = 20}"
    assert rows["risk.exclude"] == '["KRW-A", "KRW-B"]'
    assert rows["risk.allow_withdrawal"] == "true"
    assert (rows["trading.seed"], rows["dashboard.hosts"], rows["strategy.unit"]) == ("", "[]", "240")


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
        with pytest.raises(TypeError, match=r"^a secret is not written anywhere$"):
            write(Secret("x"))
    assert {Secret("a"), Secret("a"), Secret("b")} == {Secret("b"), Secret("a")}
    assert Secret("a") != "a"
    assert f"{Secret('a'):>6}|{Secret('a')}" == "   ***|***"


def test_tokens_and_webhooks_are_masked_in_every_log_line() -> None:
    """The second net, for what nobody thought of."""
    line = "Bearer eyJhbGciOi.eyJhY2Nlc3M.c2lnbmF0dXJl https://discord.com/api/webhooks/123/token"
    assert Redaction()(line) == "Bearer *** https://discord.com/api/webhooks/***"
