// One's own text, continued plain and steered, side by side.

import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { el } from '../base/dom';
import { num, percent } from '../base/format';
import { change, featureHref, LARGEST_AMOUNT, state } from '../base/state';
import { useAddress, useStore } from '../base/store';
import { tokenElement } from '../base/text';
import { labelOf } from '../labels/store';
import { tokenOf } from '../list/rows';
import type { DataSource, Side, SteerKind, Steered } from '../types';
import { klOf, KlStrip, largestKl } from './kl-strip';
import { OwnStrip } from './own-strip';
import { TokenText } from './pieces';
import { type Continuation, continueText, continuing, differs, MOST, MOST_TOKENS, stopContinuing, unitOf, withFeature } from './steering';
import { asTokens } from './text';

export function steerPanel(source: DataSource): HTMLElement {
  const place = el('section', { class: 'panel prompt steer', id: 'steer', tabindex: -1, 'aria-label': 'Steer' });
  render(<Steer source={source} />, place);
  return place;
}

/** The feature whose row is to have the focus once it is drawn. */
let wanted: number | null = null;

/** Goes to the panel with one more feature in it. */
export function steerWith(source: DataSource, feature: number) {
  wanted = feature;
  change({ feature: null, steer: withFeature(source.overview, feature) });
  document.getElementById('steer')?.scrollIntoView({ block: 'nearest' });
}

function Steer({ source }: { source: DataSource }) {
  const { steer } = useAddress();
  const { busy, said, failed, of, plain, steered } = useStore(continuing);
  const most = Math.max(largestKl(plain.changes), largestKl(steered.changes));
  const set = (at: number, to: Steered | null) => change({ steer: steer.flatMap((old, i) => (i === at ? (to ? [to] : []) : [old])) });
  return (
    <>
      <h2>Steer<small>your text above, continued by the model as it is and with these features changed</small></h2>
      <ul class="steers">{steer.map((one, at) => <Row key={one.feature} source={source} steered={one} set={(to) => set(at, to)} />)}</ul>
      <AddFeature source={source} full={steer.length >= MOST} />
      <Settings source={source} />
      <div class="buttons steer-run">
        <button type="button" class="primary" disabled={busy} aria-describedby="steer-status" onClick={() => continueText(source)}>Continue</button>
        {busy && <button type="button" class="quiet" onClick={stopContinuing}>Stop</button>}
        <p id="steer-status" class={`prompt-status${failed ? ' error' : ''}`} role={failed ? 'alert' : 'status'}>{said}</p>
      </div>
      {of && (
        <div class="continuations" aria-busy={busy}>
          <Output name="Plain" side="plain" of={plain} most={most} />
          <Output name="Steered" side="steered" of={steered} most={most} note={of.steer.map(inWords).join(', ')} />
        </div>
      )}
      {of && plain.changes.length + steered.changes.length > 0 && (
        <p class="hint kl-meaning">
          KL(p ‖ q) = Σ p·(ln p − ln q), in nats, of the distributions that a token comes from: p the model as it is, q steered, both after the same tokens, those of the
          text that the bar stands under; on the plain side as <code>sae generate --compare</code> has it.
        </p>
      )}
    </>
  );
}

const KINDS: [SteerKind, string][] = [['add', 'add'], ['clamp', 'clamp to'], ['scale', 'scale by'], ['ablate', 'ablate']];

const inWords = ({ feature, kind, amount }: Steered) => `${feature}: ${KINDS.find(([of]) => of === kind)![1]}${amount === undefined ? '' : ` ${num(amount)}`}`;

interface RowProps { source: DataSource; steered: Steered; set: (to: Steered | null) => void }

function Row({ source: { overview }, steered, set }: RowProps) {
  const { feature, kind, amount = 0 } = steered;
  // While a slider moves, the address stays: browsers limit how often it may change.
  const [moving, move] = useState<number | null>(null);
  const list = useRef<HTMLSelectElement>(null);
  useEffect(() => {
    if (wanted !== feature) return;
    wanted = null;
    list.current!.focus();
  });
  const { unit, about, min, max, usual } = unitOf(overview, feature, kind);
  const shown = moving ?? amount;
  const known = feature < overview.d_sae;
  const top = known ? tokenOf(overview, overview.top_token, feature) : null;
  const name = labelOf(feature)?.label;
  const choose = (event: Event) => {
    const kind = (event.currentTarget as HTMLSelectElement).value as SteerKind;
    set(kind === 'ablate' ? { feature, kind } : { feature, kind, amount: unitOf(overview, feature, kind).usual });
  };
  const commit = (event: Event) => {
    const { value } = event.currentTarget as HTMLInputElement;
    move(null);
    if (value !== '' && Math.abs(Number(value)) <= LARGEST_AMOUNT) set({ feature, kind, amount: Number(value) });
  };
  const input = (event: Event) => {
    const { value } = event.currentTarget as HTMLInputElement;
    if (value !== '') move(Number(value));
  };
  const range = `${unit}. ${about}`;
  return (
    <li class="steer-row">
      <span class="steer-name">
        <a href={featureHref(feature)} data-feature={feature}>{feature}</a>{' '}
        {name ? <span class="label" title={name}>{name}</span> : top ? <TokenText token={top} /> : null}
      </span>
      <select ref={list} id={`steer-${feature}`} aria-label={`What is done to feature ${feature}`} value={kind} onChange={choose}>
        {KINDS.map(([value, text]) => <option value={value}>{text}</option>)}
      </select>
      {kind !== 'ablate' && (
        <>
          <input
            type="range" min={Math.min(min, shown)} max={Math.max(max, shown)} step={usual / 50} value={shown}
            aria-label={`Amount for feature ${feature}`} aria-valuetext={`${num(shown)} ${unit}`} onInput={input} onChange={commit}
          />
          <input type="number" step="any" value={shown} aria-label={`Amount for feature ${feature}, ${unit}`} onInput={input} onChange={commit} />
        </>
      )}
      <span class="unit" title={range}>{unit}{unit && ' · '}{about}</span>
      <button type="button" class="quiet small" aria-label={`Leave feature ${feature} as it is`} title="Leave it as it is" onClick={() => set(null)}>×</button>
    </li>
  );
}

function AddFeature({ source, full }: { source: DataSource; full: boolean }) {
  const { d_sae } = source.overview;
  const field = useRef<HTMLInputElement>(null);
  const add = (event: Event) => {
    event.preventDefault();
    const feature = Number(field.current!.value);
    if (field.current!.value === '' || !Number.isInteger(feature)) return;
    change({ steer: withFeature(source.overview, feature) });
    field.current!.value = '';
  };
  return (
    <form class="steer-add" onSubmit={add}>
      <input ref={field} id="steer-feature" type="number" min={0} max={d_sae - 1} required disabled={full} aria-label="Feature to steer" placeholder="Feature" />
      <button type="submit" class="quiet" disabled={full}>Add feature</button>
      {full && <span class="unit">{MOST} features are the most.</span>}
    </form>
  );
}

function Settings({ source }: { source: DataSource }) {
  const { generate } = useAddress();
  const set = (change_: Partial<typeof generate>) => change({ generate: { ...state.generate, ...change_ } });
  const number = (key: 'tokens' | 'temperature' | 'seed', name: string, title: string, most: number, step: number | 'any') => (
    <label title={title}>
      {name}
      <input
        id={`steer-${key}`} type="number" min={key === 'tokens' ? 1 : 0} max={most} step={step} value={generate[key]}
        onChange={(event) => {
          const { value, validity } = event.currentTarget;
          if (value !== '' && validity.valid) set({ [key]: Number(value) });
          else event.currentTarget.value = String(generate[key]);
        }}
      />
    </label>
  );
  const box = (key: 'chat' | 'special', name: string, title: string) => (
    <label title={title}>
      <input id={`steer-${key}`} type="checkbox" checked={generate[key]} onChange={(event) => set({ [key]: event.currentTarget.checked })} /> {name}
    </label>
  );
  return (
    <div class="steer-settings" role="group" aria-label="Settings of both sides">
      {number('tokens', 'new tokens', `At most so many on each side, ${MOST_TOKENS} at most`, MOST_TOKENS, 1)}
      {number('temperature', 'temperature', '0 takes the likeliest token each time; above it tokens are drawn by chance', 100, 'any')}
      {generate.temperature > 0 && number('seed', 'seed', 'Which random numbers are drawn: the same on both sides', 999999999, 1)}
      {source.chat && box('chat', 'chat template', 'The text is what a user says to the model')}
      {box('special', 'steer special tokens', 'Also BOS and marks of a chat template, which are left alone otherwise')}
    </div>
  );
}

/** `most`: what a bar of full height means. */
interface OutputProps { name: string; side: Side; of: Continuation; most: number; note?: string }

const nothing: number[] = [];

function Output({ name, side, of, most, note }: OutputProps) {
  const place = useRef<HTMLElement>(null);
  const tokens = of.tokens.map(({ token }) => token);
  const text = useStable(tokens);
  const shown = asTokens(text);
  const details = (place: number) => {
    const { log_prob, top } = of.tokens[place];
    const pairs: [string, string | Node][] = [['token', tokenElement(shown[place])], ['place', String(place + 1)]];
    pairs.push(['log-probability', logProb(log_prob)]);
    for (const [rank, likely] of asTokens(top).entries()) {
      const entry = el('span', {}, tokenElement(likely), ` ${logProb(top[rank].log_prob)}`);
      pairs.push([rank === 0 ? 'likeliest' : `likeliest ${rank + 1}`, entry]);
    }
    const change = of.changes[place];
    if (change) {
      pairs.push(side === 'plain' ? ['steered', logProb(change.steered_log_prob)] : ['plain', logProb(change.log_prob)]);
      pairs.push(['KL', `${num(klOf(change), 3)} nats`]);
    }
    if (differs(place)) pairs.push(['other side', 'has another token here']);
    return pairs;
  };
  const marks = of.tokens.map((_, place) => differs(place)).join();
  return (
    <section ref={place} class={`continued ${side}`} aria-label={`${name} continuation`}>
      <h3>{name}{note && <small>{note}</small>}</h3>
      {text.length > 0 && <OwnStrip tokens={text} values={nothing} max={1} marks={marks} marked={differs} details={details} label={`${name} continuation; the arrow keys go through its tokens`} />}
      <KlStrip name={name} changes={of.changes} most={most} hover={(at) => point(place.current, at)} />
      <p class="unit">{of.end === 'stop' ? 'The model ended the text here.' : of.end === 'length' ? 'As many tokens as asked for.' : ''}</p>
    </section>
  );
}

/** Marks the token that a bar stands for. */
function point(section: HTMLElement | null, at: number | null) {
  for (const cell of section?.querySelectorAll<HTMLElement>('.cell') ?? []) {
    const [from, to] = [Number(cell.dataset.from), Number(cell.dataset.to)];
    cell.classList.toggle('target', at !== null && from <= at && at < to);
  }
}

const logProb = (x: number | null) => (x === null ? '−∞ (0 %)' : `${num(x, 3)} (${percent(Math.exp(x), 3)})`);

/** The same list until a token is added: the line is made anew for another. */
function useStable<T>(list: T[]): T[] {
  const kept = useRef(list);
  const same = kept.current.length === list.length && kept.current.every((item, i) => item === list[i]);
  if (!same) kept.current = list;
  return kept.current;
}
