// @ts-check
// Puts the page together.

/** @param {string} text @param {string} [action] @param {() => void} [act] */
function notice(text, action, act) {
  const box = el('div', { class: 'notice', role: 'alert' }, el('p', {}, text));
  if (action && act) box.append(el('button', { type: 'button', class: 'quiet', onclick: act }, action));
  byId('main').replaceChildren(box);
}

async function start() {
  startTheme();
  if (typeof DecompressionStream === 'undefined') {
    notice('This browser is too old to read the page: it needs Chrome 80, Firefox 113 or Safari 16.4.');
    return;
  }
  const source = await dataSource();
  const overview = await source.overview();
  const main = byId('main');
  const list = featureList(overview);
  const panels = [];
  if (source.prompt) panels.push(promptPanel(overview, source.prompt));
  if (source.check) panels.push(checkPanel(source.check));
  const whole = overviewView(overview, list.model, panels);
  /** @type {{ index: number, draw: () => void } | null} */
  let open = null;

  const step = (/** @type {1 | -1} */ by) => {
    const next = list.next(by);
    if (next !== null) change({ feature: next });
  };
  const home = () => change({ feature: null });
  const showOverview = () => {
    open = null;
    if (!whole.element.isConnected) main.replaceChildren(whole.element);
    whole.select(list.selected());
    document.title = overview.source.sae ? `${overview.source.sae} · features` : 'SAE features';
  };
  const showFeature = async (/** @type {number} */ index) => {
    if (open?.index === index) {
      open.draw();
      return;
    }
    document.title = `Feature ${index} · ${overview.source.sae}`;
    if (index >= overview.d_sae) {
      notice(`There is no feature ${index}: the dictionary has ${count(overview.d_sae)}.`, 'To the overview', home);
      return;
    }
    if (overview.place[index] < 0) {
      const dead = !(overview.density[index] > 0);
      notice(`Feature ${index} has no page here${dead ? '; it never fires' : ''}.`, 'To the overview', home);
      return;
    }
    main.setAttribute('aria-busy', 'true');
    try {
      const feature = await source.feature(index);
      // Another one may have been asked for meanwhile.
      if (state.feature !== index) return;
      const view = featureView(overview, feature, { step });
      open = { index, draw: view.draw };
      main.replaceChildren(view.element);
      main.scrollTop = 0;
      announce(`Feature ${index}`);
    } catch (error) {
      if (state.feature === index) notice(error instanceof Error ? error.message : String(error), 'Try again', () => show());
    } finally {
      main.removeAttribute('aria-busy');
    }
  };
  const show = () => {
    hideTooltip();
    byId('shell').classList.toggle('on-feature', state.feature !== null);
    if (state.feature === null) {
      showOverview();
      return;
    }
    if (open?.index !== state.feature) open = null;
    showFeature(state.feature);
  };
  byId('home').replaceChildren(overview.source.sae || 'SAE', el('small', {}, overview.source.hook_name));
  byId('home').addEventListener('click', home);
  // Links to features within the page are steps of its own.
  main.addEventListener('click', (event) => {
    const link = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest('a[data-feature]'));
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ feature: Number(link.dataset.feature) });
  });
  startKeyboard({ step, home });
  const listed = (/** @type {State} */ s) => JSON.stringify([s.query, s.show, s.sort, s.descending, s.range]);
  watch((now, before) => {
    if (listed(now) !== listed(before)) list.update();
    else {
      list.reveal();
      list.draw();
    }
    show();
  });
  list.update();
  show();
}

start().catch((error) => notice(`The page cannot be read. ${error instanceof Error ? error.message : error}`));
