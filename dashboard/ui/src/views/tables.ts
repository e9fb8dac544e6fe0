// The figures beside the examples.

import { copyButtons, type Table } from '../base/copy';
import { el } from '../base/dom';
import { count, num, percent, signed, tick } from '../base/format';
import { change, featureHref } from '../base/state';
import { spoken, tokenElement } from '../base/text';
import { labelOf } from '../labels/store';
import { tokenOf } from '../list/rows';
import type { Feature, Lens, Overview, TokenLogit } from '../types';

/** A part of the rail; with a table, there are buttons that copy it. */
function railSection(title: string, note: string, table: Table | null, ...content: Node[]) {
  return el('section', { class: 'panel' }, el('h2', {}, title, el('small', {}, note), table && copyButtons(title, () => table)), ...content);
}

export function logitTables(lens: Lens | null, hover: (entry: TokenLogit | null) => void) {
  if (!lens) return railSection('Logit lens', '', null, el('p', { class: 'empty' }, 'None in this page.'));
  const most = Math.max(1e-30, ...lens.top.map((e) => Math.abs(e.logit)), ...lens.bottom.map((e) => Math.abs(e.logit)));
  const column = (entries: TokenLogit[], sense: 'up' | 'down', label: string) => {
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
  const rows = [...lens.top, ...lens.bottom].map(({ token, logit }) => [token.id, spoken(token), logit]);
  return railSection('Logit lens', 'likelier and unlikelier tokens', { columns: ['id', 'token', 'logit'], rows },
    el('div', { class: 'two' }, column(lens.top, 'up', 'Tokens made likelier'), column(lens.bottom, 'down', 'Tokens made unlikelier')));
}

export function statisticsTable({ statistics }: Feature) {
  if (statistics.n_fired === 0) return railSection('Statistics', '', null, el('p', { class: 'empty' }, 'It never fires.'));
  const list = el('dl', { class: 'stats' });
  const add = (name: string, value: string, exact: number) =>
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
  const { quantiles: levels, ...figures } = statistics;
  const rows = [...Object.entries(figures), ...levels.map(([p, value]): [string, number] => [`q${Math.round(1000 * p) / 10}`, value])];
  return railSection('Statistics', 'of activations above zero', { columns: ['statistic', 'value'], rows }, el('div', { class: 'two' }, list, quantiles));
}

export function neighbourTables(overview: Overview, feature: Feature): Node[] {
  const table = (entries: [number, number][], text: (x: number) => string) => {
    const list = el('ol', { class: 'neighbours' });
    for (const [index, value] of entries) {
      const top = tokenOf(overview, overview.top_token, index);
      const link = el('a', { href: featureHref(index), 'data-feature': index }, String(index));
      const said = labelOf(index)?.label;
      const beside = el('button', {
        type: 'button', class: 'link beside', title: `Compare with ${index}`, 'aria-label': `Compare with feature ${index}`, onclick: () => change({ compare: index }),
      }, '⇄');
      const item = el('li', {}, link, said ? el('span', { class: 'label', title: said }, said) : top ? tokenElement(top) : el('span', { class: 'none' }, '—'),
        ...(overview.place[index] >= 0 ? [beside] : []), el('span', { class: 'v', title: String(value) }, text(value)));
      item.style.setProperty('--share', `${100 * Math.min(1, Math.abs(value))}%`);
      list.append(item);
    }
    return entries.length ? list : el('p', { class: 'empty' }, 'None.');
  };
  const rows = (entries: [number, number][], name: string): Table => ({ columns: ['feature', name], rows: entries });
  return [
    railSection('Similar directions', 'cosine of decoder rows', rows(feature.decoder, 'cosine'), table(feature.decoder, (x) => num(x))),
    railSection('Fire together', feature.n_sampled ? `share of ${count(feature.n_sampled)} firing tokens` : '', rows(feature.coactive, 'share'), table(feature.coactive, (x) => percent(x, 4))),
  ];
}

export function alignmentTable(feature: Feature) {
  const list = el('ol', { class: 'neighbours' });
  for (const [neuron, value, share] of feature.alignment) {
    const item = el('li', {}, el('span', { class: 'i' }, String(neuron)), el('span', { class: 'v' }, signed(value)),
      el('span', { class: 'v', title: `${share} of all magnitudes` }, percent(share)));
    item.style.setProperty('--share', `${100 * Math.min(1, share)}%`);
    list.append(item);
  }
  const table = { columns: ['neuron', 'entry', 'l1_share'], rows: feature.alignment };
  return railSection('Neuron alignment', 'entry, share of L1', table, feature.alignment.length ? list : el('p', { class: 'empty' }, 'None.'));
}
