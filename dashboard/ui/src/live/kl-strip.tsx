// How much the steering changes each token of a continuation: a thin line of bars.

import { num } from '../base/format';
import type { TokenChange } from '../types';

interface Props { name: string; changes: TokenChange[]; most: number; hover: (place: number | null) => void }

/** KL as a number: where it has no bound, the server sends null. */
export const klOf = ({ kl }: TokenChange) => kl ?? Infinity;

/** The largest that is a number. */
export const largestKl = (changes: TokenChange[]) => Math.max(0, ...changes.map(klOf).filter(Number.isFinite));

export const meanKl = (changes: TokenChange[]) => changes.reduce((sum, of) => sum + klOf(of), 0) / changes.length;

export function KlStrip({ name, changes, most, hover }: Props) {
  if (!changes.length) return null;
  const largest = changes.reduce((best, of, place) => (klOf(of) > klOf(changes[best]) ? place : best), 0);
  const label = `${name}: KL per token, ${num(meanKl(changes), 3)} nats in the mean, the largest ${num(klOf(changes[largest]), 3)} at token ${largest + 1}`;
  return (
    <div class="kl">
      <div class="kl-bars" role="img" aria-label={label} onPointerLeave={() => hover(null)}>
        {changes.map((of, place) => (
          <span class="kl-bar" title={`token ${place + 1}: ${num(klOf(of), 3)} nats`} style={{ '--share': most > 0 ? Math.min(1, klOf(of) / most) : 0 }} onPointerEnter={() => hover(place)} />
        ))}
      </div>
      <p class="kl-said">KL {num(meanKl(changes), 3)} nats a token, at most {num(klOf(changes[largest]), 3)}</p>
    </div>
  );
}
