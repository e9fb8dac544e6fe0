// Keys.

import { toggleInterval } from '../views/feature';
import { byId, el } from './dom';
import { change, state } from './state';
import { toggleTheme } from './theme';

const KEYS: [string, string][] = [
  ['j  ↓  →', 'next feature of the list'], ['k  ↑  ←', 'previous feature'], ['/', 'search'], ['g', 'overview'],
  ['d', 'light or dark'], ['1 … 9', 'only that interval; again: all'], ['t', 'your own text'], ['c', 'compare with another feature'], ['s', 'star, where labels are kept'], ['l', 'label and note'],
  ['Esc', 'leave the search, the help, the comparison, the interval'], ['?', 'this help'],
  ['← →', 'on a line of text: from token to token'], ['Enter', 'on a line of text: unfold it'],
];

/** Not every view has every one of these. */
const focusOn = (id: string) => document.getElementById(id)?.focus();
const press = (id: string) => document.getElementById(id)?.click();

export function startKeyboard(actions: { step: (by: 1 | -1) => void; home: () => void; }) {
  const keys = el('dl', { class: 'pairs keys' });
  for (const [key, what] of KEYS) keys.append(el('dt', {}, ...key.split('  ').map((k) => el('kbd', {}, k))), el('dd', {}, what));
  const close = el('button', { type: 'button', class: 'quiet', onclick: () => help.close() }, 'Close');
  const help = el('dialog', { id: 'help', 'aria-label': 'Keys' }, el('h2', {}, 'Keys'), keys, close);
  document.body.append(help);
  const showHelp = () => (help.open ? help.close() : help.showModal());
  byId('help-button').addEventListener('click', showHelp);
  const next = () => actions.step(1);
  const previous = () => actions.step(-1);
  const bound: Record<string, () => void> = {
    j: next, ArrowDown: next, ArrowRight: next, k: previous, ArrowUp: previous, ArrowLeft: previous,
    '/': () => byId('search').focus(), g: actions.home, d: toggleTheme, '?': showHelp,
    t: () => focusOn(state.feature === null ? 'prompt' : 'try'), c: () => focusOn('compare'), s: () => press('star'), l: () => press('edit-label'),
    Escape: () => {
      if (state.compare !== null) change({ compare: null });
      else if (state.interval !== null) change({ interval: null });
    },
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = (event.target as Element);
    if (target.closest('input, textarea, select')) return;
    if (help.open && event.key !== '?') return;
    // On the overview arrows scroll; in the list they choose.
    const scrolls = state.feature === null && !target.closest('.viewport');
    if (scrolls && event.key.startsWith('Arrow')) return;
    const action = /^[1-9]$/.test(event.key) && state.feature !== null ? () => toggleInterval(Number(event.key)) : bound[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
