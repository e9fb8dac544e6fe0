// @ts-check
// The compact forms, undone. docs/formats.md describes them.

/** @param {string} packed base64 of gzip @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function unpack(packed) {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What is not a number has no other expression in JSON. @param {number | null} x */
const number = (x) => x ?? NaN;

/** The JSON at the head, and where the rest begins. @param {Uint8Array<ArrayBuffer>} bytes @returns {[any, number]} */
function readHeader(bytes) {
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, end))), end];
}

/** @param {any} table @returns {Token[]} */
function tokenTable(table) {
  let id = 0;
  return table.ids.map((/** @type {number} */ difference, /** @type {number} */ i) => {
    id += difference;
    const entry = table.texts[i];
    /** @type {Token} */
    const token = { id, text: null, bytes: null, whole: null };
    if (typeof entry === 'string') token.text = entry;
    else if (entry?.text !== undefined) Object.assign(token, { text: entry.text, whole: entry.bytes });
    else if (entry?.hex !== undefined) {
      token.bytes = Uint8Array.from(entry.hex.match(/../g) ?? [], (/** @type {string} */ byte) => parseInt(byte, 16));
      if (entry.bytes > token.bytes.length) token.whole = entry.bytes;
    }
    return token;
  });
}

/** @param {Uint8Array<ArrayBuffer>} bytes @returns {Overview} */
function readOverview(bytes) {
  let [header, at] = readHeader(bytes);
  const column = (/** @type {number} */ n) => {
    const entries = new Uint32Array(n);
    for (let plane = 0; plane < 4; plane += 1) {
      for (let i = 0; i < n; i += 1) entries[i] |= bytes[at + plane * n + i] << (8 * plane);
    }
    at += 4 * n;
    return entries;
  };
  const floats = () => new Float32Array(column(header.d_sae).buffer);
  const density = floats();
  const max = floats();
  const mean = floats();
  const decoder_norm = floats();
  const top_token = column(header.d_sae);
  const lens_token = column(header.d_sae);
  const place = new Int32Array(header.d_sae).fill(-1);
  let index = 0;
  column(header.n_shown).forEach((difference, n) => {
    index += difference;
    place[index] = n;
  });
  return { ...header, tokens: tokenTable(header.tokens), density, max, mean, decoder_norm, top_token, lens_token, place };
}

/** The features of a shard by number. @param {Uint8Array<ArrayBuffer>} bytes @returns {Map<number, Feature>} */
function readShard(bytes) {
  let [shard, at] = readHeader(bytes);
  const tokens = tokenTable(shard.tokens);
  // One byte, two, or four.
  const tokenNumber = () => {
    const lead = bytes[at];
    const size = lead < 0x80 ? 1 : lead < 0xff ? 2 : 4;
    at += size;
    if (size === 1) return lead;
    if (size === 2) return 128 + ((lead & 0x7f) << 8) + bytes[at - 1];
    return (bytes[at - 3] << 16) + (bytes[at - 2] << 8) + bytes[at - 1];
  };
  const histogram = (/** @type {any} */ h) => ({ min: number(h.min), max: number(h.max), counts: h.counts });
  const logits = (/** @type {[number, number | null][]} */ pairs) =>
    pairs.map(([token, logit]) => ({ token: tokens[token], logit: number(logit) }));
  const example = (/** @type {any} */ [context, position, start, n, sparse]) => {
    const shown = [];
    for (let i = 0; i < n; i += 1) shown.push(tokens[tokenNumber()]);
    const values = new Float64Array(shown.length);
    for (let i = 0, place = -1; i < sparse.length; i += 2) {
      place += sparse[i];
      values[place] = number(sparse[i + 1]);
    }
    return { context, position, start, tokens: shown, values };
  };
  const feature = (/** @type {any} */ f) => ({
    ...f,
    activations: histogram(f.activations),
    lens: f.lens && {
      convention: f.lens.convention,
      top: logits(f.lens.top),
      bottom: logits(f.lens.bottom),
      histogram: histogram(f.lens.histogram),
    },
    groups: f.groups.map((/** @type {any} */ group) => ({ ...group, examples: group.examples.map(example) })),
  });
  return new Map(shard.features.map((/** @type {any} */ f) => [f.index, feature(f)]));
}
