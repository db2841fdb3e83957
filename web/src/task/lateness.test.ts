import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { TaskSchema, TaskState } from '../gen/gad/v1/task_pb';
import { timestamp } from '../time';
import { lateness } from './lateness';

const MINUTE = 60_000;
const NOW = 100 * MINUTE;
const at = (minutes: number) => timestamp(minutes * MINUTE);
const late = (init: MessageInitShape<typeof TaskSchema>) => lateness(create(TaskSchema, init), NOW);

test('a scheduled task grows late without any event', () => {
  expect(late({ state: TaskState.SCHEDULED, plannedStartTime: at(110) })).toBeNull();
  expect(late({ state: TaskState.SCHEDULED, plannedStartTime: timestamp(NOW - 59_000) })).toBeNull();
  expect(late({ state: TaskState.SCHEDULED, plannedStartTime: at(88) })).toEqual({ kind: 'notStarted', byMillis: 12 * MINUTE });
});

test('a task at work past its planned end is overdue, however it began', () => {
  const task = { state: TaskState.IN_PROGRESS, plannedStartTime: at(50), actualStartTime: at(55), late: true };
  expect(late({ ...task, plannedEndTime: at(90) })).toEqual({ kind: 'overdue', byMillis: 10 * MINUTE });
  expect(late({ ...task, plannedEndTime: at(190) })).toEqual({ kind: 'startedLate', byMillis: 5 * MINUTE });
});

test('a cancelled task is not late any more', () => {
  expect(late({ state: TaskState.CANCELLED, plannedStartTime: at(1), late: true })).toBeNull();
});
