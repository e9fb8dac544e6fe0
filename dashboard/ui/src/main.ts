// Puts the page together.

import { announce, byId, el } from './base/dom';
import { count } from './base/format';
import { startKeyboard } from './base/keyboard';
import { change, state, watch } from './base/state';
import { labelTools } from './labels/tools';
import { startLabels, labels } from './labels/store';
import { promptPanel } from './live/prompt';
import { steerPanel } from './live/steer';
import { twoPanel } from './live/two';
import { startTheme } from './base/theme';
import { hideTooltip } from './base/tooltip';
import { dataSource } from './data/source';
import { featureList } from './list/list';
import type { State } from './types';
import { checkPanel } from './views/check';
import { featureView } from './views/feature';
import { overviewView } from './views/overview';
import { compareView } from './views/compare';

function notice(text: string, action?: string, act?: () => void) {
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
  const { overview } = source;
  startLabels(source);
  const main = byId('main');
  const list = featureList(overview);
  const panels = [];
  if (source.prompt) panels.push(promptPanel(source));
  if (source.prompt && source.contrast) panels.push(twoPanel(source));
  if (source.prompt && source.generate) panels.push(steerPanel(source));
  if (source.check) panels.push(checkPanel(source.check));
  const whole = overviewView(overview, list.model, panels, labelTools(overview));
  let open: { index: number; beside: number | null; draw: () => void; leave: () => void } | null = null;
  const leave = () => {
    open?.leave();
    open = null;
  };

  const step = (by: 1 | -1) => {
    const next = list.next(by);
    if (next !== null) change({ feature: next });
  };
  const home = () => change({ feature: null });
  const showOverview = () => {
    leave();
    if (!whole.element.isConnected) main.replaceChildren(whole.element);
    whole.select(list.selected());
    document.title = overview.source.sae ? `${overview.source.sae} · features` : 'SAE features';
  };
  const showFeature = async (index: number) => {
    const beside = state.compare;
    if (open?.index === index && open.beside === beside) {
      open.draw();
      return;
    }
    leave();
    document.title = `Feature ${beside === null ? index : `${index} and ${beside}`} · ${overview.source.sae}`;
    for (const wanted of beside === null ? [index] : [index, beside]) {
      if (wanted >= overview.d_sae) {
        notice(`There is no feature ${wanted}: the dictionary has ${count(overview.d_sae)}.`, 'To the overview', home);
        return;
      }
      if (overview.place[wanted] < 0) {
        const dead = !(overview.density[wanted] > 0);
        notice(`Feature ${wanted} has no page here${dead ? '; it never fires' : ''}.`, 'To the overview', home);
        return;
      }
    }
    main.setAttribute('aria-busy', 'true');
    try {
      const features = await Promise.all((beside === null ? [index] : [index, beside]).map((wanted) => source.feature(wanted)));
      // Another one may have been asked for meanwhile.
      if (state.feature !== index || state.compare !== beside) return;
      const view = beside === null ? featureView(source, features[0], { step }) : compareView(source, [features[0], features[1]]);
      open = { index, beside, draw: view.draw, leave: view.leave };
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
    showFeature(state.feature);
  };
  byId('home').replaceChildren(overview.source.sae || 'SAE', el('small', {}, overview.source.hook_name));
  byId('home').addEventListener('click', home);
  // Links to features within the page are steps of its own.
  main.addEventListener('click', (event) => {
    const link = ((event.target as Element).closest('a[data-feature]') as HTMLElement | null);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ feature: Number(link.dataset.feature) });
  });
  startKeyboard({ step, home });
  const listed = (s: State) => JSON.stringify([s.query, s.show, s.sort, s.descending, s.range]);
  watch((now, before) => {
    if (listed(now) !== listed(before)) list.update();
    else {
      list.reveal();
      list.draw();
    }
    show();
  });
  labels.watch(list.update);
  list.update();
  show();
}

start().catch((error) => notice(`The page cannot be read. ${error instanceof Error ? error.message : error}`));
