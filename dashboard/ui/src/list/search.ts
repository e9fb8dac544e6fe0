// Which features a search finds: by number, by label, and by the tokens that they fire on or make likelier.

import { searched } from '../base/text';
import type { Label, Overview, TokenLists } from '../types';

/** A word of a search. In quotes it is a whole token, spaces included. */
interface Term { text: string; exact: boolean }

/** `paris "the" " and"` are three terms; a space before a word stays one of its own only in quotes. */
function terms(query: string): Term[] {
  const found: Term[] = [];
  for (const [, quoted, word] of query.matchAll(/"([^"]+)"?|([^\s"]+)/g)) {
    const text = (quoted ?? word).toLowerCase();
    found.push({ text, exact: quoted !== undefined });
  }
  return found;
}

/** How well a feature matches: not at all, somewhere, or by what it is shown with. */
export type Match = 0 | 1 | 2;

export function searcher(overview: Overview) {
  const texts = overview.tokens.map(searched);
  const { fires_on, promotes, top_token, lens_token } = overview;

  /** The tokens that a term is for, one more than their places: 1 for a part of one, 2 for all of it. */
  const hits = ({ text, exact }: Term) => {
    const found = new Uint8Array(texts.length + 1);
    texts.forEach((token, i) => {
      if (token === text || (!exact && token.trim() === text)) found[i + 1] = 2;
      else if (!exact && token.includes(text)) found[i + 1] = 1;
    });
    return found;
  };
  const best = (lists: TokenLists | null, f: number, of: Uint8Array) => {
    let most = 0;
    if (lists) for (let i = f > 0 ? lists.ends[f - 1] : 0; i < lists.ends[f]; i += 1) most = Math.max(most, of[lists.tokens[i] + 1]);
    return most;
  };

  /** Of each feature how well it matches all terms. */
  return (query: string, labels: Map<number, Label>): ((feature: number) => Match) => {
    const asked = terms(query).map((term) => ({ ...term, of: hits(term), index: /^#?\d+$/.test(term.text) ? Number(term.text.replace('#', '')) : -1 }));
    const said = new Map([...labels.values()].map(({ feature, label, note }) => [feature, `${label}\n${note}`.toLowerCase()]));
    return (f) => {
      let worst: Match = 2;
      for (const { text, of, index } of asked) {
        if (f === index || said.get(f)?.includes(text)) continue;
        const shown = Math.max(of[top_token[f]], of[lens_token[f]]);
        if (shown === 2) continue;
        if (shown === 0 && best(fires_on, f, of) === 0 && best(promotes, f, of) === 0) return 0;
        worst = 1;
      }
      return worst;
    };
  };
}
