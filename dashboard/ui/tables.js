// @ts-check
// The figures beside the examples.

/** @param {string} title @param {string} note @param {Node[]} content */
const railSection = (title, note, ...content) => el('section', { class: 'panel' }, el('h2', {}, title, el('small', {}, note)), ...content);

/** @param {Lens | null} lens @param {(entry: TokenLogit | null) => void} hover */
function logitTables(lens, hover) {
  if (!lens) return railSection('Logit lens', '', el('p', { class: 'empty' }, 'None in this page.'));
  const most = Math.max(1e-30, ...lens.top.map((e) => Math.abs(e.logit)), ...lens.bottom.map((e) => Math.abs(e.logit)));
  /** @param {TokenLogit[]} entries @param {'up' | 'down'} sense @param {string} label */
  const column = (entries, sense, label) => {
    const list = el('ol', { class: `logits ${sense}`, 'aria-label': label });
    for (const entry of entries) {
      const item = el('li', { title: `id ${entry.token.id}` }, tokenElement(entry.token), el('span', { class: 'v' }, signed(entry.logit)));
      item.style.setProperty('--share', `${(100 * Math.abs(entry.logit)) / most}%`);
      item.addEventListener('pointerenter', () => hover(entry));
      item.addEventListener('pointerleave', () => hover(null));
      list.append(item);
    }
    return list;
  };
  return railSection('Logit lens', 'likelier and unlikelier tokens',
    el('div', { class: 'two' }, column(lens.top, 'up', 'Tokens made likelier'), column(lens.bottom, 'down', 'Tokens made unlikelier')));
}

/** @param {Feature} feature */
function statisticsTable({ statistics }) {
  if (statistics.n_fired === 0) return railSection('Statistics', '', el('p', { class: 'empty' }, 'It never fires.'));
  const list = el('dl', { class: 'stats' });
  const add = (/** @type {string} */ name, /** @type {string} */ value, /** @type {number} */ exact) =>
    list.append(el('dt', {}, name), el('dd', { title: String(exact), 'data-statistic': name }, value));
  add('fires on', count(statistics.n_fired), statistics.n_fired);
  add('density', percent(statistics.density, 4), statistics.density);
  add('max', num(statistics.max), statistics.max);
  add('mean', num(statistics.mean), statistics.mean);
  add('mean square', num(statistics.mean_square), statistics.mean_square);
  add('skewness', num(statistics.skewness), statistics.skewness);
  add('kurtosis', num(statistics.kurtosis), statistics.kurtosis);
  const quantiles = el('dl', { class: 'stats' });
  for (const [p, value] of statistics.quantiles) {
    quantiles.append(el('dt', {}, `${tick(100 * p)} %`), el('dd', { title: String(value), 'data-quantile': p }, num(value)));
  }
  return railSection('Statistics', 'of activations above zero', el('div', { class: 'two' }, list, quantiles));
}

/** @param {Overview} overview @param {Feature} feature @returns {Node[]} */
function neighbourTables(overview, feature) {
  /** @param {[number, number][]} entries @param {(x: number) => string} text */
  const table = (entries, text) => {
    const list = el('ol', { class: 'neighbours' });
    for (const [index, value] of entries) {
      const top = tokenOf(overview, overview.top_token, index);
      const link = el('a', { href: featureHref(index), 'data-feature': index }, String(index));
      const item = el('li', {}, link, top ? tokenElement(top) : el('span', { class: 'none' }, '—'),
        el('span', { class: 'v', title: String(value) }, text(value)));
      item.style.setProperty('--share', `${100 * Math.min(1, Math.abs(value))}%`);
      list.append(item);
    }
    return entries.length ? list : el('p', { class: 'empty' }, 'None.');
  };
  return [
    railSection('Similar directions', 'cosine of decoder rows', table(feature.decoder, (x) => num(x))),
    railSection('Fire together', feature.n_sampled ? `share of ${count(feature.n_sampled)} firing tokens` : '', table(feature.coactive, (x) => percent(x, 4))),
  ];
}

/** @param {Feature} feature */
function alignmentTable(feature) {
  const list = el('ol', { class: 'neighbours' });
  for (const [neuron, value, share] of feature.alignment) {
    const item = el('li', {}, el('span', { class: 'i' }, String(neuron)), el('span', { class: 'v' }, signed(value)),
      el('span', { class: 'v', title: `${share} of all magnitudes` }, percent(share)));
    item.style.setProperty('--share', `${100 * Math.min(1, share)}%`);
    list.append(item);
  }
  return railSection('Neuron alignment', 'entry, share of L1', feature.alignment.length ? list : el('p', { class: 'empty' }, 'None.'));
}
