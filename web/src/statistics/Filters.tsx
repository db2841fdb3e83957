import { useMemo } from 'react';
import { StatisticsGroup } from '../gen/gad/v1/statistics_pb';
import { TaskKind, TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents } from '../live/LiveProvider';
import { useZones } from '../map/useZones';
import { PRIORITIES } from '../task/looks';
import { Field, FieldFrame } from '../ui/Field';
import { Select } from '../ui/Select';
import { CHOSEN_DAYS, type Choice } from './filter';
import { words } from './words';

const PERIODS = [1, 7, 30, 90, 365, 0, CHOSEN_DAYS] as const;
const GROUPS = [
  StatisticsGroup.KIND,
  StatisticsGroup.PRIORITY,
  StatisticsGroup.ZONE,
  StatisticsGroup.UNIT,
  StatisticsGroup.AGENT,
  StatisticsGroup.USER,
  StatisticsGroup.DAY,
] as const;
const KINDS = Object.values(TaskKind).filter((kind): kind is TaskKind => typeof kind === 'number' && kind > 0);

interface Props {
  choice: Choice;
  onChange: (choice: Choice) => void;
}

export function Filters({ choice, onChange }: Props) {
  const { t: common } = useWords();
  const t = usePart(words);
  const zones = useZones();
  return (
    <form className="filter-row" role="search" onSubmit={(event) => event.preventDefault()}>
      <Select<StatisticsGroup>
        label={t.group}
        value={choice.group}
        options={GROUPS.map((group) => [group, t.groups[group]] as const)}
        onChange={(group) => onChange({ ...choice, group })}
      />
      <Select<number>
        label={t.period}
        value={choice.days}
        options={PERIODS.map((days) => [days, t.periods(days)] as const)}
        onChange={(days) => onChange({ ...choice, days })}
      />
      {choice.days === CHOSEN_DAYS && (
        <>
          <Field
            label={t.from}
            type="date"
            value={choice.from}
            onChange={({ target }) => onChange({ ...choice, from: target.value })}
          />
          <Field
            label={t.to}
            type="date"
            value={choice.to}
            onChange={({ target }) => onChange({ ...choice, to: target.value })}
          />
        </>
      )}
      <Select<number>
        label={common.task.zone}
        value={choice.zone}
        options={[[0, t.all], ...zones.map(({ id, displayName, code }) => [Number(id), displayName || code] as const)]}
        onChange={(zone) => onChange({ ...choice, zone })}
      />
      <Units unit={choice.unit} onChange={(unit) => onChange({ ...choice, unit })} />
      <Select<TaskKind>
        label={common.task.kind}
        value={choice.kind}
        options={[[TaskKind.UNSPECIFIED, t.all], ...KINDS.map((kind) => [kind, common.kinds[kind]] as const)]}
        onChange={(kind) => onChange({ ...choice, kind })}
      />
      <Select<TaskPriority>
        label={common.task.priority}
        value={choice.priority}
        options={[[TaskPriority.UNSPECIFIED, t.all], ...PRIORITIES.map((one) => [one, common.priorities[one]] as const)]}
        onChange={(priority) => onChange({ ...choice, priority })}
      />
    </form>
  );
}

function Units({ unit, onChange }: { unit: string; onChange: (unit: string) => void }) {
  const { t: common } = useWords();
  const t = usePart(words);
  const agents = useAgents();
  const units = useMemo(() => [...new Set([...agents.values()].map((agent) => agent.unit).filter(Boolean))].sort(), [agents]);
  return (
    <FieldFrame label={common.map.unit}>
      {(ids) => (
        <select className="input" value={unit} onChange={(event) => onChange(event.target.value)} {...ids}>
          <option value="">{t.all}</option>
          {units.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
    </FieldFrame>
  );
}
