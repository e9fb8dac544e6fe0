// Labels from and for other programs.

import { download } from '../base/copy';
import { wholeLabel } from '../data/unpack';
import type { Label, Overview } from '../types';
import { labelOf, labels, setLabels } from './store';

/** Bytes of labels that are sent at once. */
const AT_ONCE = 24_000;
const MOST_BYTES = 1 << 28;
const LABEL_CHARACTERS = 160;

/** As a file that `--labels` reads. */
export function exportLabels({ source: { model, sae, hook_name }, d_sae }: Overview) {
  const sorted = [...labels.get().all.values()].sort((a, b) => a.feature - b.feature);
  const rows = sorted.map(({ feature, label, note, star }) => ({ feature, label: label || undefined, note: note || undefined, star: star || undefined }));
  download('labels.jsonl', [{ labels_of: { model, sae, hook_name, d_sae } }, ...rows].map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** Labels of a file: our own, or explanations of Neuronpedia's, packed or not. What is already said of a feature stays. Says how it went. */
export async function importLabels(file: File, overview: Overview): Promise<string> {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is too large to hold labels.`);
  const head = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  const text = packed ? await new Response(file.stream().pipeThrough(new DecompressionStream('gzip'))).text() : await file.text();
  const found = new Map<number, Label>();
  text.split('\n').forEach((line, i) => {
    if (!line.trim()) return;
    try {
      take(JSON.parse(line), found, overview);
    } catch (error) {
      throw new Error(`${file.name}, line ${i + 1}: ${error instanceof Error ? error.message : error}`);
    }
  });
  const fresh = [...found.values()].filter(({ feature, label, note, star }) => !labelOf(feature) && (label || note || star));
  for (let at = 0; at < fresh.length;) {
    const some: Label[] = [];
    for (let size = 0; at < fresh.length && (some.length === 0 || size < AT_ONCE); at += 1) {
      some.push(fresh[at]);
      size += JSON.stringify(fresh[at]).length;
    }
    await setLabels(some);
  }
  const kept = found.size - fresh.length;
  return `${fresh.length} labels added${kept > 0 ? `; ${kept} features had one, which stays` : ''}.`;
}

function take(row: Record<string, unknown>, found: Map<number, Label>, overview: Overview) {
  const of = row.labels_of as Partial<{ d_sae: number; hook_name: string }> | undefined;
  if (of) {
    if (of.d_sae !== overview.d_sae || of.hook_name !== overview.source.hook_name) {
      throw new Error(`these labels are of another SAE (${of.d_sae} features at ${of.hook_name}).`);
    }
    return;
  }
  const feature = Number(row.feature ?? row.index);
  if (!Number.isInteger(feature) || feature < 0 || feature >= overview.d_sae) {
    throw new Error(`there is no feature ${String(row.feature ?? row.index)} here.`);
  }
  if (row.description === undefined) {
    found.set(feature, wholeLabel({ ...(row as Partial<Label>), feature }));
    return;
  }
  const text = String(row.description ?? '').trim();
  const before = found.get(feature);
  // The first explanation is the label, and others, or what there is no room for, go into the note.
  const line = text.replace(/\p{Cc}+/gu, ' ');
  if (!before) {
    const fits = line.length <= LABEL_CHARACTERS;
    found.set(feature, wholeLabel({ feature, label: fits ? line : `${line.slice(0, LABEL_CHARACTERS - 1)}…`, note: fits ? '' : text }));
  } else found.set(feature, { ...before, note: before.note ? `${before.note}\n${text}` : text });
}
