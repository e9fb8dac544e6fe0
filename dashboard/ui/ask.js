// @ts-check
// Forms whose questions the server answers.

/**
 * A form with a button that asks and one that stops, and a line that says how it goes.
 * @param {Node[]} fields
 * @param {Node[]} options below the buttons
 * @param {() => [string, HTMLElement] | null} missing what to say, and where to go, if the question is not whole
 * @param {(signal: AbortSignal) => Promise<string>} ask what to say at the end
 */
function askForm(fields, options, missing, ask) {
  const run = el('button', { type: 'submit', class: 'primary' }, 'Run');
  const stop = el('button', { type: 'button', class: 'quiet', hidden: true }, 'Stop');
  const status = el('p', { class: 'prompt-status', role: 'status' });
  const form = el('form', {}, ...fields, el('div', { class: 'buttons' }, run, stop, ...options));
  /** @type {AbortController | null} */
  let running = null;

  const busy = (/** @type {boolean} */ is) => {
    form.setAttribute('aria-busy', String(is));
    run.disabled = is;
    stop.hidden = !is;
  };
  const say = (/** @type {string} */ text, failed = false) => {
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
