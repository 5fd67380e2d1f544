"""`data` and `backtest` as a user types them: what they print, and what they say to input that makes no sense."""

from __future__ import annotations

import contextlib
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from backtest.figures.words import written
from backtest.history.candles import Stored
from backtest.history.store import Store
from backtest.problems import UsageProblem
from backtest.units import UNITS
from cli.common import peak_memory
from main import main
from tests.helpers.scripted import UNIT, candles

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.scripted import Row


def wave(count: int, seed: int) -> list[Row]:
    """Return candles that rise and fall a little."""
    rng = np.random.default_rng(seed)
    close = (1000 * np.exp(np.cumsum(rng.normal(0.001, 0.004, count)))).tolist()
    return [(c, c * 1.002, c * 0.998, c, 1e7) for c in close]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder with 900 candles of three markets; the environment names it."""
    store = Store(tmp_path / "candles")
    for seed, market in enumerate(("KRW-BTC", "KRW-ETH", "KRW-XRP")):
        store.write(UNIT, market, Stored(candles=candles(wave(900, seed))))
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run a verb that succeeds and return its JSON."""
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_backtest_says_everything_as_json(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures as bands over the seeds, baselines, months, what was assumed; the same again for the same seeds."""
    words = ("backtest", "--unit", "240m", "--seeds", "5", "--set", "trading.max_open_trades=2")
    said = output(capsys, *words)
    for name in ("trades", "cagr", "sharpe", "max_drawdown", "profit_factor", "fees_krw", "equity_final"):
        assert set(said[name]) == {"p05", "median", "p95"}
    assert said["trades"]["median"] > 0
    assert set(said["baselines"]) == {"btc_hold", "btc_only", "equal_weight_monthly"}
    assert (said["seeds"], len(said["per_seed"]), said["markets"]) == (5, 5, 3)
    assert said["from"] == "2024-04-10T00:00:00+00:00"  # 600 candles of warm-up after the first
    assert said["rules"]["slots"] == 2
    assert output(capsys, *words) == said


def test_every_trade_can_be_seen_and_taken_away(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--trades` shows them with their markets and reasons, whole in a narrow terminal too; `--export` writes them."""
    assert main(["backtest", "--seeds", "1", "--trades", "--export", "out"]) == 0
    shown = capsys.readouterr().out
    for words in (
        "trades of seed 0, the median one",
        "by market, median seed",
        "by reason of the sale",
        "year by year",
    ):
        assert words in shown
    assert "…" not in shown
    said = output(capsys, "backtest", "--seeds", "1", "--trades")
    ended = [one for one in said["trade_list"] if one["closed_at"] is not None]
    assert len(ended) == said["trades"]["median"] > 0
    assert shown.count("KRW-") >= len(said["trade_list"])
    assert sorted(path.name for path in (history / "out").iterdir()) == [
        "daily.csv", "daily.parquet", "equity.csv", "equity.parquet", "trades.csv", "trades.parquet",
    ]  # fmt: skip


def test_the_period_is_what_was_asked_for(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A day as the end is included; days count back from the end."""
    said = output(capsys, "backtest", "--unit", "240", "--from", "2024-05-01", "--to", "2024-05-10", "--seeds", "1")
    assert (said["from"], said["to"]) == ("2024-05-01T00:00:00+00:00", "2024-05-11T00:00:00+00:00")
    said = output(capsys, "backtest", "--unit", "240", "--to", "2024-05-10", "--days", "5", "--seeds", "1")
    assert said["from"] == "2024-05-06T00:00:00+00:00"
    said = output(capsys, "backtest", "--markets", "btc", "KRW-ETH", "--seeds", "1")
    assert said["markets"] == 2


@pytest.mark.parametrize(
    ("language", "words"),
    [("ko", ("비트코인 보유", "마켓 3개 · 시드 2개")), ("en", ("holding bitcoin", "3 markets · 2 seeds"))],
)
def test_a_person_reads_a_table_and_a_plain_verdict(
    history: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    words: tuple[str, ...],
) -> None:
    """In both languages, with the months and the comparison with bitcoin; at a narrow terminal nothing is cut."""
    monkeypatch.setenv("BOT_LANGUAGE", language)
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["backtest", "--seeds", "2"]) == 0
    shown = capsys.readouterr().out
    assert all(word in " ".join(shown.split()) for word in words)
    assert "Sharpe" in shown or "샤프" in shown
    assert "2024" in shown
    assert "…" not in shown


def test_costs_and_delay_are_assumptions_one_can_change(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No costs earn more than the usual ones, ten times the slippage less."""
    ends = [
        output(capsys, "backtest", "--seeds", "1", *more)["equity_final"]["median"]
        for more in (("--fee", "0", "--slippage", "0"), (), ("--slippage", "10"))
    ]
    assert ends[0] > ends[1] > ends[2]
    fixed = output(capsys, "backtest", "--seeds", "1", "--sizing", "order", "--set", "trading.order_krw=20000")
    assert fixed["rules"]["order_krw"] == "20000"
    assert fixed["rules"]["max_order_krw"] == "100000"


def test_a_backtest_without_a_trade_says_what_kept_every_market_out(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate that failed most often; figures that do not exist are dashes."""
    words = ("--set", "strategy.parameters.min_turnover_krw=9e12")
    assert main(["backtest", "--seeds", "1", *words]) == 0
    shown = capsys.readouterr().out
    assert "There was no trade: what failed most often: 24 h turnover is too low (turnover," in shown
    assert "nan" not in shown


def test_bitcoin_is_looked_at_where_only_another_market_is_traded(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its gate works and it is compared with, but it is not bought."""
    said = output(capsys, "backtest", "--markets", "KRW-ETH", "--seeds", "2")
    assert said["trades"]["median"] > 0
    assert said["markets"] == 1
    assert "KRW-BTC" in said["rules"]["exclude"]
    assert "btc_hold" in said["baselines"]
    with_it = output(capsys, "backtest", "--markets", "KRW-ETH", "KRW-BTC", "--seeds", "2")
    assert with_it["trades"]["median"] > said["trades"]["median"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--krw", "20000"), "one place has less than the least order of 5,000 KRW"),
        (("--krw", "30000", "--set", "strategy.parameters.stop_atr=90"), "at its stop a position would be worth less"),
        (("--set", 'risk.exclude=["KRW-BTC", "KRW-ETH", "KRW-XRP"]'), "every market is excluded"),
    ],
    ids=["no money", "stop too deep", "excluded"],
)
def test_the_true_reason_of_no_trade_comes_first(
    history: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], sentence: str
) -> None:
    """Not a gate that did not matter."""
    assert main(["backtest", "--seeds", "2", *more]) == 0
    shown = capsys.readouterr().out.replace("\n", " ")
    assert f"There was no trade: {sentence}" in shown
    assert "failed most often" not in shown


def test_bitcoin_that_is_not_there_is_the_reason_of_no_trade(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its gate cannot open without its candles, and they are named."""
    Store(history / "candles").path(UNIT, "KRW-BTC").unlink()
    assert main(["backtest", "--seeds", "1"]) == 0
    assert "without candles of bitcoin its gate (btc_gate) cannot open. Fetch those of KRW-BTC" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_strategy_that_cannot_trade_on_such_candles_is_refused_in_words(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Volatility breakout on day candles would never trade: one sentence instead of an empty table."""
    store = Store(history / "candles")
    store.write(UNITS["day"], "KRW-BTC", Stored(candles=candles(wave(400, 1), unit=UNITS["day"])))
    for verb in ("backtest", "optimize"):
        assert main([verb, "--unit", "day", "--set", "strategy.name=volatility_breakout"]) == 2
        assert "day candles show none. Use --unit 240m or less" in capsys.readouterr().err


def test_a_short_period_is_not_made_a_year_and_nothing_small_looks_like_nothing(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No growth a year of fifty days; a band of negatives can be read."""
    assert main(["backtest", "--seeds", "3", "--slippage", "20"]) == 0
    shown = capsys.readouterr().out
    growth = next(line.strip() for line in shown.splitlines() if "growth a year" in line)
    assert set(growth.removeprefix("growth a year").split()) == {"-"}
    assert "The period is 50 days, less than a year" in shown


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.004, "{:+.0%}", "+0.40%"),
        (-0.031, "{:+.0%}", "-3.1%"),
        (-0.0, "{:+.0%}", "0%"),
        (0.31, "{:+.0%}", "+31%"),
        (-0.0000001, "{:+.2%}", "0.00%"),
        (float("nan"), "{:.2f}", "-"),
    ],
)
def test_a_percent_is_written_so_that_it_says_something(value: float, form: str, text: str) -> None:
    """Small shares get the decimals they need, nothing is "-0%"."""
    assert written(value, form) == text


def test_data_can_be_looked_at(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """List, check, and a check that fails for a file nobody can read."""
    (row,) = output(capsys, "data", "list")
    assert (row["unit"], row["markets"]) == ("240m", "3")
    said = output(capsys, "data", "check", "--unit", "240m")
    assert said["total"] == {"rows": 2700, "gaps": 0, "missing": 0, "duplicates": 0}
    assert main(["data", "check", "--unit", "240m", "--markets", "BTC"]) == 0
    assert "KRW-ETH" not in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    Store(history / "candles").path(UNIT, "KRW-ETH").write_bytes(b"x")
    assert main(["data", "check", "--unit", "240m"]) == 1
    assert "KRW-ETH" in capsys.readouterr().out


def test_data_comes_in_from_csv(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With how many candles came, for people and for machines."""
    path = history / "KRW-AAA.csv"
    path.write_text("time_utc,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n")
    assert output(capsys, "data", "import", str(path), "--unit", "day")["rows"] == 1
    assert main(["data", "import", str(path), "--unit", "day"]) == 0
    assert "Imported 1 candles of 1 files" in capsys.readouterr().out
    assert Store(history / "candles").markets(UNITS["day"]) == ["KRW-AAA"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("backtest", "--unit", "7m"), 2, "there are no such candles"),
        (("backtest", "--unit", "1m"), 1, "There are no candles in"),
        (("backtest", "--from", "2030-01-01", "--to", "2030-02-01"), 1, "There are some for: 2024-01-01 00:00"),
        (("backtest", "--from", "2024-01-20", "--to", "2024-02-01"), 1, "600 are needed"),
        (("backtest", "--markets", "KRW-BTX"), 2, "Did you mean 'KRW-BTC'"),
        (("backtest", "--from", "never"), 2, "this is no date"),
        (("backtest", "--from", "2024-02-01", "--to", "2024-01-01"), 2, "The period is empty"),
        (("backtest", "--seeds", "0"), 2, "--seeds 0: must be 1 ~ 100000"),
        (("backtest", "--delay", "-1"), 2, "--delay -1: must be"),
        (("backtest", "--fee", "2"), 2, "--fee 2: must be"),
        (("backtest", "--krw", "10"), 2, "--krw 10: must be"),
        (("backtest", "--slippage", "nan"), 2, "--slippage nan: must be"),
        (("backtest", "--set", "strategy.parameters.fast=0"), 4, "1 ~ 1000"),
        (("backtest", "--set", "strategy.name=quiet"), 4, "Did you mean"),
        (("data", "check", "--unit", "1m"), 1, "There are no candles in"),
        (("data", "check", "--unit", "240m", "--markets", "KRW-BTX"), 2, "Did you mean 'KRW-BTC'"),
        (("data", "import", "nowhere", "--unit", "1m"), 1, "There is nothing to import"),
    ],
)
def test_input_that_makes_no_sense_is_one_sentence_with_its_code(
    history: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, sentence: str
) -> None:
    """What, where, what to do."""
    assert main(list(words)) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_ctrl_c_ends_a_backtest_without_a_traceback(
    history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code 130."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.backtest.run_seeds", interrupted)
    assert main(["backtest"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["backtest", "optimize"])
def test_a_grid_that_does_not_fit_into_memory_is_refused(
    verb: str, history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the machine begins to swap, and with what to do."""
    monkeypatch.setattr("cli.common.peak_memory.physical_memory", lambda: 1000)
    assert main([verb]) == 2
    assert "Choose fewer markets or a shorter period" in capsys.readouterr().err


@pytest.mark.parametrize(("gigabytes", "fits"), [(1.4, False), (1.6, True)])
def test_what_a_search_is_said_to_need_is_what_one_took(
    gigabytes: float,
    fits: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes on 125 markets of 14,440 candles held 570 MB each, the one that hands out 341 MB."""
    monkeypatch.setattr(peak_memory, "physical_memory", lambda: int(gigabytes * 1e9))
    with contextlib.nullcontext() if fits else pytest.raises(UsageProblem, match=r"about 1\.5 GB .* there are 1\.4"):
        peak_memory.check_memory(125 * 14_440, processes=2)


def test_a_history_shorter_than_the_warm_up_is_said_so(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not that the period is empty."""
    store = Store(history / "candles")
    store.write(UNITS["60m"], "KRW-BTC", Stored(candles=candles(wave(300, 1), unit=UNITS["60m"])))
    assert main(["backtest", "--unit", "60m"]) == 1
    assert "600 are needed, there are 300" in capsys.readouterr().err


def test_a_damaged_file_stops_a_backtest_with_its_name(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is computed on half of the truth."""
    Store(history / "candles").path(UNIT, "KRW-ETH").write_bytes(b"x")
    assert main(["backtest"]) == 1
    assert "KRW-ETH.parquet is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("backtest",), ("data", "list"), ("download", "--unit", "1m")])
def test_without_the_research_extra_it_is_said_how_to_install_it(
    history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """The daemon does without pyarrow; these verbs do not."""
    monkeypatch.setattr("cli.common.period.find_spec", lambda name: None if name == "pyarrow" else find_spec(name))
    assert main(list(words)) == 1
    assert "pip install --require-hashes -r requirements/research.txt" in capsys.readouterr().err


def test_the_folder_of_history_that_cannot_be_written_is_said(
    history: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import needs to write."""
    monkeypatch.setenv("BOT_DATA_DIR", "/proc/nowhere")
    path = history / "KRW-AAA.csv"
    path.write_text("time_utc,open,high,low,close,volume\n2024-01-01T00:00:00Z,1,2,1,2,5\n")
    assert main(["data", "import", str(path), "--unit", "day"]) == 1
    assert "cannot be written" in capsys.readouterr().err
