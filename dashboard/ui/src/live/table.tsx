// The features of one token of the text.

import { useEffect, useRef, useState } from 'preact/hooks';
import { copyButtons, type Table } from '../base/copy';
import { count, num, percent, signed } from '../base/format';
import { change, featureHref } from '../base/state';
import { useAddress } from '../base/store';
import { spoken } from '../base/text';
import { labelOf } from '../labels/store';
import { tokenOf } from '../list/rows';
import type { DataSource, PromptFeature, Token } from '../types';
import { TokenText } from './pieces';
import { steerWith } from './steer';
import { measureExact } from './text';

type Key = 'value' | 'quantile' | 'effect' | 'exact';

interface Column { key: Key; name: string; title: string; text: (x: number) => string }

const COLUMNS: Column[] = [
  { key: 'value', name: 'activation', title: '', text: (x) => num(x) },
  { key: 'quantile', name: 'quantile', title: 'Share of its activations above zero that are not larger', text: (x) => percent(x) },
  { key: 'effect', name: 'effect, nats', title: 'Change in the loss of the next token when what the feature writes is taken away from the final residual', text: (x) => signed(x) },
  { key: 'exact', name: 'exact effect, nats', title: 'Change in the loss of the next token when the feature is removed and the layers above run without it', text: (x) => signed(x) },
];

interface Props { source: DataSource; token: Token; features: PromptFeature[]; n?: number; place: number; last: boolean }

export function PromptTable({ source, token, features, n, place, last }: Props) {
  const { overview } = source;
  const { heat } = useAddress();
  const [sort, setSort] = useState<{ key: Key; descending: boolean }>({ key: 'value', descending: true });
  if (!features.length) return <p class="empty">No feature fires on <TokenText token={token} />.</p>;
  const columns = COLUMNS.filter(({ key }) => features.some((f) => f[key] !== null));
  const by = columns.some(({ key }) => key === sort.key) ? sort : { key: 'value' as Key, descending: true };
  // What was not measured comes last either way.
  const sorted = [...features].sort((a, b) => {
    const [x, y] = [a[by.key], b[by.key]];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return (by.descending ? y - x : x - y) || a.index - b.index;
  });
  const sortBy = (key: Key) => setSort({ key, descending: by.key === key ? !by.descending : true });
  const table = (): Table => ({
    columns: ['feature', 'label', 'fires_on', ...columns.map(({ key }) => key)],
    rows: sorted.map((f) => {
      const top = tokenOf(overview, overview.top_token, f.index);
      return [f.index, labelOf(f.index)?.label ?? '', top ? spoken(top) : '', ...columns.map(({ key }) => f[key])];
    }),
  });
  const unmeasured = !columns.some(({ key }) => key === 'effect');
  return (
    <>
      <div class="scrolls">
        <table>
          <caption>
            {n !== undefined && n > features.length ? `The ${count(features.length)} strongest of ${count(n)} features on ` : `Features on `}<TokenText token={token} />
            <Copy table={table} />
          </caption>
          <thead>
            <tr>
              <th scope="col">feature</th>
              <th scope="col" title="The token that it fires on most in the data set, or its label">fires on</th>
              {columns.map(({ key, name, title }) => (
                <th scope="col" aria-sort={by.key === key ? (by.descending ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" title={title} onClick={() => sortBy(key)}>{name}{by.key === key ? (by.descending ? ' ↓' : ' ↑') : ''}</button>
                </th>
              ))}
              {source.activations && <th scope="col"><span class="unseen">colour</span></th>}
              {source.generate && <th scope="col"><span class="unseen">steer</span></th>}
            </tr>
          </thead>
          <tbody>{sorted.map((feature) => <Row key={feature.index} source={source} feature={feature} columns={columns} heat={heat} />)}</tbody>
        </table>
      </div>
      {!last && unmeasured && <p class="hint">Effects on the loss are not measured: tick “effects” and run the text again.</p>}
      {!last && features.every((f) => f.exact === null) && <Exact source={source} place={place} />}
    </>
  );
}

interface RowProps { source: DataSource; feature: PromptFeature; columns: Column[]; heat: number | null }

function Row({ source, feature, columns, heat }: RowProps) {
  const { overview, activations, generate } = source;
  const { index } = feature;
  const top = tokenOf(overview, overview.top_token, index);
  const label = labelOf(index)?.label;
  const on = heat === index;
  return (
    <tr class={on ? 'on' : undefined}>
      <td><a href={featureHref(index)} data-feature={index}>{index}</a></td>
      <td>{label ? <span class="label" title={label}>{label}</span> : top ? <TokenText token={top} /> : '—'}</td>
      {columns.map(({ key, text }) => {
        const value = feature[key];
        return <td class="v" title={value === null ? 'not measured' : String(value)}>{value === null ? '—' : text(value)}</td>;
      })}
      {activations && (
        <td>
          <button
            type="button" class="quiet small" aria-pressed={on} aria-label={`Colour the text by feature ${index}`} title="Colour the text by this feature"
            onClick={() => change({ heat: on ? null : index })}
          >colour</button>
        </td>
      )}
      {generate && (
        <td>
          <button
            type="button" class="quiet small" aria-label={`Steer with feature ${index}`} title="Continue the text with this feature changed"
            onClick={() => steerWith(source, index)}
          >steer</button>
        </td>
      )}
    </tr>
  );
}

function Copy({ table }: { table: () => Table }) {
  const place = useRef<HTMLSpanElement>(null);
  const now = useRef(table);
  now.current = table;
  useEffect(() => { place.current!.replaceChildren(copyButtons('the table', () => now.current())); }, []);
  return <span ref={place} />;
}

function Exact({ source, place }: { source: DataSource; place: number }) {
  const [busy, setBusy] = useState(false);
  const [said, say] = useState('');
  const measure = async () => {
    setBusy(true);
    say('');
    try {
      await measureExact(source, place);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
    setBusy(false);
  };
  return (
    <div class="exact">
      <button type="button" class="quiet" disabled={busy} title="Runs the layers above once for each feature, without it" onClick={measure}>Exact effects</button>
      <span class={said ? 'prompt-status error' : 'prompt-status'} role="status">{busy ? 'The model runs…' : said}</span>
    </div>
  );
}
