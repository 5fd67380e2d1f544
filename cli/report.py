"""`report`: a backtest as one HTML page with plots, for a browser without a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from backtest.problems import unwritable
from cli.backtest import make_report
from cli.common.exits import OK
from cli.common.options import add_assumptions, add_period
from cli.common.period import ResearchMissing, open_store
from cli.common.printing import print_json

if TYPE_CHECKING:
    import argparse

    from config.settings import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--unit", metavar="UNIT", help="length of the candles, e.g. 240m (default: strategy.unit)")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="(default report.html)")
    add_period(parser)
    add_assumptions(parser)


def run(config: Config, options: argparse.Namespace) -> int:
    """Test the strategy of the settings on history, write the page, say where; return the exit code."""
    if find_spec("plotly") is None:
        raise ResearchMissing
    from backtest.report.html_page import page  # noqa: PLC0415 - plotly takes a moment to load, and nothing else needs it

    report = make_report(config, open_store(config), options)
    write(options.out, page(report, config.language))
    if options.json:
        print_json({"report": str(options.out.resolve()), "seeds": len(report.runs)})
    else:
        word = "보고서" if config.language == "ko" else "report"
        Console(soft_wrap=True).print(f"{word}: {options.out.resolve()}", markup=False, highlight=False)
    return OK


def write(path: Path, text: str) -> None:
    """Put a whole file in its place, or nothing.

    Raises:
        Unwritable: when the place cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
