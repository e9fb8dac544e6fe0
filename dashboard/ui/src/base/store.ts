// Values that several views share: what is set in one is drawn in all.

import { useEffect, useReducer } from 'preact/hooks';
import { state, watch } from './state';
import type { State } from '../types';

export interface Store<T> {
  get(): T;
  set(change: Partial<T>): void;
  /** Calls `watcher` after every change; what it returns ends that. */
  watch(watcher: () => void): () => void;
}

export function store<T extends object>(initial: T): Store<T> {
  let value = initial;
  const watchers = new Set<() => void>();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const watcher of [...watchers]) watcher();
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** In a component: the value, which draws it again when it changes. */
export function useStore<T>(of: Store<T>): T {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => of.watch(() => draw(0)), [of]);
  return of.get();
}

const addresses = new Set<() => void>();
watch(() => { for (const draw of [...addresses]) draw(); });

/** In a component: what is on view. */
export function useAddress(): State {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const again = () => draw(0);
    addresses.add(again);
    return () => { addresses.delete(again); };
  }, []);
  return state;
}
