import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { AgentSchema } from '../gen/gad/v1/agent_pb';
import { TaskPriority, TaskSchema, TaskState } from '../gen/gad/v1/task_pb';
import { timestamp } from '../time';
import { columnsOf, matches, NO_FILTER } from './filter';

const task = (init: MessageInitShape<typeof TaskSchema>) =>
  create(TaskSchema, { state: TaskState.SCHEDULED, priority: TaskPriority.MEDIUM, ...init });
const agents = new Map([[7n, create(AgentSchema, { id: 7n, code: 'E-07', displayName: 'Inés Jaramillo' })]]);

test('every word must be found, in code, title or crew, without case and accents', () => {
  const row = task({ code: 'T-12', title: 'Inspección de vía', agentIds: [7n] });
  const found = (text: string) => matches(row, { ...NO_FILTER, text }, agents);
  expect(found('INSPECCION t-12')).toBe(true);
  expect(found('ines vía')).toBe(true);
  expect(found('inspeccion t-13')).toBe(false);
  expect(found('   ')).toBe(true);
});

test('a priority lets itself and all above through', () => {
  const seen = (priority: TaskPriority) =>
    matches(task({ priority }), { text: '', priority: TaskPriority.HIGH }, agents);
  expect([TaskPriority.MEDIUM, TaskPriority.HIGH, TaskPriority.CRITICAL].map(seen)).toEqual([false, true, true]);
});

test('open columns go by urgency, then by plan; closed ones latest first', () => {
  const columns = columnsOf([
    task({ id: 1n, plannedStartTime: timestamp(9) }),
    task({ id: 2n, plannedStartTime: timestamp(5) }),
    task({ id: 3n, plannedStartTime: timestamp(9), priority: TaskPriority.URGENT }),
    task({ id: 4n, state: TaskState.FINISHED, updateTime: timestamp(1) }),
    task({ id: 5n, state: TaskState.FINISHED, updateTime: timestamp(2) }),
  ]);
  const ids = (state: TaskState) => columns.get(state)?.map(({ id }) => id);
  expect(ids(TaskState.SCHEDULED)).toEqual([3n, 2n, 1n]);
  expect(ids(TaskState.FINISHED)).toEqual([5n, 4n]);
});
