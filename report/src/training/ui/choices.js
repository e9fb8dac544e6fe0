// What was chosen on this page, kept while it loads itself again.
const data = JSON.parse(byId('training').textContent);
const KEPT = `sae-training ${location.pathname}`;
const kept = (() => {
  try {
    return Object(JSON.parse(sessionStorage.getItem(KEPT)));
  } catch {
    return {};
  }
})();
const listed = (value) => (Array.isArray(value) ? value : []);
const chosen = {
  along: ['tokens', 'steps'].includes(kept.along) ? kept.along : data.along,
  log: Object(kept.log),
  hidden: new Set(listed(kept.hidden)),
  paused: kept.paused === true,
};
// Added when the page goes: where one was on it.
let place = () => ({});
function keep() {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ ...chosen, hidden: [...chosen.hidden], ...place() }));
  } catch {
    // Storage may be forbidden for pages from disk: then choices last until the page comes again.
  }
}

// Charts with their points as they are, not as they are written.
const tokensAt = (clock, step) => {
  const after = clock.findIndex((knot) => knot[0] > step);
  const [s0, t0] = clock[after < 0 ? clock.length - 1 : Math.max(0, after - 1)];
  if (after <= 0) return t0;
  const [s1, t1] = clock[after];
  return t0 + (t1 - t0) * ((step - s0) / (s1 - s0));
};
const charts = data.charts.map((chart) => ({
  ...chart,
  svg: byId(`${chart.slug}-plot`),
  panel: byId(chart.slug),
  lines: chart.lines.map((line) => {
    const curve = ({ steps, values }) => {
      let step = 0;
      const all = steps.map((more) => { step += more; return step; });
      return { steps: all, tokens: all.map((each) => tokensAt(data.clocks[line.run], each)), values };
    };
    return { ...line, points: curve(line.points), means: line.means ? curve(line.means) : null };
  }),
}));
const isLog = (chart) => (typeof chosen.log[chart.id] === 'boolean' ? chosen.log[chart.id] : chart.log);
// Steps or tokens at the ends of the runs that are to be seen.
const endsOf = (clocks) => clocks.filter((clock) => clock.length).flatMap((clock) => [clock[0], clock[clock.length - 1]].map((knot) => knot[chosen.along === 'steps' ? 0 : 1]));
const ends = () => endsOf(data.clocks.filter((_, run) => data.clocks.length === 1 || !chosen.hidden.has(`run-${run}`)));
const visibleLines = (chart) => chart.lines.filter((line) => !chosen.hidden.has(line.key));

