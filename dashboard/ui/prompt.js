// @ts-check
// One's own text, where there is a model to run it: per token the strongest features.

/** @param {Overview} overview @param {NonNullable<DataSource['prompt']>} ask */
function promptPanel(overview, ask) {
  const box = el('textarea', { id: 'prompt', rows: 2, 'aria-label': 'Text', placeholder: 'Your own text: which features fire on it?', maxlength: 100000 });
  const effects = el('input', { type: 'checkbox', id: 'effects' });
  const option = el('label', { title: 'What each feature, taken away from the final residual, does to the loss' }, effects, 'effects');
  const output = el('div', { class: 'prompt-output' });
  const { form, status, submit } = askForm([box], [option], () => (box.value.trim() ? null : ['Write some text first.', box]), async (signal) => {
    const [text, measured] = [box.value, effects.checked];
    const result = checkedResult(await ask(text, measured, null, signal));
    const exact = async (/** @type {number} */ place) => checkedResult(await ask(text, measured, place)).features[place];
    output.replaceChildren(...promptOutput(overview, result, exact));
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

/**
 * @param {Overview} overview @param {PromptResult} result
 * @param {(place: number) => Promise<PromptFeature[]>} exact the features of a token, each removed in a pass of its own
 * @returns {Node[]}
 */
function promptOutput(overview, result, exact) {
  const strongest = result.features.map((list) => Math.max(0, ...list.map((f) => f.value)));
  /** @type {Token[]} */
  const tokens = result.tokens.map(({ id, text }) => ({ id, text: String(text), bytes: null, whole: null }));
  const table = el('div', { class: 'prompt-features', 'aria-live': 'polite' });
  let chosen = -1;
  const choose = (/** @type {number} */ place) => {
    chosen = place;
    line.querySelectorAll('.cell').forEach((cell, at) => cell.classList.toggle('target', at === place));
    show();
  };
  const show = () => {
    const [token, features] = [tokens[chosen], result.features[chosen]];
    // After the last token there is none whose loss could change.
    const measurable = chosen + 1 < tokens.length && features.length > 0 && features.every((f) => f.exact === null);
    table.replaceChildren(promptTable(overview, token, features), ...(measurable ? [exactButton(chosen)] : []));
  };
  const exactButton = (/** @type {number} */ place) => {
    const status = el('span', { class: 'prompt-status', role: 'status' });
    const button = el('button', { type: 'button', class: 'quiet', title: 'Runs the layers above once for each feature, without it' }, 'Exact effects');
    button.addEventListener('click', async () => {
      button.disabled = true;
      status.textContent = 'The model runs…';
      try {
        result.features[place] = await exact(place);
        if (chosen === place) show();
      } catch (error) {
        button.disabled = false;
        status.textContent = error instanceof Error ? error.message : String(error);
        status.classList.add('error');
      }
    });
    return el('div', { class: 'exact' }, button, status);
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
  for (const { index, value, quantile, effect, exact } of features) {
    const top = tokenOf(overview, overview.top_token, index);
    body.append(el('tr', {},
      el('td', {}, el('a', { href: featureHref(index), 'data-feature': index }, String(index))),
      el('td', {}, top ? tokenElement(top) : '—'),
      el('td', { class: 'v' }, num(value)),
      el('td', { class: 'v' }, percent(quantile)),
      ...[effect, exact].map((of) => el('td', { class: 'v', title: of === null ? 'not measured' : '' }, of === null ? '—' : signed(of)))));
  }
  const head = [['feature', ''], ['fires most on', 'The token of its largest activation in the data set'], ['activation', ''],
    ['quantile', 'Share of its activations above zero that are not larger'], ['effect', 'On the loss of the next token, of taking what the feature writes away from the final residual'],
    ['exact', 'On the loss of the next token, of removing the feature and running the layers above without it']]
    .map(([name, title]) => el('th', { scope: 'col', title: title || null }, name));
  return el('table', {}, el('caption', {}, 'Strongest features on ', tokenElement(token)), el('thead', {}, el('tr', {}, ...head)), body);
}
