// A chart as it was chosen: the same as draw.rs, for other scales and fewer lines.
const frame = data.frame;
const element = (tag, attributes, text = '') => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
};
const scale = ([low, high], start, end) => {
  const [from, to] = low < high ? [low, high] : Number.isFinite(low) ? [low - 0.5, low + 0.5] : [-0.5, 0.5];
  return (value) => start + Math.min(1, Math.max(0, (value - from) / (to - from))) * (end - start);
};

// Lines with their points in the picture: null where there is none.
function look(chart) {
  const log = isLog(chart);
  const lines = visibleLines(chart);
  const up = lines.flatMap((line) => line.points.values.map((value) => placed(value, log)).filter((value) => value !== null));
  const across = acrossOf(ends());
  const range = rangeOf(up, log, chart.floor);
  const x = scale(across, frame.left, frame.right);
  const y = scale(range, frame.bottom, frame.top);
  const picture = (curve) => ({
    ...curve,
    x: curve[chosen.along].map(x),
    y: curve.values.map((value) => placed(value, log)).map((value) => (value === null ? null : y(value))),
  });
  const shown = lines.map((line) => ({ line, points: picture(line.points), means: line.means && picture(line.means) }));
  return { log, across, range, x, y, shown, isEmpty: !up.length };
}

const tenths = (n) => String(n / 10).replace(/^(-?)0\./, '$1.');
const pair = (x, y) => tenths(x) + (y < 0 ? '' : ' ') + tenths(y);
const rounded = (n) => Math.round(n * 10) || 0;

function path({ x, y }) {
  let d = '';
  let before = null;
  let alone = false;
  for (let i = 0; i <= x.length; i += 1) {
    if (i === x.length || y[i] === null) {
      if (alone) d += 'h0';
      [before, alone] = [null, false];
      continue;
    }
    const point = [rounded(x[i]), rounded(y[i])];
    if (before) {
      const step = pair(point[0] - before[0], point[1] - before[1]);
      d += (alone ? 'l' : step.startsWith('-') ? '' : ' ') + step;
    } else {
      d += `M${pair(...point)}`;
    }
    [before, alone] = [point, !before];
  }
  return d;
}

function dots({ x, y }) {
  const there = y.flatMap((value, i) => (value === null ? [] : [i]));
  if (there.length > data.dots) return '';
  return there.map((i) => `M${pair(rounded(x[i]), rounded(y[i]))}h0`).join('');
}

function axes({ log, across, range, x, y, shown, isEmpty }) {
  const { left, right, top, bottom, width, height } = frame;
  const line = (kind, at) => element('line', { class: kind, x1: left, x2: right, y1: at, y2: at });
  const text = (at, anchor, written) => element('text', { x: at[0].toFixed(1), y: at[1].toFixed(1), 'text-anchor': anchor }, written);
  const parts = labelled(marks(range, log, 5), log).flatMap(([place, label]) => [
    line('grid', y(place).toFixed(1)),
    text([left - 7, y(place) + 4], 'end', label),
  ]);
  for (const [place, label] of labelled(marks(across, false, 7), false)) {
    parts.push(text([x(place), bottom + 15], 'middle', label));
  }
  parts.push(line('base', bottom), text([(left + right) / 2, height - 5], 'middle', chosen.along));
  if (isEmpty) parts.push(text([(left + right) / 2, (top + bottom) / 2], 'middle', shown.length ? 'no value can be drawn' : 'all lines are hidden'));
  return parts;
}

function draw(chart) {
  chart.view = look(chart);
  chart.svg.querySelector('.axes').replaceChildren(...axes(chart.view));
  for (const each of chart.svg.querySelectorAll('path')) each.setAttribute('d', '');
  for (const { line, points, means } of chart.view.shown) {
    const [raw, mean, few] = chart.svg.querySelectorAll(`path[data-key="${CSS.escape(line.key)}"]`);
    raw.setAttribute('d', path(points));
    mean.setAttribute('d', means ? path(means) : '');
    few.setAttribute('d', dots(points));
  }
  for (const note of chart.panel.querySelectorAll('.when-log')) note.hidden = !chart.view.log;
  for (const note of chart.panel.querySelectorAll('.when-linear')) note.hidden = chart.view.log;
  byId(`${chart.slug}-log`)?.setAttribute('aria-pressed', chart.view.log);
}

