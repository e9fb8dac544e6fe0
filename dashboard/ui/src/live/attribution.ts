// Why this token: the effect of the text's features on a token that may come next.

import { num } from '../base/format';
import { state } from '../base/state';
import { store } from '../base/store';
import type { AttributeResult, DataSource } from '../types';
import { type Asking, asker } from './asking';
import { own, runsAtOnce } from './text';

/** Pairs of a feature and a token that are listed. */
const LISTED = 40;

interface Question { text: string; answer: number; against: number | null }
interface Attributing extends Asking { of: Question | null; result: AttributeResult | null }

export const attributing = store<Attributing>({ busy: false, said: '', failed: false, of: null, result: null });
const { ask, stop, say } = asker(attributing);
export { stop as stopAttributing };

/** Whether the question of the address is to be answered at once: after a reload. A link waits for the reader. */
let atOnce = runsAtOnce && state.answer !== null;
export const takeAtOnce = () => [atOnce, atOnce = false][0];

/** What was found, if it is of the text and of the tokens that are on view. */
export function found(): AttributeResult | null {
  const { of, result } = attributing.get();
  return of && of.text === own.get().ran && of.answer === state.answer && of.against === state.against ? result : null;
}

export function attributeText(source: DataSource) {
  const { ran } = own.get();
  const { answer, against } = state;
  if (ran === null || !source.attribute) return;
  if (answer === null) {
    say('Choose one of the tokens first.', true);
    return;
  }
  ask(async (signal) => {
    const result = checked(await source.attribute!(ran, answer, against, LISTED, signal));
    attributing.set({ of: { text: ran, answer, against }, result });
    return `${result.n_active} pairs of a feature and a token; the strongest has an effect of ${num(result.features[0]?.effect ?? 0, 3)}.`;
  });
}

function checked(result: AttributeResult): AttributeResult {
  const n = result?.tokens?.length;
  const lists = [result?.by_position, result?.error, result?.bias];
  if (!Array.isArray(result?.features) || !result.answer || lists.some((list) => !Array.isArray(list) || list.length !== n)) {
    throw new Error('The server sent no effects for each token.');
  }
  return result;
}
