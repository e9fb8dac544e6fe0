// The prompt check: does the model still say what it should, with the SAE in place?

import { el } from '../base/dom';
import { count, percent } from '../base/format';
import { pieceElements, textPieces } from '../base/text';
import type { CheckAnswer, CheckResult, DataSource } from '../types';
import { askForm } from './ask';

export function checkPanel(ask: NonNullable<DataSource['check']>) {
  const field = (id: string, label: string, example: string) =>
    el('input', { id, type: 'text', 'aria-label': label, placeholder: example, maxlength: 100000, autocomplete: 'off', spellcheck: 'false' });
  const prompt = field('check-prompt', 'Prompt', 'A prompt …');
  const answer = field('check-answer', 'Answer', '… and what should come next');
  const output = el('div', { class: 'check-output', 'aria-live': 'polite' });
  const missing = (): [string, HTMLElement] | null => {
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

function checkedCheck(result: CheckResult): CheckResult {
  const whole = (answer: CheckAnswer | null | undefined) =>
    !!answer && Array.isArray(answer.tokens) && answer.tokens.length > 0 && answer.tokens.every(({ top }) => Array.isArray(top));
  const { baseline, with_sae } = result ?? {};
  if (!whole(baseline) || (with_sae && (!whole(with_sae) || with_sae.tokens.length !== baseline.tokens.length))) {
    throw new Error('The server sent no ranks of the answer.');
  }
  return result;
}

/** Text of a token without an id. */
const textElement = (text: string) => el('span', { class: 'token' }, ...(text ? pieceElements(textPieces(text)) : [el('span', { class: 'p sign' }, '⟨empty⟩')]));

const probability = (x: number | null) => (x === null ? 'not a number' : percent(x));

/** Every token of the answer, each after those before it. */
function answerTable({ baseline, with_sae }: CheckResult) {
  const body = el('tbody');
  const runs = with_sae ? [baseline, with_sae] : [baseline];
  const cell = (text: string) => el('td', { class: 'v' }, text);
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

const likeliest = ({ tokens: [first] }: CheckAnswer) => Math.max(0, ...first.top.map(({ prob }) => prob ?? 0));

/** What the model holds likeliest after the prompt. `most`: what a full bar means. */
function topTokens(name: string, { tokens: [first] }: CheckAnswer, most: number) {
  const list = el('ol', {}, ...first.top.map(({ token, prob }, rank) => {
    const item = el('li', { class: rank === first.rank ? 'right' : null }, textElement(token), el('span', { class: 'v' }, probability(prob)));
    item.style.setProperty('--share', `${most > 0 ? (100 * (prob ?? 0)) / most : 0}%`);
    return item;
  }));
  return el('div', {}, el('h3', {}, name), list);
}
