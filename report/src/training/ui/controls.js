// Buttons: what is along the axis, which scale, which lines.
const all = (selector) => [...document.querySelectorAll(selector)];
const keys = all('.key');
function showControls() {
  for (const button of all('[data-along]')) button.setAttribute('aria-pressed', button.dataset.along === chosen.along);
  for (const button of keys) button.setAttribute('aria-pressed', !chosen.hidden.has(button.dataset.key));
}
function change(which = charts) {
  keep();
  showControls();
  hush();
  for (const chart of which) draw(chart);
}

for (const button of all('[data-along]')) {
  button.addEventListener('click', () => {
    chosen.along = button.dataset.along;
    change();
  });
}
for (const chart of charts) {
  byId(`${chart.slug}-log`)?.addEventListener('click', () => {
    chosen.log[chart.id] = !isLog(chart);
    change([chart]);
  });
}
for (const button of keys) {
  button.disabled = false;
  button.addEventListener('click', (event) => {
    const key = button.dataset.key;
    const others = keys.filter((each) => each.parentElement === button.parentElement && each !== button).map((each) => each.dataset.key);
    if (event.shiftKey) {
      const isAlone = !chosen.hidden.has(key) && others.every((other) => chosen.hidden.has(other));
      for (const other of others) chosen.hidden[isAlone ? 'delete' : 'add'](other);
      chosen.hidden.delete(key);
    } else if (!chosen.hidden.delete(key)) {
      chosen.hidden.add(key);
    }
    change(charts.filter((chart) => chart.lines.some((line) => line.key === key || others.includes(line.key))));
  });
}
for (const hidden of all('.log, #along')) hidden.hidden = false;
showControls();
// The rest is drawn already.
for (const chart of charts) {
  const changed = chosen.along !== data.along || isLog(chart) !== chart.log || visibleLines(chart).length < chart.lines.length;
  if (changed) draw(chart);
}

