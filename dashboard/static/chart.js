// Puts a chart that can be moved in the place of the drawn one, of the same numbers. Times are those of clocks in Korea.
"use strict";

const DAY = 86400;
const LEAST_WIDTH = 5; // pixels of a candle, at first
const { CandlestickSeries, HistogramSeries, LineSeries, LineStyle } = LightweightCharts;
const { createChart, createSeriesMarkers, createTextWatermark } = LightweightCharts;
const box = document.createElement("div");
box.id = "moving";
box.setAttribute("aria-hidden", "true"); // the picture and the table tell the same to who cannot see it
const dark = matchMedia("(prefers-color-scheme: dark)");
const language = document.documentElement.lang;
const many = new Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 4 });
let chart = null;
let drawn = "";

const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// 09:00 in Korea, when Upbit's day begins: the library has no vertical lines.
class Days {
  constructor(times, color) {
    this.times = times;
    this.color = color;
  }
  attached({ chart: on }) {
    this.on = on;
  }
  paneViews() {
    return [{ zOrder: () => "bottom", renderer: () => ({ draw: (target) => this.draw(target) }) }];
  }
  draw(target) {
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio }) => {
      context.fillStyle = this.color;
      for (const time of this.times) {
        const x = this.on.timeScale().timeToCoordinate(time);
        if (x !== null) context.fillRect(Math.round(x * horizontalPixelRatio), 0, 1, bitmapSize.height);
      }
    });
  }
}

function draw(data) {
  const times = Array.from({ length: data.candles.length + 1 }, (_, at) => data.begin + at * data.unit);
  const last = data.candles.length;
  const price = (value) =>
    value.toLocaleString(language, { minimumFractionDigits: data.digits, maximumFractionDigits: data.digits });
  const text = { background: { type: "solid", color: paint("panel") }, textColor: paint("ink"), fontSize: 12 };
  const grid = { color: paint("line") };
  chart = createChart(box, {
    autoSize: true,
    layout: { ...text, attributionLogo: false, panes: { separatorColor: paint("line"), enableResize: false } },
    grid: { vertLines: { visible: false }, horzLines: grid },
    crosshair: { mode: 0 },
    rightPriceScale: { borderColor: paint("line") },
    timeScale: { borderColor: paint("line"), timeVisible: data.unit < DAY, secondsVisible: false },
    handleScroll: { vertTouchDrag: false },
    localization: { locale: language },
  });
  const quiet = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
  const line = (pane, color, points, options) => {
    const format = pane === 0 ? price : (value) => many.format(value);
    const series = chart.addSeries(
      LineSeries,
      { ...quiet, color, lineWidth: 1, priceFormat: { type: "custom", formatter: format, minMove: 1e-8 }, ...options },
      pane,
    );
    series.setData(points);
    return series;
  };
  const points = (values) =>
    values.map((value, at) => (value === null ? { time: times[at] } : { time: times[at], value }));

  const candles = chart.addSeries(CandlestickSeries, {
    upColor: paint("up"),
    wickUpColor: paint("up"),
    downColor: paint("down"),
    wickDownColor: paint("down"),
    borderVisible: false,
    priceFormat: { type: "custom", formatter: price, minMove: 10 ** -data.digits },
  });
  candles.setData(
    times.map((time, at) => {
      const one = data.candles[at];
      return one ? { time, open: one[0], high: one[1], low: one[2], close: one[3] } : { time };
    }),
  );
  candles.attachPrimitive(
    new Days(
      times.filter((time) => time % DAY === 9 * 3600),
      paint("line"),
    ),
  );
  data.lines.forEach(([, values], at) => line(0, paint(`l${at % 4}`), points(values), { lineWidth: 2 }));

  const marks = [];
  for (const [begin, end, sold, stop] of data.stays) {
    const from = Math.max(begin, 0);
    const to = end ?? last;
    if (stop !== null && to > from)
      line(
        0,
        paint("warn"),
        [from, to].map((at) => ({ time: times[at], value: stop })),
        { lineStyle: LineStyle.Dashed },
      );
    const mark = { color: paint("ink"), size: 1 };
    if (begin >= 0)
      marks.push({ ...mark, time: times[begin], position: "belowBar", shape: "arrowUp", text: data.words.entry });
    if (sold)
      marks.push({ ...mark, time: times[to], position: "aboveBar", shape: "arrowDown", text: data.words.exit });
  }
  marks.sort((one, other) => one.time - other.time);
  createSeriesMarkers(candles, marks);

  const strip = chart.addSeries(
    HistogramSeries,
    { ...quiet, base: 0, priceFormat: { type: "custom", formatter: () => "", minMove: 1 } },
    1,
  );
  strip.setData(
    data.said.map((place, at) =>
      place < 0 ? { time: times[at] } : { time: times[at], value: 1, color: paint(data.gates[place][1]) },
    ),
  );
  strip.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
  data.asked.forEach(([title, values, thresholds], at) => {
    line(at + 2, paint("accent"), points(values));
    line(at + 2, paint("warn"), points(thresholds), { lineStyle: LineStyle.Dashed });
    const lines = [{ text: title, color: paint("faint"), fontSize: 12 }];
    createTextWatermark(chart.panes()[at + 2], { horzAlign: "left", vertAlign: "top", lines });
  });
  box.style.height = `${340 + 80 * data.asked.length}px`;
  chart.panes().forEach((pane, at) => pane.setStretchFactor(at === 0 ? 260 : at === 1 ? 30 : 80));

  chart.subscribeCrosshairMove(({ logical }) => {
    const readout = document.getElementById("readout");
    if (readout) readout.textContent = told(data, Math.round(logical ?? NaN), price);
  });
}

function told(data, at, price) {
  if (!(at >= 0 && at < data.candles.length)) return data.words.hint;
  const opened = new Date(1000 * (data.begin + at * data.unit)).toISOString();
  const one = data.candles[at];
  const said = data.said[at] < 0 ? [] : [data.gates[data.said[at]][0]];
  const lines = data.lines.flatMap(([name, values]) => (values[at] === null ? [] : [`${name} ${price(values[at])}`]));
  const sides = one ? one.map(price).join(" · ") : data.words.gap;
  return [`${opened.slice(5, 10)} ${opened.slice(11, 16)} KST`, sides, ...lines, ...said].join(" | ");
}

// Where the picture was changed it is drawn anew, and what somebody has moved to stays in view.
function place() {
  const here = document.getElementById("drawn");
  if (!here) return;
  if (!here.contains(box)) here.append(box);
  document.getElementById("readout").textContent = JSON.parse(here.dataset.chart).words.hint;
  if (here.dataset.chart === drawn) return;
  const range = chart?.timeScale().getVisibleLogicalRange();
  chart?.remove();
  drawn = here.dataset.chart;
  draw(JSON.parse(drawn));
  const count = JSON.parse(drawn).candles.length;
  const from = Math.max(0, count - box.clientWidth / LEAST_WIDTH);
  chart.timeScale().setVisibleLogicalRange(range ?? { from, to: count + 1 });
}

document.addEventListener("shown", place);
dark.addEventListener("change", () => {
  drawn = "";
  place();
});
place();
