// @ts-check
// Contexts that a feature fires in.

/**
 * Where tokens lie on the histograms.
 *
 * @typedef {object} Places
 * @property {(token: Token | null, value: number) => void} mark
 * @property {(token: Token, value: number) => Node[]} pictures of both, where they are out of sight
 * @property {(token: Token) => string | null} logit
 */

/** @param {Feature} feature @param {Group | null} only @returns {Node[]} */
function exampleHead(feature, only) {
  if (feature.groups.every((group) => group.examples.length === 0)) {
    return [el('p', { class: 'empty' }, 'There are no examples: nothing makes this feature fire.')];
  }
  const legend = el('div', { class: 'legend', role: 'img', 'aria-label': `Colour: activation from 0 to ${num(feature.statistics.max)}` },
    el('span', {}, '0'), el('span', { class: 'ramp' }), el('span', {}, num(feature.statistics.max)));
  const clear = only ? el('button', { type: 'button', class: 'link', onclick: () => change({ interval: null }) }, 'Show all groups') : null;
  return [el('div', { class: 'groups-head' }, clear ?? el('span', { class: 'hint' }, 'Click a line to unfold it'), legend)];
}

/** @param {Feature} feature @param {Group} group */
function groupTitle(feature, group) {
  if (group.kind === 'top') return ['Top activations', `the ${count(group.examples.length)} largest`];
  if (group.kind === 'random') return ['Random', `${count(group.examples.length)} of all ${count(feature.statistics.n_fired)}`];
  return [`Interval ${intervalName(group)}`, `${count(group.examples.length)} of ${count(group.n_fired ?? 0)}`];
}

/** @param {Feature} feature @param {Group} group @param {Places} at */
function exampleGroup(feature, group, at) {
  const [title, note] = groupTitle(feature, group);
  const section = el('section', { class: `group ${group.kind}`, 'aria-label': title }, el('h2', {}, title, el('small', {}, note)));
  if (group.examples.length === 0) {
    const elsewhere = (group.n_fired ?? 0) > 0 ? 'The contexts of these tokens are in other groups already.' : 'No activation is in this interval.';
    section.append(el('p', { class: 'empty' }, elsewhere));
    return section;
  }
  const list = el('ol', { class: 'examples' });
  for (const example of group.examples) list.append(exampleLine(feature, example, at));
  section.append(list);
  return section;
}

/** @param {Feature} feature @param {Example} example @param {Places} at */
function exampleLine(feature, example, at) {
  const target = example.position - example.start;
  const value = example.values[target] ?? NaN;
  const label = `Context ${example.context}, position ${example.position}, activation ${num(value)}`;
  const line = strip({
    tokens: example.tokens,
    values: example.values,
    max: feature.statistics.max,
    target,
    label: `${label}: ${example.tokens.slice(Math.max(0, target - 6), target + 7).map(spoken).join('')}`,
    role: 'button',
    hover: (place) => (place === null ? at.mark(null, 0) : at.mark(example.tokens[place], example.values[place])),
    details: (place) => tokenDetails(example, place, at.logit(example.tokens[place])),
    pictures: (place) => at.pictures(example.tokens[place], example.values[place]),
  });
  const item = el('li', { class: 'example' }, el('span', { class: 'value', title: label }, num(value)), line);
  const toggle = () => {
    const open = item.classList.toggle('open');
    line.setAttribute('aria-expanded', String(open));
  };
  line.setAttribute('aria-expanded', 'false');
  line.addEventListener('click', () => {
    // Marking text to copy it is not a click.
    if (getSelection()?.isCollapsed !== false) toggle();
  });
  line.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    toggle();
  });
  return item;
}

/** @param {Example} example @param {number} place @param {string | null} logit @returns {[string, string | Node][]} */
function tokenDetails(example, place, logit) {
  const token = example.tokens[place];
  const value = example.values[place];
  /** @type {[string, string | Node][]} */
  const pairs = [['token', tokenElement(token)], ['id', String(token.id)], ['activation', num(value)]];
  if (logit !== null) pairs.push(['logit', logit]);
  if (token.whole !== null) pairs.push(['length', `${count(byteLength(token))} bytes, cut`]);
  pairs.push(['context', `${example.context}, position ${example.start + place}`]);
  return pairs;
}
