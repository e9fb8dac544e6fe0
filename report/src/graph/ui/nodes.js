// The nodes and links of the page, and which of them are shown.
const NS = 'http://www.w3.org/2000/svg';
// Links of one node that are drawn, and listed.
const DRAWN = 60;
const LISTED = 20;
const graph = JSON.parse(byId('data').textContent);
const nodes = graph.nodes.map(([kind, name, position, share, activation, x, y], i) => ({
  i, kind, name, position, share, activation, x, y, mark: byId(`n${i}`), into: [], out: [], dim: false,
}));
const links = graph.links.map(([source, target, weight]) => ({ source: nodes[source], target: nodes[target], weight }));
for (const link of links) {
  link.target.into.push(link);
  link.source.out.push(link);
}
const strongest = (list) => list.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
for (const node of nodes) {
  strongest(node.into);
  strongest(node.out);
}
const pinned = new Set();
// What is looked at: under the pointer for a moment, or chosen.
let chosen = null;
let at = null;

function drawn(node) {
  const between = [...pinned].flatMap((pin) => pin.into.filter((link) => pinned.has(link.source)));
  const own = node ? [...node.into.slice(0, DRAWN), ...node.out.slice(0, DRAWN)] : [];
  return [...new Set([...between, ...own])].filter((link) => !link.source.dim && !link.target.dim);
}

function drawLinks(node) {
  const shown = drawn(node);
  const largest = shown.reduce((most, link) => Math.max(most, Math.abs(link.weight)), 0) || 1;
  const paths = shown.map(({ source, target, weight }) => {
    const path = document.createElementNS(NS, 'path');
    const middle = (source.y + target.y) / 2;
    path.setAttribute('d', `M${source.x} ${source.y}C${source.x} ${middle} ${target.x} ${middle} ${target.x} ${target.y}`);
    if (weight < 0) path.setAttribute('class', 'minus');
    const size = Math.abs(weight) / largest;
    path.setAttribute('stroke-width', (0.4 + 2.6 * size).toFixed(2));
    path.setAttribute('stroke-opacity', (0.25 + 0.65 * size).toFixed(2));
    return path;
  });
  byId('links').replaceChildren(...paths);
  const near = new Set(node ? shown.flatMap((link) => [link.source, link.target]) : []);
  for (const other of nodes) {
    other.mark.classList.toggle('near', near.has(other));
    other.mark.classList.toggle('at', other === node);
    other.mark.classList.toggle('pin', pinned.has(other));
  }
}

function look(node) {
  at = node;
  drawLinks(node);
  if (node) describe(node);
}
