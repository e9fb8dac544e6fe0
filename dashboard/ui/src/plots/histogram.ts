// Histograms: bars stretched over the width, labels as text, and a mark that shows where a value lies.

import { el, svg } from '../base/dom';
import { count, num, tick, ticks } from '../base/format';
import { hideTooltip, pairList, tooltipAt } from '../base/tooltip';
import type { Histogram } from '../types';

interface HistogramOptions {
  histogram: Histogram;
  /** Whether heights are logarithms of counts */
  log: boolean;
  /** What a screen reader says */
  label: string;
  /** What is counted */
  unit: string;
  /** Of a bar */
  colour: (middle: number, bin: number) => string;
  /** An edge, as text */
  text?: (x: number) => string;
  /** Title of the axis */
  title?: string;
  /** Ticks */
  at?: number[];
  /** Their labels */
  tickText?: (x: number) => string;
  /** Called when a bar is clicked */
  pick?: (bin: number) => void;
}

export interface Plot {
  element: HTMLElement;
  /** Between bars and axis */
  below: HTMLElement;
  mark: (value: number | [number, number] | null) => void;
  /** A copy without labels */
  small: (value: number | [number, number] | null) => HTMLElement;
  repaint: () => void;
}

export function histogramPlot(options: HistogramOptions): Plot {
  const { histogram, log, label, unit, colour } = options;
  const { min, counts } = histogram;
  const text = options.text ?? num;
  const span = histogram.max - min;
  const share = (x: number) => (span > 0 ? Math.min(1, Math.max(0, (x - min) / span)) : 0.5);
  const most = Math.max(1, ...counts);
  // A count of one is to be seen on a logarithmic axis, too.
  const height = (c: number) => (log ? Math.log10(c / 0.6) / Math.log10(most / 0.6) : c / most);
  const bars = svg('svg', { viewBox: `0 0 ${counts.length} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label });
  const drawn = counts.map((c, bin) => {
    const h = c > 0 ? Math.max(0.8, 100 * height(c)) : 0;
    const bar = svg('rect', { x: bin + 0.05, y: 100 - h, width: 0.9, height: h, 'data-count': c });
    bars.append(bar);
    return bar;
  });
  const scale = el('div', { class: 'scale', 'aria-hidden': 'true' });
  const levels = log ? powersBelow(most) : ticks(0, most, 4).filter((c) => c > 0);
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
  if (options.title) axis.append(el('span', { class: 'title' }, options.title));
  const width = span / counts.length;
  const binAt = (event: PointerEvent) => {
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
    bars.addEventListener('click', (event) => pick(binAt((event as PointerEvent))));
  }
  const repaint = () => drawn.forEach((bar, bin) => {
    bar.style.fill = colour(min + (bin + 0.5) * width, bin);
  });
  repaint();
  const put = (line: HTMLElement, value: number | [number, number] | null) => {
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

/** At most four powers of ten. */
function powersBelow(most: number) {
  const top = Math.floor(Math.log10(most));
  const step = Math.ceil((top + 1) / 4);
  const found = [];
  for (let power = 0; power <= top; power += step) found.push(10 ** power);
  return found;
}
