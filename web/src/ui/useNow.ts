import { Cell, useCell } from '../cell';

const TICK_MILLIS = 10_000;

const now = new Cell(Date.now());

setInterval(() => now.set(Date.now()), TICK_MILLIS);

/** The time, a few times a minute: lateness and ages grow without an event. */
export function useNow(): number {
  return useCell(now);
}
