// @ts-check
// Which features are listed, and in which order.

/** A feature that fires on more than this share of tokens is ultra-dense. */
const ULTRA_DENSE = 0.1;

/** @param {Overview} overview */
function rowModel(overview) {
  const { d_sae, density, tokens, top_token, lens_token } = overview;
  const texts = tokens.map(searched);
  const dead = density.reduce((n, d) => n + Number(!(d > 0)), 0);
  const dense = density.reduce((n, d) => n + Number(d > ULTRA_DENSE), 0);

  /** The numbers of tokens that a search is for. @param {string} query */
  const matching = (query) => {
    const found = new Uint8Array(tokens.length + 1);
    texts.forEach((text, i) => { if (text.includes(query)) found[i + 1] = 1; });
    return found;
  };

  /** @param {State} state @returns {Uint32Array} numbers of features */
  const select = (state) => {
    const query = state.query.toLowerCase();
    const wanted = query.trim().replace(/^#/, '');
    const asIndex = /^\d+$/.test(wanted) ? Number(wanted) : -1;
    const hits = query ? matching(query) : null;
    const rows = new Uint32Array(d_sae);
    let n = 0;
    for (let i = 0; i < d_sae; i += 1) {
      if (state.show === 'dead' && density[i] > 0) continue;
      if (state.show === 'dense' && !(density[i] > ULTRA_DENSE)) continue;
      if (state.range) {
        const log = Math.log10(density[i]);
        if (!(log >= state.range[0] && log < state.range[1])) continue;
      }
      if (hits && i !== asIndex && !hits[top_token[i]] && !hits[lens_token[i]]) continue;
      rows[n] = i;
      n += 1;
    }
    const selected = rows.subarray(0, n);
    if (state.sort === 'index') {
      if (state.descending) selected.reverse();
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

/** The token that a feature fires on most, or that it makes likeliest. @param {Overview} overview @param {Uint32Array} column @param {number} index */
const tokenOf = (overview, column, index) => (column[index] > 0 ? overview.tokens[column[index] - 1] : null);
