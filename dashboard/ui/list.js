// @ts-check
// The list of features beside everything else. Only the rows in sight exist.

const ROW_HEIGHT = 26;

/** @param {Overview} overview */
function featureList(overview) {
  const model = rowModel(overview);
  /** @type {Uint32Array} */
  let rows = new Uint32Array(0);
  const search = el('input', {
    type: 'search', id: 'search', placeholder: 'Token or feature number', 'aria-label': 'Search by token or number',
    autocomplete: 'off', spellcheck: 'false', maxlength: 200,
  });
  /** @param {State['show']} show @param {string} label @param {number} n @param {string} title */
  const filter = (show, label, n, title) => el('button', {
    type: 'button', class: 'filter', 'data-show': show, title, onclick: () => change({ show, range: null }),
  }, label, ' ', el('span', { class: 'n' }, count(n)));
  const filters = el('div', { class: 'filters', role: 'group', 'aria-label': 'Which features' },
    filter('all', 'All', overview.d_sae, 'Every feature of the dictionary'),
    filter('dead', 'Dead', model.dead, 'Features that never fire'),
    filter('dense', 'Ultra-dense', model.dense, `Features that fire on more than ${percent(ULTRA_DENSE)} of the tokens`));
  const status = el('div', { class: 'status', role: 'status' });
  /** @type {[SortKey | null, string, string][]} */
  const columns = [
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
  const view = el('div', { class: 'viewport', tabindex: 0, role: 'listbox', 'aria-label': 'Features found' }, canvas);

  const sortBy = (/** @type {SortKey} */ key) => {
    const descending = state.sort === key ? !state.descending : key !== 'index';
    change({ sort: key, descending });
  };

  const row = (/** @type {number} */ at) => {
    const index = rows[at];
    const shown = overview.place[index] >= 0;
    const top = tokenOf(overview, overview.top_token, index);
    const lens = tokenOf(overview, overview.lens_token, index);
    const dead = !(overview.density[index] > 0);
    const line = el('a', {
      href: featureHref(index), role: 'option', id: `row-${index}`, 'data-index': index, 'aria-selected': state.feature === index,
      class: `row${shown ? '' : ' unshown'}`, tabindex: -1,
    },
    el('span', { class: 'i' }, String(index)),
    top ? tokenElement(top) : el('span', { class: 'none' }, dead ? 'dead' : '—'),
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
    const link = /** @type {Element} */ (event.target).closest('a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ feature: Number(link.dataset.index) });
  });
  byId('list').replaceChildren(el('div', { class: 'controls' }, search, filters, status), head, view);

  /** The next feature that can be seen, in the order of the list. @param {1 | -1} step */
  const next = (step) => {
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
