// Two features side by side.

import { el } from '../base/dom';
import { count, num, percent } from '../base/format';
import { change, featureHref } from '../base/state';
import { tokenElement } from '../base/text';
import { labelPanel } from '../labels/editor';
import { leavePanel, tryPanel } from '../live/try';
import type { Plot } from '../plots/histogram';
import type { DataSource, Feature } from '../types';
import { exampleGroup, type Places } from './examples';
import { activationPlot, conventionNote, logitPlot } from './feature';
import { logitTables } from './tables';

/** Examples of each. */
const EXAMPLES = 10;

export function compareView(source: DataSource, [left, right]: [Feature, Feature]) {
  const close = el('button', { type: 'button', class: 'quiet', onclick: () => change({ compare: null }) }, 'Close');
  const swap = el('button', { type: 'button', class: 'quiet', onclick: () => change({ feature: right.index, compare: left.index }) }, 'Swap');
  const own = source.activations ? tryPanel(source, [left.index, right.index]) : null;
  const element = el('article', { class: 'feature compare', 'aria-label': `Features ${left.index} and ${right.index}` },
    el('header', { class: 'head' },
      el('div', { class: 'line' },
        el('h1', {}, el('small', {}, 'Features'), ' ', el('span', { class: 'index' }, `${left.index} · ${right.index}`)),
        el('span', { class: 'fact' }, relation(left, right)), el('span', { class: 'grow' }), swap, close)),
    ...(own ? [own] : []),
    el('div', { class: 'sides' }, side(source, left), side(source, right)));
  const leave = () => {
    for (const panel of element.querySelectorAll<HTMLElement>('.try, .label-line')) leavePanel(panel);
  };
  return { element, draw: () => {}, leave };
}

/** What is known of the two together. Pages know the nearest features of each only. */
function relation(left: Feature, right: Feature): string {
  const of = (list: [number, number][], index: number) => list.find(([other]) => other === index)?.[1];
  const cosine = of(left.decoder, right.index) ?? of(right.decoder, left.index);
  const parts = [cosine === undefined ? 'neither is among the other’s nearest directions' : `cosine ${num(cosine)}`];
  for (const [one, other] of [[left, right], [right, left]]) {
    const share = of(one.coactive, other.index);
    if (share !== undefined) parts.push(`on ${percent(share)} of the tokens of ${one.index}, ${other.index} fires too`);
  }
  return parts.join('; ');
}

function side(source: DataSource, feature: Feature): HTMLElement {
  const { statistics, lens } = feature;
  const activations: Plot | null = activationPlot(feature, [], () => null);
  const logits = lens ? logitPlot(lens) : null;
  const places: Places = {
    mark: (token, value) => activations?.mark(token && value > 0 ? value : null),
    pictures: () => [],
    logit: () => null,
  };
  const facts: [string, string, number][] = [
    ['density', statistics.n_fired > 0 ? percent(statistics.density, 4) : '0', statistics.density], ['max', num(statistics.max), statistics.max],
    ['mean', num(statistics.mean), statistics.mean], ['norm', num(feature.decoder_norm), feature.decoder_norm],
  ];
  const top = feature.groups.find(({ kind }) => kind === 'top');
  const tokens = firingTokens(source, feature.index);
  return el('section', { class: 'side', 'aria-label': `Feature ${feature.index}` },
    el('h2', { class: 'side-title' }, el('a', { href: featureHref(feature.index), 'data-feature': feature.index }, `Feature ${feature.index}`)),
    labelPanel(feature.index),
    el('div', { class: 'line' }, ...facts.map(([name, value, exact]) => el('span', { class: 'fact' }, name, ' ', el('b', { title: String(exact) }, value)))),
    ...(tokens.length ? [el('div', { class: 'line fires' }, el('span', { class: 'fact' }, 'fires on'), ...tokens.map((token) => el('span', { class: 'chip' }, tokenElement(token))))] : []),
    el('section', { class: 'panel' }, el('h2', {}, 'Activations', el('small', {}, statistics.n_fired > 0 ? `${count(statistics.n_fired)} tokens, logarithmic counts` : '')),
      activations?.element ?? el('p', { class: 'empty' }, 'This feature is dead: it fires on none of the tokens.')),
    el('section', { class: 'panel' }, el('h2', {}, 'Logits', el('small', {}, lens ? conventionNote(lens.convention) : '')),
      logits?.element ?? el('p', { class: 'empty' }, 'No logit lens: the page was made without the model’s unembedding.')),
    el('div', { class: 'rail' }, logitTables(lens, (entry) => logits?.mark(entry?.logit ?? null))),
    ...(top ? [exampleGroup(feature, { ...top, examples: top.examples.slice(0, EXAMPLES) }, places, false)] : []));
}

function firingTokens({ overview }: DataSource, feature: number) {
  const lists = overview.fires_on;
  if (!lists) return [];
  const places = lists.tokens.subarray(feature > 0 ? lists.ends[feature - 1] : 0, lists.ends[feature]);
  return [...places].map((place) => overview.tokens[place]);
}
