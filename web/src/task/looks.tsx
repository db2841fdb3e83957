import { TaskPriority, TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { Badge } from '../ui/Badge';
import type { Lateness } from './lateness';

/** States in the order of a task's life. */
export const STATES = [
  TaskState.SCHEDULED,
  TaskState.IN_PROGRESS,
  TaskState.PAUSED,
  TaskState.FINISHED,
  TaskState.CANCELLED,
] as const;

/** Priorities, most urgent first. */
export const PRIORITIES = [
  TaskPriority.CRITICAL,
  TaskPriority.URGENT,
  TaskPriority.HIGH,
  TaskPriority.MEDIUM,
  TaskPriority.LOW,
] as const;

export const stateTone: Readonly<Record<TaskState, string>> = {
  [TaskState.UNSPECIFIED]: 'plain',
  [TaskState.SCHEDULED]: 'scheduled',
  [TaskState.IN_PROGRESS]: 'in-progress',
  [TaskState.PAUSED]: 'paused',
  [TaskState.FINISHED]: 'finished',
  [TaskState.CANCELLED]: 'cancelled',
};

export const priorityTone: Readonly<Record<TaskPriority, string>> = {
  [TaskPriority.UNSPECIFIED]: 'plain',
  [TaskPriority.LOW]: 'low',
  [TaskPriority.MEDIUM]: 'medium',
  [TaskPriority.HIGH]: 'high',
  [TaskPriority.URGENT]: 'urgent',
  [TaskPriority.CRITICAL]: 'critical',
};

/** Drawings in a 24 × 24 box, so that a state is told without its colour too. */
export const statePath: Readonly<Record<TaskState, string>> = {
  [TaskState.UNSPECIFIED]: 'M10 10h4v4h-4z',
  [TaskState.SCHEDULED]: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2.6a6.4 6.4 0 1 1 0 12.8 6.4 6.4 0 0 1 0-12.8zM10.9 7.5h2.2v4l2.8 2.8-1.6 1.6-3.4-3.5z',
  [TaskState.IN_PROGRESS]: 'M7.5 5v14l11.5-7z',
  [TaskState.PAUSED]: 'M7 5h3.5v14H7zM13.5 5H17v14h-3.5z',
  [TaskState.FINISHED]: 'M9.5 18 4 12.5l2-2 3.5 3.5L18 5.5l2 2z',
  [TaskState.CANCELLED]: 'M6.5 4.5 12 10l5.5-5.5 2 2L14 12l5.5 5.5-2 2L12 14l-5.5 5.5-2-2L10 12 4.5 6.5z',
};

export function StateIcon({ state }: { state: TaskState }) {
  return (
    <svg className={`state-icon tone-${stateTone[state]}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={statePath[state]} />
    </svg>
  );
}

export function StateBadge({ state }: { state: TaskState }) {
  const { t } = useWords();
  return <Badge tone={stateTone[state]}>{t.states[state]}</Badge>;
}

export function PriorityBadge({ priority }: { priority: TaskPriority }) {
  const { t } = useWords();
  return <Badge tone={priorityTone[priority]}>{t.priorities[priority]}</Badge>;
}

export function LatenessBadge({ lateness }: { lateness: Lateness }) {
  const { t, format } = useWords();
  return <Badge tone="late">{t.lateness[lateness.kind](format.span(lateness.byMillis))}</Badge>;
}
