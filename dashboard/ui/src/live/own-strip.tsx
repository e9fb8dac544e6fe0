// One's own text as a line of tokens, in a component.

import { useEffect, useMemo, useRef } from 'preact/hooks';
import { strip, type StripOptions } from '../plots/strip';
import type { PromptToken } from '../types';
import { asTokens, counts } from './text';

interface Props {
  tokens: PromptToken[];
  values: ArrayLike<number>;
  max: number;
  label: string;
  chosen?: number | null;
  choose?: (place: number) => void;
  hover?: StripOptions['hover'];
  details: StripOptions['details'];
  /** Which tokens have a mark, and something that changes when they do. */
  marked?: (place: number) => boolean;
  marks?: string;
}

const nothing = () => {};

export function OwnStrip({ tokens, values, max, label, chosen, choose, hover, details, marked, marks }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => asTokens(tokens), [tokens]);
  // The line is made once for each text and colouring, and asks for what is new when it is used.
  const now = useRef({ details, hover });
  now.current = { details, hover };
  useEffect(() => {
    const line = strip({
      tokens: shown, values, max, target: null, label, role: 'group',
      hover: (at) => (now.current.hover ?? nothing)(at),
      details: (at) => now.current.details(at),
      outside: (at) => !counts(tokens[at]),
    });
    line.classList.add('wrapped');
    if (choose) {
      line.addEventListener('click', (event) => {
        const cell = (event.target as Element).closest<HTMLElement>('.cell');
        if (cell) choose(Number(cell.dataset.from));
      });
      line.addEventListener('keydown', (event) => {
        const cursor = line.querySelector<HTMLElement>('.cursor');
        if (cursor && event.key === 'Enter') choose(Number(cursor.dataset.from));
      });
    }
    place.current!.replaceChildren(line);
  }, [shown, values, max, label]);
  useEffect(() => {
    for (const cell of place.current!.querySelectorAll<HTMLElement>('.cell')) {
      const [from, to] = [Number(cell.dataset.from), Number(cell.dataset.to)];
      cell.classList.toggle('target', chosen !== null && chosen !== undefined && from <= chosen && chosen < to);
    }
  }, [shown, values, max, chosen]);
  useEffect(() => {
    if (!marked) return;
    for (const cell of place.current!.querySelectorAll<HTMLElement>('.cell')) {
      let any = false;
      for (let at = Number(cell.dataset.from); at < Number(cell.dataset.to); at += 1) any ||= marked(at);
      cell.classList.toggle('differs', any);
    }
  }, [shown, marks]);
  return <div ref={place} />;
}

/** What full colour means: the largest value of tokens that count; of all where none does. */
export function largest(tokens: PromptToken[], values: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < tokens.length; i += 1) if (counts(tokens[i])) most = Math.max(most, values[i]);
  return most;
}
