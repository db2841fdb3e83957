import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { millis } from '../time';

export interface Lateness {
  readonly kind: 'notStarted' | 'startedLate' | 'overdue';
  readonly byMillis: number;
}

/** Less than this is punctual; it also hides small differences between clocks. */
const GRACE_MILLIS = 60_000;

/**
 * How late a task is at the moment `now`. The server's `late` is as old as the row; the time that passes
 * without an event is added here.
 */
export function lateness(task: Task, now: number): Lateness | null {
  const start = task.plannedStartTime && millis(task.plannedStartTime);
  const end = task.plannedEndTime && millis(task.plannedEndTime);
  switch (task.state) {
    case TaskState.SCHEDULED:
      return start === undefined ? null : later('notStarted', now - start);
    case TaskState.IN_PROGRESS:
    case TaskState.PAUSED:
      return (end === undefined ? null : later('overdue', now - end)) ?? startedLate(task, start);
    case TaskState.FINISHED:
      return startedLate(task, start);
    default:
      return null;
  }
}

function startedLate(task: Task, plannedStart: number | undefined): Lateness | null {
  if (!task.late || plannedStart === undefined || !task.actualStartTime) return null;
  return later('startedLate', millis(task.actualStartTime) - plannedStart);
}

function later(kind: Lateness['kind'], byMillis: number): Lateness | null {
  return byMillis < GRACE_MILLIS ? null : { kind, byMillis };
}
