// What the page's scripts pass to each other.

export interface Token {
  id: number;
  /** Its text; null where its bytes are not UTF-8, or its id is unknown. */
  text: string | null;
  /** Its bytes where they are not UTF-8. */
  bytes: Uint8Array | null;
  /** How many bytes it has, where some were left out; else null. */
  whole: number | null;
}

export interface Histogram { min: number; max: number; counts: number[] }
export interface TokenLogit { token: Token; logit: number }
export interface Lens { convention: 'folded' | 'raw'; top: TokenLogit[]; bottom: TokenLogit[]; histogram: Histogram }

export interface Statistics {
  n_fired: number; density: number; max: number; mean: number; mean_square: number;
  skewness: number; kurtosis: number; quantiles: [number, number][];
}

export interface Example { context: number; position: number; start: number; tokens: Token[]; values: Float64Array }

export interface Group {
  kind: 'top' | 'interval' | 'random';
  low?: number; high?: number; n_fired?: number;
  examples: Example[];
}

export interface Feature {
  index: number; statistics: Statistics; activations: Histogram; lens: Lens | null;
  decoder: [number, number][]; coactive: [number, number][]; n_sampled: number;
  alignment: [number, number, number][]; decoder_norm: number; groups: Group[];
}

export interface Overview {
  source: {
    model: string; sae: string; architecture: string; hook_name: string;
    dataset: string; context_size: number; convention: string;
  };
  d_sae: number; n_tokens: number; n_contexts: number; has_lens: boolean; features_per_shard: number;
  tokens: Token[];
  density: Float32Array; max: Float32Array; mean: Float32Array; decoder_norm: Float32Array;
  /** Number in `tokens` and one, or 0. */
  top_token: Uint32Array; lens_token: Uint32Array;
  /** Places in `tokens` of the tokens that a feature fires on, and that it makes likelier; none where the page has no such lists. */
  fires_on: TokenLists | null;
  promotes: TokenLists | null;
  /** Place among the features shown, or -1. */
  place: Int32Array;
  n_shown: number;
}

/** Lists of tokens, feature after feature: that of feature f is `tokens.subarray(ends[f - 1] ?? 0, ends[f])`. */
export interface TokenLists { ends: Uint32Array; tokens: Uint32Array }

/** What someone has said of a feature. */
export interface Label { feature: number; label: string; note: string; star: boolean }

/** Where features come from. */
export interface DataSource {
  overview: Overview;
  feature(index: number): Promise<Feature>;
  /** Missing where there is no model to run; `effects` are more of its passes, and so are those of the token at the place `exact`. */
  prompt?: (text: string, effects: boolean, exact: number | null, signal?: AbortSignal) => Promise<PromptResult>;
  check?: (prompt: string, answer: string, signal: AbortSignal) => Promise<CheckResult>;
  /** The activations of features on a text. */
  activations?: (text: string, features: number[], signal?: AbortSignal) => Promise<ActivationsResult>;
  /** Continues a text plain and steered, and tells of each token as it comes. */
  generate?: (question: GenerateQuestion, hear: (event: GenerateEvent) => void, signal: AbortSignal) => Promise<void>;
  /** The effect of the features that fire on a text on the token after it, perhaps compared with another token. */
  attribute?: (text: string, answer: number, against: number | null, top: number, signal: AbortSignal) => Promise<AttributeResult>;
  /** The features that differ most between two texts. */
  contrast?: (text: string, other: string, top: number, signal: AbortSignal) => Promise<ContrastResult>;
  /** Whether there is a chat template to continue by. */
  chat?: boolean;
  labels: Label[];
  /** Missing where labels cannot be changed. */
  setLabels?: (labels: Label[]) => Promise<void>;
}

export interface PromptFeature { index: number; value: number; quantile: number; effect: number | null; exact: number | null }
export interface PromptToken {
  id: number; text: string;
  /** Its bytes, where they are not UTF-8. */
  hex?: string;
  /** Whether it counts in statistics: BOS and the like do not. */
  counts?: boolean;
  /** Features that fire on it. */
  n_active?: number;
}

export interface PromptResult {
  tokens: PromptToken[]; features: PromptFeature[][]; answer?: string;
  /** What may come next, the likeliest first. */
  next?: LikelyToken[];
}
export interface ActivationsResult { tokens: PromptToken[]; values: number[][] }

export type SteerKind = 'add' | 'clamp' | 'scale' | 'ablate';
/** What is done to a feature; `ablate` has no amount. */
export interface Steered { feature: number; kind: SteerKind; amount?: number }
export interface GenerateQuestion {
  text: string; steer: Steered[]; max_new_tokens: number; temperature: number; seed: number; chat: boolean; special_tokens: boolean;
}
export type Side = 'plain' | 'steered';
export interface LikelyToken extends PromptToken { log_prob: number | null }
/** A token without steering and with it, after the same tokens; null where a probability is 0. */
export interface TokenChange { log_prob: number | null; steered_log_prob: number | null; kl: number | null }
/** A line of the answer; null where a probability is 0. */
export type GenerateEvent =
  | { event: 'prompt'; tokens: PromptToken[] }
  | { event: 'token'; side: Side; token: PromptToken; log_prob: number | null; top: LikelyToken[] }
  | { event: 'changes'; side: Side; tokens: TokenChange[] }
  | { event: 'end'; side: Side; reason: 'stop' | 'length' };

export interface AttributedFeature { feature: number; position: number; activation: number; effect: number }
export interface AttributedTotal { feature: number; effect: number; n_positions: number }
/** Lists by position have an entry for each token; everything adds up to `sum`, which is an estimate of `measured`. */
export interface AttributeResult {
  tokens: PromptToken[]; answer: PromptToken; against: PromptToken | null;
  metric: string; value: number; hook_name: string; write_hook: string; n_active: number;
  features: AttributedFeature[]; totals: AttributedTotal[];
  by_position: number[]; error: number[]; bias: number[];
  sum: number; measured: number;
}
/** Of each text the largest activation and the place of the token that has it. */
export interface ContrastedFeature { index: number; max: [number, number]; token: [number | null, number | null]; difference: number }
export interface ContrastResult { texts: [PromptToken[], PromptToken[]]; n_different: number; features: ContrastedFeature[] }

export interface TopToken { token: string; prob: number | null }
/** A token of the answer: its place among the predictions; null where the logits are not numbers. */
export interface AnswerToken { token: string; rank: number | null; prob: number | null; top: TopToken[] }
/** `answer_prob` is that of all its tokens together. */
export interface CheckAnswer { answer_prob: number | null; tokens: AnswerToken[] }
export interface CheckResult { baseline: CheckAnswer; with_sae: CheckAnswer | null }

export type SortKey = 'index' | 'density' | 'max' | 'decoder_norm';

export interface State {
  feature: number | null;
  /** From 1, the lowest. */
  interval: number | null;
  theme: 'light' | 'dark' | null;
  sort: SortKey; descending: boolean;
  query: string;
  show: 'all' | 'dead' | 'dense' | 'starred' | 'labelled';
  /** Densities that are listed, as log10: from, to. */
  range: [number, number] | null;
  /** The feature beside the one on view. */
  compare: number | null;
  /** One's own text. */
  text: string;
  /** The text that one's own is compared with. */
  other: string;
  /** The token after one's own text that is explained, and the one that it is compared with. */
  answer: number | null;
  against: number | null;
  /** The feature whose activations colour one's own text. */
  heat: number | null;
  /** What is steered. */
  steer: Steered[];
  /** How the text is continued. */
  generate: { tokens: number; temperature: number; seed: number; chat: boolean; special: boolean };
}

/** `raw` is what is copied, where it is not the text. */
export type Piece = { kind: 'text' | 'space' | 'newline' | 'sign' | 'byte'; text: string; raw?: string };
/** Tokens that make up whole characters. */
export interface Cell { from: number; to: number; pieces: Piece[] }

declare global {
  interface Window { saeShard?: (number: number, packed: string) => void }
}
