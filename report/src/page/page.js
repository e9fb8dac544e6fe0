// What a bar stands for, beside the pointer; by arrow keys where there is none.
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
  tell(list, x, y);
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
