import type { Timestamp } from '@bufbuild/protobuf/wkt';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useZones } from '../map/useZones';
import { durationMillis } from '../time';
import { useNames } from './names';

/** Every field of a task that is filled in. */
export function TaskFacts({ task, base }: { task: Task; base: string }) {
  const { t, format } = useWords();
  const names = useNames();
  const zone = useZones().find(({ id }) => id === task.zoneId);
  const when = (time: Timestamp | undefined) => time && format.moment(time);
  const from = task.reopenedFromTaskId;
  const paused = task.pausedDuration && durationMillis(task.pausedDuration) > 0 ? task.pausedDuration : undefined;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t.task.kind, t.kinds[task.kind]],
    [t.task.planned, span(when(task.plannedStartTime), when(task.plannedEndTime))],
    [t.task.started, when(task.actualStartTime)],
    [t.task.ended, when(task.actualEndTime)],
    [t.task.pausedSince, when(task.pauseStartTime)],
    [t.task.pausedTotal, paused && format.duration(paused)],
    [t.task.worked, task.workedDuration && format.duration(task.workedDuration)],
    [t.task.location, [task.locationDescription, task.location && format.place(task.location)].filter(Boolean).join(' · ')],
    [t.task.zone, task.zoneId !== undefined && (zone ? `${zone.displayName} (${zone.code})` : String(task.zoneId))],
    [t.task.delegate, task.delegateUserId > 0n && names.user(task.delegateUserId)],
    [t.task.creator, task.creatorUserId > 0n && names.user(task.creatorUserId)],
    [t.task.reopenedFrom, from !== undefined && <Link href={`${base}/${from}`}>{String(from)}</Link>],
    [t.task.created, when(task.createTime)],
    [t.task.updated, when(task.updateTime)],
    [t.task.revision, String(task.revision)],
  ];
  return (
    <section className="task-section" aria-label={t.task.facts}>
      {task.description && (
        <>
          <h3>{t.task.description}</h3>
          <p className="task-description">{task.description}</p>
        </>
      )}
      <h3>{t.task.facts}</h3>
      <dl className="facts">
        {facts.map(([name, value]) => value && <Fact key={name} name={name} value={value} />)}
      </dl>
    </section>
  );
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function span(from: string | undefined, to: string | undefined): string {
  return [from, to].filter(Boolean).join(' → ');
}
