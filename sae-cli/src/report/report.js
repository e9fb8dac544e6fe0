"use strict";
for (const plot of document.querySelectorAll(".plot")) {
  const readout = plot.querySelector(".readout");
  const bars = [...plot.querySelectorAll(".bar")];
  const total = bars.reduce((sum, bar) => sum + Number(bar.dataset.count), 0);
  for (const bar of bars) {
    const { range, count } = bar.dataset;
    const say = () => {
      readout.textContent = `${range} features: ${count} of ${total} tokens (${((100 * count) / total).toFixed(1)} %)`;
    };
    bar.addEventListener("pointerenter", say);
    bar.addEventListener("focus", say);
  }
}
