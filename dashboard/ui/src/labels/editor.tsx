// The label of a feature on its page: shown, and written where it can be kept.

import { render } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { announce, el } from '../base/dom';
import { useStore } from '../base/store';
import { changeLabel, labelOf, labels } from './store';

export function labelPanel(feature: number): HTMLElement {
  const place = el('div', { class: 'label-line' });
  render(<Editor feature={feature} />, place);
  return place;
}

function Editor({ feature }: { feature: number }) {
  const { canChange } = useStore(labels);
  const known = labelOf(feature) ?? { feature, label: '', note: '', star: false };
  const [open, setOpen] = useState(false);
  const [said, say] = useState('');
  const [draft, setDraft] = useState(known);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => { if (open) field.current?.focus(); }, [open]);
  if (!canChange && !known.label && !known.note && !known.star) return null;
  const keep = async (change: Parameters<typeof changeLabel>[1]) => {
    try {
      await changeLabel(feature, change);
      say('');
      setOpen(false);
      announce('Kept');
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  const begin = () => {
    setDraft(known);
    setOpen(true);
  };
  const star = known.star ? '★' : '☆';
  return (
    <>
      <div class="label-shown">
        {canChange
          ? <button type="button" class="quiet star" id="star" aria-pressed={known.star} aria-label="Star" title="Star (s)" onClick={() => keep({ star: !known.star })}>{star}</button>
          : known.star && <span class="star" title="Starred">★</span>}
        {known.label && <span class="label">{known.label}</span>}
        {canChange && <button type="button" class="link" id="edit-label" aria-expanded={open} title="Label and note (l)" onClick={() => (open ? setOpen(false) : begin())}>{known.label || known.note ? 'Edit' : 'Add a label'}</button>}
      </div>
      {known.note && !open && <p class="note">{known.note}</p>}
      {open && (
        <form
          class="label-form"
          onSubmit={(event) => { event.preventDefault(); keep({ label: draft.label.trim(), note: draft.note.trim() }); }}
          onKeyDown={(event) => { if (event.key === 'Escape') setOpen(false); }}
        >
          <input ref={field} id="label" aria-label="Label" placeholder="What it stands for, in a few words" maxlength={160} autocomplete="off" value={draft.label} onInput={(event) => setDraft({ ...draft, label: event.currentTarget.value })} />
          <textarea id="note" rows={2} aria-label="Note" placeholder="Note" maxlength={5000} value={draft.note} onInput={(event) => setDraft({ ...draft, note: event.currentTarget.value })} />
          <div class="label-buttons"><button type="submit" class="primary">Keep</button><button type="button" class="quiet" onClick={() => setOpen(false)}>Cancel</button></div>
        </form>
      )}
      {said && <p class="prompt-status error" role="alert">{said}</p>}
    </>
  );
}
