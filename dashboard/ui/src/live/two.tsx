// Two texts beside each other: which features tell them apart.

import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Table } from '../base/copy';
import { el } from '../base/dom';
import { count, num, signed } from '../base/format';
import { featureHref } from '../base/state';
import { useAddress, useStore } from '../base/store';
import { spoken, tokenElement } from '../base/text';
import type { ContrastedFeature, ContrastResult, DataSource, PromptToken } from '../types';
import { Copy, NAME_HEADS, NameCells, named, ToolCells, ToolHeads } from './cells';
import { atOnce, colouredBy, comparing, compareTexts, stopComparing, wantColours } from './contrast';
import { largest, OwnStrip } from './own-strip';
import { TokenText } from './pieces';
import { asTokens } from './text';

export function twoPanel(source: DataSource): HTMLElement {
  const place = el('section', { class: 'panel prompt contrasted', 'aria-label': 'Two texts' });
  render(<Two source={source} />, place);
  return place;
}

const NAMES = ['First text', 'Second text'];

function Two({ source }: { source: DataSource }) {
  const { draft, busy, said, failed, result } = useStore(comparing);
  const run = () => { compareTexts(source); };
  useEffect(() => { if (atOnce) run(); }, []);
  const submit = (event: Event) => {
    event.preventDefault();
    run();
  };
  return (
    <>
      <h2>Two texts<small>which features tell your text above from a second one</small></h2>
      <form aria-busy={busy} onSubmit={submit}>
        <textarea
          id="other" rows={2} aria-label="Second text" placeholder="A second text, to compare with the one above" maxlength={100000} value={draft} spellcheck={false}
          onInput={(event) => comparing.set({ draft: event.currentTarget.value })}
          onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event); }}
        />
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy} aria-describedby="two-status">Compare</button>
          {busy && <button type="button" class="quiet" onClick={stopComparing}>Stop</button>}
        </div>
      </form>
      <p id="two-status" class={`prompt-status${failed ? ' error' : ''}`} role={failed ? 'alert' : 'status'}>{said}</p>
      {result && <Output source={source} result={result} />}
    </>
  );
}

const NONE: number[] = [];

function Output({ source, result }: { source: DataSource; result: ContrastResult }) {
  const { values: known } = useStore(comparing);
  const { heat } = useAddress();
  const feature = colouredBy(heat);
  useEffect(() => { if (feature !== null) wantColours(source, feature); }, [feature, result]);
  const values = (feature === null ? undefined : known.get(feature)) ?? [NONE, NONE];
  const most = Math.max(0, ...values.map((of, i) => largest(result.texts[i], of)));
  const max = Math.max(most, feature === null ? 0 : source.overview.max[feature] ?? 0);
  return (
    <div class="prompt-output">
      {feature !== null && (
        <div class="legend-line">
          <span>Colour: activation of <a href={featureHref(feature)} data-feature={feature}>{feature}</a></span>
          <span class="legend"><span>0</span><span class="ramp" /><span>{num(max, 3)}</span></span>
        </div>
      )}
      <div class="both">
        {result.texts.map((tokens, i) => <Text name={NAMES[i]} tokens={tokens} values={values[i]} max={max} feature={feature} />)}
      </div>
      <p class="hint">
        The largest activation on the tokens of each text, those left out that do not count, as BOS. Two texts are an example, not a measurement: nothing here is a
        statistic, and any two texts differ. <code>sae contrast</code> compares two sets of prompts, with effect sizes and tests.
      </p>
      <DifferenceTable source={source} result={result} feature={feature} />
    </div>
  );
}

interface TextProps { name: string; tokens: PromptToken[]; values: number[]; max: number; feature: number | null }

function Text({ name, tokens, values, max, feature }: TextProps) {
  const shown = asTokens(tokens);
  const details = (place: number) => {
    const pairs: [string, string | Node][] = [['token', tokenElement(shown[place])], ['place', String(place)]];
    if (values.length) pairs.push([`activation of ${feature}`, num(values[place])]);
    if (tokens[place].counts === false) pairs.push(['in maxima', 'does not count; off the scale']);
    return pairs;
  };
  return (
    <section aria-label={name}>
      <h3>{name}</h3>
      <OwnStrip tokens={tokens} values={values} max={max} details={details} label={`${name}; the arrow keys go through its tokens`} />
    </section>
  );
}

interface TableProps { source: DataSource; result: ContrastResult; feature: number | null }

function DifferenceTable({ source, result: { texts, features, n_different }, feature }: TableProps) {
  const shown = texts.map(asTokens);
  const tokenOf = (f: ContrastedFeature, i: number) => (f.token[i] === null ? null : shown[i][f.token[i]!]);
  const table = (): Table => ({
    columns: ['feature', 'label', 'fires_on', 'first', 'first_token', 'second', 'second_token', 'difference'],
    rows: features.map((f) => {
      const sides = [0, 1].flatMap((i) => { const token = tokenOf(f, i); return [f.max[i], token ? spoken(token) : '']; });
      return [f.index, ...named(source.overview, f.index), ...sides, f.difference];
    }),
  });
  if (!features.length) return <p class="empty">No feature differs between these texts.</p>;
  return (
    <div class="prompt-features scrolls">
      <table class="differences">
        <caption>{n_different > features.length ? `The ${count(features.length)} features that differ most, of ${count(n_different)}` : 'Features that differ'}<Copy name="the differences" table={table} /></caption>
        <thead>
          <tr>
            {NAME_HEADS}
            {['first', 'second'].map((name) => <><th scope="col" title={`Its largest activation in the ${name} text`}>{name}</th><th scope="col" class="left">on</th></>)}
            <th scope="col" title="First less second">difference</th>
            <ToolHeads source={source} />
          </tr>
        </thead>
        <tbody>
          {features.map((f) => (
            <tr key={f.index} class={feature === f.index ? 'on' : undefined}>
              <NameCells source={source} index={f.index} />
              {[0, 1].map((i) => {
                const token = tokenOf(f, i);
                return <><td class="v" title={String(f.max[i])}>{num(f.max[i])}</td><td>{token ? <TokenText token={token} /> : '—'}</td></>;
              })}
              <td class="v" title={String(f.difference)}>{signed(f.difference)}</td>
              <ToolCells source={source} index={f.index} on={feature === f.index} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
