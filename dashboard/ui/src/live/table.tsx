// The features of one token of the text.

import { useState } from 'preact/hooks';
import type { Table } from '../base/copy';
import { count, num, percent, signed } from '../base/format';
import { useAddress } from '../base/store';
import type { DataSource, PromptFeature, Token } from '../types';
import { Copy, NAME_HEADS, NameCells, named, ToolCells, ToolHeads } from './cells';
import { TokenText } from './pieces';
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
    rows: sorted.map((f) => [f.index, ...named(overview, f.index), ...columns.map(({ key }) => f[key])]),
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
              {NAME_HEADS}
              {columns.map(({ key, name, title }) => (
                <th scope="col" aria-sort={by.key === key ? (by.descending ? 'descending' : 'ascending') : 'none'}>
                  <button type="button" title={title} onClick={() => sortBy(key)}>{name}{by.key === key ? (by.descending ? ' ↓' : ' ↑') : ''}</button>
                </th>
              ))}
              <ToolHeads source={source} />
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
  const { index } = feature;
  return (
    <tr class={heat === index ? 'on' : undefined}>
      <NameCells source={source} index={index} />
      {columns.map(({ key, text }) => {
        const value = feature[key];
        return <td class="v" title={value === null ? 'not measured' : String(value)}>{value === null ? '—' : text(value)}</td>;
      })}
      <ToolCells source={source} index={index} />
    </tr>
  );
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
