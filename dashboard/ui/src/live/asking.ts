// One question at a time to the model, and how it goes: what every view that asks has in common.

import type { Store } from '../base/store';

export interface Asking { busy: boolean; said: string; failed: boolean }

/** Asks for one view: a second question waits until the first is answered or stopped. */
export function asker<T extends Asking>(shown: Store<T>) {
  let running: AbortController | null = null;
  const set = (change: Partial<Asking>) => shown.set(change as Partial<T>);
  return {
    say: (said: string, failed = false) => set({ said, failed }),
    stop: () => running?.abort(),
    /** `work` says at its end what came of it. */
    async ask(work: (signal: AbortSignal) => Promise<string>) {
      if (running) return;
      const mine = new AbortController();
      running = mine;
      set({ busy: true, said: 'The model runs…', failed: false });
      try {
        set({ said: await work(mine.signal), failed: false });
      } catch (error) {
        const stopped = error instanceof Error && error.name === 'AbortError';
        set({ said: stopped ? 'Stopped.' : error instanceof Error ? error.message : String(error), failed: !stopped });
      } finally {
        running = null;
        set({ busy: false });
      }
    },
  };
}
