// What the page's scripts pass to each other. Only for the type checker: nothing of it is in the page.

interface Token {
  id: number;
  /** Its text; null where its bytes are not UTF-8, or its id is unknown. */
  text: string | null;
  /** Its bytes where they are not UTF-8. */
  bytes: Uint8Array | null;
  /** How many bytes it has, where some were left out; else null. */
  whole: number | null;
}

interface Histogram { min: number; max: number; counts: number[] }
interface TokenLogit { token: Token; logit: number }
interface Lens { convention: 'folded' | 'raw'; top: TokenLogit[]; bottom: TokenLogit[]; histogram: Histogram }

interface Statistics {
  n_fired: number; density: number; max: number; mean: number; mean_square: number;
  skewness: number; kurtosis: number; quantiles: [number, number][];
}

interface Example { context: number; position: number; start: number; tokens: Token[]; values: Float64Array }

interface Group {
  kind: 'top' | 'interval' | 'random';
  low?: number; high?: number; n_fired?: number;
  examples: Example[];
}

interface Feature {
  index: number; statistics: Statistics; activations: Histogram; lens: Lens | null;
  decoder: [number, number][]; coactive: [number, number][]; n_sampled: number;
  alignment: [number, number, number][]; decoder_norm: number; groups: Group[];
}

interface Overview {
  source: {
    model: string; sae: string; architecture: string; hook_name: string;
    dataset: string; context_size: number; convention: string;
  };
  d_sae: number; n_tokens: number; n_contexts: number; has_lens: boolean; features_per_shard: number;
  tokens: Token[];
  density: Float32Array; max: Float32Array; mean: Float32Array; decoder_norm: Float32Array;
  /** Number in `tokens` and one, or 0. */
  top_token: Uint32Array; lens_token: Uint32Array;
  /** Place among the features shown, or -1. */
  place: Int32Array;
  n_shown: number;
}

/** Where features come from. */
interface DataSource {
  overview(): Promise<Overview>;
  feature(index: number): Promise<Feature>;
  /** Missing where there is no model to run; `effects` are more of its passes, and so are those of the token at the place `exact`. */
  prompt?: (text: string, effects: boolean, exact: number | null, signal?: AbortSignal) => Promise<PromptResult>;
  check?: (prompt: string, answer: string, signal: AbortSignal) => Promise<CheckResult>;
}

interface PromptFeature { index: number; value: number; quantile: number; effect: number | null; exact: number | null }
interface PromptResult { tokens: { id: number; text: string }[]; features: PromptFeature[][]; answer?: string }

interface TopToken { token: string; prob: number | null }
/** A token of the answer: its place among the predictions; null where the logits are not numbers. */
interface AnswerToken { token: string; rank: number | null; prob: number | null; top: TopToken[] }
/** `answer_prob` is that of all its tokens together. */
interface CheckAnswer { answer_prob: number | null; tokens: AnswerToken[] }
interface CheckResult { baseline: CheckAnswer; with_sae: CheckAnswer | null }

type SortKey = 'index' | 'density' | 'max' | 'decoder_norm';

interface State {
  feature: number | null;
  /** From 1, the lowest. */
  interval: number | null;
  theme: 'light' | 'dark' | null;
  sort: SortKey; descending: boolean;
  query: string;
  show: 'all' | 'dead' | 'dense';
  /** Densities that are listed, as log10: from, to. */
  range: [number, number] | null;
}

/** `raw` is what is copied, where it is not the text. */
type Piece = { kind: 'text' | 'space' | 'newline' | 'sign' | 'byte'; text: string; raw?: string };
/** Tokens that make up whole characters. */
interface Cell { from: number; to: number; pieces: Piece[] }

interface Window { saeShard?: (number: number, packed: string) => void }
