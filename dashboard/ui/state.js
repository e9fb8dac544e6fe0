// @ts-check
// What is on view, kept in the address: every view has a link.

/** @type {State} */
const INITIAL = {
  feature: null, interval: null, theme: null, sort: 'index', descending: false, query: '', show: 'all', range: null,
};
/** @type {SortKey[]} */
const SORT_KEYS = ['index', 'density', 'max', 'decoder_norm'];

/** @param {string} hash @returns {State} */
function readState(hash) {
  const found = new URLSearchParams(hash.replace(/^#/, ''));
  const whole = (/** @type {string} */ key) => {
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
    show: show === 'dead' || show === 'dense' ? show : 'all',
    range: range.length === 2 && range.every(Number.isFinite) ? [range[0], range[1]] : null,
  };
}

/** @param {State} state */
function stateHash(state) {
  const parts = new URLSearchParams();
  if (state.feature !== null) parts.set('feature', String(state.feature));
  if (state.interval !== null) parts.set('interval', String(state.interval));
  if (state.sort !== 'index' || state.descending) parts.set('sort', (state.descending ? '-' : '') + state.sort);
  if (state.query) parts.set('q', state.query);
  if (state.show !== 'all') parts.set('show', state.show);
  if (state.range) parts.set('range', state.range.join('_'));
  if (state.theme) parts.set('theme', state.theme);
  return `#${parts}`;
}

let state = readState(location.hash);
/** @type {((state: State, before: State) => void)[]} */
const watchers = [];

/** Calls `watcher` after every change. @param {(state: State, before: State) => void} watcher */
const watch = (watcher) => { watchers.push(watcher); };

/** @param {State} next */
function become(next) {
  const before = state;
  state = next;
  for (const watcher of watchers) watcher(state, before);
}

/** Changes what is on view; another feature is a step that "back" undoes. @param {Partial<State>} change */
function change(change) {
  const next = { ...state, ...change };
  if (next.feature !== state.feature && !('interval' in change)) next.interval = null;
  const step = next.feature !== state.feature ? 'pushState' : 'replaceState';
  history[step](null, '', stateHash(next));
  become(next);
}

window.addEventListener('popstate', () => become(readState(location.hash)));

/** A link to a feature, with everything else as it is. @param {number} feature */
const featureHref = (feature) => stateHash({ ...state, feature, interval: null });
