// The table: sorted by a column, filtered by what is written.
const table = document.querySelector('table.features');
if (table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const found = byId('found');
  // Numbers as numbers, tokens as text; what is undefined comes last in either direction.
  const key = (row, column) => {
    const { v, t } = row.cells[column].dataset;
    if (t !== undefined) return t === '' ? null : t;
    return v === '' ? null : Number(v);
  };
  const compare = (x, y) => (typeof x === 'string' ? x.localeCompare(y) : x - y);
  function sort(column, down) {
    const keyed = rows.map((row) => [key(row, column), row]);
    keyed.sort(([x], [y]) => {
      if (x === null || y === null) return (x === null) - (y === null);
      return down ? compare(y, x) : compare(x, y);
    });
    body.append(...keyed.map(([, row]) => row));
    for (const [at, head] of heads.entries()) {
      if (at === column) head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    }
  }
  for (const [column, head] of heads.entries()) {
    const button = head.querySelector('button');
    button.disabled = false;
    button.addEventListener('click', () => {
      const first = column > 0 && rows.some((row) => row.cells[column].dataset.v);
      const before = head.getAttribute('aria-sort');
      sort(column, before === null ? first : before === 'ascending');
    });
  }
  const filter = byId('filter');
  const texts = rows.map((row) => [row.cells[0], ...row.querySelectorAll('.mono')].map((cell) => cell.textContent.toLowerCase()));
  filter.addEventListener('input', () => {
    // A space is shown as a dot.
    const wanted = filter.value.toLowerCase().replaceAll(' ', '·');
    let shown = 0;
    for (const [at, row] of rows.entries()) {
      row.hidden = !texts[at].some((text) => text.trim().includes(wanted));
      shown += !row.hidden;
    }
    found.textContent = wanted ? `${shown} of ${rows.length}` : '';
  });
}
