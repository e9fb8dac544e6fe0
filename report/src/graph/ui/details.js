// What is said of a node. Names come from files: they are text, never markup.
const digits = (x) => (x === 0 ? '0' : Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5 ? String(+x.toPrecision(3)) : x.toExponential(2)).replace('-', '−');

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function go(node) {
  const button = element('button', 'go', node.name);
  button.type = 'button';
  button.addEventListener('click', () => {
    chosen = node;
    look(node);
    node.mark.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  });
  return button;
}

function table(title, list, other) {
  const all = list.reduce((sum, link) => sum + Math.abs(link.weight), 0) || 1;
  const largest = list.length ? Math.abs(list[0].weight) : 1;
  const rows = list.slice(0, LISTED).map((link) => {
    const bar = element('span', link.weight < 0 ? 'weight minus' : 'weight');
    bar.style.width = `${(100 * Math.abs(link.weight)) / largest}%`;
    const weight = element('td', 'mono', digits(link.weight));
    weight.title = `${(100 * Math.abs(link.weight) / all).toFixed(1)} % of the ${title.toLowerCase()} shown`;
    return element('tr', '', element('td', '', go(other(link))), element('td', '', bar), weight);
  });
  const more = list.length - rows.length;
  const count = element('small', '', list.length === 0 ? 'none in this graph' : more > 0 ? `${rows.length} of ${list.length}` : `${list.length}`);
  const body = element('tbody', '', ...rows);
  return element('div', '', element('h3', '', title, count), element('table', '', body));
}

function facts(node) {
  const said = [`position ${node.position}`];
  if (node.activation !== null) said.push(`activation ${digits(node.activation)}`);
  if (node.share !== null) said.push(`among the nodes with ${(100 * node.share).toFixed(1)} % of the influence`);
  return said.join(' · ');
}

function describe(node) {
  const pin = element('button', 'quiet', pinned.has(node) ? 'Unpin' : 'Pin');
  pin.type = 'button';
  pin.id = 'pin';
  pin.addEventListener('click', () => toggle(node));
  const tables = element('div', 'both', table('Inputs', node.into, (link) => link.source), table('Outputs', node.out, (link) => link.target));
  byId('details').replaceChildren(element('h2', '', node.name, element('small', '', facts(node)), pin), tables);
}

function listPinned() {
  const section = byId('pinned');
  const items = [...pinned].map((node) => element('li', '', go(node)));
  section.hidden = items.length === 0;
  section.replaceChildren(element('h2', '', 'Pinned', element('small', '', 'links between them stay')), element('ul', '', ...items));
}

function toggle(node) {
  if (!pinned.delete(node)) pinned.add(node);
  chosen = node;
  listPinned();
  look(node);
}
