// A point for each feature: painted, because there may be a hundred thousand.

import { el, themeColour } from '../base/dom';
import { tick, ticks } from '../base/format';
import { change } from '../base/state';
import { onTheme } from '../base/theme';
import { hideTooltip, tooltipAt } from '../base/tooltip';

interface ScatterOptions {
  /** Shown as logarithms */
  x: Float32Array;
  y: Float32Array;
  label: string;
  details: (index: number) => Node[];
  /** Titles of the axes */
  titles: [string, string];
  /** Whether y, too, is shown as logarithms: values that are not above zero are left out */
  log?: boolean;
}

interface Scatter {
  element: HTMLElement;
  /** Paints what is listed, the others pale */
  select: (rows: Uint32Array) => void;
}

export function scatter({ x, y, label, details, titles, log }: ScatterOptions): Scatter {
  const canvas = el('canvas', { role: 'img', 'aria-label': `${label}; the list has the same figures` });
  const element = el('div', { class: 'scatter' }, canvas);
  const points: number[] = [];
  const logs = Float32Array.from(x, Math.log10);
  const heights = log ? Float32Array.from(y, Math.log10) : y;
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  x.forEach((value, i) => {
    if (!(value > 0) || !Number.isFinite(heights[i])) return;
    points.push(i);
    left = Math.min(left, logs[i]);
    right = Math.max(right, logs[i]);
    low = Math.min(low, heights[i]);
    high = Math.max(high, heights[i]);
  });
  left = Math.floor(left * 2) / 2 - 0.1;
  right = Math.min(0.05, Math.ceil(right * 2) / 2 + 0.1);
  // Values that are all but equal lie on one line, not spread out to their last digit.
  const least = log ? 0.02 : Math.abs(high) * 0.02;
  if (high - low < least) [low, high] = [low - least / 2, high + least / 2];
  const room = (high - low || 1) * 0.06;
  high += room;
  low -= room;
  const pad = { left: 40, right: 22, top: 22, bottom: 36 };
  let width = 0;
  let height = 0;
  let chosen: Uint32Array = new Uint32Array(0);
  let awaited = 0;
  let under = -1;
  const px = (i: number) => pad.left + ((logs[i] - left) / (right - left)) * (width - pad.left - pad.right);
  const py = (i: number) => pad.top + (1 - (heights[i] - low) / (high - low)) * (height - pad.top - pad.bottom);

  const axes = (ink: CanvasRenderingContext2D) => {
    ink.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    ink.strokeStyle = themeColour('--line');
    ink.fillStyle = themeColour('--soft');
    ink.lineWidth = 1;
    ink.beginPath();
    ink.textAlign = 'center';
    for (let power = Math.ceil(left); power <= right; power += 1) {
      const at = Math.round(pad.left + ((power - left) / (right - left)) * (width - pad.left - pad.right)) + 0.5;
      ink.moveTo(at, pad.top);
      ink.lineTo(at, height - pad.bottom);
      ink.fillText(densityTick(power), at, height - 20);
    }
    ink.textAlign = 'right';
    for (const [value, text] of log ? logTicks(low, high) : ticks(low, high, 4).map((value): [number, string] => [value, tick(value)])) {
      const at = Math.round(pad.top + (1 - (value - low) / (high - low)) * (height - pad.top - pad.bottom)) + 0.5;
      ink.moveTo(pad.left, at);
      ink.lineTo(width - pad.right, at);
      ink.fillText(text, pad.left - 6, at + 4);
    }
    ink.fillText(titles[0], width - pad.right, height - 4);
    ink.textAlign = 'left';
    ink.fillText(titles[1], 0, 11);
    ink.stroke();
  };

  const paint = () => {
    const ratio = devicePixelRatio || 1;
    width = element.clientWidth;
    height = element.clientHeight;
    if (width < 80 || height < 60) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const ink = canvas.getContext('2d');
    if (!ink) return;
    ink.scale(ratio, ratio);
    axes(ink);
    const size = points.length > 20000 ? 1.5 : points.length > 3000 ? 2 : 3;
    const dot = (i: number) => ink.fillRect(px(i) - size / 2, py(i) - size / 2, size, size);
    const all = chosen.length === x.length;
    ink.fillStyle = themeColour(all ? '--point' : '--point-pale');
    ink.globalAlpha = points.length > 3000 ? 0.45 : 0.75;
    points.forEach(dot);
    if (!all) {
      ink.fillStyle = themeColour('--point');
      ink.globalAlpha = 0.85;
      chosen.forEach((i) => { if (x[i] > 0 && Number.isFinite(heights[i])) dot(i); });
    }
    ink.globalAlpha = 1;
    if (under >= 0) {
      ink.strokeStyle = themeColour('--ink');
      ink.lineWidth = 1.5;
      ink.beginPath();
      ink.arc(px(under), py(under), 5, 0, 7);
      ink.stroke();
    }
  };

  const nearest = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    const [at, down] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = 12 ** 2;
    const candidates = chosen.length < x.length ? chosen : points;
    for (const i of candidates) {
      if (!(x[i] > 0) || !Number.isFinite(heights[i])) continue;
      const far = (px(i) - at) ** 2 + (py(i) - down) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  };
  canvas.addEventListener('pointermove', (event) => {
    const found = nearest(event);
    if (found < 0) hideTooltip();
    else tooltipAt(event, ...details(found));
    canvas.classList.toggle('on', found >= 0);
    if (found === under) return;
    under = found;
    paint();
  });
  canvas.addEventListener('pointerleave', () => {
    hideTooltip();
    under = -1;
    paint();
  });
  canvas.addEventListener('click', (event) => {
    // Clicks come at whole pixels, which may be out of reach of the point that the pointer is on.
    const found = under >= 0 ? under : nearest(event as PointerEvent);
    if (found >= 0) change({ feature: found });
  });
  new ResizeObserver(() => requestAnimationFrame(paint)).observe(element);
  onTheme(paint);
  return {
    element,
    select(rows) {
      chosen = rows;
      // Whoever types fast need not wait for every picture.
      clearTimeout(awaited);
      awaited = setTimeout(paint, 40);
    },
  };
}

/** Powers of ten, with 2 and 5 between them where there are few; as logarithms. */
function logTicks(low: number, high: number): [number, string][] {
  const found: [number, string][] = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const factor of high - low < 1.7 ? [1, 2, 5] : [1]) {
      const at = power + Math.log10(factor);
      if (at >= low && at <= high) found.push([at, tick(Number((factor * 10 ** power).toPrecision(3)))]);
    }
  }
  return found;
}

/** A power of ten as a share of tokens. */
export const densityTick = (power: number) => (power >= -4 ? `${tick(Number((10 ** (power + 2)).toPrecision(3)))} %` : `1e−${-power - 2} %`);
