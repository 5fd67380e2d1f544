"""Read the settings from the environment, `config.toml` and `--set`, and keep where each came from."""

from __future__ import annotations

import stat
import tomllib
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.checks import (
    check_base_url,
    check_ca_file,
    check_keys,
    check_proxy,
    check_text,
    check_together,
    check_webhook,
)
from config.problems import LONGEST_PROBLEM, ConfigError, Problem, shortened
from config.redaction import Redaction
from config.settings import (
    DEFAULT_BASE_URL,
    ChatSettings,
    Config,
    DashboardSettings,
    RiskSettings,
    Secret,
    StrategySettings,
    TradingSettings,
)
from config.tables import ENVIRONMENT, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence

UNREADABLE = (ValueError, ArithmeticError, RecursionError)
"""What reading TOML ends in: it is none, a number is too long or its exponent too large, brackets are too deep."""
MOUNTED = Path("/run/secrets")
"""Where a container's secrets are mounted: everybody in it may read them, and nobody else sees them."""


class UnusableSettings(ConfigError):
    """Settings that cannot be used. `readable` holds those that can, and defaults in the place of the others."""

    def __init__(self, problems: Sequence[Problem], readable: Config) -> None:
        super().__init__(problems)
        self.readable = readable


def load(environ: Mapping[str, str], *, path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read all settings.

    Args:
        environ: environment variables.
        path: the file of settings; None: there is none.
        overrides: `KEY=VALUE`, as after `--set`.

    Raises:
        UnusableSettings: with every problem found.
    """
    reader = Reader(environ)
    if path is not None:
        reader.read_file(path)
    for text in overrides:
        reader.read_override(text)
    config = reader.finish()
    if reader.problems:
        hide = Redaction.of(config)  # a key that was pasted into another setting stands in that one's sentence
        raise UnusableSettings([Problem(ko=hide(one.ko), en=hide(one.en)) for one in reader.problems], config)
    return config


class Reader:
    """Collects values, where they came from, and what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}

    def fail(self, ko: str, en: str) -> None:
        """Note a problem, in a sentence of readable length whatever it repeats."""
        self.problems.append(Problem(ko=ko[:LONGEST_PROBLEM], en=en[:LONGEST_PROBLEM]))

    def note(self, found: Iterable[Problem]) -> None:
        """Note what a check has found."""
        for problem in found:
            self.fail(problem.ko, problem.en)

    def checked(self, value: str | None, check: Callable[[str], Iterable[Problem]]) -> str | None:
        """Return a value that a check has nothing against; nobody may use another, and its problems are noted."""
        found = list(check(value)) if value else []
        self.note(found)
        return None if found else value

    def read_file(self, path: Path) -> None:
        """Read config.toml."""
        try:
            content = tomllib.loads(decoded(path.read_bytes()), parse_float=Decimal)
        except OSError as error:
            self.fail(
                f"설정 파일 {path}을(를) 읽을 수 없습니다 ({error}). BOT_CONFIG를 확인하세요.",
                f"The settings file {path} cannot be read ({error}). Check BOT_CONFIG.",
            )
            return
        except UnicodeError:
            self.fail(
                f"설정 파일 {path}이(가) UTF-8이 아닙니다. 메모장 등에서 인코딩을 UTF-8로 골라 다시 저장하세요.",
                f"The settings file {path} is not UTF-8. Save it as UTF-8 in your editor.",
            )
            return
        except UNREADABLE as error:
            self.fail(
                f"설정 파일 {path}의 형식이 잘못되었습니다: {error}. TOML 문법을 확인하세요.",
                f"The settings file {path} is damaged: {error}. Check its TOML syntax.",
            )
            return
        for key, value in flatten(content):
            self.take(key, value, str(path))

    def read_override(self, text: str) -> None:
        """Read one `--set KEY=VALUE`."""
        key, equals, raw = text.partition("=")
        if not equals or not key.strip():
            self.fail(
                f"--set {text}: KEY=VALUE 형식이어야 합니다. 예: --set strategy.unit=1",
                f"--set {text}: must be KEY=VALUE, for example --set strategy.unit=1",
            )
            return
        self.take(key.strip(), toml_value(raw.strip()), "--set")

    def take(self, key: str, value: Any, source: str) -> None:
        """Check one value and keep it."""
        setting = next((one for one in SETTINGS if one.key == key), None)
        if key.startswith("strategy.parameters."):
            parameters = self.values.setdefault("strategy.parameters", {})
            self.values["strategy.parameters"] = {**parameters, key.removeprefix("strategy.parameters."): value}
            self.sources[key] = source
            return
        if setting is None:
            guess = get_close_matches(key, [one.key for one in SETTINGS], cutoff=0.0)[0]
            self.fail(
                f"{source}: '{key}'라는 설정은 없습니다. 혹시 '{guess}'인가요?",
                f"{source}: there is no setting '{key}'. Did you mean '{guess}'?",
            )
            return
        try:
            self.values[key] = setting.kind.convert(value)
            self.sources[key] = source
        except ValueError as error:
            told = shortened(value)
            self.fail(
                f"{source}: {key} = {told}은(는) 쓸 수 없습니다. 가능한 값: {error}",
                f"{source}: {key} = {told} cannot be used. Allowed: {error}",
            )

    def variable(self, name: str) -> str | None:
        """Return the value of an environment variable, by any of its names; None when it is not set."""
        known = next(one for one in ENVIRONMENT if one.name == name)
        found: dict[str, str] = {}
        for spelling in (known.name, *known.aliases):
            if self._environ.get(spelling):
                found[spelling] = self._environ[spelling]
            if known.secret and self._environ.get(f"{spelling}_FILE"):
                content = self.secret_file(f"{spelling}_FILE", Path(self._environ[f"{spelling}_FILE"]))
                if content:
                    found[f"{spelling}_FILE"] = content
        if len(set(found.values())) > 1:
            names = ", ".join(found)
            self.fail(
                f"{names}의 값이 서로 다릅니다. 하나만 남기세요.",
                f"{names} hold different values. Keep only one of them.",
            )
        for spelling, text in found.items():
            self.sources[name] = spelling
            self.note(check_text(spelling, text, spaces=known.spaces))
        return next(iter(found.values()), None)

    def secret_file(self, name: str, path: Path) -> str | None:
        """Return what a secret file holds, without its last line break."""
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o004 and not path.is_relative_to(MOUNTED):
                self.fail(
                    f"{name}: {path} 파일을 아무나 읽을 수 있습니다. 권한을 바꾸세요: chmod 600 {path}",
                    f"{name}: anybody can read {path}. Change its permissions: chmod 600 {path}",
                )
            return decoded(path.read_bytes()).removesuffix("\n").removesuffix("\r")
        except UnicodeError:
            self.fail(
                f"{name}: {path} 파일이 UTF-8이 아닙니다. 인코딩을 UTF-8로 골라 다시 저장하세요.",
                f"{name}: {path} is not UTF-8. Save it as UTF-8.",
            )
            return None
        except OSError as error:
            self.fail(
                f"{name}: {path} 파일을 읽을 수 없습니다 ({error}). 경로를 확인하세요.",
                f"{name}: {path} cannot be read ({error}). Check the path.",
            )
            return None

    def finish(self) -> Config:
        """Put everything together."""
        access, secret, webhook = (self.variable(name) for name in ("ACCESS_KEY", "SECRET_KEY", "WEBHOOK_URL"))
        bot_token = self.variable("DISCORD_BOT_TOKEN")
        webhook = self.checked(webhook, check_webhook)
        base_url = self.checked((self.variable("UPBIT_BASE_URL") or DEFAULT_BASE_URL).rstrip("/"), check_base_url)
        self.note(check_keys(access, secret))
        for name, key in (("BOT_LANGUAGE", "language"), ("LOG_LEVEL", "log.level")):
            if given := self.variable(name):
                self.take(key, given.lower() if key == "language" else given.upper(), name)
        proxy = self.checked(self.variable("HTTPS_PROXY"), check_proxy)
        ca_file = self.checked(self.variable("SSL_CERT_FILE"), check_ca_file)
        config = Config(
            access_key=Secret(access) if access else None,
            secret_key=Secret(secret) if secret else None,
            webhook_url=Secret(webhook) if webhook else None,
            discord_bot_token=Secret(bot_token) if bot_token else None,
            base_url=base_url or DEFAULT_BASE_URL,
            proxy=Secret(proxy) if proxy else None,
            no_proxy=self.variable("NO_PROXY") or "",
            ca_file=Path(ca_file) if ca_file else None,
            data_dir=Path(self.variable("BOT_DATA_DIR") or "data"),
            strategy=StrategySettings(**self.section("strategy")),
            trading=TradingSettings(**self.section("trading")),
            risk=RiskSettings(**self.section("risk")),
            dashboard=DashboardSettings(**self.section("dashboard")),
            chat=ChatSettings(**self.section("chat")),
            sources=dict(self.sources),
            **self.section(""),
        )
        if not self.problems:
            self.note(check_together(config))
        return config

    def section(self, name: str) -> dict[str, Any]:
        """Return what was given of one section of the settings, by field; "" is `Config` itself."""
        return {
            setting.name: self.values[setting.key]
            for setting in SETTINGS
            if setting.section == name and setting.key in self.values
        }


def decoded(content: bytes) -> str:
    """Return the text of a file that may begin with a byte order mark.

    Raises:
        UnicodeError: when it is not UTF-8; UTF-16 is told apart by its mark, or by its zeros.
    """
    if b"\0" in content:
        raise UnicodeError
    return content.decode("utf-8-sig")


def flatten(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the dotted keys of a TOML document."""
    pairs: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs


def toml_value(raw: str) -> Any:
    """Return what a text means in TOML; a bare word is a text."""
    try:
        return tomllib.loads(f"value = {raw}", parse_float=Decimal)["value"]
    except UNREADABLE:
        return raw


def take_secrets(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Return a copy of the environment, and take the secrets out of the original."""
    copy = dict(environ)
    for variable in ENVIRONMENT:
        if variable.secret:
            for spelling in (variable.name, *variable.aliases):
                environ.pop(spelling, None)
    return copy
