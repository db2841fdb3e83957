import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type Task, type TaskHistoryEntry, TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { CALL, tasks } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { Notice } from '../ui/Notice';
import { useNames } from './names';

/** The steps a task has taken. Asked for again whenever the task has a new revision. */
export function TaskHistory({ task }: { task: Task }) {
  const { t } = useWords();
  const { data, error } = useQuery({
    queryKey: ['history', String(task.id), String(task.revision)],
    queryFn: ({ signal }) => tasks.listTaskHistory({ taskId: task.id, pageSize: 1000 }, { ...CALL, signal }),
    placeholderData: keepPreviousData,
  });
  return (
    <section className="task-section" aria-label={t.task.history}>
      <h3>{t.task.history}</h3>
      {error && <Notice tone="error">{explain(error, t).text}</Notice>}
      {!data && !error && <p className="muted">{t.app.loading}</p>}
      <ol className="history">
        {data?.entries.map((entry) => (
          <Entry key={String(entry.id)} entry={entry} />
        ))}
      </ol>
      {data?.nextPageToken && <p className="muted">{t.task.historyMore}</p>}
    </section>
  );
}

function Entry({ entry }: { entry: TaskHistoryEntry }) {
  const { t, format } = useWords();
  const names = useNames();
  const moved = entry.from !== entry.to && entry.from !== TaskState.UNSPECIFIED;
  return (
    <li>
      <p className="history-step">
        {t.steps[entry.action]}
        {entry.agentId !== undefined && ` · ${names.agent(entry.agentId)}`}
        {moved && <span className="muted">{` ${t.states[entry.from]} → ${t.states[entry.to]}`}</span>}
      </p>
      {entry.reason && <p className="history-reason">{entry.reason}</p>}
      <p className="muted">
        {names.user(entry.userId)}
        {entry.createTime && ` · ${format.moment(entry.createTime)}`}
      </p>
    </li>
  );
}
