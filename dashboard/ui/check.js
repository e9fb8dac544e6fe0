// @ts-check
// The prompt check: does the model still say what it should, with the SAE in place?

/** @param {NonNullable<DataSource['check']>} ask */
function checkPanel(ask) {
  const field = (/** @type {string} */ id, /** @type {string} */ label, /** @type {string} */ example) =>
    el('input', { id, type: 'text', 'aria-label': label, placeholder: example, maxlength: 100000, autocomplete: 'off', spellcheck: 'false' });
  const prompt = field('check-prompt', 'Prompt', 'A prompt …');
  const answer = field('check-answer', 'Answer', '… and what should come next');
  const output = el('div', { class: 'check-output', 'aria-live': 'polite' });
  /** @returns {[string, HTMLElement] | null} */
  const missing = () => {
    if (!prompt.value) return ['Write a prompt first.', prompt];
    return answer.value ? null : ['Write what should come next.', answer];
  };
  const { form, status } = askForm([prompt, answer], [], missing, async (signal) => {
    const result = checkedCheck(await ask(prompt.value, answer.value, signal));
    const { baseline, with_sae } = result;
    const most = Math.max(likeliest(baseline), with_sae ? likeliest(with_sae) : 0);
    output.replaceChildren(answerTable(result), el('div', { class: 'tops' },
      topTokens('As it is', baseline, most), with_sae ? topTokens('With the SAE', with_sae, most) : null));
    return '';
  });
  const title = el('h2', {}, 'Prompt check', el('small', {}, 'the answer’s rank and probability, plain and with the SAE in place'));
  return el('section', { class: 'panel prompt check' }, title, form, status, output);
}

/** @param {CheckResult} result @returns {CheckResult} */
function checkedCheck(result) {
  const whole = (/** @type {CheckAnswer | null | undefined} */ answer) =>
    !!answer && Array.isArray(answer.tokens) && answer.tokens.length > 0 && answer.tokens.every(({ top }) => Array.isArray(top));
  const { baseline, with_sae } = result ?? {};
  if (!whole(baseline) || (with_sae && (!whole(with_sae) || with_sae.tokens.length !== baseline.tokens.length))) {
    throw new Error('The server sent no ranks of the answer.');
  }
  return result;
}

/** Text of a token without an id. @param {string} text */
const textElement = (text) => el('span', { class: 'token' }, ...(text ? pieceElements(textPieces(text)) : [el('span', { class: 'p sign' }, '⟨empty⟩')]));
/** @param {number | null} x */
const probability = (x) => (x === null ? 'not a number' : percent(x));

/** Every token of the answer, each after those before it. @param {CheckResult} result */
function answerTable({ baseline, with_sae }) {
  const body = el('tbody');
  const runs = with_sae ? [baseline, with_sae] : [baseline];
  const cell = (/** @type {string} */ text) => el('td', { class: 'v' }, text);
  baseline.tokens.forEach(({ token }, i) => {
    const cells = runs.flatMap(({ tokens }) => [cell(tokens[i].rank === null ? 'undefined' : count(tokens[i].rank)), cell(probability(tokens[i].prob))]);
    body.append(el('tr', {}, el('th', { scope: 'row' }, textElement(token)), ...cells));
  });
  if (baseline.tokens.length > 1) {
    const cells = runs.flatMap(({ answer_prob }) => [cell(''), cell(probability(answer_prob))]);
    body.append(el('tr', { class: 'whole' }, el('th', { scope: 'row' }, 'the whole answer'), ...cells));
  }
  const names = ['answer', 'rank', 'probability', ...(with_sae ? ['rank with the SAE', 'probability with the SAE'] : [])];
  const head = names.map((name) => el('th', { scope: 'col' }, name));
  return el('table', {}, el('thead', {}, el('tr', {}, ...head)), body);
}

/** @param {CheckAnswer} answer */
const likeliest = ({ tokens: [first] }) => Math.max(0, ...first.top.map(({ prob }) => prob ?? 0));

/** What the model holds likeliest after the prompt. @param {string} name @param {CheckAnswer} answer @param {number} most what a full bar means */
function topTokens(name, { tokens: [first] }, most) {
  const list = el('ol', {}, ...first.top.map(({ token, prob }, rank) => {
    const item = el('li', { class: rank === first.rank ? 'right' : null }, textElement(token), el('span', { class: 'v' }, probability(prob)));
    item.style.setProperty('--share', `${most > 0 ? (100 * (prob ?? 0)) / most : 0}%`);
    return item;
  }));
  return el('div', {}, el('h3', {}, name), list);
}
