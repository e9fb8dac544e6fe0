// Two texts: the features that differ most between them, and how strongly one of them fires on each.

import { count } from '../base/format';
import { change, state } from '../base/state';
import { store } from '../base/store';
import type { ContrastResult, DataSource } from '../types';
import { type Asking, asker } from './asking';
import { own, runsAtOnce } from './text';

/** Features that are listed. */
const LISTED = 40;

interface Comparing extends Asking {
  /** The second text, in its box. */
  draft: string;
  of: [string, string] | null;
  result: ContrastResult | null;
  /** The activations of features on both. */
  values: Map<number, [number[], number[]]>;
}

export const comparing = store<Comparing>({
  busy: false, failed: false, draft: state.other, of: null, result: null, values: new Map(),
  said: state.other && !runsAtOnce ? 'The second text came with the address.' : '',
});
const { ask, stop, say } = asker(comparing);
export { stop as stopComparing };

/** Whether the texts of the address are compared at once: after a reload. */
export const atOnce = runsAtOnce && state.other !== '';

export function compareTexts(source: DataSource) {
  const texts: [string, string] = [own.get().draft, comparing.get().draft];
  if (!source.contrast) return;
  if (!texts[0].trim()) return say('Write a text in the box above first.', true);
  if (!texts[1].trim()) return say('Write the second text first.', true);
  ask(async (signal) => {
    const result = checked(await source.contrast!(...texts, LISTED, signal));
    comparing.set({ of: texts, result, values: new Map() });
    if (state.text !== texts[0] || state.other !== texts[1]) change({ text: texts[0], other: texts[1] });
    return `${count(result.n_different)} features differ.`;
  });
}

/** The feature that colours both texts: the one that is chosen, else the one that differs most. */
export const colouredBy = (heat: number | null) => heat ?? comparing.get().result?.features[0]?.index ?? null;

/** Asks for the activations of the feature that colours the texts, if they are not known. */
export function wantColours(source: DataSource, feature: number) {
  const { of, values } = comparing.get();
  if (!of || values.has(feature) || !source.activations) return;
  ask(async (signal) => {
    const found: number[][] = [];
    for (const text of of) {
      const { values: [list] } = await source.activations!(text, [feature], signal);
      if (!Array.isArray(list)) throw new Error('The server sent no activation for each token.');
      found.push(list);
    }
    const { of: now, result, values: known } = comparing.get();
    if (now === of) comparing.set({ values: new Map([...known, [feature, [found[0], found[1]]]]) });
    return `${count(result?.n_different ?? 0)} features differ.`;
  });
}

function checked(result: ContrastResult): ContrastResult {
  if (!Array.isArray(result?.features) || result.texts?.length !== 2 || !result.texts.every(Array.isArray)) {
    throw new Error('The server sent no features of the two texts.');
  }
  return result;
}
