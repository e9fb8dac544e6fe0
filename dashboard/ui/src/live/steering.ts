// Steering: which features by how much, and the two continuations that come of it.

import { signed } from '../base/format';
import { change, state } from '../base/state';
import { store } from '../base/store';
import type { DataSource, GenerateEvent, LikelyToken, Overview, PromptToken, Side, SteerKind, Steered, TokenChange } from '../types';
import { own } from './text';

/** Features at once, at most, as the server has it. */
export const MOST = 16;
export const MOST_TOKENS = 512;

export interface NewToken { token: PromptToken; log_prob: number | null; top: LikelyToken[] }
/** `changes`: what the steering changes in each of its tokens, once that has been found. */
export interface Continuation { tokens: NewToken[]; end: 'stop' | 'length' | null; changes: TokenChange[] }

interface Continuing {
  busy: boolean;
  said: string;
  failed: boolean;
  /** What was steered, and how many tokens the text had; null before anything ran. */
  of: { steer: Steered[]; prompt: number } | null;
  plain: Continuation;
  steered: Continuation;
}

const none: Continuation = { tokens: [], end: null, changes: [] };
export const continuing = store<Continuing>({ busy: false, said: '', failed: false, of: null, plain: none, steered: none });
let running: AbortController | null = null;

export const stopContinuing = () => running?.abort();

export interface Unit { unit: string; about: string; min: number; max: number; usual: number }

/** A number of two digits: what a slider begins at should be easy to say. */
const short = (x: number) => Number(x.toPrecision(2));

/** What an amount of this kind means, and the range in which it does something, from what the feature does in the data. */
export function unitOf(overview: Overview, feature: number, kind: SteerKind): Unit {
  const most = overview.max[feature] > 0 ? overview.max[feature] : 0;
  const length = most * (overview.decoder_norm[feature] || 1);
  if (kind === 'add') {
    const usual = short(length || 10);
    const about = most ? `Its largest activation adds about ${signed(length, 3)}.` : 'It never fires in the data.';
    return { unit: '× unit direction', about, min: -2 * usual, max: 2 * usual, usual };
  }
  if (kind === 'clamp') {
    const usual = short(most || 10);
    const about = most ? `Its largest in the data is ${signed(most, 3).replace('+', '')}.` : 'It never fires in the data.';
    return { unit: 'activation', about, min: 0, max: 2 * usual, usual };
  }
  if (kind === 'scale') return { unit: '× its activation', about: '1 changes nothing.', min: -2, max: 10, usual: 2 };
  return { unit: '', about: 'Its activation is 0.', min: 0, max: 0, usual: 0 };
}

/** Steers one more feature, unless it is steered already. */
export function withFeature(overview: Overview, feature: number): Steered[] {
  if (state.steer.some((other) => other.feature === feature) || state.steer.length >= MOST) return state.steer;
  return [...state.steer, { feature, kind: 'add', amount: unitOf(overview, feature, 'add').usual }];
}

const say = (said: string, failed = false) => continuing.set({ said, failed });

/** Continues the text in the box on both sides. */
export async function continueText(source: DataSource) {
  const { draft } = own.get();
  if (running || !source.generate) return;
  if (!draft.trim()) return say('Write some text first.', true);
  if (!state.steer.length) return say('Choose a feature to steer first.', true);
  const mine = new AbortController();
  running = mine;
  const { steer } = state;
  const { tokens, temperature, seed, chat, special } = state.generate;
  if (state.text !== draft) change({ text: draft });
  continuing.set({ busy: true, said: 'The model runs…', failed: false, of: null, plain: none, steered: none });
  // Tokens are drawn once a frame, however fast they come.
  const sides: Record<Side, Continuation> = { plain: none, steered: none };
  let due = false;
  const draw = () => {
    due = false;
    continuing.set({ plain: sides.plain, steered: sides.steered });
  };
  const hear = (event: GenerateEvent) => {
    if (event.event === 'prompt') continuing.set({ of: { steer, prompt: event.tokens.length } });
    else if (event.event === 'token') {
      const { side, token, log_prob, top } = event;
      sides[side] = { ...sides[side], tokens: [...sides[side].tokens, { token, log_prob, top }] };
    } else if (event.event === 'changes') sides[event.side] = { ...sides[event.side], changes: event.tokens };
    else sides[event.side] = { ...sides[event.side], end: event.reason };
    if (!due) requestAnimationFrame(draw);
    due = true;
  };
  const question = { text: draft, steer, max_new_tokens: tokens, temperature, seed, chat: chat && source.chat === true, special_tokens: special };
  try {
    await source.generate(question, hear, mine.signal);
    draw();
    say(summary());
  } catch (error) {
    draw();
    const stopped = error instanceof Error && error.name === 'AbortError';
    say(stopped ? `Stopped. ${summary()}` : error instanceof Error ? error.message : String(error), !stopped);
  } finally {
    running = null;
    continuing.set({ busy: false });
  }
}

/** Whether the sides have different tokens at a place. */
export function differs(place: number): boolean {
  const { plain, steered } = continuing.get();
  const [a, b] = [plain, steered].map(({ tokens }) => tokens[place]?.token.id);
  if (a !== undefined && b !== undefined) return a !== b;
  // One that the other side ended before.
  return (a === undefined && plain.end !== null) || (b === undefined && steered.end !== null);
}

function summary(): string {
  const { plain, steered } = continuing.get();
  const n = Math.max(plain.tokens.length, steered.tokens.length);
  if (n === 0) return 'No token has come.';
  for (let place = 0; place < n; place += 1) {
    if (differs(place)) return `${plain.tokens.length} and ${steered.tokens.length} tokens; the first different one is token ${place + 1}.`;
  }
  return `${plain.tokens.length} and ${steered.tokens.length} tokens, the same on both sides.`;
}
