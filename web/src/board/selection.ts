import { Cell } from '../cell';

/** Most tasks that one action takes. */
export const MOST_CHOSEN = 200;

/** Tasks chosen on the board, by number; `null` while nothing is being chosen. */
export const selection = new Cell<ReadonlySet<bigint> | null>(null);

export function choose(ids: readonly bigint[], isIn: boolean): void {
  const now = new Set(selection.get() ?? []);
  for (const id of ids) {
    if (!isIn) now.delete(id);
    else if (now.size < MOST_CHOSEN) now.add(id);
  }
  selection.set(now);
}
