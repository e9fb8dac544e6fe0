// The SAE as a whole.

import { el } from '../base/dom';
import { count, num, percent } from '../base/format';
import { change, state } from '../base/state';
import { tokenElement } from '../base/text';
import { pairList } from '../base/tooltip';
import { ULTRA_DENSE, tokenOf } from '../list/rows';
import { histogramPlot } from '../plots/histogram';
import { densityTick, scatter } from '../plots/scatter';
import type { Overview } from '../types';

/** `panels`: what a model can be asked. */
export function overviewView(overview: Overview, { dead, dense }: { dead: number; dense: number; }, panels: HTMLElement[], tools: HTMLElement) {
  const { source, density } = overview;
  const alive = [...density].filter((d) => d > 0).sort((a, b) => a - b);
  const share = (n: number) => (overview.d_sae ? percent(n / overview.d_sae) : '—');
  const figure = (name: string, value: string, note = '') =>
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
  const details = (i: number) => {
    const top = tokenOf(overview, overview.top_token, i);
    const pairs: [string, string | Node][] = [['feature', String(i)], ['density', percent(density[i])], ['max', num(overview.max[i], 4)], ['norm', num(overview.decoder_norm[i], 4)]];
    if (top) pairs.push(['fires on', tokenElement(top)]);
    return [pairList(pairs)];
  };
  // Norms that are all but equal say nothing by where they lie.
  const norms = overview.decoder_norm.filter(Number.isFinite);
  const [least, most] = norms.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
  const even = norms.length > 0 && most - least <= 0.02 * most;
  const plots = [
    scatter({ x: density, y: overview.max, label: 'Largest activation against density', titles: ['density', 'largest activation'], details, log: true }),
    ...(even ? [] : [scatter({ x: density, y: overview.decoder_norm, label: 'Decoder norm against density', titles: ['density', 'decoder norm'], details })]),
  ];
  const panel = (title: string, note: string, body: Node, className = '') =>
    el('section', { class: `panel ${className}` }, el('h2', {}, title, el('small', {}, note)), body);
  const element = el('div', { class: 'overview' },
    el('header', {}, el('h1', {}, source.sae || 'Sparse autoencoder'), facts, tools),
    ...panels,
    figures,
    alive.length
      ? el('div', { class: 'plots' },
        panel('Density', 'share of tokens on which a feature fires; click a bar to list its features', density_plot.element, 'wide'),
        panel('Largest activation', 'against density, both logarithmic; click a point to open it', plots[0].element),
        even
          ? panel('Decoder norm', '', el('p', { class: 'empty' }, `${[...new Set([num(least, 4), num(most, 4)])].join(' to ')} for all features.`))
          : panel('Decoder norm', 'against density', plots[1].element))
      : el('p', { class: 'notice' }, 'No feature fires on this text.'));
  return {
    element,

    select(rows: Uint32Array) {
      density_plot.repaint();
      for (const plot of plots) plot.select(rows);
    },
  };
}

/** Features by the logarithm of density, an eighth of a decade a bar. */
function densityPlot(alive: number[]) {
  const STEP = 8;
  const logs = alive.map(Math.log10);
  const from = Math.floor((logs[0] ?? -1) * STEP);
  const bins = Math.max(1, Math.floor((logs[logs.length - 1] ?? -1) * STEP) - from + 1);
  const counts = new Array(bins).fill(0);
  for (const log of logs) counts[Math.floor(log * STEP) - from] += 1;
  const edges = (bin: number): [number, number] => [(from + bin) / STEP, (from + bin + 1) / STEP];
  const histogram = { min: from / STEP, max: (from + bins) / STEP, counts };
  const powers = [];
  for (let power = Math.ceil(histogram.min); power <= histogram.max; power += 1) powers.push(power);
  return histogramPlot({
    histogram,
    log: false,
    label: 'Features by density, on a logarithmic axis',
    title: 'density',
    unit: 'features',
    text: (x) => percent(10 ** x, 2),
    at: powers,
    tickText: densityTick,
    colour: (_, bin) => (!state.range || (state.range[0] < edges(bin)[1] && state.range[1] > edges(bin)[0]) ? 'var(--point)' : 'var(--point-pale)'),
    pick: (bin) => change({ range: state.range?.[0] === edges(bin)[0] ? null : edges(bin), show: 'all' }),
  });
}
