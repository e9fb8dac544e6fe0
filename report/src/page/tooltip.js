// What is told beside a place on the screen.
const tooltip = byId('tooltip');
function tell(content, x, y) {
  tooltip.replaceChildren(content);
  tooltip.hidden = false;
  const box = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.max(4, x + 14 + box.width > innerWidth ? x - box.width - 14 : x + 14)}px`;
  tooltip.style.top = `${Math.max(4, y + 14 + box.height > innerHeight ? y - box.height - 10 : y + 14)}px`;
}

