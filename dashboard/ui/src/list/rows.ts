// Which features are listed, and in which order.

import { labels } from '../labels/store';
import type { Label, Overview, State } from '../types';
import { type Match, searcher } from './search';

/** A feature that fires on more than this share of tokens is ultra-dense. */
export const ULTRA_DENSE = 0.1;

export function rowModel(overview: Overview) {
  const { d_sae, density } = overview;
  const dead = density.reduce((n, d) => n + Number(!(d > 0)), 0);
  const dense = density.reduce((n, d) => n + Number(d > ULTRA_DENSE), 0);
  const search = searcher(overview);

  const isShown = (i: number, { show, range }: State, all: Map<number, Label>) => {
    if (show === 'dead' && density[i] > 0) return false;
    if (show === 'dense' && !(density[i] > ULTRA_DENSE)) return false;
    if (show === 'starred' && !all.get(i)?.star) return false;
    if (show === 'labelled' && !all.get(i)?.label) return false;
    if (!range) return true;
    const log = Math.log10(density[i]);
    return log >= range[0] && log < range[1];
  };

  /** Numbers of features. */
  const select = (state: State): Uint32Array => {
    const { all } = labels.get();
    const wanted = state.query.trim().replace(/^#/, '');
    const asIndex = /^\d+$/.test(wanted) ? Number(wanted) : -1;
    const match = wanted ? search(state.query, all) : null;
    const matches: Match[] = [];
    const rows = new Uint32Array(d_sae);
    let n = 0;
    for (let i = 0; i < d_sae; i += 1) {
      if (!isShown(i, state, all)) continue;
      if (match) {
        const found = match(i);
        if (found === 0) continue;
        matches[i] = found;
      }
      rows[n] = i;
      n += 1;
    }
    const selected = rows.subarray(0, n);
    if (state.sort === 'index') {
      if (state.descending) selected.reverse();
      // In the order of the dictionary those come first that are shown with what was asked for.
      else if (match) selected.sort((a, b) => matches[b] - matches[a] || a - b);
    } else {
      const column = overview[state.sort];
      const sense = state.descending ? -1 : 1;
      selected.sort((a, b) => sense * (column[a] - column[b]) || a - b);
    }
    // A number that was asked for comes first.
    const at = asIndex >= 0 ? selected.indexOf(asIndex) : -1;
    if (at > 0) {
      selected.copyWithin(1, 0, at);
      selected[0] = asIndex;
    }
    return selected;
  };
  return { select, dead, dense };
}

/** The token that a feature fires on most, or that it makes likeliest. */
export const tokenOf = (overview: Overview, column: Uint32Array, index: number) => (column[index] > 0 ? overview.tokens[column[index] - 1] : null);
