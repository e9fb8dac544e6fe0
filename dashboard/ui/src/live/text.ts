// One's own text: one for all views, with what the model says of it.

import { change, state } from '../base/state';
import { store } from '../base/store';
import { asker } from './asking';
import type { DataSource, PromptResult, PromptToken, Token } from '../types';

/** Texts that are remembered. */
const REMEMBERED = 20;
/** Longer ones are not. */
const LONGEST = 4000;
const KEY = 'sae-texts';
/** Features whose activations on the text are kept. */
const KEPT = 64;

interface Own {
  /** In the box. */
  draft: string;
  /** The one that ran, and its tokens. */
  ran: string | null;
  tokens: PromptToken[];
  /** What fires on each of them, where that was asked for. */
  result: PromptResult | null;
  /** The activations of features on them. */
  values: Map<number, number[]>;
  busy: boolean;
  said: string;
  failed: boolean;
}

const { text } = state;
/** Whether the text of the address may run at once. It does after a reload; a link, which may be anybody's, waits for the reader. */
const came = performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming | undefined;
export const runsAtOnce = text !== '' && came?.type !== 'navigate';

export const own = store<Own>({
  draft: text, ran: null, tokens: [], result: null, values: new Map(), busy: false, failed: false,
  said: text && !runsAtOnce ? 'This text came with the address. Run shows which features fire on it.' : '',
});
const { ask, stop } = asker(own);
export { stop };

/** Texts that ran before, the latest first. */
export function history(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? '[]');
    return Array.isArray(found) ? found.filter((text) => typeof text === 'string').slice(0, REMEMBERED) : [];
  } catch {
    return [];
  }
}

function remember(text: string) {
  if (text.length > LONGEST) return;
  try {
    localStorage.setItem(KEY, JSON.stringify([text, ...history().filter((other) => other !== text)].slice(0, REMEMBERED)));
  } catch {
    // Storage may be full or forbidden: then nothing is remembered.
  }
}

export function forget() {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // As above.
  }
  own.set({});
}

/** The text in the box is the one on view from now on. */
function begin(text: string, tokens: PromptToken[], result: PromptResult | null, values: Map<number, number[]>) {
  own.set({ ran: text, tokens, result, values });
  remember(text);
  if (state.text !== text) change({ text });
}

const said = (tokens: PromptToken[]) => `${tokens.length} tokens. Choose one to see its features.`;

/** Which features fire on the text, and the activations of the one that colours it. */
export const runText = (source: DataSource, effects: boolean) => ask(async (signal) => {
  const { draft } = own.get();
  const result = checkedResult(await source.prompt!(draft, effects, null, signal));
  begin(draft, result.tokens, result, new Map());
  if (state.heat !== null) await fetchValues(source, [state.heat], signal);
  return said(result.tokens);
});

/** The activations of features on the text in the box. */
export const testFeatures = (source: DataSource, features: number[]) => ask(async (signal) => {
  const { draft } = own.get();
  await fetchValues(source, features, signal, draft);
  return `${own.get().tokens.length} tokens.`;
});

/** The activations of features on the text that ran, those that are not known. */
export function wantValues(source: DataSource, features: number[]) {
  const { ran, values } = own.get();
  const missing = features.filter((feature) => !values.has(feature));
  if (ran === null || missing.length === 0 || !source.activations) return;
  ask(async (signal) => {
    await fetchValues(source, missing, signal);
    return `${own.get().tokens.length} tokens.`;
  });
}

async function fetchValues(source: DataSource, features: number[], signal: AbortSignal, text = own.get().ran ?? own.get().draft) {
  if (!source.activations) return;
  const { tokens, values } = await source.activations(text, features, signal);
  if (!Array.isArray(tokens) || !Array.isArray(values) || values.length !== features.length || values.some((of) => of?.length !== tokens.length)) {
    throw new Error('The server sent no activation for each token.');
  }
  const same = own.get().ran === text;
  const kept = same ? [...own.get().values].slice(1 - KEPT) : [];
  const known = new Map([...kept, ...features.map((feature, i) => [feature, values[i]] as const)]);
  begin(text, tokens, same ? own.get().result : null, known);
}

/** The features of a token with the effect of each, removed in a pass of its own. */
export async function measureExact(source: DataSource, place: number) {
  const { ran, result } = own.get();
  if (ran === null || !result) return;
  const found = checkedResult(await source.prompt!(ran, false, place));
  if (own.get().result !== result) return;
  // Direct effects that were measured before stay.
  const before = new Map(result.features[place].map((f) => [f.index, f.effect]));
  const features = [...result.features];
  features[place] = found.features[place].map((f) => ({ ...f, effect: f.effect ?? before.get(f.index) ?? null }));
  own.set({ result: { ...result, features } });
}

function checkedResult(result: PromptResult): PromptResult {
  if (!Array.isArray(result?.tokens) || !Array.isArray(result.features) || result.tokens.length !== result.features.length) {
    throw new Error('The server sent no list of features for each token.');
  }
  return result;
}

/** Tokens as the views know them. */
export const asTokens = (tokens: PromptToken[]): Token[] => tokens.map(({ id, text, hex }) => (typeof hex === 'string'
  ? { id, text: null, bytes: Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16)), whole: null }
  : { id, text: String(text), bytes: null, whole: null }));

/** Whether a token counts in statistics: if not, it is no measure for the others. */
export const counts = (token: PromptToken) => token.counts !== false;
