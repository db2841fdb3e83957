import { memo } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import { type Task, TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents } from '../live/LiveProvider';
import { AvailabilityDot } from '../task/AvailabilityDot';
import { lateness } from '../task/lateness';
import { LatenessBadge, PriorityBadge, priorityTone } from '../task/looks';
import { useNames } from '../task/names';
import { millis } from '../time';
import { Icon } from '../ui/Icon';
import { useNow } from '../ui/useNow';
import { choose, selection } from './selection';
import { words } from './words';

const FRESH_MILLIS = 8_000;

export const Card = memo(function Card({ task, open }: { task: Task; open: boolean }) {
  const { t, format } = useWords();
  const late = lateness(task, useNow());
  const isFresh = task.updateTime !== undefined && Math.abs(Date.now() - millis(task.updateTime)) < FRESH_MILLIS;
  return (
    <article className={`card priority-${priorityTone[task.priority]}`} data-task={String(task.id)}>
      {isFresh && <span className="card-flash" key={String(task.revision)} aria-hidden="true" />}
      <p className="card-top">
        <Choice task={task} />
        <span className="card-code">{task.code}</span>
        <span className="muted">{t.kinds[task.kind]}</span>
      </p>
      <h3 className="card-title">
        <Link href={`/board/${task.id}`} aria-current={open || undefined}>
          {task.title}
        </Link>
      </h3>
      <p className="card-badges">
        {task.priority !== TaskPriority.MEDIUM && <PriorityBadge priority={task.priority} />}
        {late && <LatenessBadge lateness={late} />}
      </p>
      <p className="card-foot">
        <Crew ids={task.agentIds} />
        {task.plannedStartTime && (
          <span className="muted card-time">
            <Icon name="clock" />
            {format.brief(task.plannedStartTime)}
          </span>
        )}
      </p>
    </article>
  );
});

/** Above the link that covers the card. */
function Choice({ task }: { task: Task }) {
  const w = usePart(words);
  const chosen = useCell(selection);
  if (chosen === null) return null;
  return (
    <input
      type="checkbox"
      className="card-choice"
      aria-label={w.chooseTask(task.code)}
      checked={chosen.has(task.id)}
      onChange={(event) => choose([task.id], event.target.checked)}
    />
  );
}

const SHOWN = 3;

function Crew({ ids }: { ids: readonly bigint[] }) {
  const { t } = useWords();
  const agents = useAgents();
  const names = useNames();
  if (ids.length === 0) return <span className="crew muted">{t.board.nobody}</span>;
  return (
    <span className="crew">
      {ids.slice(0, SHOWN).map((id) => (
        <span className="crew-member" key={String(id)}>
          <AvailabilityDot agent={agents.get(id)} />
          {names.agent(id)}
        </span>
      ))}
      {ids.length > SHOWN && <span>+{ids.length - SHOWN}</span>}
    </span>
  );
}
