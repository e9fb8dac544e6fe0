// Numbers for people.

const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A count, exact. */
export const count = (n: number) => wholeNumber.format(n);

/** A number with so many significant digits. */
export function num(x: number, digits = 4) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'NaN' : x > 0 ? '∞' : '−∞';
  if (x === 0) return '0';
  const size = Math.abs(x);
  let text;
  if (size < 1e-3 || size >= 1e6) {
    const [mantissa, exponent] = size.toExponential(digits - 1).split('e');
    text = `${mantissa}e${String(exponent).replace('+', '').replace('-', '−')}`;
  } else {
    // Of the rounded number: 0.99999 has as many decimals as the 1 that it becomes.
    const rounded = Number(size.toPrecision(digits));
    text = rounded.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(rounded))));
  }
  return x < 0 ? `−${text}` : text;
}

/** A share. */
export const percent = (x: number, digits = 3) => `${num(100 * x, digits)} %`;

/** With a sign. */
export const signed = (x: number, digits = 4) => (x > 0 ? `+${num(x, digits)}` : num(x, digits));

/** About `n` round numbers from `min` to `max`. */
export function ticks(min: number, max: number, n = 5): number[] {
  const span = max - min;
  if (!(span > 0) || !Number.isFinite(span)) return Number.isFinite(min) ? [min] : [];
  // No more than half again as many as asked for.
  const rough = span / (1.5 * n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10) * power;
  const found = [];
  for (let i = Math.ceil(min / step); i * step <= max * (1 + 1e-9) + 1e-300; i += 1) found.push(i * step);
  return found;
}

/** A tick's label, short. */
export function tick(x: number) {
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size < 1e-3 || size >= 1e5) return x.toExponential(0).replace('+', '').replace(/-/g, '−');
  return String(Number(x.toPrecision(4))).replace('-', '−');
}
