"""The plots of a report, as plotly figures. Times are Korea's, written as epoch milliseconds moved by nine hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from backtest.figures.metrics import DAY_MS, of_days, returns, rolling_sharpe
from backtest.figures.words import BASELINES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from backtest.engine.account import Trade
    from backtest.engine.panel import Panel
    from backtest.figures.metrics import Curve
    from backtest.figures.results import Report
    from strategy.base import Floats

    Times = npt.NDArray[np.float64]

KST_MS = 9 * 3_600_000
ROLLING_DAYS = 180
MOST_POINTS = 2_000
"""Points of a curve and candles of a chart: more than a screen shows, few enough for a file that can be mailed."""
BAND, OURS, TYPICAL = "rgba(31,119,180,0.18)", "#1f77b4", "#0b3d66"
COLOURS = {"btc_hold": "#f2a900", "btc_only": "#2ca02c", "equal_weight_monthly": "#7f7f7f"}
RISE, FALL = "#c84a31", "#1261c4"
"""Red rises and blue falls, as every Korean exchange draws it."""
HEIGHT = 440


def korean_time(at_ms: npt.ArrayLike) -> Times:
    """Return times as plotly draws them: numbers it takes for milliseconds of a day without a zone."""
    return np.asarray(at_ms, dtype=np.float64) + KST_MS


def thinned(count: int) -> npt.NDArray[np.intp]:
    """Return evenly spread indices, first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(np.intp))


def equity_plot(report: Report, language: int) -> go.Figure:
    """Draw the equity of all seeds as a band, of the typical one as a line, and what they have to be compared with."""
    shown = thinned(len(report.runs[0].curve.at_ms))
    at = korean_time(report.runs[0].curve.at_ms[shown])
    every = np.stack([run.curve.equity[shown] for run in report.runs])
    low, middle, high = np.percentile(every, (5, 50, 95), axis=0)
    figure = go.Figure()
    figure.add_scatter(x=at, y=high, line={"width": 0}, hoverinfo="skip", showlegend=False)
    name = ("시드의 5–95 %", "5-95 % of seeds")[language]
    figure.add_scatter(x=at, y=low, line={"width": 0}, fill="tonexty", fillcolor=BAND, hoverinfo="skip", name=name)
    figure.add_scatter(x=at, y=middle, line={"color": OURS, "width": 2}, name=("중앙값", "median")[language])
    typical = (f"시드 {report.typical.seed}", f"seed {report.typical.seed}")[language]
    figure.add_scatter(
        x=at, y=report.typical.curve.equity[shown], line={"color": TYPICAL, "width": 1, "dash": "dot"}, name=typical
    )
    for key, curve in report.baselines.items():
        line = {"color": COLOURS[key], "width": 1.5}
        figure.add_scatter(x=at, y=curve.equity[shown], line=line, name=BASELINES[key][language])
    return finished(figure, y_title=("자산 (원, 로그)", "equity (KRW, log)")[language], logarithmic=True)


def drawdown_plot(report: Report, language: int) -> go.Figure:
    """Draw how far below its highest value the typical account and bitcoin were."""
    curves = {(f"시드 {report.typical.seed}", f"seed {report.typical.seed}")[language]: (report.typical.curve, OURS)}
    if "btc_hold" in report.baselines:
        curves[BASELINES["btc_hold"][language]] = (report.baselines["btc_hold"], COLOURS["btc_hold"])
    figure = go.Figure()
    for name, (curve, colour) in curves.items():
        under = under_water(curve)
        shown = thinned(len(under))
        at = korean_time(curve.at_ms[shown])
        figure.add_scatter(x=at, y=under[shown], fill="tozeroy", line={"color": colour, "width": 1}, name=name)
    return finished(figure, y_title=("낙폭", "drawdown")[language], y_format=".0%")


def under_water(curve: Curve) -> Floats:
    """Return the distance from the highest value before, a fraction <= 0."""
    return np.asarray(curve.equity / np.maximum.accumulate(curve.equity) - 1)


def rolling_plot(report: Report, language: int) -> go.Figure:
    """Draw the Sharpe ratio of the last half year, of the typical account and of bitcoin."""
    curves = {(f"시드 {report.typical.seed}", f"seed {report.typical.seed}")[language]: (report.typical.curve, OURS)}
    if "btc_hold" in report.baselines:
        curves[BASELINES["btc_hold"][language]] = (report.baselines["btc_hold"], COLOURS["btc_hold"])
    figure = go.Figure()
    for name, (curve, colour) in curves.items():
        values = rolling_sharpe(returns(of_days(curve)), ROLLING_DAYS)
        shown = thinned(len(values)) if len(values) else np.empty(0, dtype=np.intp)
        at = korean_time(curve.at_ms[-1] - DAY_MS * np.arange(len(values) - 1, -1, -1))
        figure.add_scatter(x=at[shown], y=values[shown], line={"color": colour, "width": 1.5}, name=name)
    if len(of_days(report.typical.curve)) <= ROLLING_DAYS:
        words = (f"기록이 {ROLLING_DAYS}일보다 짧습니다", f"The history is shorter than {ROLLING_DAYS} days")[language]
        figure.add_annotation(text=words, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False)
    title = (f"샤프 (지난 {ROLLING_DAYS}일)", f"Sharpe of the last {ROLLING_DAYS} days")[language]
    return finished(figure, y_title=title)


def exposure_plot(report: Report, language: int) -> go.Figure:
    """Draw which part of the typical account was in positions."""
    curve = report.typical.curve
    shown = thinned(len(curve.at_ms))
    share = curve.invested[shown] / curve.equity[shown]
    figure = go.Figure()
    figure.add_scatter(x=korean_time(curve.at_ms[shown]), y=share, fill="tozeroy", line={"color": OURS, "width": 1})
    return finished(figure, y_title=("투자 비중", "exposure")[language], y_format=".0%")


def trades_plot(report: Report, language: int) -> go.Figure:
    """Draw how the trades of all seeds ended: how many earned or lost how much."""
    ended = [trade for run in report.runs for trade in run.outcome.trades if trade.left is not None]
    shares = np.array([trade.profit_krw / trade.cost_krw for trade in ended])
    figure = go.Figure(go.Histogram(x=shares, nbinsx=120, marker={"color": OURS}))
    finished(figure, y_title=("거래 수 (모든 시드)", "trades (all seeds)")[language], is_time=False)
    figure.update_xaxes(tickformat="+.0%", title=("거래의 손익", "result of a trade")[language])
    return figure


def finished(
    figure: go.Figure,
    *,
    y_title: str,
    logarithmic: bool = False,
    y_format: str | None = None,
    is_time: bool = True,
) -> go.Figure:
    """Give a figure the looks all of them share."""
    legend = {"orientation": "h", "y": 1.12}
    figure.update_layout(template="plotly_white", height=HEIGHT, legend=legend, hovermode="x unified")
    figure.update_layout(margin={"l": 8, "r": 8, "t": 50, "b": 40})
    figure.update_yaxes(automargin=True, title=y_title, type="log" if logarithmic else "linear", tickformat=y_format)
    if is_time:
        figure.update_xaxes(type="date")
    return figure


def markets_traded(trades: Sequence[Trade]) -> list[str]:
    """Return the markets of some trades, the most traded first."""
    counts: dict[str, int] = {}
    for trade in trades:
        counts[trade.market] = counts.get(trade.market, 0) + 1
    return sorted(counts, key=lambda market: (-counts[market], market))


def market_traces(report: Report, market: str, language: int) -> list[Any]:
    """Return candles of a market and the trades of the typical seed on them."""
    panel = report.ready.panel
    trades = [trade for trade in report.typical.outcome.trades if trade.market == market]
    words = {cause.code: (cause.ko, cause.en)[language] for cause in report.ready.strategy.exits}
    return [candles(panel, market), lines(panel, trades), *marks(panel, trades, words, language)]


def candles(panel: Panel, market: str) -> Any:
    """Return a market's candles, joined so that a screen can show them."""
    rows = [row for row, name in enumerate(panel.window.markets) if name == market]
    count = panel.real.shape[1] - panel.first
    join = -(-count // MOST_POINTS)
    begins = np.arange(panel.first, panel.real.shape[1], join)
    window = panel.window
    parts: dict[str, list[Floats]] = {"x": [], "open": [], "high": [], "low": [], "close": []}
    for row in rows:  # the series of one market never share a column
        known = [begin for begin in begins if panel.real[row, begin : begin + join].any()]
        ends = [min(begin + join, panel.real.shape[1]) for begin in known]
        spans = [slice(begin, end) for begin, end in zip(known, ends, strict=True)]
        parts["x"].append(korean_time([panel.opened_ms(begin) for begin in known]))
        parts["open"].append(np.array([first_known(window.open[row, span]) for span in spans]))
        parts["high"].append(np.array([np.nanmax(window.high[row, span]) for span in spans]))
        parts["low"].append(np.array([np.nanmin(window.low[row, span]) for span in spans]))
        parts["close"].append(np.array([first_known(window.close[row, span][::-1]) for span in spans]))
    columns = {name: np.concatenate(values) for name, values in parts.items()}
    rise, fall = {"line": {"color": RISE, "width": 1}}, {"line": {"color": FALL, "width": 1}}
    return go.Candlestick(**columns, increasing=rise, decreasing=fall, name=market, showlegend=False)


def first_known(values: Floats) -> float:
    """Return the first value that is not NaN."""
    return float(values[np.isfinite(values)][0])


def lines(panel: Panel, trades: Sequence[Trade]) -> Any:
    """Return a line from each purchase to its sale."""
    x: list[float | None] = []
    y: list[float | None] = []
    for trade in trades:
        if trade.left is not None and trade.exit_price is not None:
            x += [*korean_time([panel.opened_ms(trade.entered), panel.opened_ms(trade.left)]).tolist(), None]
            y += [trade.entry_price, trade.exit_price, None]
    line = {"color": "#555555", "width": 1, "dash": "dot"}
    return go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def marks(panel: Panel, trades: Sequence[Trade], words: Mapping[str, str], language: int) -> list[Any]:
    """Return a mark for each purchase and each sale, with what a person wants to know of it."""
    buys = [(trade.entered, trade.entry_price, f"{trade.cost_krw:,.0f} KRW") for trade in trades]
    sales = [
        (
            trade.left,
            trade.exit_price,
            f"{trade.profit_krw / trade.cost_krw:+.1%} · {words.get(trade.cause, trade.cause)}",
        )
        for trade in trades
        if trade.left is not None and trade.exit_price is not None and trade.cause is not None
    ]
    return [
        marked(panel, buys, ("매수", "bought")[language], "triangle-up", RISE),
        marked(panel, sales, ("매도", "sold")[language], "triangle-down", FALL),
    ]


def sale_text(trade: Trade, why: str) -> str:
    """Return what a trade earned, and why it was sold."""
    return f"{trade.profit_krw / trade.cost_krw:+.1%} · {why}"


def marked(panel: Panel, points: Sequence[tuple[int, float, str]], name: str, symbol: str, colour: str) -> Any:
    """Return marks at (column, price) with a text each."""
    return go.Scatter(
        x=korean_time([panel.opened_ms(column) for column, _, _ in points]),
        y=np.array([price for _, price, _ in points]),
        text=[text for _, _, text in points],
        mode="markers",
        marker={"symbol": symbol, "size": 11, "color": colour, "line": {"color": "white", "width": 1}},
        hovertemplate="%{y:,.8~g} · %{text}",
        name=name,
    )


def market_layout() -> dict[str, Any]:
    """Return the layout of the chart of a market."""
    figure = finished(go.Figure(), y_title="KRW")
    figure.update_layout(height=560, hovermode="closest", xaxis_rangeslider_visible=False)
    return dict(figure.to_plotly_json()["layout"])
