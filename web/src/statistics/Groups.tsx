import { StatisticsGroup, type StatisticsRow } from '../gen/gad/v1/statistics_pb';
import type { TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useZones } from '../map/useZones';
import { STATES, StateIcon } from '../task/looks';
import { useNames } from '../task/names';
import { Table } from '../ui/Table';
import { StateBar, totalOf } from './Bars';
import { words } from './words';

/** A row a group: most work first, days in their order. */
export function Groups({ group, rows }: { group: StatisticsGroup; rows: readonly StatisticsRow[] }) {
  const { t: common, format } = useWords();
  const t = usePart(words);
  const nameOf = useGroupName(group);
  const most = Math.max(1, ...rows.map(totalOf));
  const sorted = group === StatisticsGroup.DAY ? [...rows].reverse() : [...rows].sort((a, b) => totalOf(b) - totalOf(a));
  return (
    <>
      <ul className="state-keys" aria-hidden="true">
        {STATES.map((state) => (
          <li key={state}>
            <StateIcon state={state} />
            {common.states[state]}
          </li>
        ))}
      </ul>
      <div className="scroll">
        <Table
          cards
          look="groups"
          caption={t.by(t.groups[group])}
          head={[t.groups[group], t.states, t.tasks, t.open, t.finished, t.overdue, t.finishedLate, t.spans.worked, t.spans.finish]}
          rows={sorted.map((row) => ({
            key: `${row.key}-${row.name}`,
            cells: [
              <strong key="name">{nameOf(row)}</strong>,
              <StateBar key="bar" row={row} share={totalOf(row) / most} />,
              String(totalOf(row)),
              String(row.scheduledCount + row.inProgressCount + row.pausedCount),
              String(row.finishedCount),
              row.overdueCount > 0n ? <strong className="is-late">{String(row.overdueCount)}</strong> : '0',
              String(row.lateCount),
              row.worked?.p50 ? format.duration(row.worked.p50) : '–',
              row.finish?.p50 ? format.duration(row.finish.p50) : '–',
            ],
          }))}
        />
      </div>
      <p className="muted">{t.medians}</p>
    </>
  );
}

function useGroupName(group: StatisticsGroup): (row: StatisticsRow) => string {
  const { t: common } = useWords();
  const t = usePart(words);
  const names = useNames();
  const zones = useZones();
  return ({ key, name }) => {
    switch (group) {
      case StatisticsGroup.USER:
        return key === 0n ? t.nobody : names.user(key);
      case StatisticsGroup.AGENT:
        return key === 0n ? t.nobody : names.agent(key);
      case StatisticsGroup.ZONE: {
        const zone = zones.find(({ id }) => id === key);
        return key === 0n ? t.nowhere : zone?.displayName || zone?.code || String(key);
      }
      case StatisticsGroup.KIND:
        return common.kinds[Number(key) as TaskKind] ?? String(key);
      case StatisticsGroup.PRIORITY:
        return common.priorities[Number(key) as TaskPriority] ?? String(key);
      default:
        return name || t.without;
    }
  };
}
