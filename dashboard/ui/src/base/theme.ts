// Light and dark: what the address says, else what was chosen last, else what the system prefers.

import { byId } from './dom';
import { change, state, watch } from './state';

const darkSystem = matchMedia('(prefers-color-scheme: dark)');

const repainters: (() => void)[] = [];

/** Storage may be forbidden for pages from disk. */
function storedTheme(): string | null {
  try {
    return localStorage.getItem('sae-theme');
  } catch {
    return null;
  }
}

function theme(): 'light' | 'dark' {
  const chosen = state.theme ?? storedTheme();
  if (chosen === 'light' || chosen === 'dark') return chosen;
  return darkSystem.matches ? 'dark' : 'light';
}

function applyTheme() {
  const now = theme();
  if (document.documentElement.dataset.theme === now) return;
  document.documentElement.dataset.theme = now;
  const button = byId('theme');
  button.textContent = now === 'dark' ? 'Light' : 'Dark';
  for (const repaint of repainters) repaint();
}

/** Calls `repaint` when colours change: for what is painted, not styled. */
export const onTheme = (repaint: () => void) => { repainters.push(repaint); };

export function toggleTheme() {
  const next = theme() === 'dark' ? 'light' : 'dark';
  try {
    localStorage.setItem('sae-theme', next);
  } catch {
    // The address keeps it.
  }
  change({ theme: next });
}

export function startTheme() {
  applyTheme();
  watch(applyTheme);
  darkSystem.addEventListener('change', applyTheme);
  byId('theme').addEventListener('click', toggleTheme);
}
