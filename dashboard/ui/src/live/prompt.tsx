// One's own text, where there is a model to run it: per token the strongest features.

import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { el } from '../base/dom';
import { count, num } from '../base/format';
import { change, featureHref } from '../base/state';
import { useAddress, useStore } from '../base/store';
import { tokenElement } from '../base/text';
import type { DataSource, PromptResult } from '../types';
import { TextForm } from './form';
import { largest, OwnStrip } from './own-strip';
import { PlainText } from './pieces';
import { PromptTable } from './table';
import { asTokens, own, runsAtOnce, runText, wantValues } from './text';
import { Why } from './why';

export function promptPanel(source: DataSource): HTMLElement {
  const place = el('section', { class: 'panel prompt' });
  render(<Prompt source={source} />, place);
  return place;
}

function Prompt({ source }: { source: DataSource }) {
  const { result } = useStore(own);
  const [effects, setEffects] = useState(false);
  const run = () => { runText(source, effects); };
  useEffect(() => { if (runsAtOnce && own.get().ran === null) run(); }, []);
  return (
    <>
      <h2>Your text<small>Ctrl+Enter runs it</small></h2>
      <TextForm id="prompt" rows={2} placeholder="Your own text: which features fire on it?" run={run}>
        <label title="What each feature, taken away from the final residual, does to the loss">
          <input type="checkbox" id="effects" checked={effects} onChange={(event) => setEffects(event.currentTarget.checked)} /> effects
        </label>
      </TextForm>
      <div class="prompt-output">{result && <Output key={own.get().ran ?? ''} source={source} result={result} />}</div>
    </>
  );
}

/** A colouring of the text: values, what full colour means, and what that is called. */
function colouring(source: DataSource, result: PromptResult, heat: number | null, known: Map<number, number[]>) {
  const values = heat === null ? undefined : known.get(heat);
  if (heat === null || !values) {
    const strongest = result.features.map((list) => Math.max(0, ...list.map((f) => f.value)));
    return { values: strongest, max: largest(result.tokens, strongest), name: 'strongest activation' };
  }
  // The same scale as on the feature's page, unless this text goes beyond it.
  const most = source.overview.max[heat] ?? 0;
  return { values, max: Math.max(most, largest(result.tokens, values)), name: `activation of ${heat}` };
}

function Output({ source, result }: { source: DataSource; result: PromptResult }) {
  const { tokens, features } = result;
  const { values: known } = useStore(own);
  const { heat } = useAddress();
  const [chosen, choose] = useState(tokens.length - 1);
  useEffect(() => { if (heat !== null) wantValues(source, [heat]); }, [heat, result]);
  const { values, max, name } = colouring(source, result, heat, known);
  const shown = asTokens(tokens);
  const details = (place: number) => {
    const pairs: [string, string | Node][] = [['token', tokenElement(shown[place])], ['id', String(tokens[place].id)]];
    const { n_active, counts } = tokens[place];
    if (n_active !== undefined) pairs.push(['features that fire', count(n_active)]);
    pairs.push([name, num(values[place])]);
    if (counts === false) pairs.push(['in statistics', 'does not count; off the scale']);
    return pairs;
  };
  const outside = tokens.some((token) => token.counts === false);
  return (
    <>
      <div class="legend-line">
        <span>Colour: {heat === null || !known.has(heat) ? name : <>activation of <a href={featureHref(heat)} data-feature={heat}>{heat}</a></>}</span>
        <span class="legend"><span>0</span><span class="ramp" /><span>{num(max, 3)}</span></span>
        {outside && <span class="outside key" title="They do not count in statistics, as BOS; their activations are no measure for the others">off the scale</span>}
        {heat !== null && <button type="button" class="link" onClick={() => change({ heat: null })}>All features</button>}
      </div>
      <OwnStrip
        tokens={tokens} values={values} max={max} chosen={chosen} choose={choose} details={details}
        label="Your text; choose a token with the arrow keys"
      />
      {typeof result.answer === 'string' && <p class="answer">Continues: <PlainText text={result.answer} /></p>}
      {source.attribute && result.next && result.next.length > 0 && <Why source={source} next={result.next} />}
      {chosen >= 0 && (
        <div class="prompt-features" aria-live="polite">
          <PromptTable key={chosen} source={source} token={shown[chosen]} features={features[chosen]} n={tokens[chosen].n_active} place={chosen} last={chosen + 1 === tokens.length} />
        </div>
      )}
    </>
  );
}
