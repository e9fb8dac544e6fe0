// What comes after one's own text, and which features speak for it.

import { useEffect } from 'preact/hooks';
import type { Table } from '../base/copy';
import { count, num, percent, signed } from '../base/format';
import { change } from '../base/state';
import { useAddress, useStore } from '../base/store';
import { spoken } from '../base/text';
import type { AttributeResult, DataSource, LikelyToken, Token } from '../types';
import { attributeText, attributing, found, stopAttributing, takeAtOnce } from './attribution';
import { Copy, NAME_HEADS, NameCells, named, ToolCells, ToolHeads } from './cells';
import { TokenText } from './pieces';
import { asTokens } from './text';

const chance = (x: number | null) => (x === null ? '0 %' : percent(Math.exp(x)));

export function Why({ source, next }: { source: DataSource; next: LikelyToken[] }) {
  const { answer, against } = useAddress();
  const { busy, said, failed } = useStore(attributing);
  useEffect(() => { if (takeAtOnce()) attributeText(source); }, []);
  const shown = asTokens(next);
  // One of the address that is not among the likely ones.
  const strange = (id: number | null): Token[] => (id === null || shown.some((token) => token.id === id) ? [] : [{ id, text: null, bytes: null, whole: null }]);
  const choose = (id: number) => change({ answer: answer === id ? null : id, against: against === id ? null : against });
  const others = [...shown, ...strange(against)].filter(({ id }) => id !== answer);
  const result = found();
  return (
    <section class="why" aria-label="What comes next">
      <h3>What comes next<small>choose a token to see which features speak for it</small></h3>
      <div class="nexts" role="group" aria-label="Likely next tokens">
        {[...shown, ...strange(answer)].map((token, i) => (
          <button type="button" class="quiet next" aria-pressed={answer === token.id} data-id={token.id} onClick={() => choose(token.id)}>
            <TokenText token={token} /> <span class="v">{i < next.length ? chance(next[i].log_prob) : ''}</span>
          </button>
        ))}
      </div>
      {answer !== null && (
        <div class="why-run">
          <label>rather than{' '}
            <select id="against" value={against ?? ''} onChange={(event) => change({ against: event.currentTarget.value === '' ? null : Number(event.currentTarget.value) })}>
              <option value="">anything else</option>
              {others.map((token) => <option value={token.id} selected={token.id === against}>{JSON.stringify(token.text === null ? `id ${token.id}` : spoken(token))}</option>)}
            </select>
          </label>
          <button type="button" class="primary" disabled={busy} aria-describedby="why-status" onClick={() => attributeText(source)}>Explain</button>
          {busy && <button type="button" class="quiet" onClick={stopAttributing}>Stop</button>}
          <p id="why-status" class={`prompt-status${failed ? ' error' : ''}`} role={failed ? 'alert' : 'status'}>{said}</p>
        </div>
      )}
      {result && <Found source={source} result={result} />}
    </section>
  );
}

/** From this share of what was measured on, a sum is far from it. */
const FAR = 0.2;
const sum = (list: number[]) => list.reduce((all, x) => all + x, 0);

function Found({ source, result }: { source: DataSource; result: AttributeResult }) {
  const { tokens, by_position, error, bias, measured } = result;
  const [answer, against] = [result.answer, result.against].map((token) => token && asTokens([token])[0]);
  const shown = asTokens(tokens);
  const parts: [string, number][] = [['features', sum(by_position)], ['error', sum(error)], ['bias', sum(bias)], ['together', result.sum], ['measured', measured]];
  const metric = against
    ? <>logit(<TokenText token={answer!} />) − logit(<TokenText token={against} />)</>
    : <>ln p(<TokenText token={answer!} />)</>;
  return (
    <div class="why-found">
      <p class="hint">
        Effects on {metric}, which is {num(result.value)}{against ? '' : ' nats'}: what each part of the activation at {result.write_hook} is, times the gradient there.
        Features, the error (what the SAE does not reconstruct) and the bias add up to an estimate of what is lost when this activation is zero; “measured” is that loss.
        {Math.abs(result.sum - measured) > FAR * Math.abs(measured) && <>
          {' '}The two are far apart here, as they often are: one gradient knows only the neighbourhood of this activation. <code>sae attribute --method integrated</code> follows the whole way
          to zero, and <code>--method ablate</code> measures features one by one.
        </>}
      </p>
      <dl class="figures sums" aria-label="Sums of effects">
        {parts.map(([name, value]) => <div class="figure"><dt>{name}</dt><dd title={String(value)}>{signed(value, 4)}</dd></div>)}
      </dl>
      <div class="why-tables">
        <FeatureTable source={source} result={result} shown={shown} />
        <PositionTable result={result} shown={shown} />
      </div>
    </div>
  );
}

/** A bar to both sides of nothing. */
const Bar = ({ value, most }: { value: number; most: number }) => (
  <span class={`effect-bar ${value < 0 ? 'less' : 'more'}`} style={{ '--share': most > 0 ? Math.abs(value) / most : 0 }} />
);

const Place = ({ shown, place }: { shown: Token[]; place: number }) => <><TokenText token={shown[place]} /> <span class="v">{place}</span></>;

function FeatureTable({ source, result: { features, n_active }, shown }: { source: DataSource; result: AttributeResult; shown: Token[] }) {
  const most = Math.max(0, ...features.map(({ effect }) => Math.abs(effect)));
  const table = (): Table => ({
    columns: ['feature', 'label', 'fires_on', 'position', 'token', 'activation', 'effect'],
    rows: features.map((f) => [f.feature, ...named(source.overview, f.feature), f.position, spoken(shown[f.position]), f.activation, f.effect]),
  });
  if (!features.length) return <p class="empty">No feature fires on this text.</p>;
  return (
    <div class="prompt-features scrolls" tabindex={0} role="region" aria-label="Effects by feature and token">
      <table class="effects">
        <caption>{n_active > features.length ? `The ${count(features.length)} strongest of ${count(n_active)}` : 'Features on tokens'}, by size<Copy name="the effects" table={table} /></caption>
        <thead><tr>{NAME_HEADS}<th scope="col">on token</th><th scope="col">activation</th><th scope="col">effect</th><ToolHeads source={source} /></tr></thead>
        <tbody>
          {features.map((f) => (
            <tr key={`${f.feature} ${f.position}`}>
              <NameCells source={source} index={f.feature} />
              <td><Place shown={shown} place={f.position} /></td>
              <td class="v" title={String(f.activation)}>{num(f.activation)}</td>
              <td class="v" title={String(f.effect)}><Bar value={f.effect} most={most} />{signed(f.effect)}</td>
              <ToolCells source={source} index={f.feature} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PositionTable({ result: { by_position, error, bias }, shown }: { result: AttributeResult; shown: Token[] }) {
  const lists = [by_position, error, bias];
  const table = (): Table => ({
    columns: ['position', 'token', 'features', 'error', 'bias'],
    rows: shown.map((token, at) => [at, spoken(token), by_position[at], error[at], bias[at]]),
  });
  return (
    <div class="prompt-features scrolls positions" tabindex={0} role="region" aria-label="Effects by token">
      <table>
        <caption>By token<Copy name="the effects by token" table={table} /></caption>
        <thead><tr><th scope="col">token</th>{['features', 'error', 'bias'].map((name) => <th scope="col">{name}</th>)}</tr></thead>
        <tbody>
          {shown.map((_, at) => (
            <tr key={at}>
              <td><Place shown={shown} place={at} /></td>
              {lists.map((list) => <td class="v" title={String(list[at])}>{signed(list[at], 3)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
