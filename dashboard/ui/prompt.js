// @ts-check
// One's own text, where there is a model to run it: per token the strongest features.

/** @param {Overview} overview @param {NonNullable<DataSource['prompt']>} ask */
function promptPanel(overview, ask) {
  const box = el('textarea', { id: 'prompt', rows: 2, 'aria-label': 'Text', placeholder: 'Your own text: which features fire on it?', maxlength: 100000 });
  const effects = el('input', { type: 'checkbox', id: 'effects' });
  const option = el('label', { title: 'What removing each feature does to the loss: more passes of the model' }, effects, 'effects');
  const output = el('div', { class: 'prompt-output' });
  const { form, status, submit } = askForm([box], [option], () => (box.value.trim() ? null : ['Write some text first.', box]), async (signal) => {
    const result = checkedResult(await ask(box.value, effects.checked, signal));
    output.replaceChildren(...promptOutput(overview, result));
    return `${count(result.tokens.length)} tokens. Choose one to see its features.`;
  });
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    submit();
  });
  return el('section', { class: 'panel prompt' }, el('h2', {}, 'Your text', el('small', {}, 'Ctrl+Enter runs it')), form, status, output);
}

/** @param {PromptResult} result @returns {PromptResult} */
function checkedResult(result) {
  if (!Array.isArray(result?.tokens) || !Array.isArray(result.features) || result.tokens.length !== result.features.length) {
    throw new Error('The server sent no list of features for each token.');
  }
  return result;
}

/** @param {Overview} overview @param {PromptResult} result @returns {Node[]} */
function promptOutput(overview, result) {
  const strongest = result.features.map((list) => Math.max(0, ...list.map((f) => f.value)));
  /** @type {Token[]} */
  const tokens = result.tokens.map(({ id, text }) => ({ id, text: String(text), bytes: null, whole: null }));
  const table = el('div', { class: 'prompt-features', 'aria-live': 'polite' });
  let chosen = -1;
  const choose = (/** @type {number} */ place) => {
    chosen = place;
    line.querySelectorAll('.cell').forEach((cell, at) => cell.classList.toggle('target', at === place));
    table.replaceChildren(promptTable(overview, tokens[place], result.features[place]));
  };
  const line = strip({
    tokens,
    values: strongest,
    max: Math.max(...strongest),
    target: null,
    label: 'Your text; choose a token with the arrow keys',
    role: 'group',
    hover: () => {},
    details: (place) => [['token', tokenElement(tokens[place])], ['id', String(tokens[place].id)],
      ['features', count(result.features[place].length)], ['strongest', num(strongest[place])]],
  });
  line.classList.add('wrapped');
  line.addEventListener('click', (event) => {
    const cell = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest('.cell'));
    if (cell) choose(Number(cell.dataset.from));
  });
  line.addEventListener('keydown', (event) => {
    const cursor = /** @type {HTMLElement | null} */ (line.querySelector('.cursor'));
    if (cursor && event.key === 'Enter') choose(Number(cursor.dataset.from));
  });
  if (tokens.length) choose(tokens.length - 1);
  const answer = typeof result.answer === 'string'
    ? el('p', { class: 'answer' }, 'Continues: ', el('span', { class: 'token' }, ...pieceElements(textPieces(result.answer))))
    : null;
  return [line, ...(answer ? [answer] : []), ...(chosen >= 0 ? [table] : [])];
}

/** @param {Overview} overview @param {Token} token @param {PromptFeature[]} features */
function promptTable(overview, token, features) {
  if (!features.length) return el('p', { class: 'empty' }, 'No feature fires on ', tokenElement(token), '.');
  const body = el('tbody');
  for (const { index, value, quantile, effect } of features) {
    const top = tokenOf(overview, overview.top_token, index);
    body.append(el('tr', {},
      el('td', {}, el('a', { href: featureHref(index), 'data-feature': index }, String(index))),
      el('td', {}, top ? tokenElement(top) : '—'),
      el('td', { class: 'v' }, num(value)),
      el('td', { class: 'v' }, percent(quantile)),
      el('td', { class: 'v', title: effect === null ? 'not measured' : '' }, effect === null ? '—' : signed(effect))));
  }
  const head = [['feature', ''], ['fires most on', 'The token of its largest activation in the data set'], ['activation', ''],
    ['quantile', 'Share of its activations above zero that are not larger'], ['effect', 'On the loss, of removing the feature']]
    .map(([name, title]) => el('th', { scope: 'col', title: title || null }, name));
  return el('table', {}, el('caption', {}, 'Strongest features on ', tokenElement(token)), el('thead', {}, el('tr', {}, ...head)), body);
}
