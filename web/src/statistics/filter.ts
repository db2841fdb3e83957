import { create } from '@bufbuild/protobuf';
import { type StatisticsFilter, StatisticsFilterSchema, StatisticsGroup } from '../gen/gad/v1/statistics_pb';
import { type TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import { timestamp } from '../time';

/** The form as chosen. */
export interface Choice {
  readonly group: StatisticsGroup;
  /** Days back from today; 0: from the beginning; CHOSEN_DAYS: `from` and `to`. */
  readonly days: number;
  /** As `<input type="date">` has it. */
  readonly from: string;
  readonly to: string;
  /** 0: all. */
  readonly zone: number;
  readonly kind: TaskKind;
  readonly priority: TaskPriority;
  /** Empty: all. */
  readonly unit: string;
}

export const CHOSEN_DAYS = -1;

export const FIRST_CHOICE: Choice = {
  group: StatisticsGroup.KIND,
  days: 30,
  from: '',
  to: '',
  zone: 0,
  kind: 0,
  priority: TaskPriority.UNSPECIFIED,
  unit: '',
};

const DAY_MILLIS = 86_400_000;

/** Days are those of UTC, as the server counts them. */
export function filterOf({ days, from, to, zone, kind, priority, unit }: Choice, now: number): StatisticsFilter {
  const filter = create(StatisticsFilterSchema, {
    zoneIds: zone > 0 ? [BigInt(zone)] : [],
    kinds: kind > 0 ? [kind] : [],
    priorities: priority > 0 ? [priority] : [],
    units: unit === '' ? [] : [unit],
  });
  if (days > 0) filter.startTime = timestamp(now - (now % DAY_MILLIS) - (days - 1) * DAY_MILLIS);
  if (days === CHOSEN_DAYS && from) filter.startTime = timestamp(Date.parse(from));
  // The day that is named is in.
  if (days === CHOSEN_DAYS && to) filter.endTime = timestamp(Date.parse(to) + DAY_MILLIS);
  return filter;
}
