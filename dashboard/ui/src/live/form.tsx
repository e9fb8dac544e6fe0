// The box that one's own text is written in.

import type { ComponentChildren } from 'preact';
import { useRef } from 'preact/hooks';
import { useStore } from '../base/store';
import { forget, history, own, stop } from './text';

interface Props { id: string; rows: number; placeholder: string; run: () => void; children?: ComponentChildren }

export function TextForm({ id, rows, placeholder, run, children }: Props) {
  const { draft, busy, said, failed } = useStore(own);
  const box = useRef<HTMLTextAreaElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const text = box.current!.value;
    if (busy) return;
    own.set({ draft: text });
    if (text.trim()) run();
    else {
      own.set({ said: 'Write some text first.', failed: true });
      box.current!.focus();
    }
  };
  const before = history();
  const again = (event: Event) => {
    const chosen = event.currentTarget as HTMLSelectElement;
    const text = before[Number(chosen.value)];
    chosen.value = '';
    if (text === undefined) return;
    own.set({ draft: text });
    run();
  };
  return (
    <>
      <form aria-busy={busy} onSubmit={submit}>
        <textarea
          ref={box} id={id} rows={rows} aria-label="Text" placeholder={placeholder} maxlength={100000} value={draft} spellcheck={false}
          onInput={(event) => own.set({ draft: event.currentTarget.value })}
          onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) submit(event); }}
        />
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>Run</button>
          {busy && <button type="button" class="quiet" onClick={stop}>Stop</button>}
          {children}
        </div>
      </form>
      <div class="prompt-line">
        <p class={`prompt-status${failed ? ' error' : ''}`} role={failed ? 'alert' : 'status'}>{said}</p>
        {before.length > 0 && (
          <span class="before">
            <select aria-label="Texts that ran before" disabled={busy} value="" onChange={again}>
              <option value="">Texts before…</option>
              {before.map((text, i) => <option value={i}>{text.length > 60 ? `${text.slice(0, 59)}…` : text}</option>)}
            </select>
            <button type="button" class="link" onClick={forget} title="Forget the texts that this browser remembers">Forget</button>
          </span>
        )}
      </div>
    </>
  );
}
