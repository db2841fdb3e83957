import { Cell } from '../cell';

const ORDER = ['system', 'light', 'dark'] as const;
const KEY = 'gad.theme';

export type Theme = (typeof ORDER)[number];

export const theme = new Cell<Theme>(ORDER.find((kept) => kept === localStorage.getItem(KEY)) ?? 'system');

show(theme.get());

export function nextTheme(): void {
  const next = ORDER[(ORDER.indexOf(theme.get()) + 1) % ORDER.length] ?? 'system';
  localStorage.setItem(KEY, next);
  show(next);
  theme.set(next);
}

function show(shown: Theme): void {
  if (shown === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = shown;
}
