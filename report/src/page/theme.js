'use strict';
// Light and dark: what was chosen last, else what the system prefers.
const byId = (id) => document.getElementById(id);
const darkSystem = matchMedia('(prefers-color-scheme: dark)');
const themeButton = byId('theme');
const theme = () => document.documentElement.dataset.theme ?? (darkSystem.matches ? 'dark' : 'light');
const nameTheme = () => { themeButton.textContent = theme() === 'dark' ? 'Light' : 'Dark'; };
try {
  const stored = localStorage.getItem('sae-theme');
  if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
} catch {
  // Storage may be forbidden for pages from disk.
}
themeButton.addEventListener('click', () => {
  const next = theme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem('sae-theme', next);
  } catch {
    // Then it lasts as long as the page.
  }
  nameTheme();
});
darkSystem.addEventListener('change', nameTheme);
nameTheme();
