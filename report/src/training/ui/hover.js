// What the lines say at a place: by the pointer, or by arrow keys.
let asked = null;
let askedAt = 0;
function hush() {
  tooltip.hidden = true;
  asked?.svg.querySelector('.cross')?.remove();
  asked = null;
}

// The index of the point that is nearest to a place.
function nearest(x, at) {
  let [low, high] = [0, x.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] < at) low = middle;
    else high = middle;
  }
  return Math.abs(x[high] - at) < Math.abs(x[low] - at) ? high : low;
}

// What is read of a line: its means, where they stand for more.
const read = ({ points, means }) => means ?? points;

// From the least to the greatest of what a mean stands for.
function spreadOf({ line, points, means }, i) {
  if (!means) return '';
  const from = line.of.slice(0, i).reduce((sum, n) => sum + n, 0);
  const [low, high] = extremes(points.values.slice(from, from + line.of[i]).filter((value) => value !== null));
  return low <= high ? `${written(low)} to ${written(high)}` : '';
}

// The nearest point of each line that reaches there, and the place of the nearest of all.
function readAt(chart, wanted) {
  chart.view ??= look(chart);
  const lines = chart.view.shown.filter((shown) => read(shown).x.length);
  const candidates = lines.map((shown) => read(shown).x[nearest(read(shown).x, wanted)]);
  if (!candidates.length) return null;
  const at = candidates.reduce((best, each) => (Math.abs(each - wanted) < Math.abs(best - wanted) ? each : best));
  const rows = lines.flatMap((shown) => {
    const { x, y, values, steps, tokens } = read(shown);
    if (at < x[0] - 8 || at > x[x.length - 1] + 8) return [];
    const i = nearest(x, at);
    return { line: shown.line, x: x[i], y: y[i], value: values[i], step: steps[i], tokens: tokens[i], spread: spreadOf(shown, i) };
  });
  const first = rows.find((row) => row.x === at);
  return { at, rows, step: first.step, tokens: first.tokens };
}

const ROWS = 16;
const whenOf = ({ step, tokens }) => `step ${step.toLocaleString('en-US')}${tokens > 0 ? ` · ${writtenTokens(tokens)} tokens` : ''}`;
function list(found) {
  const table = document.createElement('table');
  table.createCaption().textContent = whenOf(found);
  for (const row of found.rows.slice(0, ROWS)) {
    const step = row.step === found.step ? '' : `step ${row.step.toLocaleString('en-US')}`;
    const cells = [row.line.name, written(row.value), row.spread, step];
    const tr = table.insertRow();
    for (const text of cells) tr.insertCell().textContent = text;
    const swatch = document.createElement('span');
    swatch.className = `swatch ${row.line.class}`;
    tr.cells[0].prepend(swatch);
  }
  if (found.rows.length > ROWS) table.insertRow().insertCell().textContent = `${found.rows.length - ROWS} more`;
  return table;
}

function ask(chart, wanted, place) {
  const found = readAt(chart, wanted);
  if (asked !== chart) hush();
  if (!found) return null;
  asked = chart;
  askedAt = Date.now();
  const cross = element('g', { class: 'cross' });
  cross.append(element('line', { x1: found.at, x2: found.at, y1: frame.top, y2: frame.bottom }));
  for (const row of found.rows) {
    if (row.y !== null) cross.append(element('circle', { class: row.line.class, cx: row.x, cy: row.y, r: 3.5 }));
  }
  chart.svg.querySelector('.cross')?.remove();
  chart.svg.append(cross);
  const box = chart.svg.getBoundingClientRect();
  const unit = box.width / frame.width;
  const [x, y] = place ?? [box.left + found.at * unit, box.top + frame.top * unit];
  tell(list(found), x, y);
  // There is no room beside the chart: below it, or above, where a finger does not hide it.
  if (innerWidth < 600) {
    const { height, width } = tooltip.getBoundingClientRect();
    tooltip.style.left = `${Math.max(4, (innerWidth - width) / 2)}px`;
    tooltip.style.top = `${box.bottom + height < innerHeight ? box.bottom : Math.max(4, box.top - height)}px`;
  }
  chart.at = found.at;
  return found;
}

// The next place with a point, so many on.
function onward(chart, by) {
  chart.view ??= look(chart);
  const places = [...new Set(chart.view.shown.flatMap((shown) => read(shown).x))].sort((a, b) => a - b);
  if (!places.length) return null;
  const here = asked === chart ? nearest(places, chart.at) : by > 0 ? -1 : places.length;
  return places[Math.min(places.length - 1, Math.max(0, here + by))];
}

for (const chart of charts) {
  const follow = (event) => {
    const box = chart.svg.getBoundingClientRect();
    ask(chart, ((event.clientX - box.left) / box.width) * frame.width, [event.clientX, event.clientY]);
  };
  chart.svg.addEventListener('pointermove', follow);
  chart.svg.addEventListener('pointerdown', follow);
  chart.svg.addEventListener('pointerleave', hush);
  chart.svg.addEventListener('blur', hush);
  chart.svg.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageUp: 20, PageDown: -20, Home: -Infinity, End: Infinity }[event.key];
    if (!by) {
      if (event.key === 'Escape') hush();
      return;
    }
    event.preventDefault();
    const wanted = onward(chart, event.shiftKey ? 10 * by : by);
    const found = wanted === null ? null : ask(chart, wanted);
    if (!found) return;
    const rows = found.rows.slice(0, ROWS).map((row) => `${row.line.name} ${written(row.value)}`);
    byId('announce').textContent = `${whenOf(found)}: ${rows.join(', ')}`;
  });
}

