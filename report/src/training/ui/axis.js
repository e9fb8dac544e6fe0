// How far the axes reach, and what is written at them: as axis.rs and scale.rs have it.
const power = (n) => Number(`1e${n}`);
const placed = (value, log) => (value === null || (log && value <= 0) ? null : log ? Math.log10(value) : value);

function extremes(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

function acrossOf(ends) {
  const [low, high] = extremes(ends);
  return [low < 0.05 * high ? 0 : low, high];
}

function rangeOf(values, log, floor) {
  let [low, high] = extremes(values);
  if (low > high) return [0, 1];
  if (floor !== null && !log && high > floor) low = Math.max(low, floor);
  const extent = high - low;
  let air = 0.2 * Math.abs(high);
  if (extent > 1e-9 * Math.abs(high)) air = 0.05 * extent;
  else if (log || high === 0) air = 0.5;
  if (!log && low >= 0 && (low < 0.4 * high || low <= air)) return [0, high + air];
  return [low - air, high + air];
}

function stepOf(extent, size, most) {
  if (extent <= size * 1e-12) return null;
  const n = Math.floor(Math.log10(extent / most));
  for (const p of [n, n + 1, n + 2]) {
    for (const factor of [1, 2, 5]) {
      if (Math.floor(extent / (factor * power(p)) + 1e-9) < most) return [p, factor];
    }
  }
  return null;
}

function ticks(low, high, most) {
  if (!(Number.isFinite(low) && Number.isFinite(high) && low <= high)) return [];
  const found = stepOf(high - low, Math.max(Math.abs(low), Math.abs(high)), most);
  if (!found) return [low];
  const [p, factor] = found;
  const step = factor * power(p);
  const values = [];
  for (let n = Math.ceil(low / step); n <= Math.floor(high / step + 1e-9) && values.length < most; n += 1) {
    const value = p < 0 ? (n * factor) / power(-p) : n * factor * power(p);
    if (value >= low && value <= high) values.push(value);
  }
  return values;
}

// Pairs of the place on the axis and the value there.
function marks([low, high], log, most) {
  if (!log) return ticks(low, high, most).map((value) => [value, value]);
  const [first, last] = [Math.ceil(low), Math.floor(high)];
  const every = Math.max(1, Math.ceil(Math.max(1, last - first + 1) / most));
  const whole = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  const tens = whole(first, last).filter((n) => n % every === 0);
  const ofTens = tens.map((n) => [n, power(n)]);
  if (tens.length >= 3) return ofTens;
  const within = (values) => values.map((v) => [Math.log10(v), v]).filter(([at]) => at >= low && at <= high);
  const round = within(whole(Math.floor(low), Math.ceil(high)).flatMap((n) => [1, 2, 5].map((f) => Number(`${f}e${n}`))));
  if (round.length >= 3 && round.length <= 8) return round;
  return tens.length === 2 ? ofTens : within(ticks(10 ** low, 10 ** high, most - 1));
}

const minus = (text) => text.replaceAll('-', '−');
const unitOf = (size) => [[1e12, ' T'], [1e9, ' B'], [1e6, ' M'], [1e4, ' k']].find(([from]) => size >= from) ?? [1, ''];
function label(value, like) {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e15 || size < 1e-3) return minus(value.toExponential().replace('+', ''));
  const [from, name] = unitOf(like);
  return minus(value / (from === 1e4 ? 1e3 : from) + name);
}

// Marks with what is written there.
function labelled(marks, log) {
  const largest = Math.max(0, ...marks.map(([, value]) => Math.abs(value)));
  return marks.map(([place, value]) => [place, label(value, log ? Math.abs(value) : largest)]);
}

// A value with its digits, as the table has it.
function written(value) {
  if (value === null) return 'not a number';
  const size = Math.abs(value);
  if ((Number.isInteger(value) || size >= 1e4) && size < 1e15) return minus(Math.round(value).toLocaleString('en-US'));
  const text = size >= 1e-4 && size < 1e15 ? value.toPrecision(5) : value.toExponential(4).replace('+', '');
  const [digits, exponent] = text.split('e');
  return minus((digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits) + (exponent ? `e${exponent}` : ''));
}
const writtenTokens = (tokens) => {
  const [from, name] = unitOf(tokens < 1e5 ? 0 : tokens);
  const unit = from === 1e4 ? 1e3 : from;
  return name ? Number((tokens / unit).toPrecision(4)) + name : Math.round(tokens).toLocaleString('en-US');
};

