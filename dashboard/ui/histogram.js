// @ts-check
// Histograms: bars stretched over the width, labels as text, and a mark that shows where a value lies.

/**
 * @typedef {object} HistogramOptions
 * @property {Histogram} histogram
 * @property {boolean} log whether heights are logarithms of counts
 * @property {string} label what a screen reader says
 * @property {string} unit what is counted
 * @property {(middle: number, bin: number) => string} colour of a bar
 * @property {(x: number) => string} [text] an edge, as text
 * @property {number[]} [at] ticks
 * @property {(x: number) => string} [tickText] their labels
 * @property {(bin: number) => void} [pick] called when a bar is clicked
 *
 * @typedef {object} Plot
 * @property {HTMLElement} element
 * @property {HTMLElement} below between bars and axis
 * @property {(value: number | [number, number] | null) => void} mark
 * @property {(value: number | [number, number] | null) => HTMLElement} small a copy without labels
 * @property {() => void} repaint
 */

/** @param {HistogramOptions} options @returns {Plot} */
function histogramPlot(options) {
  const { histogram, log, label, unit, colour } = options;
  const { min, counts } = histogram;
  const text = options.text ?? num;
  const span = histogram.max - min;
  const share = (/** @type {number} */ x) => (span > 0 ? Math.min(1, Math.max(0, (x - min) / span)) : 0.5);
  const most = Math.max(1, ...counts);
  // A count of one is to be seen on a logarithmic axis, too.
  const height = (/** @type {number} */ c) => (log ? Math.log10(c / 0.6) / Math.log10(most / 0.6) : c / most);
  const bars = svg('svg', { viewBox: `0 0 ${counts.length} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  const drawn = counts.map((c, bin) => {
    const h = c > 0 ? Math.max(0.8, 100 * height(c)) : 0;
    const bar = svg('rect', { x: bin + 0.05, y: 100 - h, width: 0.9, height: h, 'data-count': c });
    bars.append(bar);
    return bar;
  });
  const scale = el('div', { class: 'scale', 'aria-hidden': 'true' });
  const levels = log ? powersBelow(most) : ticks(0, most, 3).filter((c) => c > 0);
  for (const level of levels) {
    const line = el('span', {}, level >= 1e6 ? tick(level) : count(level));
    line.style.bottom = `${100 * height(level)}%`;
    scale.append(line);
  }
  const mark = el('div', { class: 'mark', hidden: true });
  const field = el('div', { class: 'field' }, scale, bars, mark);
  const below = el('div', { class: 'below' });
  const axis = el('div', { class: 'axis', 'aria-hidden': 'true' });
  for (const x of options.at ?? ticks(min, histogram.max)) {
    const place = el('span', {}, (options.tickText ?? tick)(x));
    place.style.left = `${100 * share(x)}%`;
    axis.append(place);
  }
  const width = span / counts.length;
  const binAt = (/** @type {PointerEvent} */ event) => {
    const box = bars.getBoundingClientRect();
    return Math.min(counts.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * counts.length)));
  };
  bars.addEventListener('pointermove', (event) => {
    const bin = binAt(event);
    const range = `${text(min + bin * width)} to ${text(bin + 1 === counts.length ? histogram.max : min + (bin + 1) * width)}`;
    tooltipAt(event, pairList([['range', range], [unit, count(counts[bin])]]));
  });
  bars.addEventListener('pointerleave', hideTooltip);
  const { pick } = options;
  if (pick) {
    field.classList.add('picks');
    bars.addEventListener('click', (event) => pick(binAt(/** @type {PointerEvent} */ (event))));
  }
  const repaint = () => drawn.forEach((bar, bin) => {
    bar.style.fill = colour(min + (bin + 0.5) * width, bin);
  });
  repaint();
  /** @param {HTMLElement} line @param {number | [number, number] | null} value */
  const put = (line, value) => {
    line.hidden = value === null;
    if (value === null) return;
    const [from, to] = Array.isArray(value) ? value : [value, value];
    line.classList.toggle('band', from !== to);
    line.style.left = `${100 * share(from)}%`;
    line.style.width = from === to ? '' : `${100 * (share(to) - share(from))}%`;
    line.dataset.value = from === to ? String(from) : `${from} ${to}`;
  };
  return {
    element: el('div', { class: 'histogram' }, field, below, axis),
    below,
    repaint,
    mark: (value) => put(mark, value),
    small(value) {
      const line = el('div', { class: 'mark' });
      put(line, value);
      return el('div', { class: 'field small' }, bars.cloneNode(true), line);
    },
  };
}

/** At most four powers of ten. @param {number} most */
function powersBelow(most) {
  const top = Math.floor(Math.log10(most));
  const step = Math.ceil((top + 1) / 4);
  const found = [];
  for (let power = 0; power <= top; power += step) found.push(10 ** power);
  return found;
}
