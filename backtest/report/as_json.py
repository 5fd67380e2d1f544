"""A report as JSON: plain values, times in ISO 8601 UTC, what does not exist as null."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from backtest.engine.account import Trade
    from backtest.engine.panel import Panel
    from backtest.figures.results import Report


def to_json(report: Report) -> dict[str, Any]:
    """Return everything a report says: each figure by its name as a band over the seeds, and what it rests on."""
    ready = report.ready
    return {
        "strategy": ready.strategy.name,
        "parameters": msgspec.to_builtins(ready.parameters),
        "unit": report.unit,
        "from": report.begin.isoformat(),
        "to": report.end.isoformat(),
        "markets": report.markets,
        "seeds": len(report.runs),
        "rules": {name: plain(value) for name, value in asdict(report.rules).items()},
        **{name: numbers(asdict(one)) for name, one in report.bands.items()},
        "monthly": {month: numbers(asdict(one)) for month, one in report.monthly.items()},
        "baselines": {name: numbers(figures) for name, figures in report.baseline_figures().items()},
        "yearly": {year: numbers(asdict(one)) for year, one in report.yearly.items()},
        "drawdowns": {
            name: {key: plain(value) for key, value in asdict(one).items()} for name, one in report.drawdowns().items()
        },
        "typical_seed": report.typical.seed,
        "gates": dict(ready.gates),
        "refused": dict(report.typical.outcome.refused),
        "per_seed": [{"seed": run.seed, **numbers(run.figures)} for run in report.runs],
    }


def trades_to_json(report: Report) -> list[dict[str, Any]]:
    """Return the trades of the median seed, times in UTC."""
    return [trade_to_json(trade, report.ready.panel) for trade in report.typical.outcome.trades]


def trade_to_json(trade: Trade, panel: Panel) -> dict[str, Any]:
    """Return one trade with its times."""
    left = None if trade.left is None else panel.opened_at(trade.left)
    values = msgspec.structs.asdict(trade) | {"opened_at": panel.opened_at(trade.entered), "closed_at": left}
    return {name: plain(value) for name, value in values.items() if name not in {"row", "entered", "left"}}


def numbers(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers with null for those that do not exist."""
    return {name: value if isfinite(value) else None for name, value in values.items()}


def plain(value: Any) -> Any:
    """Return a value JSON knows."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    return msgspec.to_builtins(value)
