"""One self-contained HTML page of a backtest: figures, plots, and the trades on the candles of any market traded.

The plotting library is inside the page, and a policy in it forbids every request: it can be mailed and opened anywhere.
"""

from __future__ import annotations

from html import escape
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec
import plotly.io
from plotly.offline import get_plotlyjs

from backtest.figures.words import BASELINES, MORE, ROWS, band_cell, cell, short_note, verdict, written
from backtest.report import plots
from backtest.report.tables import all_tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import plotly.graph_objects as go

    from backtest.figures.results import Band, Report

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
STYLE = """
body { font: 15px/1.55 system-ui, "Noto Sans KR", "NanumGothic", sans-serif; color: #1c1c1c; margin: 0 auto;
       max-width: 1080px; padding: 24px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 40px 0 8px; }
p.verdict { font-size: 17px; font-weight: 600; } p.caution { color: #8a2b17; }
div.wide { overflow-x: auto; } div.long { max-height: 480px; overflow: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 14px 3px 0; text-align: right; border-bottom: 1px solid #e5e5e5; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
div.long th { position: sticky; top: 0; background: #fff; } div.long th:first-child { z-index: 1; }
table.months th, table.months td { text-align: center; min-width: 44px; padding: 6px 2px; border: 2px solid #fff; }
table.months th:first-child { text-align: left; } table.months td:last-child { font-weight: 600; padding-left: 10px; }
div.columns { display: flex; flex-wrap: wrap; gap: 40px; } div.columns > div { min-width: 0; max-width: 100%; }
select { font: inherit; padding: 2px 6px; }
@media (max-width: 600px) { body { padding: 14px 12px 40px; font-size: 14px; } h1 { font-size: 20px; }
  th, td { padding: 5px 10px 5px 0; } th:first-child, td:first-child { white-space: normal; min-width: 92px; }
  table.months th, table.months td { padding: 10px 2px; } table.months th:first-child { min-width: 44px; }
  select { min-height: 44px; min-width: 60%; } }
"""
STRONGEST = 70
"""Percent of its colour that the largest month has: black letters can be read on it."""
SCRIPT = """
const narrow = window.innerWidth < 600;
const config = {responsive: true, displaylogo: false, displayModeBar: !narrow, scrollZoom: false};
const shown = layout => narrow ? {...layout, height: 330, dragmode: false,
  yaxis: {...layout.yaxis, title: undefined}} : layout;
const read = id => JSON.parse(document.getElementById(id).textContent);
for (const id of PLOTS) {
  const figure = read("data-" + id);
  Plotly.newPlot(id, figure.data, shown(figure.layout), config);
}
const choice = document.getElementById("market");
function show() {
  const layout = JSON.parse(JSON.stringify(read("data-market-layout")));
  Plotly.react("chart", read("data-market-" + choice.value), shown(layout), config);
}
if (choice) { choice.addEventListener("change", show); show(); }
"""
WORDS = {
    "seeds": ("시드", "seeds"),
    "markets": ("마켓", "markets"),
    "median": ("중앙값", "median"),
    "equity": ("자산 곡선", "Equity"),
    "drawdown": ("낙폭", "Drawdown"),
    "monthly": ("월별 수익률(중앙값)", "Monthly returns (median)"),
    "year": ("한 해", "year"),
    "rolling": ("움직이는 샤프", "Rolling Sharpe"),
    "exposure": ("투자 비중", "Exposure"),
    "more": ("더 많은 수치", "More figures"),
    "trades": ("거래의 손익", "Results of the trades"),
    "chart": ("캔들 위의 거래 (중앙 시드)", "Trades on the candles (median seed)"),
    "parameters": ("매개변수", "Parameters"),
    "rules": ("가정", "Assumptions"),
    "gates": ("대상이 되지 못한 이유", "Why markets were no targets"),
    "caution": (
        "과거 결과는 미래를 약속하지 않습니다. 상장 폐지된 마켓이 자료에 없으면 결과는 위로 치우칩니다.",
        "The past promises nothing. Where delisted markets are missing from the data, every result is biased upwards.",
    ),
}


def page(report: Report, language: str) -> str:
    """Return the whole page.

    Args:
        report: what the backtest says.
        language: "ko" or "en".
    """
    at = 0 if language == "ko" else 1
    figures = {
        "equity": plots.equity_plot(report, at),
        "drawdown": plots.drawdown_plot(report, at),
        "rolling": plots.rolling_plot(report, at),
        "exposure": plots.exposure_plot(report, at),
        "trades": plots.trades_plot(report, at),
    }
    title = f"{(report.ready.strategy.ko, report.ready.strategy.en)[at]} · {report.unit}"
    parts = [
        '<!doctype html><html lang="', language, '"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>", escape(title), "</title>",
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        *head(report, at),
        figures_table(report, at, ROWS),
        f"<h2>{WORDS['monthly'][at]}</h2>{months_table(report, at)}",
        *(f'<h2>{WORDS[name][at]}</h2><div id="{name}"></div>' for name in figures),
        *charts(report, at),
        *(f"<h2>{escape(one.title)}</h2>{table(one.heads, one.rows, long=True)}" for one in all_tables(report, at)),
        f"<h2>{WORDS['more'][at]}</h2>{figures_table(report, at, MORE)}",
        *assumptions(report, at),
        *(embedded(f"data-{name}", plain(figure)) for name, figure in figures.items()),
        f"<script>{get_plotlyjs()}</script>",
        f"<script>const PLOTS = {msgspec.json.encode(list(figures)).decode()};{SCRIPT}</script></body></html>\n",
    ]  # fmt: skip
    return "".join(parts)


def head(report: Report, at: int) -> Iterable[str]:
    """Yield what was tested, and the one sentence that matters."""
    yield (
        f"<p>{report.begin:%Y-%m-%d} ~ {report.end:%Y-%m-%d} UTC · {report.markets} {WORDS['markets'][at]} · "
        f"{len(report.runs)} {WORDS['seeds'][at]}</p>"
    )
    yield f'<p class="verdict">{escape(verdict(report, korean=at == 0))}</p>'
    if note := short_note(report, korean=at == 0):
        yield f"<p>{escape(note)}</p>"
    yield f'<p class="caution">{WORDS["caution"][at]}</p>'


def figures_table(report: Report, at: int, names: Iterable[tuple[str, str, str, str]]) -> str:
    """Return median and band of every figure beside the baselines."""
    beside = report.baseline_figures()
    heads = ["", WORDS["median"][at], "5 ~ 95 %", *(BASELINES[name][at] for name in beside)]
    rows = [
        [
            row[1 + at],
            cell(report, row[0], report.bands[row[0]].median, row[3]),
            band_cell(report, row[0], row[3]),
            *(
                cell(report, row[0], figures[row[0]], row[3]) if row[0] in figures else ""
                for figures in beside.values()
            ),
        ]
        for row in names
        if row[0] in report.bands
    ]
    return table(heads, rows)


def table(names: Iterable[str], rows: Iterable[Iterable[str]], *, long: bool = False) -> str:
    """Return a table in a box of its own, so that a wide or a long one moves and the page does not."""
    top = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    box = "wide long" if long else "wide"
    return f'<div class="{box}"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def months_table(report: Report, at: int) -> str:
    """Return the median return of each month, coloured by how large it is, in a box that moves on a narrow screen."""
    names = [f"{month:02}" for month in range(1, 13)]
    largest = max((abs(one.median) for one in report.monthly.values() if isfinite(one.median)), default=0.0)
    body = []
    for year, whole in report.yearly.items():
        cells = "".join(month_cell(report.monthly.get(f"{year}-{name}"), largest) for name in names)
        body.append(f"<tr><th>{year}</th>{cells}<td>{written(whole.median, '{:+.0%}')}</td></tr>")
    top = "".join(f"<th>{name}</th>" for name in ("", *names, WORDS["year"][at]))
    return (
        f'<div class="wide"><table class="months"><thead><tr>{top}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def month_cell(month: Band | None, largest: float) -> str:
    """Return a month in the colour of its sign, as strong as its share of the largest; empty outside the period."""
    if month is None or not isfinite(month.median):
        return "<td></td>"
    colour = plots.RISE if month.median > 0 else plots.FALL
    share = round(STRONGEST * abs(month.median) / largest) if largest else 0
    shade = f"background: color-mix(in srgb, {colour} {share}%, #fff)"
    return f'<td style="{shade}">{written(month.median, "{:+.0%}")}</td>'


def charts(report: Report, at: int) -> Iterable[str]:
    """Yield a chart with a choice of every market that the typical seed traded; nothing when it traded none."""
    markets = plots.markets_traded(report.typical.outcome.trades)
    if not markets:
        return
    choices = "".join(f"<option>{escape(market)}</option>" for market in markets)
    yield f'<h2>{WORDS["chart"][at]}</h2><select id="market">{choices}</select><div id="chart"></div>'
    for market in markets:
        traces = [trace.to_plotly_json() for trace in plots.market_traces(report, market, at)]
        yield embedded(f"data-market-{market}", plotly.io.json.to_json_plotly(traces))
    yield embedded("data-market-layout", plotly.io.json.to_json_plotly(plots.market_layout()))


def assumptions(report: Report, at: int) -> Iterable[str]:
    """Yield what the result rests on."""
    parameters = msgspec.to_builtins(report.ready.parameters)
    gates = {gate.code: (gate.ko, gate.en)[at] for gate in report.ready.strategy.gates}
    failed = {gates[code]: f"{count:,}" for code, count in report.ready.gates.items()}
    yield '<div class="columns">'
    yield f"<div><h2>{WORDS['parameters'][at]}</h2>{pairs(parameters)}</div>"
    yield f"<div><h2>{WORDS['rules'][at]}</h2>{pairs(msgspec.to_builtins(report.rules))}</div>"
    yield f"<div><h2>{WORDS['gates'][at]}</h2>{pairs(failed)}</div></div>"


def pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as a table."""
    return table(("", ""), ([name, text(value)] for name, value in values.items()))


def text(value: Any) -> str:
    """Return a value as a person writes it."""
    if isinstance(value, float):
        return f"{value:g}" if isfinite(value) else "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(text(one) for one in value)
    return "–" if value is None else str(value)


def plain(figure: go.Figure) -> str:
    """Return a figure as JSON."""
    return str(figure.to_json())


def embedded(name: str, json: str) -> str:
    """Return JSON as a part of the page; nothing inside it can end the part."""
    safe = json.replace("</", "<\\/")
    return f'<script type="application/json" id="{escape(name)}">{safe}</script>'
