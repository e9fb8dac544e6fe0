// One box that says more of what the pointer is on.

import { byId, el } from './dom';

export function showTooltip(place: { left: number; right: number; top: number; bottom: number; }, ...content: (Node | string)[]) {
  const box = byId('tooltip');
  box.replaceChildren(...content);
  box.hidden = false;
  const { width, height } = box.getBoundingClientRect();
  const left = Math.min(Math.max(8, (place.left + place.right) / 2 - width / 2), innerWidth - width - 8);
  const above = place.top - height - 8;
  box.style.left = `${left}px`;
  box.style.top = `${above < 8 ? Math.min(place.bottom + 8, innerHeight - height - 8) : above}px`;
}

/** At the pointer. */
export function tooltipAt(event: PointerEvent, ...content: (Node | string)[]) {
  showTooltip({ left: event.clientX, right: event.clientX, top: event.clientY - 6, bottom: event.clientY + 12 }, ...content);
}

export function hideTooltip() { byId('tooltip').hidden = true; }

/** Names and values, one pair a line. */
export function pairList(pairs: [string, string | Node][]) {
  const list = el('dl', { class: 'pairs' });
  for (const [name, value] of pairs) list.append(el('dt', {}, name), el('dd', {}, value));
  return list;
}
