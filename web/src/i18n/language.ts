import { Cell } from '../cell';

export type Language = 'es' | 'en';

const KEY = 'gad.language';

/** The language of the pages and of the server's messages; kept from visit to visit. */
export const language = new Cell<Language>(localStorage.getItem(KEY) === 'en' ? 'en' : 'es');

document.documentElement.lang = language.get();

export function speak(next: Language): void {
  localStorage.setItem(KEY, next);
  document.documentElement.lang = next;
  language.set(next);
}
