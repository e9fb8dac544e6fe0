// What people have said of features.

import { store } from '../base/store';
import type { DataSource, Label } from '../types';

interface Shared { all: Map<number, Label>; canChange: boolean }

export const labels = store<Shared>({ all: new Map(), canChange: false });
let save: NonNullable<DataSource['setLabels']> | null = null;

export function startLabels(source: DataSource) {
  save = source.setLabels ?? null;
  labels.set({ all: new Map(source.labels.map((label) => [label.feature, label])), canChange: save !== null });
}

export const labelOf = (feature: number): Label | undefined => labels.get().all.get(feature);

const isEmpty = ({ label, note, star }: Label) => !label && !note && !star;

/** Keeps labels, first on the server. What cannot be kept is not shown as if it were. */
export async function setLabels(changed: Label[]) {
  if (!save || changed.length === 0) return;
  await save(changed);
  const all = new Map(labels.get().all);
  for (const label of changed) {
    if (isEmpty(label)) all.delete(label.feature);
    else all.set(label.feature, label);
  }
  labels.set({ all });
}

export const changeLabel = (feature: number, change: Partial<Label>) =>
  setLabels([{ ...(labelOf(feature) ?? { feature, label: '', note: '', star: false }), ...change }]);
