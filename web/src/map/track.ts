import type { TrackLine } from '../gen/gad/v1/map_pb';
import { millis } from '../time';

export interface Stop {
  readonly at: number;
  readonly place: readonly [number, number];
}

/** The points of a line, in the order of their times. */
export function stopsOf({ points }: TrackLine): Stop[] {
  return points.flatMap(({ fixTime, location }) =>
    fixTime && location ? [{ at: millis(fixTime), place: [location.latitude, location.longitude] as const }] : [],
  );
}

/** Where somebody was at a moment: on the way between two points of a line; in a gap where they were last; before all, nowhere. */
export function placeAt(lines: readonly (readonly Stop[])[], at: number): readonly [number, number] | null {
  const before = lines.filter(([first]) => first !== undefined && first.at <= at).at(-1);
  if (!before) return null;
  const next = before.findIndex((stop) => stop.at > at);
  const [from, to] = next === -1 ? [before.at(-1), undefined] : [before[next - 1], before[next]];
  if (!from) return null;
  if (!to) return from.place;
  const share = (at - from.at) / (to.at - from.at);
  return [from.place[0] + (to.place[0] - from.place[0]) * share, from.place[1] + (to.place[1] - from.place[1]) * share];
}
