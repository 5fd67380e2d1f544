"""A backtest as files for other programs: every trade of every seed, equity, daily returns; as CSV and as Parquet."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from backtest.figures.metrics import of_days, returns
from backtest.problems import unwritable
from backtest.units import from_ms
from strategy.portfolio import KST

if TYPE_CHECKING:
    from pathlib import Path

    from backtest.engine.account import Trade
    from backtest.figures.results import Report, Run

    Columns = dict[str, list[Any]]


def export(report: Report, folder: Path) -> list[Path]:
    """Write `trades`, `equity` and `daily` into a folder, each as `.csv` and `.parquet`; return the files.

    Raises:
        Unwritable: when the folder cannot be written; a file is there as a whole or not at all.
    """
    tables = {"trades": trades_of(report), "equity": equity_of(report), "daily": daily_of(report)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for name, columns in tables.items() for path in write(folder, name, columns)]
    except OSError as error:
        raise unwritable(folder, error) from error


def write(folder: Path, name: str, columns: Columns) -> list[Path]:
    """Write one table twice."""
    paths = [folder / f"{name}.csv", folder / f"{name}.parquet"]
    aside = [path.with_name(f".{path.name}.part") for path in paths]
    with aside[0].open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows([plain(value) for value in row] for row in zip(*columns.values(), strict=True))
    parquet.write_table(pa.table(columns), aside[1], compression="zstd")
    for part, path in zip(aside, paths, strict=True):
        part.replace(path)
    return paths


def plain(value: Any) -> Any:
    """Return a value as CSV has it: times in ISO 8601, nothing for what does not exist."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else value


def trades_of(report: Report) -> Columns:
    """Return the trades of all seeds, one row each; times are UTC, money is KRW, shares are fractions."""
    rows = [row_of(report, run, trade) for run in report.runs for trade in run.outcome.trades]
    names = row_names()
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}


def row_names() -> tuple[str, ...]:
    """Return the columns of the trades."""
    return (
        "seed", "market", "bought_at", "sold_at", "entry_price", "exit_price", "volume", "cost_krw", "proceeds_krw",
        "profit_krw", "profit", "fees_krw", "slippage_krw", "why", "candles", "worst_on_the_way", "best_on_the_way",
    )  # fmt: skip


def row_of(report: Report, run: Run, trade: Trade) -> tuple[Any, ...]:
    """Return one trade; how far its price went against and for it on the way as fractions of the entry."""
    panel = report.ready.panel
    end = panel.real.shape[1] if trade.left is None else trade.left + 1
    lows, highs = (values[trade.row, trade.entered : end] for values in (panel.window.low, panel.window.high))
    ended = trade.left is not None
    return (
        run.seed,
        trade.market,
        panel.opened_at(trade.entered),
        panel.opened_at(trade.left) if trade.left is not None else None,
        trade.entry_price,
        trade.exit_price,
        trade.volume,
        trade.cost_krw,
        trade.proceeds_krw if ended else None,
        trade.profit_krw if ended else None,
        trade.profit_krw / trade.cost_krw if ended else None,
        trade.fees_krw,
        trade.slippage_krw,
        trade.cause,
        end - 1 - trade.entered,
        float(np.nanmin(lows)) / trade.entry_price - 1,
        float(np.nanmax(highs)) / trade.entry_price - 1,
    )


def equity_of(report: Report) -> Columns:
    """Return the equity at every candle's close: of the median seed, of all seeds in the middle, of the baselines."""
    curve = report.typical.curve
    middle = np.median([run.curve.equity for run in report.runs], axis=0)
    return {
        "at": [from_ms(one) for one in curve.at_ms.tolist()],
        "equity_krw": curve.equity.tolist(),
        "invested_krw": curve.invested.tolist(),
        "median_of_seeds_krw": middle.tolist(),
        **{f"{name}_krw": one.equity.tolist() for name, one in report.baselines.items()},
    }


def daily_of(report: Report) -> Columns:
    """Return the return of each day, which ends at 09:00 in Korea, of the median seed and of the baselines."""
    curves = {"return": report.typical.curve} | {f"{name}_return": one for name, one in report.baselines.items()}
    changes = {name: returns(of_days(curve)).tolist() for name, curve in curves.items()}
    count = len(changes["return"])
    last = from_ms(int(report.typical.curve.at_ms[-1])) + KST
    days = [(last.date() - np.timedelta64(count - at, "D").astype("timedelta64[D]").item()) for at in range(count)]
    return {"day_kst": days, **changes}
