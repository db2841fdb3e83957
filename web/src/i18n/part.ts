import type { Language } from './language';
import { useWords } from './index';

/** Texts of pages that are loaded when they are opened: they need not come with the first page. */
export type Part<T> = Readonly<Record<Language, T>>;

export function usePart<T>(part: Part<T>): T {
  return part[useWords().lang];
}
