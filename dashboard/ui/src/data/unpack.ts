// The compact forms, undone. docs/formats.md describes them.

import type { Feature, Label, Overview, Token, TokenLists } from '../types';

/** `packed`: base64 of gzip. */
export async function unpack(packed: string): Promise<Uint8Array<ArrayBuffer>> {
  const text = atob(packed);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** What is not a number has no other expression in JSON. */
const number = (x: number | null) => x ?? NaN;

/** The JSON at the head, and where the rest begins. */
function readHeader(bytes: Uint8Array<ArrayBuffer>): [any, number] {
  const end = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, end))), end];
}

function tokenTable(table: any): Token[] {
  let id = 0;
  return table.ids.map((difference: number, i: number) => {
    id += difference;
    const entry = table.texts[i];
    const token: Token = { id, text: null, bytes: null, whole: null };
    if (typeof entry === 'string') token.text = entry;
    else if (entry?.text !== undefined) Object.assign(token, { text: entry.text, whole: entry.bytes });
    else if (entry?.hex !== undefined) {
      token.bytes = Uint8Array.from(entry.hex.match(/../g) ?? [], (byte: string) => parseInt(byte, 16));
      if (entry.bytes > token.bytes.length) token.whole = entry.bytes;
    }
    return token;
  });
}

/** A token's place in the table, of one byte, two, or four; and where the next one begins. */
function tokenNumber(bytes: Uint8Array, at: number): [number, number] {
  const lead = bytes[at];
  if (lead < 0x80) return [lead, at + 1];
  if (lead < 0xff) return [128 + ((lead & 0x7f) << 8) + bytes[at + 1], at + 2];
  return [(bytes[at + 1] << 16) + (bytes[at + 2] << 8) + bytes[at + 3], at + 4];
}

/** A label as it is written, where what is empty is left out. */
export const wholeLabel = ({ feature, label, note, star }: Partial<Label>): Label =>
  ({ feature: Number(feature), label: String(label ?? ''), note: String(note ?? ''), star: star === true });

/** The overview, and the labels that came with it. */
export function readOverview(bytes: Uint8Array<ArrayBuffer>): [Overview, Label[]] {
  let [header, at] = readHeader(bytes);
  const column = (n: number) => {
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
  const lists = (): TokenLists => {
    const ends = new Uint32Array(header.d_sae);
    let n = 0;
    for (let f = 0; f < header.d_sae; f += 1) ends[f] = n += bytes[at + f];
    at += header.d_sae;
    const tokens = new Uint32Array(n);
    for (let i = 0; i < n; i += 1) [tokens[i], at] = tokenNumber(bytes, at);
    return { ends, tokens };
  };
  const [fires_on, promotes] = header.has_lists ? [lists(), lists()] : [null, null];
  const labels = (header.labels ?? []).map(wholeLabel);
  return [{ ...header, tokens: tokenTable(header.tokens), density, max, mean, decoder_norm, top_token, lens_token, place, fires_on, promotes }, labels];
}

/** The features of a shard by number. */
export function readShard(bytes: Uint8Array<ArrayBuffer>): Map<number, Feature> {
  let [shard, at] = readHeader(bytes);
  const tokens = tokenTable(shard.tokens);
  const histogram = (h: any) => ({ min: number(h.min), max: number(h.max), counts: h.counts });
  const logits = (pairs: [number, number | null][]) =>
    pairs.map(([token, logit]) => ({ token: tokens[token], logit: number(logit) }));
  const example = ([context, position, start, n, sparse]: any) => {
    const shown = [];
    for (let i = 0; i < n; i += 1) {
      const [place, next] = tokenNumber(bytes, at);
      shown.push(tokens[place]);
      at = next;
    }
    const values = new Float64Array(shown.length);
    for (let i = 0, place = -1; i < sparse.length; i += 2) {
      place += sparse[i];
      values[place] = number(sparse[i + 1]);
    }
    return { context, position, start, tokens: shown, values };
  };
  const feature = (f: any) => ({
    ...f,
    activations: histogram(f.activations),
    lens: f.lens && {
      convention: f.lens.convention,
      top: logits(f.lens.top),
      bottom: logits(f.lens.bottom),
      histogram: histogram(f.lens.histogram),
    },
    groups: f.groups.map((group: any) => ({ ...group, examples: group.examples.map(example) })),
  });
  return new Map(shard.features.map((f: any) => [f.index, feature(f)]));
}
