// Text as a line of tokens, coloured by activation.

import { announce, el } from '../base/dom';
import { cells, pieceElements } from '../base/text';
import { hideTooltip, pairList, showTooltip } from '../base/tooltip';
import type { Token } from '../types';

export interface StripOptions {
  tokens: Token[];
  values: ArrayLike<number>;
  /** What full colour means */
  max: number;
  /** Place of the token in the middle */
  target: number | null;
  label: string;
  role: 'button' | 'group';
  /** Called with the place of the token under pointer or cursor */
  hover: (place: number | null) => void;
  /** Of a token, for the tooltip */
  details: (place: number) => [string, string | Node][];
  /** Below them */
  pictures?: (place: number) => Node[];
  /** Whether a token is off the scale: it has no colour, and looks so */
  outside?: (place: number) => boolean;
}

/** Share of full colour: what fires at all is seen. */
const heat = (value: number, max: number) => (value > 0 ? Math.min(1, 0.08 + (0.92 * value) / (max > 0 ? max : 1)) : 0);

export function strip({ tokens, values, max, target, label, role, hover, details, pictures, outside }: StripOptions): HTMLElement {
  const sides = ['left', 'middle', 'right'].map((side) => el('span', { class: side }));
  const line = el('div', { class: 'strip', tabindex: 0, role, 'aria-label': label }, ...sides);
  const elements: HTMLElement[] = [];
  for (const { from, to, pieces } of cells(tokens)) {
    let value = 0;
    for (let i = from; i < to; i += 1) value = Math.max(value, Number(values[i]));
    const isTarget = target !== null && from <= target && target < to;
    const cell = el('span', { class: isTarget ? 'cell target' : 'cell', 'data-from': from, 'data-to': to }, ...pieceElements(pieces));
    if (outside?.(from)) cell.classList.add('outside');
    else if (value > 0) {
      const a = heat(value, max);
      cell.style.setProperty('--a', a.toFixed(3));
      cell.classList.add(a > 0.7 ? 'hot' : 'warm');
    }
    const side = target === null ? 2 : isTarget ? 1 : from < target ? 0 : 2;
    sides[side].append(cell);
    elements.push(cell);
  }
  let cursor = -1;
  const leave = () => {
    elements[cursor]?.classList.remove('cursor');
    cursor = -1;
    hideTooltip();
    hover(null);
  };
  const enter = (at: number) => {
    elements[cursor]?.classList.remove('cursor');
    cursor = at;
    const cell = elements[at];
    cell.classList.add('cursor');
    const from = Number(cell.dataset.from);
    const to = Number(cell.dataset.to);
    const lists = [];
    for (let place = from; place < to; place += 1) lists.push(pairList(details(place)));
    // Of the pieces of a character, the one that fires most.
    let best = from;
    for (let place = from; place < to; place += 1) if (values[place] > values[best]) best = place;
    showTooltip(cell.getClientRects()[0] ?? cell.getBoundingClientRect(), ...lists, ...(pictures?.(best) ?? []));
    hover(best);
  };
  line.addEventListener('pointerover', (event) => {
    const cell = (event.target as Element).closest('.cell');
    const at = cell ? elements.indexOf((cell as HTMLElement)) : -1;
    if (at >= 0 && at !== cursor) enter(at);
  });
  line.addEventListener('pointerleave', leave);
  line.addEventListener('blur', leave);
  line.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const start = elements.findIndex((cell) => cell.classList.contains('target'));
    const next = cursor < 0 ? Math.max(0, start) : cursor + step;
    if (next >= 0 && next < elements.length) {
      enter(next);
      announce(pairText(details(Number(elements[next].dataset.from))));
    }
  });
  return line;
}

const pairText = (pairs: [string, string | Node][]) => pairs.map(([name, value]) => `${name} ${typeof value === 'string' ? value : value.textContent}`).join(', ');

// Signs become what they stand for when part of a line is copied.
document.addEventListener('copy', (event) => {
  const selection = getSelection();
  if (!selection || selection.isCollapsed || !event.clipboardData) return;
  const range = selection.getRangeAt(0);
  const around = range.commonAncestorContainer;
  if (!(around instanceof Element ? around : around.parentElement)?.closest('.strip')) return;
  const part = range.cloneContents();
  for (const sign of part.querySelectorAll('[data-raw]')) sign.textContent = (sign as HTMLElement).dataset.raw ?? '';
  event.clipboardData.setData('text/plain', part.textContent ?? '');
  event.preventDefault();
});
