import { lazy, Suspense, useEffect, useMemo } from 'react';
import { useCell } from '../cell';
import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useAgents, useFeedStatus, useRecentlyClosed, useTasks } from '../live/LiveProvider';
import { isOpen } from '../live/store';
import { lateness } from '../task/lateness';
import { STATES } from '../task/looks';
import { TaskPanel } from '../task/TaskPanel';
import { pathId } from '../task/useTask';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { useNarrow } from '../ui/useMedia';
import { useNow } from '../ui/useNow';
import { Column } from './Column';
import { boardFilter, columnsOf, isFiltering, matches } from './filter';
import { Filters } from './Filters';
import { selection } from './selection';
import './board.css';

const BulkBar = lazy(() => import('./BulkBar'));

const CLOSED: readonly TaskState[] = [TaskState.FINISHED, TaskState.CANCELLED];

export function BoardPage({ openId }: { openId?: string | undefined }) {
  const { t } = useWords();
  const tasks = useTasks();
  const agents = useAgents();
  const filter = useCell(boardFilter);
  const closed = useRecentlyClosed();
  const { snapshots } = useFeedStatus();
  const covered = useNarrow();
  const open = pathId(openId);
  const chosen = useCell(selection);
  useEffect(() => () => selection.set(null), []);
  const columns = useMemo(
    () => columnsOf([...tasks.values()].filter((task) => matches(task, filter, agents))),
    [tasks, agents, filter],
  );
  return (
    <div className="with-drawer">
      <div className="board-page" inert={covered && open !== null}>
        <div className="board-head">
          <h1>{t.board.title}</h1>
          <Summary tasks={tasks} />
          <Filters />
        </div>
        {closed.error && (
          <Notice tone="warning">
            {t.board.closedFailed}{' '}
            <Button small onClick={() => void closed.refetch()}>
              {t.app.retry}
            </Button>
          </Notice>
        )}
        <div className="board">
          {STATES.map((state) => (
            <Column
              key={state}
              state={state}
              tasks={columns.get(state) ?? NOTHING}
              filtered={isFiltering(filter)}
              loading={snapshots === 0 || (CLOSED.includes(state) && closed.isPending)}
              openId={open}
            />
          ))}
        </div>
        {chosen && (
          <Suspense>
            <BulkBar chosen={chosen} />
          </Suspense>
        )}
      </div>
      {open !== null && <TaskPanel id={open} base="/board" />}
    </div>
  );
}

const NOTHING: readonly Task[] = [];

function Summary({ tasks }: { tasks: ReadonlyMap<bigint, Task> }) {
  const { t } = useWords();
  const now = useNow();
  const open = [...tasks.values()].filter(isOpen);
  const late = open.filter((task) => lateness(task, now)).length;
  return <p className="muted board-summary">{t.board.summary(open.length, late)}</p>;
}
