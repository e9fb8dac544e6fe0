// "Does it fire on what I think it does?": one's own text on a feature's page.

import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { el } from '../base/dom';
import { num, percent } from '../base/format';
import { useStore } from '../base/store';
import { tokenElement } from '../base/text';
import type { DataSource, PromptToken } from '../types';
import { TextForm } from './form';
import { largest, OwnStrip } from './own-strip';
import { asTokens, counts, own, runsAtOnce, testFeatures, wantValues } from './text';

type Hover = (place: { value: number } | null) => void;

/** A box for a text, coloured by one feature or by several, each on its own scale. */
export function tryPanel(source: DataSource, features: number[], hover: Hover = () => {}): HTMLElement {
  const place = el('section', { class: 'panel prompt try' });
  render(<Try source={source} features={features} hover={hover} />, place);
  return place;
}

/** What was drawn there is no longer on view. */
export const leavePanel = (place: HTMLElement) => render(null, place);

function Try({ source, features, hover }: { source: DataSource; features: number[]; hover: Hover }) {
  const { ran, tokens, values } = useStore(own);
  const run = () => { testFeatures(source, features); };
  useEffect(() => {
    if (ran !== null) wantValues(source, features);
    else if (runsAtOnce) run();
  }, []);
  return (
    <>
      <h2>Try it<small>your own text, coloured by {features.length > 1 ? 'each of these features' : 'this feature'}; Ctrl+Enter runs it</small></h2>
      <TextForm id="try" rows={1} placeholder="A text that it should fire on, or should not" run={run} />
      {ran !== null && features.map((feature) => {
        const of = values.get(feature);
        return of && <Coloured key={feature} source={source} feature={feature} tokens={tokens} named={features.length > 1} values={of} hover={hover} />;
      })}
    </>
  );
}

interface ColouredProps { source: DataSource; feature: number; named: boolean; tokens: PromptToken[]; values: number[]; hover: Hover }

function Coloured({ source, feature, named, tokens, values: of, hover }: ColouredProps) {
  const most = largest(tokens, of);
  const max = Math.max(source.overview.max[feature] ?? 0, most);
  const shown = asTokens(tokens);
  const n = of.filter((value, i) => value > 0 && counts(tokens[i])).length;
  const details = (place: number) => {
    const pairs: [string, string | Node][] = [['token', tokenElement(shown[place])], ['activation', num(of[place])]];
    if (!counts(tokens[place])) pairs.push(['in statistics', 'does not count; off the scale']);
    return pairs;
  };
  return (
    <div class="prompt-output">
      <div class="legend-line">
        {named && <span>Feature {feature}</span>}
        <span class="found">
          {n === 0 ? 'It fires on none of these tokens.' : `It fires on ${n} of ${tokens.length} tokens; at most ${num(most)}, ${percent(most / (source.overview.max[feature] || most))} of its largest activation.`}
        </span>
        <span class="legend"><span>0</span><span class="ramp" /><span>{num(max, 3)}</span></span>
      </div>
      <OwnStrip
        tokens={tokens} values={of} max={max} details={details} label={`Your text, coloured by feature ${feature}`}
        hover={(place) => hover(place === null ? null : { value: of[place] })}
      />
    </div>
  );
}
