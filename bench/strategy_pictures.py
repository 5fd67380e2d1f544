"""Draw the pictures of the strategy documents: plotly draws, a headless Chromium writes down what it drew, as SVG."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    from bench.strategy_tables import Results

NAMES = {"btc_hold": "BTC"}
COLOURS = {
    "btc_hold": "#f2a900",
    "btc_only": "#2ca02c",
    "quiet_trend": "#1f77b4",
    "quiet_breakout": "#9467bd",
    "rare_dip": "#8c564b",
    "volatility_breakout": "#d62728",
}
SIZE = {"width": 1000, "height": 460}
PAGE = """<!doctype html><meta charset="utf-8"><div id="plot"></div><pre id="svg"></pre>
<script>{library}</script><script>
const figure = {figure};
Plotly.newPlot("plot", figure.data, figure.layout)
  .then(plot => Plotly.toImage(plot, {{format: "svg", width: {width}, height: {height}}}))
  .then(url => {{ document.getElementById("svg").textContent = url; }});
</script>"""


def draw(results: Results, folder: Path) -> None:
    """Write `equity.svg` and `drawdown.svg`."""
    browser = browser_of_this_machine()
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in {"equity": equity(results), "drawdown": drawdown(results)}.items():
        (folder / f"{name}.svg").write_text(svg_of(figure, browser), encoding="utf-8")


def browser_of_this_machine() -> str:
    """Return the Chromium that draws.

    Raises:
        SystemExit: without one, with what to install.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("The pictures need Chromium: apt-get install chromium")
    return browser


def equity(results: Results) -> go.Figure:
    """Return the growth of one won, on a logarithmic scale."""
    figure = go.Figure()
    for name, curve in results.curves.items():
        line = {"color": COLOURS[name], "width": 1.6}
        figure.add_scatter(x=results.curve_days, y=curve, line=line, name=NAMES.get(name, name))
    return looks(figure).update_yaxes(type="log", tickvals=[0.01, 0.1, 1, 10, 100], title="x")


def drawdown(results: Results) -> go.Figure:
    """Return the distance from the highest value before, week by week."""
    figure = go.Figure()
    for name in ("btc_hold", "quiet_trend", "btc_only"):
        curve = np.array(results.curves[name])
        under = curve / np.maximum.accumulate(curve) - 1
        line = {"color": COLOURS[name], "width": 1.4}
        figure.add_scatter(x=results.curve_days, y=under, line=line, name=NAMES.get(name, name))
    return looks(figure).update_yaxes(tickformat=".0%")


def looks(figure: go.Figure) -> go.Figure:
    """Give a figure the looks both share."""
    legend = {"orientation": "h", "y": 1.12}
    return figure.update_layout(
        template="plotly_white", legend=legend, margin={"l": 60, "r": 20, "t": 50, "b": 40}, **SIZE
    )


def svg_of(figure: go.Figure, browser: str) -> str:
    """Let a browser draw a figure, and return the drawing."""
    page = PAGE.format(library=get_plotlyjs(), figure=figure.to_json(), **SIZE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plot.html"
        path.write_text(page, encoding="utf-8")
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
        more = (f"--user-data-dir={folder}/profile", "--virtual-time-budget=10000", "--dump-dom")
        command = [browser, *flags, *more, path.as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout  # noqa: S603 - ours
    found = re.search(r'<pre id="svg">data:image/svg\+xml,([^<]*)</pre>', dom)
    if found is None:
        raise SystemExit("Chromium drew nothing; its output:\n" + dom[-2000:])
    return re.sub(r'<rect[^>]*class="bg"[^>]*/>', "", unquote(html.unescape(found[1]))) + "\n"
