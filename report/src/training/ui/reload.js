// A page that is written again comes again, as it was left.
const opened = Date.now();
const panes = all('.scroll');
const folds = all('details');
place = () => ({
  open: folds.filter((each) => each.open).map((each) => each.id),
  across: panes.map((each) => each.scrollLeft),
  focus: document.activeElement?.matches(':focus-visible') ? document.activeElement.id : '',
});
addEventListener('pagehide', keep);
for (const fold of folds) fold.open = listed(kept.open).includes(fold.id);
panes.forEach((pane, i) => { pane.scrollLeft = Number(listed(kept.across)[i]) || 0; });
if (typeof kept.focus === 'string' && kept.focus) byId(kept.focus)?.focus({ preventScroll: true, focusVisible: true });

// Not while one reads: a value, a selection.
const reads = () => Date.now() - askedAt < 10_000 || !(getSelection()?.isCollapsed ?? true);
const isDue = () => data.running && !chosen.paused && !document.hidden && !reads();
const again = () => { if (isDue() && Date.now() - opened >= data.reload_ms) location.reload(); };
const pause = byId('pause');
const namePause = () => { pause.textContent = chosen.paused ? 'Resume' : 'Pause'; };
if (data.running) {
  pause.hidden = false;
  pause.title = 'Whether the page loads itself again';
  namePause();
  pause.addEventListener('click', () => {
    chosen.paused = !chosen.paused;
    keep();
    namePause();
    again();
  });
  setInterval(again, 500);
  document.addEventListener('visibilitychange', again);
}

// When the file was written.
const age = byId('age');
const writtenAt = Date.parse(document.lastModified);
const lasted = (s) => (s < 120 ? `${s} s` : s < 7200 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`);
function nameAge() {
  const s = Math.max(0, Math.round((Date.now() - writtenAt) / 1000));
  const isStale = data.running && s >= 120;
  age.textContent = isStale ? `nothing new for ${lasted(s)}: has it stopped?` : `written ${lasted(s)} ago`;
  age.classList.toggle('stale', isStale);
}
if (Number.isFinite(writtenAt) && data.running) {
  age.hidden = false;
  nameAge();
  setInterval(nameAge, 1000);
}
