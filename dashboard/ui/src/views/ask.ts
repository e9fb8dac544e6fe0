// Forms whose questions the server answers.

import { el } from '../base/dom';

/** A form with a button that asks and one that stops, and a line that says how it goes. `options`: below the buttons; `missing`: what to say, and where to go, if the question is not whole; `ask`: what to say at the end. */
export function askForm(fields: Node[], options: Node[], missing: () => [string, HTMLElement] | null, ask: (signal: AbortSignal) => Promise<string>) {
  const run = el('button', { type: 'submit', class: 'primary' }, 'Run');
  const stop = el('button', { type: 'button', class: 'quiet', hidden: true }, 'Stop');
  const status = el('p', { class: 'prompt-status', role: 'status' });
  const form = el('form', {}, ...fields, el('div', { class: 'buttons' }, run, stop, ...options));
  let running: AbortController | null = null;

  const busy = (is: boolean) => {
    form.setAttribute('aria-busy', String(is));
    run.disabled = is;
    stop.hidden = !is;
  };
  const say = (text: string, failed = false) => {
    status.textContent = text;
    status.classList.toggle('error', failed);
    status.setAttribute('role', failed ? 'alert' : 'status');
  };
  const submit = async () => {
    if (running) return;
    const lacks = missing();
    if (lacks) {
      say(lacks[0], true);
      lacks[1].focus();
      return;
    }
    running = new AbortController();
    busy(true);
    say('The model runs…');
    try {
      say(await ask(running.signal));
    } catch (error) {
      const stopped = error instanceof Error && error.name === 'AbortError';
      say(stopped ? 'Stopped.' : error instanceof Error ? error.message : String(error), !stopped);
    } finally {
      running = null;
      busy(false);
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit();
  });
  stop.addEventListener('click', () => running?.abort());
  return { form, status, submit };
}
