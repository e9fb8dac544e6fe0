// What every table of features has: its number and what it is, and what can be done with it.

import { useEffect, useRef } from 'preact/hooks';
import { copyButtons, type Table } from '../base/copy';
import { change, featureHref } from '../base/state';
import { useAddress } from '../base/store';
import { spoken } from '../base/text';
import { labelOf } from '../labels/store';
import { tokenOf } from '../list/rows';
import type { DataSource, Overview } from '../types';
import { TokenText } from './pieces';
import { steerWith } from './steer';

export const NAME_HEADS = (
  <>
    <th scope="col">feature</th>
    <th scope="col" title="The token that it fires on most in the data set, or its label">fires on</th>
  </>
);

interface Props { source: DataSource; index: number }

export function NameCells({ source: { overview }, index }: Props) {
  const top = tokenOf(overview, overview.top_token, index);
  const label = labelOf(index)?.label;
  return (
    <>
      <td><a href={featureHref(index)} data-feature={index}>{index}</a></td>
      <td>{label ? <span class="label" title={label}>{label}</span> : top ? <TokenText token={top} /> : '—'}</td>
    </>
  );
}

/** The same for tables that are copied: label and token. */
export function named(overview: Overview, index: number): [string, string] {
  const top = tokenOf(overview, overview.top_token, index);
  return [labelOf(index)?.label ?? '', top ? spoken(top) : ''];
}

export const ToolHeads = ({ source }: { source: DataSource }) => (
  <>
    {source.activations && <th scope="col"><span class="unseen">colour</span></th>}
    {source.generate && <th scope="col"><span class="unseen">steer</span></th>}
  </>
);

/** `on`: whether the text is coloured by it. */
export function ToolCells({ source, index, on }: Props & { on?: boolean }) {
  const { heat } = useAddress();
  const pressed = on ?? heat === index;
  return (
    <>
      {source.activations && (
        <td>
          <button
            type="button" class="quiet small" aria-pressed={pressed} aria-label={`Colour the text by feature ${index}`} title="Colour the text by this feature"
            onClick={() => change({ heat: heat === index ? null : index })}
          >colour</button>
        </td>
      )}
      {source.generate && (
        <td>
          <button
            type="button" class="quiet small" aria-label={`Steer with feature ${index}`} title="Continue the text with this feature changed"
            onClick={() => steerWith(source, index)}
          >steer</button>
        </td>
      )}
    </>
  );
}

export function Copy({ name = 'the table', table }: { name?: string; table: () => Table }) {
  const place = useRef<HTMLSpanElement>(null);
  const now = useRef(table);
  now.current = table;
  useEffect(() => { place.current!.replaceChildren(copyButtons(name, () => now.current())); }, []);
  return <span ref={place} />;
}
