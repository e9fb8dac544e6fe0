// @ts-check
// The SAE as a whole.

/** @param {Overview} overview @param {{ dead: number, dense: number }} counts @param {HTMLElement[]} panels what a model can be asked */
function overviewView(overview, { dead, dense }, panels) {
  const { source, density } = overview;
  const alive = [...density].filter((d) => d > 0).sort((a, b) => a - b);
  const share = (/** @type {number} */ n) => (overview.d_sae ? percent(n / overview.d_sae) : '—');
  const figure = (/** @type {string} */ name, /** @type {string} */ value, note = '') =>
    el('div', { class: 'figure' }, el('dt', {}, name), el('dd', {}, value, note ? el('small', {}, note) : null));
  const l0 = density.reduce((sum, d) => sum + d, 0);
  const figures = el('dl', { class: 'figures' },
    figure('Features', count(overview.d_sae), overview.n_shown < overview.d_sae ? `${count(overview.n_shown)} with a page` : 'all with a page'),
    figure('Mean L0', num(l0, 3), 'features on a token'),
    figure('Median density', alive.length ? percent(alive[alive.length >> 1]) : '—', 'of features that fire'),
    figure('Dead', count(dead), share(dead)),
    figure('Ultra-dense', count(dense), `above ${percent(ULTRA_DENSE)}`));
  const facts = pairList([
    ['Model', source.model], ['Reads', source.hook_name], ['Architecture', source.architecture],
    ['Text', `${source.dataset}: ${count(overview.n_tokens)} tokens that count, in ${count(overview.n_contexts)} contexts of ${count(source.context_size)}`],
    ['Counted', source.convention],
  ]);
  facts.classList.add('facts');
  const density_plot = densityPlot(alive);
  const details = (/** @type {number} */ i) => {
    const top = tokenOf(overview, overview.top_token, i);
    /** @type {[string, string | Node][]} */
    const pairs = [['feature', String(i)], ['density', percent(density[i])], ['max', num(overview.max[i], 4)], ['norm', num(overview.decoder_norm[i], 4)]];
    if (top) pairs.push(['fires on', tokenElement(top)]);
    return [pairList(pairs)];
  };
  const plots = [
    scatter({ x: density, y: overview.max, label: 'Largest activation against density', details, fromZero: true }),
    scatter({ x: density, y: overview.decoder_norm, label: 'Decoder norm against density', details }),
  ];
  const panel = (/** @type {string} */ title, /** @type {string} */ note, /** @type {Node} */ body, className = '') =>
    el('section', { class: `panel ${className}` }, el('h2', {}, title, el('small', {}, note)), body);
  const element = el('div', { class: 'overview' },
    el('header', {}, el('h1', {}, source.sae || 'Sparse autoencoder'), facts),
    ...panels,
    figures,
    alive.length
      ? el('div', { class: 'plots' },
        panel('Density', 'share of tokens on which a feature fires; click a bar to list its features', density_plot.element, 'wide'),
        panel('Largest activation', 'against density; click a point to open it', plots[0].element),
        panel('Decoder norm', 'against density', plots[1].element))
      : el('p', { class: 'notice' }, 'No feature fires on this text.'));
  return {
    element,
    /** @param {Uint32Array} rows */
    select(rows) {
      density_plot.repaint();
      for (const plot of plots) plot.select(rows);
    },
  };
}

/** Features by the logarithm of density, an eighth of a decade a bar. @param {number[]} alive */
function densityPlot(alive) {
  const STEP = 8;
  const logs = alive.map(Math.log10);
  const from = Math.floor((logs[0] ?? -1) * STEP);
  const bins = Math.max(1, Math.floor((logs[logs.length - 1] ?? -1) * STEP) - from + 1);
  const counts = new Array(bins).fill(0);
  for (const log of logs) counts[Math.floor(log * STEP) - from] += 1;
  /** @param {number} bin @returns {[number, number]} */
  const edges = (bin) => [(from + bin) / STEP, (from + bin + 1) / STEP];
  const histogram = { min: from / STEP, max: (from + bins) / STEP, counts };
  const powers = [];
  for (let power = Math.ceil(histogram.min); power <= histogram.max; power += 1) powers.push(power);
  return histogramPlot({
    histogram,
    log: false,
    label: 'Features by density, on a logarithmic axis',
    unit: 'features',
    text: (x) => percent(10 ** x, 2),
    at: powers,
    tickText: densityTick,
    colour: (_, bin) => (!state.range || (state.range[0] < edges(bin)[1] && state.range[1] > edges(bin)[0]) ? 'var(--point)' : 'var(--point-pale)'),
    pick: (bin) => change({ range: state.range?.[0] === edges(bin)[0] ? null : edges(bin), show: 'all' }),
  });
}
