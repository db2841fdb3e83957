import { Cell } from '../cell';
import type { Agent } from '../gen/gad/v1/agent_pb';
import { type Task, TaskPriority, TaskState } from '../gen/gad/v1/task_pb';
import { isOpen } from '../live/store';
import { compareTimes } from '../time';

export interface BoardFilter {
  readonly text: string;
  /** Least priority shown; UNSPECIFIED shows all. */
  readonly priority: TaskPriority;
}

export const NO_FILTER: BoardFilter = { text: '', priority: TaskPriority.UNSPECIFIED };

/** Kept while one walks between pages. */
export const boardFilter = new Cell<BoardFilter>(NO_FILTER);

export function isFiltering({ text, priority }: BoardFilter): boolean {
  return text.trim() !== '' || priority !== TaskPriority.UNSPECIFIED;
}

export function matches(task: Task, filter: BoardFilter, agents: ReadonlyMap<bigint, Agent>): boolean {
  if (task.priority < filter.priority) return false;
  const words = fold(filter.text).split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const crew = task.agentIds.map((id) => agents.get(id)).flatMap((agent) => (agent ? [agent.code, agent.displayName] : []));
  const text = fold([task.code, task.title, ...crew].join(' '));
  return words.every((word) => text.includes(word));
}

/** Without case and accents: `Inspección` is found by `inspeccion`. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{Mn}/gu, '').toLowerCase();
}

/** Rows of each column: open ones by urgency, then by plan; closed ones latest first. */
export function columnsOf(tasks: Iterable<Task>): ReadonlyMap<TaskState, readonly Task[]> {
  const columns = new Map<TaskState, Task[]>();
  for (const task of tasks) {
    const column = columns.get(task.state);
    if (column) column.push(task);
    else columns.set(task.state, [task]);
  }
  for (const column of columns.values()) column.sort(inOrder);
  return columns;
}

function inOrder(a: Task, b: Task): number {
  const byMoment = isOpen(a)
    ? b.priority - a.priority || compareTimes(a.plannedStartTime, b.plannedStartTime)
    : compareTimes(b.updateTime, a.updateTime);
  return byMoment || (a.id < b.id ? -1 : 1);
}
