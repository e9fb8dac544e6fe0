// Pointing, clicking, the keyboard, and what is dimmed.
const picture = byId('graph');
const of = (event) => {
  const mark = event.target.closest?.('.n');
  return mark ? nodes[Number(mark.id.slice(1))] : null;
};
picture.addEventListener('pointermove', (event) => {
  const node = of(event);
  if (!node || node.dim) {
    tooltip.hidden = true;
    if (at !== chosen) look(chosen);
    return;
  }
  tell(element('span', '', node.name), event.clientX, event.clientY);
  if (node !== at) look(node);
});
picture.addEventListener('pointerleave', () => {
  tooltip.hidden = true;
  if (at !== chosen) look(chosen);
});
picture.addEventListener('click', (event) => {
  const node = of(event);
  if (node && !node.dim) {
    toggle(node);
  } else if (!node) {
    chosen = null;
    look(null);
  }
});

// The nearest node in a direction; what lies aside counts twice.
function neighbour(node, dx, dy) {
  let best = null;
  let least = Infinity;
  for (const other of nodes) {
    const [x, y] = [other.x - node.x, other.y - node.y];
    const ahead = x * dx + y * dy;
    if (other === node || other.dim || ahead <= 0) continue;
    const distance = ahead + 2 * Math.abs(x * dy - y * dx);
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
picture.addEventListener('keydown', (event) => {
  const arrow = arrows[event.key];
  if (arrow) {
    const from = chosen ?? nodes.find((node) => node.kind === 'l') ?? nodes[0];
    const next = chosen ? neighbour(from, ...arrow) : from;
    if (next) {
      chosen = next;
      look(next);
      next.mark.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
    event.preventDefault();
  } else if (event.key === 'Enter' && chosen) {
    toggle(chosen);
  } else if (event.key === 'Escape') {
    chosen = null;
    look(null);
  }
});

function filter() {
  const words = byId('find').value.toLowerCase().split(' ').filter(Boolean);
  const most = Number(byId('share').value);
  byId('share-said').textContent = most >= 1 ? 'all' : `${Math.round(100 * most)} %`;
  let n = 0;
  for (const node of nodes) {
    const name = node.name.toLowerCase();
    const kind = node.kind === 'f' ? byId('features').checked : node.kind === 'e' ? byId('errors').checked : true;
    const always = node.kind === 't' || node.kind === 'l';
    const strong = always || most >= 1 || node.share === null || node.share <= most;
    node.dim = !(kind && strong && words.every((word) => name.includes(word)));
    node.mark.classList.toggle('dim', node.dim);
    n += node.dim ? 0 : 1;
  }
  byId('found').textContent = n === nodes.length ? '' : `${n} of ${nodes.length} nodes`;
  const wanted = at ?? chosen;
  look(wanted?.dim ? null : wanted);
}
for (const id of ['find', 'features', 'errors', 'share']) byId(id).addEventListener('input', filter);
byId('controls').addEventListener('submit', (event) => event.preventDefault());
byId('clear').addEventListener('click', () => {
  pinned.clear();
  chosen = null;
  listPinned();
  look(null);
});
byId('controls').hidden = false;
// What one looks for first: where the likeliest token comes from. On a narrow screen it is out of sight.
chosen = nodes.find((node) => node.kind === 'l') ?? null;
if (chosen) {
  look(chosen);
  byId('picture').scrollLeft = byId('picture').scrollWidth;
}
