// Tables as text for other programs.

import { announce, el } from './dom';

/** A table: names of columns, and rows of values as they are, not as they are shown. */
export interface Table { columns: string[]; rows: (string | number | boolean | null)[][] }

/** A field of CSV. What a spreadsheet would take for a formula is marked as text; numbers stay numbers. */
function field(value: string | number | boolean | null): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = /^[=@\t\r]|^[+-]\D*[a-z(|]/i.test(value) ? `'${value}` : value;
  return /[",\n\r']|^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

export const asCsv = ({ columns, rows }: Table) => [columns, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('');

export const asJson = ({ columns, rows }: Table) =>
  `${JSON.stringify(rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i], value]))), null, 1)}\n`;

/** Puts text on the clipboard; pages from disk may not be allowed the newer way. */
export async function copyText(text: string) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const put = (event: ClipboardEvent) => {
      event.clipboardData?.setData('text/plain', text);
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    document.addEventListener('copy', put, { capture: true, once: true });
    if (!document.execCommand('copy')) throw new Error('the browser does not let this page copy');
  }
}

/** Hands text to the reader as a file. */
export function download(name: string, text: string) {
  const link = el('a', { href: URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Buttons that copy a table. */
export function copyButtons(name: string, table: () => Table): HTMLElement {
  const button = (label: string, text: (table: Table) => string) => {
    const made = el('button', { type: 'button', class: 'link', 'aria-label': `Copy ${name} as ${label}`, title: `Copy as ${label}` }, label);
    made.addEventListener('click', async () => {
      const said = await copyText(text(table())).then(() => 'Copied', () => 'Not copied');
      announce(said);
      made.textContent = said;
      setTimeout(() => { made.textContent = label; }, 1200);
    });
    return made;
  };
  return el('span', { class: 'copy' }, button('CSV', asCsv), button('JSON', asJson));
}
