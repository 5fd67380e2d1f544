"""docs/sandbox.md keeps its word: each Python snippet runs against a sandbox as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from cli.common.accounts import read_accounts
from cli.common.parser import build_parser
from main import VERBS
from tests.helpers.judges import ACCESS_KEY, SECRET_KEY, environment, open_box
from tests.helpers.patience import PATIENCE_S

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "sandbox.md"
ADDRESS = "127.0.0.1:18090"
SECTIONS = (
    section.partition("\n") for section in re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
)
SNIPPETS = {
    title: found[1] for title, _, text in SECTIONS if (found := re.search(r"```python\n(.*?)```", text, re.DOTALL))
}


def test_there_is_a_snippet_for_every_client() -> None:
    """The official SDK, ccxt, ccxt.pro and pyupbit are shown."""
    assert list(SNIPPETS) == ["Official SDK, Python", "ccxt", "ccxt.pro", "pyupbit"]


@pytest.mark.parametrize("title", [pytest.param(name, marks=pytest.mark.slow) for name in SNIPPETS])
def test_a_snippet_runs_as_it_stands(title: str) -> None:
    """With nothing changed but the port and the keys, it prints a price that is being paid."""
    with open_box("--speed", "5") as box:
        code = SNIPPETS[title].replace(ADDRESS, box.url.removeprefix("http://"))
        code = code.replace("sandbox-access-key", ACCESS_KEY)
        code = code.replace("sandbox-secret-key-0123456789abcdef0123", SECRET_KEY)
        done = subprocess.run(  # noqa: S603 - our own page
            [sys.executable, "-I", "-c", code],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        (ticker,) = box.get("/v1/ticker", markets="KRW-BTC")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    prices = [float(word) for word in done.stdout.split() if re.fullmatch(r"[0-9.]+(E\+[0-9]+)?", word)]
    assert any(abs(price / float(ticker["trade_price"]) - 1) < 0.05 for price in prices), done.stdout


def test_the_file_of_accounts_can_be_read(tmp_path: Path) -> None:
    """The example opens two pockets with the balances it names."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    file = tmp_path / "accounts.json"
    file.write_text(example, encoding="utf-8")
    second, savings = read_accounts(file)
    assert (second.id, dict(second.balances)) == (("second", "main"), {"KRW": 5_000_000, "BTC": Decimal("0.1")})
    assert savings.id == ("main", "savings")
    assert set(savings.keys[0].permissions) == {"view_account"}


def test_every_command_of_the_page_exists() -> None:
    """Each `python main.py ...` is understood by the parser."""
    commands = re.findall(r"^ {4}python main\.py ([^\n]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        if "--help" not in command:
            build_parser(VERBS, command.split()[0]).parse_args(command.split())
