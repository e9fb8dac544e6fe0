// What is on view, kept in the address: every view has a link.

import type { SortKey, State, Steered } from '../types';

/** Characters of a text that is kept in the address. */
export const LONGEST_TEXT = 4000;
const SHOWS: State['show'][] = ['all', 'dead', 'dense', 'starred', 'labelled'];

const SORT_KEYS: SortKey[] = ['index', 'density', 'max', 'decoder_norm'];

const KINDS: Steered['kind'][] = ['add', 'clamp', 'scale', 'ablate'];
/** Features that are steered at once. */
const MOST_STEERED = 16;
/** As the server has it. */
export const LARGEST_AMOUNT = 1e6;

/** `12_add_20`, and so on. */
function readSteered(texts: string[]): Steered[] {
  const found: Steered[] = [];
  for (const text of texts) {
    const [feature, name, amount = ''] = text.split('_');
    const kind = KINDS.find((kind) => kind === name);
    if (!/^\d{1,9}$/.test(feature) || !kind || found.some((other) => other.feature === Number(feature))) continue;
    if (kind === 'ablate') found.push({ feature: Number(feature), kind });
    else if (amount !== '' && Math.abs(Number(amount)) <= LARGEST_AMOUNT) found.push({ feature: Number(feature), kind, amount: Number(amount) });
  }
  return found.slice(0, MOST_STEERED);
}

const USUAL: State['generate'] = { tokens: 64, temperature: 0, seed: 0, chat: false, special: false };

function readState(hash: string): State {
  const found = new URLSearchParams(hash.replace(/^#/, ''));
  const whole = (key: string) => {
    const text = found.get(key) ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : null;
  };
  const theme = found.get('theme');
  const show = found.get('show');
  const sort = found.get('sort') ?? '';
  const range = (found.get('range') ?? '').split('_').map(Number);
  return {
    feature: whole('feature'),
    interval: whole('interval'),
    theme: theme === 'light' || theme === 'dark' ? theme : null,
    sort: SORT_KEYS.find((key) => key === sort.replace(/^-/, '')) ?? 'index',
    descending: sort.startsWith('-'),
    query: (found.get('q') ?? '').slice(0, 200),
    show: SHOWS.find((name) => name === show) ?? 'all',
    range: range.length === 2 && range.every(Number.isFinite) ? [range[0], range[1]] : null,
    compare: whole('compare'),
    text: (found.get('text') ?? '').slice(0, LONGEST_TEXT),
    other: (found.get('other') ?? '').slice(0, LONGEST_TEXT),
    answer: whole('answer'),
    against: whole('against'),
    heat: whole('heat'),
    steer: readSteered(found.getAll('steer')),
    generate: {
      tokens: Math.min(512, whole('tokens') || USUAL.tokens),
      temperature: /^\d{1,3}(\.\d{1,6})?$/.test(found.get('temperature') ?? '') ? Number(found.get('temperature')) : USUAL.temperature,
      seed: whole('seed') ?? USUAL.seed,
      chat: found.get('chat') === '1',
      special: found.get('special') === '1',
    },
  };
}

function stateHash(state: State) {
  const parts = new URLSearchParams();
  if (state.feature !== null) parts.set('feature', String(state.feature));
  if (state.interval !== null) parts.set('interval', String(state.interval));
  if (state.sort !== 'index' || state.descending) parts.set('sort', (state.descending ? '-' : '') + state.sort);
  if (state.query) parts.set('q', state.query);
  if (state.show !== 'all') parts.set('show', state.show);
  if (state.range) parts.set('range', state.range.join('_'));
  if (state.compare !== null) parts.set('compare', String(state.compare));
  // One that would make the address too long to send is not in it.
  if (state.text && state.text.length <= LONGEST_TEXT) parts.set('text', state.text);
  if (state.other && state.other.length <= LONGEST_TEXT) parts.set('other', state.other);
  if (state.answer !== null) parts.set('answer', String(state.answer));
  if (state.against !== null) parts.set('against', String(state.against));
  if (state.heat !== null) parts.set('heat', String(state.heat));
  for (const { feature, kind, amount } of state.steer) parts.append('steer', [feature, kind, amount ?? []].flat().join('_'));
  const { tokens, temperature, seed, chat, special } = state.generate;
  if (tokens !== USUAL.tokens) parts.set('tokens', String(tokens));
  if (temperature !== USUAL.temperature) parts.set('temperature', String(temperature));
  if (seed !== USUAL.seed) parts.set('seed', String(seed));
  if (chat) parts.set('chat', '1');
  if (special) parts.set('special', '1');
  if (state.theme) parts.set('theme', state.theme);
  return `#${parts}`;
}

export let state = readState(location.hash);

const watchers: ((state: State, before: State) => void)[] = [];

/** Calls `watcher` after every change. */
export const watch = (watcher: (state: State, before: State) => void) => { watchers.push(watcher); };

function become(next: State) {
  const before = state;
  state = next;
  for (const watcher of watchers) watcher(state, before);
}

/** Changes what is on view; another feature is a step that "back" undoes. */
export function change(change: Partial<State>) {
  const next = { ...state, ...change };
  if (next.feature !== state.feature && !('interval' in change)) next.interval = null;
  if (next.feature === null) next.compare = null;
  const step = next.feature !== state.feature || next.compare !== state.compare ? 'pushState' : 'replaceState';
  history[step](null, '', stateHash(next));
  become(next);
}

window.addEventListener('popstate', () => become(readState(location.hash)));

/** A link to a feature, with everything else as it is. */
export const featureHref = (feature: number) => stateHash({ ...state, feature, interval: null, compare: null });
