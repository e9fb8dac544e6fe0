// Labels as a whole: how many there are, and files of them.

import { el } from '../base/dom';
import { count } from '../base/format';
import type { Overview } from '../types';
import { exportLabels, importLabels } from './exchange';
import { labels } from './store';

/** What can be done with all labels; hidden where there are none and none can be given. */
export function labelTools(overview: Overview): HTMLElement {
  const said = el('span', { class: 'hint', role: 'status' });
  const file = el('input', { type: 'file', accept: '.jsonl,.json,.gz', 'aria-label': 'File of labels', hidden: true });
  const choose = el('button', {
    type: 'button', class: 'link', title: 'Labels of another file, or explanations from Neuronpedia (.jsonl, .jsonl.gz)', onclick: () => file.click(),
  }, 'Import');
  const save = el('button', { type: 'button', class: 'link', title: 'All labels, as a file for --labels', onclick: () => exportLabels(overview) }, 'Export');
  file.addEventListener('change', async () => {
    const [chosen] = file.files ?? [];
    if (!chosen) return;
    said.classList.remove('error');
    said.textContent = 'Reading…';
    try {
      said.textContent = await importLabels(chosen, overview);
    } catch (error) {
      said.classList.add('error');
      said.textContent = error instanceof Error ? error.message : String(error);
    }
    file.value = '';
  });
  const n = el('span', {});
  const element = el('p', { class: 'label-tools' }, n, save, choose, file, said);
  const draw = () => {
    const { all, canChange } = labels.get();
    const stars = [...all.values()].filter(({ star }) => star).length;
    n.textContent = `${count(all.size - [...all.values()].filter(({ label }) => !label).length)} features labelled, ${count(stars)} starred`;
    save.hidden = all.size === 0;
    choose.hidden = !canChange;
    element.hidden = all.size === 0 && !canChange;
  };
  labels.watch(draw);
  draw();
  return element;
}
