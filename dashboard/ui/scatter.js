// @ts-check
// A point for each feature: painted, because there may be a hundred thousand.

/**
 * @typedef {object} ScatterOptions
 * @property {Float32Array} x shown as logarithms
 * @property {Float32Array} y
 * @property {string} label
 * @property {(index: number) => Node[]} details
 * @property {boolean} [fromZero] whether the axis of y begins at zero
 *
 * @typedef {object} Scatter
 * @property {HTMLElement} element
 * @property {(rows: Uint32Array) => void} select paints what is listed, the others pale
 */

/** @param {ScatterOptions} options @returns {Scatter} */
function scatter({ x, y, label, details, fromZero }) {
  const canvas = el('canvas', { role: 'img', 'aria-label': `${label}; the list has the same figures` });
  const element = el('div', { class: 'scatter' }, canvas);
  /** @type {number[]} */
  const points = [];
  const logs = Float32Array.from(x, Math.log10);
  let [left, right, low, high] = [Infinity, -Infinity, fromZero ? 0 : Infinity, -Infinity];
  x.forEach((value, i) => {
    if (!(value > 0) || !Number.isFinite(y[i])) return;
    points.push(i);
    left = Math.min(left, logs[i]);
    right = Math.max(right, logs[i]);
    low = Math.min(low, y[i]);
    high = Math.max(high, y[i]);
  });
  left = Math.floor(left * 2) / 2 - 0.1;
  right = Math.min(0.05, Math.ceil(right * 2) / 2 + 0.1);
  // Values that are all but equal lie on one line, not spread out to their last digit.
  const least = Math.abs(high) * 0.02;
  if (!fromZero && high - low < least) [low, high] = [low - least / 2, high + least / 2];
  const room = (high - low || 1) * 0.06;
  high += room;
  if (!fromZero) low -= room;
  const pad = { left: 40, right: 22, top: 8, bottom: 22 };
  let width = 0;
  let height = 0;
  /** @type {Uint32Array} */
  let chosen = new Uint32Array(0);
  let awaited = 0;
  let under = -1;
  const px = (/** @type {number} */ i) => pad.left + ((logs[i] - left) / (right - left)) * (width - pad.left - pad.right);
  const py = (/** @type {number} */ i) => pad.top + (1 - (y[i] - low) / (high - low)) * (height - pad.top - pad.bottom);

  const axes = (/** @type {CanvasRenderingContext2D} */ ink) => {
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
      ink.fillText(densityTick(power), at, height - 6);
    }
    ink.textAlign = 'right';
    for (const value of ticks(low, high, 4)) {
      const at = Math.round(pad.top + (1 - (value - low) / (high - low)) * (height - pad.top - pad.bottom)) + 0.5;
      ink.moveTo(pad.left, at);
      ink.lineTo(width - pad.right, at);
      ink.fillText(tick(value), pad.left - 6, at + 4);
    }
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
    const dot = (/** @type {number} */ i) => ink.fillRect(px(i) - size / 2, py(i) - size / 2, size, size);
    const all = chosen.length === x.length;
    ink.fillStyle = themeColour(all ? '--point' : '--point-pale');
    ink.globalAlpha = points.length > 3000 ? 0.45 : 0.75;
    points.forEach(dot);
    if (!all) {
      ink.fillStyle = themeColour('--point');
      ink.globalAlpha = 0.85;
      chosen.forEach((i) => { if (x[i] > 0) dot(i); });
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

  const nearest = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    const [at, down] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = 12 ** 2;
    const candidates = chosen.length < x.length ? chosen : points;
    for (const i of candidates) {
      if (!(x[i] > 0)) continue;
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
    const found = nearest(/** @type {PointerEvent} */ (event));
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

/** A power of ten as a share of tokens. @param {number} power */
const densityTick = (power) => (power >= -4 ? `${tick(Number((10 ** (power + 2)).toPrecision(3)))} %` : `1e−${-power - 2} %`);
