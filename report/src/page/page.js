'use strict';
// Light and dark: what was chosen last, else what the system prefers.
const byId = (id) => document.getElementById(id);
const darkSystem = matchMedia('(prefers-color-scheme: dark)');
const themeButton = byId('theme');
const theme = () => document.documentElement.dataset.theme ?? (darkSystem.matches ? 'dark' : 'light');
const nameTheme = () => { themeButton.textContent = theme() === 'dark' ? 'Light' : 'Dark'; };
try {
  const stored = localStorage.getItem('sae-theme');
  if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
} catch {
  // Storage may be forbidden for pages from disk.
}
themeButton.addEventListener('click', () => {
  const next = theme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem('sae-theme', next);
  } catch {
    // Then it lasts as long as the page.
  }
  nameTheme();
});
darkSystem.addEventListener('change', nameTheme);
nameTheme();

// What a bar stands for, beside the pointer; by arrow keys where there is none.
const tooltip = byId('tooltip');
const pairsOf = (bar) => bar.dataset.tip.split('\n').map((line) => line.split('|'));
function show(bar, x, y) {
  const list = document.createElement('dl');
  list.className = 'pairs';
  for (const [name, value] of pairsOf(bar)) {
    for (const [tag, text] of [['dt', name], ['dd', value]]) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      list.append(cell);
    }
  }
  tooltip.replaceChildren(list);
  tooltip.hidden = false;
  const box = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, x + 14 + box.width > innerWidth ? x - box.width - 14 : x + 14)}px`;
  tooltip.style.top = `${Math.max(4, y + 14 + box.height > innerHeight ? y - box.height - 10 : y + 14)}px`;
}
for (const plot of document.querySelectorAll('svg.plot')) {
  const bars = [...plot.querySelectorAll('g.bar')];
  let on = -1;
  const choose = (bar) => {
    for (const each of bars) each.classList.toggle('on', each === bar);
    if (!bar) tooltip.hidden = true;
  };
  for (const bar of bars) bar.addEventListener('pointermove', (event) => show(bar, event.clientX, event.clientY));
  plot.addEventListener('pointerleave', () => choose(null));
  plot.addEventListener('blur', () => { on = -1; choose(null); });
  plot.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !bars.length) {
      choose(null);
      return;
    }
    event.preventDefault();
    on = on < 0 ? (step > 0 ? 0 : bars.length - 1) : (on + step + bars.length) % bars.length;
    choose(bars[on]);
    const box = bars[on].getBoundingClientRect();
    show(bars[on], box.left + box.width / 2, box.top + box.height / 3);
    byId('announce').textContent = pairsOf(bars[on]).map((pair) => pair.join(' ')).join(', ');
  });
}
