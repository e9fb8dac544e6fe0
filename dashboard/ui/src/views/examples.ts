// Contexts that a feature fires in.

import { copyButtons, type Table } from '../base/copy';
import { el } from '../base/dom';
import { count, num } from '../base/format';
import { change } from '../base/state';
import { byteLength, spoken, tokenElement } from '../base/text';
import { strip } from '../plots/strip';
import type { Example, Feature, Group, Token } from '../types';
import { intervalName } from './feature';

/** Where tokens lie on the histograms. */
export interface Places {
  mark: (token: Token | null, value: number) => void;
  /** Of both, where they are out of sight */
  pictures: (token: Token, value: number) => Node[];
  logit: (token: Token) => string | null;
}

export function exampleHead(feature: Feature, only: Group | null): Node[] {
  if (feature.groups.every((group) => group.examples.length === 0)) {
    return [el('p', { class: 'empty' }, 'There are no examples: nothing makes this feature fire.')];
  }
  const legend = el('div', { class: 'legend', role: 'img', 'aria-label': `Colour: activation from 0 to ${num(feature.statistics.max)}` },
    el('span', {}, '0'), el('span', { class: 'ramp' }), el('span', {}, num(feature.statistics.max)));
  const title = only ? 'All contexts on this page that have such an activation' : 'Click a line to unfold it';
  const clear = only ? el('button', { type: 'button', class: 'link', onclick: () => change({ interval: null }) }, 'Show all groups') : null;
  return [el('div', { class: 'groups-head' }, el('span', { class: 'hint' }, title, clear ? ' · ' : null, clear),
    copyButtons('the examples', () => exampleTable(feature)), legend)];
}

/** All examples, as values. */
function exampleTable({ groups }: Feature): Table {
  const rows = groups.flatMap(({ kind, low, high, examples }) => examples.map(({ context, position, start, tokens, values }) => [
    kind, low ?? null, high ?? null, context, position, spoken(tokens[position - start]), values[position - start], tokens.map(spoken).join(''),
  ]));
  return { columns: ['group', 'low', 'high', 'context', 'position', 'token', 'activation', 'text'], rows };
}

function groupTitle(feature: Feature, group: Group) {
  if (group.kind === 'top') return ['Top activations', `the ${count(group.examples.length)} largest`];
  if (group.kind === 'random') return ['Random', `${count(group.examples.length)} of all ${count(feature.statistics.n_fired)}`];
  return [`Interval ${intervalName(group)}`, `${count(group.examples.length)} of ${count(group.n_fired ?? 0)}`];
}

/** What is shown of a group: its own examples; of an interval that is looked at, or has none of its own, also those of others. */
export function exampleGroup(feature: Feature, group: Group, at: Places, isOnly: boolean) {
  const [title, note] = groupTitle(feature, group);
  const section = el('section', { class: `group ${group.kind}`, 'aria-label': title }, el('h2', {}, title, el('small', {}, note)));
  const own = group.examples;
  const others = group.kind === 'interval' && (isOnly || own.length === 0) ? borrowed(feature, group) : [];
  const few = isOnly ? others : others.slice(0, BORROWED);
  if (own.length) section.append(exampleList(feature, own, at));
  if (few.length) {
    const where = own.length ? 'and from contexts of other groups' : 'from contexts of other groups, about the token with this activation';
    section.append(el('p', { class: 'hint' }, few.length < others.length ? `${where}; ${count(others.length)} in all, choose the interval to see them` : where), exampleList(feature, few, at, 'borrowed'));
  }
  if (!own.length && !few.length) {
    const elsewhere = (group.n_fired ?? 0) > 0 ? 'None of the contexts on this page shows such an activation.' : 'No activation is in this interval.';
    section.append(el('p', { class: 'empty' }, elsewhere));
  }
  return section;
}

/** Examples that an interval shows of other groups, where it is one of several. */
const BORROWED = 5;

/** Of the contexts of other groups, those that have an activation in the interval: about the largest such one. A context is in one group only. */
function borrowed(feature: Feature, group: Group): Example[] {
  const [low, high] = [Number(group.low), Number(group.high)];
  const found: Example[] = [];
  for (const other of feature.groups) {
    if (other === group) continue;
    for (const example of other.examples) {
      let best = -1;
      example.values.forEach((value, i) => { if (value > low && value <= high && !(best >= 0 && value <= example.values[best])) best = i; });
      if (best >= 0) found.push({ ...example, position: example.start + best });
    }
  }
  const value = (example: Example) => example.values[example.position - example.start];
  return found.sort((a, b) => value(b) - value(a));
}

function exampleList(feature: Feature, examples: Example[], at: Places, kind = '') {
  const list = el('ol', { class: `examples ${kind}` });
  for (const example of examples) list.append(exampleLine(feature, example, at));
  return list;
}

function exampleLine(feature: Feature, example: Example, at: Places) {
  const target = example.position - example.start;
  const value = example.values[target] ?? NaN;
  const label = `Context ${example.context}, position ${example.position}, activation ${num(value)}`;
  const line = strip({
    tokens: example.tokens,
    values: example.values,
    max: feature.statistics.max,
    target,
    label: `${label}: ${example.tokens.slice(Math.max(0, target - 6), target + 7).map(spoken).join('')}`,
    role: 'button',
    hover: (place) => (place === null ? at.mark(null, 0) : at.mark(example.tokens[place], example.values[place])),
    details: (place) => tokenDetails(example, place, at.logit(example.tokens[place])),
    pictures: (place) => at.pictures(example.tokens[place], example.values[place]),
  });
  const item = el('li', { class: 'example' }, el('span', { class: 'value', title: label }, num(value)), line);
  const toggle = () => {
    const open = item.classList.toggle('open');
    line.setAttribute('aria-expanded', String(open));
  };
  line.setAttribute('aria-expanded', 'false');
  line.addEventListener('click', () => {
    // Marking text to copy it is not a click.
    if (getSelection()?.isCollapsed !== false) toggle();
  });
  line.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    toggle();
  });
  return item;
}

function tokenDetails(example: Example, place: number, logit: string | null): [string, string | Node][] {
  const token = example.tokens[place];
  const value = example.values[place];
  const pairs: [string, string | Node][] = [['token', tokenElement(token)], ['id', String(token.id)], ['activation', num(value)]];
  if (logit !== null) pairs.push(['logit', logit]);
  if (token.whole !== null) pairs.push(['length', `${count(byteLength(token))} bytes, cut`]);
  pairs.push(['context', `${example.context}, position ${example.start + place}`]);
  return pairs;
}
