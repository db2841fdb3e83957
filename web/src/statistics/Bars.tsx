import type { StatisticsRow } from '../gen/gad/v1/statistics_pb';
import { TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { STATES, stateTone } from '../task/looks';

/** Tasks of a row in a state. */
export function countOf(row: StatisticsRow, state: TaskState): number {
  switch (state) {
    case TaskState.SCHEDULED:
      return Number(row.scheduledCount);
    case TaskState.IN_PROGRESS:
      return Number(row.inProgressCount);
    case TaskState.PAUSED:
      return Number(row.pausedCount);
    case TaskState.FINISHED:
      return Number(row.finishedCount);
    case TaskState.CANCELLED:
      return Number(row.cancelledCount);
    default:
      return 0;
  }
}

export function totalOf(row: StatisticsRow): number {
  return STATES.reduce((sum, state) => sum + countOf(row, state), 0);
}

/** States as lengths of one bar; the numbers stand beside it. `share`: of the longest bar. */
export function StateBar({ row, share = 1 }: { row: StatisticsRow; share?: number }) {
  const { t } = useWords();
  const shown = STATES.filter((state) => countOf(row, state) > 0);
  return (
    <span className="state-bar" style={{ width: `${Math.max(share * 100, shown.length > 0 ? 2 : 0)}%` }} aria-hidden="true">
      {shown.map((state) => (
        <span
          key={state}
          className={`state-bar-part tone-${stateTone[state]}`}
          data-state={stateTone[state]}
          title={`${t.states[state]}: ${countOf(row, state)}`}
          style={{ flexGrow: countOf(row, state) }}
        />
      ))}
    </span>
  );
}
