// The list of features beside everything else. Only the rows in sight exist.

import { byId, el } from '../base/dom';
import { count, num, percent } from '../base/format';
import { change, featureHref, state } from '../base/state';
import { tokenElement } from '../base/text';
import { labelOf, labels } from '../labels/store';
import type { Overview, SortKey, State } from '../types';
import { ULTRA_DENSE, rowModel, tokenOf } from './rows';

const ROW_HEIGHT = 26;

export function featureList(overview: Overview) {
  const model = rowModel(overview);
  let rows: Uint32Array = new Uint32Array(0);
  const search = el('input', {
    type: 'search', id: 'search', placeholder: 'Token, label or number; "the" whole', 'aria-label': 'Search by token, label or number; in quotes: a whole token',
    autocomplete: 'off', spellcheck: 'false', maxlength: 200,
  });
  const filter = (show: State['show'], label: string, n: number, title: string) => el('button', {
    type: 'button', class: 'filter', 'data-show': show, title, onclick: () => change({ show, range: null }),
  }, label, ' ', el('span', { class: 'n' }, count(n)));
  const filters = el('div', { class: 'filters', role: 'group', 'aria-label': 'Which features' },
    filter('all', 'All', overview.d_sae, 'Every feature of the dictionary'),
    filter('dead', 'Dead', model.dead, 'Features that never fire'),
    filter('dense', 'Ultra-dense', model.dense, `Features that fire on more than ${percent(ULTRA_DENSE)} of the tokens`),
    filter('starred', '★', 0, 'Features with a star'),
    filter('labelled', 'Labelled', 0, 'Features with a label'));
  const status = el('div', { class: 'status', role: 'status' });
  const columns: [SortKey | null, string, string][] = [
    ['index', '#', 'Number'], [null, 'fires on', 'The token of its largest activation'],
    [null, 'promotes', 'The token that its direction makes likeliest'], ['density', 'density', 'Share of tokens on which it fires'],
    ['max', 'max', 'Largest activation'], ['decoder_norm', 'norm', 'Norm of its decoder direction'],
  ];
  const head = el('div', { class: 'columns' });
  for (const [key, label, title] of columns) {
    head.append(key
      ? el('button', { type: 'button', title: `${title}: sort`, 'data-sort': key, onclick: () => sortBy(key) }, label)
      : el('span', { title }, label));
  }
  const canvas = el('div', { class: 'rows' });
  const nothing = el('p', { class: 'nothing', hidden: true }, 'No feature matches.');
  const view = el('div', { class: 'viewport', tabindex: 0, role: 'listbox', 'aria-label': 'Features found' }, nothing, canvas);

  const sortBy = (key: SortKey) => {
    const descending = state.sort === key ? !state.descending : key !== 'index';
    change({ sort: key, descending });
  };

  const row = (at: number) => {
    const index = rows[at];
    const shown = overview.place[index] >= 0;
    const top = tokenOf(overview, overview.top_token, index);
    const lens = tokenOf(overview, overview.lens_token, index);
    const dead = !(overview.density[index] > 0);
    const said = labelOf(index);
    const line = el('a', {
      href: featureHref(index), role: 'option', id: `row-${index}`, 'data-index': index, 'aria-selected': state.feature === index,
      'aria-setsize': rows.length, 'aria-posinset': at + 1,
      class: `row${shown ? '' : ' unshown'}`, tabindex: -1,
    },
    el('span', { class: 'i' }, said?.star ? el('span', { class: 'star' }, '★') : null, String(index)),
    said?.label ? el('span', { class: 'label', title: said.label }, said.label) : top ? tokenElement(top) : el('span', { class: 'none' }, dead ? 'dead' : '—'),
    lens ? tokenElement(lens, 'lens') : el('span', { class: 'none' }, '—'),
    el('span', { class: 'v' }, dead ? '—' : percent(overview.density[index])),
    el('span', { class: 'v' }, dead ? '—' : num(overview.max[index], 3)),
    el('span', { class: 'v' }, num(overview.decoder_norm[index], 3)));
    line.style.top = `${at * ROW_HEIGHT}px`;
    return line;
  };

  const draw = () => {
    const first = Math.max(0, Math.floor(view.scrollTop / ROW_HEIGHT) - 8);
    const last = Math.min(rows.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW_HEIGHT) + 8);
    const lines = [];
    for (let at = first; at < last; at += 1) lines.push(row(at));
    canvas.replaceChildren(...lines);
    nothing.hidden = rows.length > 0;
    const selected = state.feature === null ? null : document.getElementById(`row-${state.feature}`);
    if (selected) view.setAttribute('aria-activedescendant', selected.id);
    else view.removeAttribute('aria-activedescendant');
  };

  const reveal = () => {
    const at = state.feature === null ? -1 : rows.indexOf(state.feature);
    if (at < 0) return;
    const top = at * ROW_HEIGHT;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW_HEIGHT > view.scrollTop + view.clientHeight) view.scrollTop = top + ROW_HEIGHT - view.clientHeight;
  };

  const describe = () => {
    const parts = [`${count(rows.length)} ${rows.length === 1 ? 'feature' : 'features'}`];
    if (state.range) parts.push(`density ${percent(10 ** state.range[0], 2)} to ${percent(10 ** state.range[1], 2)}`);
    status.replaceChildren(parts.join(', '));
    if (state.range || state.query || state.show !== 'all') {
      status.append(' ', el('button', { type: 'button', class: 'link', onclick: () => change({ range: null, query: '', show: 'all' }) }, 'Clear'));
    }
  };

  const update = () => {
    if (search.value !== state.query) search.value = state.query;
    const { all, canChange } = labels.get();
    for (const [name, n] of [['starred', 'star'], ['labelled', 'label']] as const) {
      const button = filters.querySelector<HTMLElement>(`[data-show=${name}]`)!;
      button.hidden = all.size === 0 && !canChange;
      button.querySelector('.n')!.textContent = count([...all.values()].filter((label) => label[n]).length);
    }
    for (const button of filters.querySelectorAll('button')) {
      button.setAttribute('aria-pressed', String(button.dataset.show === state.show));
    }
    for (const button of head.querySelectorAll('button')) {
      const active = button.dataset.sort === state.sort;
      button.classList.toggle('active', active);
      button.dataset.sense = active ? (state.descending ? '↓' : '↑') : '';
    }
    rows = model.select(state);
    canvas.style.height = `${Math.max(1, rows.length) * ROW_HEIGHT}px`;
    describe();
    reveal();
    draw();
  };

  search.addEventListener('input', () => {
    view.scrollTop = 0;
    change({ query: search.value });
  });
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      const first = rows.find((index) => overview.place[index] >= 0);
      if (first !== undefined) change({ feature: first });
      byId('main').focus();
    } else if (event.key === 'Escape') search.blur();
  });
  view.addEventListener('scroll', () => requestAnimationFrame(draw));
  new ResizeObserver(() => requestAnimationFrame(draw)).observe(view);
  view.addEventListener('click', (event) => {
    const link = (event.target as Element).closest('a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ feature: Number(link.dataset.index) });
  });
  byId('list').replaceChildren(el('div', { class: 'controls' }, search, filters, status), head, view);

  /** The next feature that can be seen, in the order of the list. */
  const next = (step: 1 | -1) => {
    if (rows.length === 0) return null;
    let at = state.feature === null ? (step > 0 ? -1 : rows.length) : rows.indexOf(state.feature);
    if (at < 0 && state.feature !== null) at = step > 0 ? -1 : rows.length;
    for (at += step; at >= 0 && at < rows.length; at += step) {
      if (overview.place[rows[at]] >= 0) return rows[at];
    }
    return null;
  };
  return { update, reveal, draw, next, selected: () => rows, model };
}
