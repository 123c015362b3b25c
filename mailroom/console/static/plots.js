// Draws each `.plot`: a bar for each month. The same figures are in a table below it.
"use strict";

(() => {
  const HEIGHT = 180;

  const draw = (place) => {
    const months = JSON.parse(place.dataset.months);
    const totals = JSON.parse(place.dataset.totals).map(Number);
    const style = getComputedStyle(place);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const short = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact" });
    const options = {
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-0.6, months.length - 0.4] }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(0, high) * 1.05 || 1] } },
      axes: [
        { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => months[tick] ?? ""), incrs: [1, 2, 3, 6, 12], space: 70, size: 28 },
        { ...axis, values: (_, ticks) => ticks.map((tick) => short.format(tick)), size: 56 },
      ],
      series: [
        {},
        { fill: colour("--accent"), stroke: colour("--accent"), paths: uPlot.paths.bars({ size: [0.7, 48] }), points: { show: false } },
      ],
    };
    const plot = new uPlot(options, [months.map((_, index) => index), totals], place);
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  };

  const drawAll = () => {
    for (const place of document.querySelectorAll(".plot:not([data-drawn])")) {
      place.dataset.drawn = "";
      draw(place);
    }
  };

  drawAll();
  document.addEventListener("htmx:afterSwap", drawAll);
})();
