import { lazy, Suspense, useCallback } from 'react';
import { Link, useLocation } from 'wouter';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { explain } from '../rpc/failure';
import { Drawer } from '../ui/Drawer';
import { Notice } from '../ui/Notice';
import { useNow } from '../ui/useNow';
import { useTaskChange } from './change';
import { lateness } from './lateness';
import { LatenessBadge, PriorityBadge, StateBadge } from './looks';
import { TaskActions } from './TaskActions';
import { TaskAgents } from './TaskAgents';
import { TaskFacts } from './TaskFacts';
import { TaskHistory } from './TaskHistory';
import { useTask } from './useTask';
import './task.css';

const TaskDetails = lazy(() => import('../detail/TaskDetails'));

interface Props {
  id: bigint;
  /** Page the panel stands on, such as `/board`. */
  base: string;
}

/** Everything about one task, and what the caller may do to it. */
export function TaskPanel({ id, base }: Props) {
  const { t } = useWords();
  const { task, error } = useTask(id);
  const [, go] = useLocation();
  const close = useCallback(() => go(base), [go, base]);
  return (
    <Drawer title={task?.code ?? t.task.detail} subject={String(id)} onClose={close}>
      {task && <Detail key={String(id)} task={task} base={base} />}
      {!task && error && <Notice tone="error">{explain(error, t).text}</Notice>}
      {!task && !error && <p className="muted">{t.app.loading}</p>}
    </Drawer>
  );
}

function Detail({ task, base }: { task: Task; base: string }) {
  const { t } = useWords();
  const [, go] = useLocation();
  const late = lateness(task, useNow());
  const change = useTaskChange((answer, { action }) => {
    if (action === TaskAction.REOPEN) go(`${base}/${answer.id}`);
  });
  return (
    <>
      <p className="task-title">{task.title}</p>
      <p className="task-badges">
        <StateBadge state={task.state} />
        <PriorityBadge priority={task.priority} />
        {late && <LatenessBadge lateness={late} />}
      </p>
      {change.trouble && (
        <Notice tone="error">
          <p>{change.trouble}</p>
          {[...(change.fields ?? [])].map(([field, text]) => (
            <p key={field}>
              {field}: {text}
            </p>
          ))}
        </Notice>
      )}
      <TaskActions task={task} change={change} />
      <TaskAgents task={task} change={change} />
      <Suspense fallback={<p className="muted">{t.app.loading}</p>}>
        <TaskDetails task={task} base={base} />
      </Suspense>
      <TaskFacts task={task} base={base} />
      {task.location && base !== '/map' && (
        <p>
          <Link className="button button-small" href={`/map/${task.id}`}>
            {t.task.onMap}
          </Link>
        </p>
      )}
      <TaskHistory task={task} />
    </>
  );
}
