// One feature.

import { el } from '../base/dom';
import { count, num, percent, signed } from '../base/format';
import { change, state } from '../base/state';
import { tokenElement } from '../base/text';
import { histogramPlot } from '../plots/histogram';
import { labelPanel } from '../labels/editor';
import { steerWith } from '../live/steer';
import { leavePanel, tryPanel } from '../live/try';
import type { DataSource, Feature, Group, Lens, Overview, Token, TokenLogit } from '../types';
import { type Places, exampleGroup, exampleHead } from './examples';
import { alignmentTable, logitTables, neighbourTables, statisticsTable } from './tables';

interface Actions { step: (by: 1 | -1) => void }

export function featureView(source: DataSource, feature: Feature, actions: Actions) {
  const { overview } = source;
  const { statistics, lens } = feature;
  const intervals = feature.groups.filter((group) => group.kind === 'interval').sort((a, b) => Number(a.low) - Number(b.low));
  const chosen = () => (state.interval === null ? null : intervals[state.interval - 1] ?? null);
  const activations = activationPlot(feature, intervals, chosen);
  const logits = lens ? logitPlot(lens) : null;
  const known: Map<Token, number> = new Map();
  for (const { token, logit } of [...(lens?.top ?? []), ...(lens?.bottom ?? [])]) known.set(token, logit);

  const logitOf = (token: Token | null) => (token && lens ? known.get(token) ?? between(lens) : null);
  const places: Places = {
    mark(token, value) {
      activations?.mark(token && value > 0 ? value : null);
      logits?.mark(logitOf(token));
    },
    pictures(token, value) {
      const charts = activations?.element ?? logits?.element;
      if (!charts || charts.getBoundingClientRect().bottom > header.getBoundingClientRect().bottom + 20) return [];
      return [activations?.small(value > 0 ? value : null), logits?.small(logitOf(token))].filter((picture) => picture !== undefined);
    },
    logit(token) {
      const logit = logitOf(token);
      return Array.isArray(logit) ? `${signed(logit[0], 3)} to ${signed(logit[1], 3)}` : logit === null ? null : signed(logit);
    },
  };
  const header = featureHeader(source, feature, actions, (entry) => logits?.mark(entry?.logit ?? null));
  const examples = el('div', { class: 'groups' });
  const rail = el('aside', { class: 'rail', 'aria-label': 'Figures' }, logitTables(lens, (entry) => logits?.mark(entry?.logit ?? null)),
    statisticsTable(feature), ...neighbourTables(overview, feature), alignmentTable(feature));
  const own = source.activations && statistics.n_fired > 0
    ? tryPanel(source, [feature.index], (at) => activations?.mark(at && at.value > 0 ? at.value : null))
    : null;
  const element = el('article', { class: 'feature', 'aria-label': `Feature ${feature.index}` }, header,
    el('div', { class: 'charts' },
      el('section', { class: 'panel' },
        el('h2', {}, 'Activations', el('small', {}, statistics.n_fired > 0 ? `${count(statistics.n_fired)} tokens, logarithmic counts` : '')),
        activations?.element ?? el('p', { class: 'empty' }, 'This feature is dead: it fires on none of the tokens.')),
      el('section', { class: 'panel' },
        el('h2', {}, 'Logits', el('small', {}, lens ? conventionNote(lens.convention) : '')),
        logits?.element ?? el('p', { class: 'empty' }, 'No logit lens: the page was made without the model’s unembedding.'))),
    ...(own ? [own] : []),
    el('div', { class: 'body' }, examples, rail));

  const draw = () => {
    activations?.repaint();
    const only = chosen();
    const any = feature.groups.some((group) => group.examples.length > 0);
    const shown = !any ? [] : only ? [only] : feature.groups;
    examples.replaceChildren(...exampleHead(feature, only), ...shown.map((group) => exampleGroup(feature, group, places, only !== null)));
  };
  draw();
  const leave = () => {
    for (const panel of element.querySelectorAll<HTMLElement>('.try, .label-line')) leavePanel(panel);
  };
  return { element, draw, leave };
}

/** Asks for the number of a feature to put beside this one. */
function compareForm(overview: Overview, index: number) {
  const field = el('input', {
    id: 'compare', type: 'number', min: 0, max: overview.d_sae - 1, 'aria-label': 'Compare with feature', placeholder: 'Compare with', title: 'Another feature beside this one (c)',
  });
  const form = el('form', { class: 'compare-form' }, field);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const other = Number(field.value);
    if (field.value !== '' && Number.isInteger(other) && other !== index) change({ compare: other });
  });
  return form;
}

/** Of a token that is in neither list only this is known. */
function between(lens: Lens): [number, number] | null {
  const low = lens.bottom[lens.bottom.length - 1];
  const high = lens.top[lens.top.length - 1];
  return low && high && low.logit < high.logit ? [low.logit, high.logit] : null;
}

export const conventionNote = (convention: Lens['convention']) => (convention === 'folded'
  ? 'over the vocabulary; final norm folded in, centred'
  : 'over the vocabulary; raw unembedding');

function featureHeader(source: DataSource, feature: Feature, actions: Actions, hover: (entry: TokenLogit | null) => void) {
  const { overview } = source;
  const { statistics, lens } = feature;
  const figure = (name: string, value: string, exact: number) =>
    el('span', { class: 'fact' }, name, ' ', el('b', { title: String(exact), 'data-figure': name }, value));
  const chips = lens
    ? el('div', { class: 'chips', 'aria-label': 'Tokens made likelier and unlikelier' },
      ...lens.top.slice(0, 6).map((entry) => chip(entry, 'up', hover)), el('span', { class: 'gap' }),
      ...lens.bottom.slice(0, 6).map((entry) => chip(entry, 'down', hover)))
    : null;
  return el('header', { class: 'head' },
    el('div', { class: 'line' },
      el('h1', {}, el('small', {}, 'Feature'), ' ', el('span', { class: 'index' }, String(feature.index))),
      el('span', { class: 'steps' },
        el('button', { type: 'button', class: 'quiet', title: 'Previous (k)', 'aria-label': 'Previous feature', onclick: () => actions.step(-1) }, '‹'),
        el('button', { type: 'button', class: 'quiet', title: 'Next (j)', 'aria-label': 'Next feature', onclick: () => actions.step(1) }, '›')),
      figure('density', statistics.n_fired > 0 ? percent(statistics.density, 4) : '0', statistics.density),
      figure('max', num(statistics.max), statistics.max),
      figure('norm', num(feature.decoder_norm), feature.decoder_norm),
      el('span', { class: 'fact wide' }, 'of ', count(overview.d_sae), ' features'),
      source.generate
        ? el('button', { type: 'button', class: 'quiet steer-with', onclick: () => steerWith(source, feature.index) }, 'Steer with this feature')
        : null,
      compareForm(overview, feature.index)),
    labelPanel(feature.index),
    chips);
}

function chip(entry: TokenLogit, sense: 'up' | 'down', hover: (entry: TokenLogit | null) => void) {
  const made = el('span', { class: `chip ${sense}`, title: `logit ${signed(entry.logit)}, id ${entry.token.id}` }, tokenElement(entry.token));
  made.addEventListener('pointerenter', () => hover(entry));
  made.addEventListener('pointerleave', () => hover(null));
  return made;
}

export function activationPlot(feature: Feature, intervals: Group[], chosen: () => Group | null) {
  const { activations: histogram, statistics } = feature;
  if (histogram.counts.length === 0) return null;
  const within = (group: Group, x: number) => x > Number(group.low) && x <= Number(group.high);
  const shade = (x: number) => {
    const at = intervals.findIndex((group) => within(group, x));
    const share = at < 0 ? x / statistics.max : (at + 0.5) / intervals.length;
    return `color-mix(in oklab, var(--heat-high) ${Math.round(100 * share)}%, var(--heat-low))`;
  };
  const plot = histogramPlot({
    histogram,
    log: true,
    label: `Activations above zero, from ${num(histogram.min)} to ${num(histogram.max)}`,
    unit: 'tokens',
    colour: (x) => {
      const only = chosen();
      return only && !within(only, x) ? 'var(--point-pale)' : shade(x);
    },
    pick: (bin) => {
      const x = histogram.min + ((bin + 0.5) / histogram.counts.length) * (histogram.max - histogram.min);
      const at = intervals.findIndex((group) => within(group, x));
      if (at >= 0) toggleInterval(at + 1);
    },
  });
  plot.below.classList.add('intervals');
  const span = histogram.max - histogram.min;
  const place = (x: number) => (span > 0 ? Math.min(1, Math.max(0, (x - histogram.min) / span)) : x > histogram.min ? 1 : 0);
  const buttons = intervals.map((group, at) => {
    const name = intervalName(group);
    const button = el('button', {
      type: 'button', class: 'pick', title: `Only activations in ${name}`, 'aria-label': `Interval ${name}: ${count(group.n_fired ?? 0)} tokens`,
      onclick: () => toggleInterval(at + 1),
    }, count(group.n_fired ?? 0));
    button.style.left = `${100 * place(Number(group.low))}%`;
    button.style.width = `${100 * (place(Number(group.high)) - place(Number(group.low)))}%`;
    button.style.setProperty('--shade', shade((Number(group.low) + Number(group.high)) / 2));
    return button;
  });
  plot.below.append(...buttons);
  const repaint = () => {
    plot.repaint();
    buttons.forEach((button, at) => button.setAttribute('aria-pressed', String(chosen() === intervals[at])));
  };
  return { ...plot, repaint };
}

export const toggleInterval = (interval: number) => change({ interval: state.interval === interval ? null : interval });

export const intervalName = (group: Group) => `(${num(Number(group.low), 3)}, ${num(Number(group.high), 3)}]`;

export const logitPlot = (lens: Lens) => histogramPlot({
  histogram: lens.histogram,
  log: true,
  label: `Logits over the vocabulary, from ${num(lens.histogram.min)} to ${num(lens.histogram.max)}`,
  unit: 'tokens',
  colour: (x) => (x < 0 ? 'var(--down)' : 'var(--up)'),
});
