import { useId, useState } from 'react';
import { Link } from 'wouter';
import type { Dependency } from '../gen/gad/v1/dependency_pb';
import { EventType } from '../gen/gad/v1/event_pb';
import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useTasks } from '../live/LiveProvider';
import { isOpen } from '../live/store';
import { CALL, newRequestId, tasks as taskCalls } from '../rpc/clients';
import { dependencies } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { StateBadge } from '../task/looks';
import { useTask } from '../task/useTask';
import { Button } from '../ui/Button';
import { FieldFrame } from '../ui/Field';
import { Form } from '../ui/Form';
import { Icon } from '../ui/Icon';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { directs } from './directs';
import { Part } from './Part';
import { useDetail } from './useDetail';
import { words } from './words';

/** What a task waits for, and what waits for it. */
export function Dependencies({ task, base }: { task: Task; base: string }) {
  const { dependencies: w } = usePart(words);
  const list = useDetail('dependencies', task.id, EventType.TASK_DEPENDENCIES_CHANGED, (signal) =>
    dependencies.listDependencies({ taskId: task.id }, { ...CALL, signal }),
  );
  const mayChange = directs(task);
  const { dependsOn = [], neededBy = [], hiddenCount = 0 } = list.data ?? {};
  if (list.data && dependsOn.length + neededBy.length + hiddenCount === 0 && !mayChange) return null;
  return (
    <Part title={w.title} count={dependsOn.length > 0 ? dependsOn.length : undefined}>
      <Loaded query={list}>
        {() => (
          <>
            {dependsOn.length + hiddenCount === 0 && <p className="muted">{w.none}</p>}
            <Waiting task={task} dependsOn={dependsOn} hiddenCount={hiddenCount} />
            <ul className="detail-list">
              {dependsOn.map((one) => (
                <Row key={String(one.dependsOnTaskId)} one={one} base={base} mayRemove={mayChange} onChanged={list.refetch} />
              ))}
            </ul>
            {neededBy.length > 0 && <h4>{w.neededBy}</h4>}
            <ul className="detail-list">
              {neededBy.map(({ taskId }) => (
                <li key={String(taskId)}>
                  <TaskName id={taskId} base={base} />
                </li>
              ))}
            </ul>
          </>
        )}
      </Loaded>
      {mayChange && <Add task={task} onDone={list.refetch} />}
    </Part>
  );
}

/** Why the task cannot start. Whether what one waits for is finished is said by the live rows, where they are known. */
function Waiting({ task, dependsOn, hiddenCount }: { task: Task; dependsOn: readonly Dependency[]; hiddenCount: number }) {
  const { dependencies: w } = usePart(words);
  const live = useTasks();
  const open = dependsOn.filter(({ satisfied, dependsOnTaskId }) => {
    const state = live.get(dependsOnTaskId)?.state;
    return state === undefined ? !satisfied : state !== TaskState.FINISHED;
  });
  const waits = task.state === TaskState.SCHEDULED && open.length > 0;
  return (
    <>
      {waits && <Notice tone="warning">{w.waits(open.length)}</Notice>}
      {hiddenCount > 0 && <p className="muted">{w.hidden(hiddenCount)}</p>}
    </>
  );
}

function TaskName({ id, base }: { id: bigint; base: string }) {
  const { t } = useWords();
  const { task } = useTask(id);
  return (
    <>
      <Link className="grow detail-name" href={`${base}/${id}`}>
        {task ? `${task.code} · ${task.title}` : `${t.task.detail} ${id}`}
      </Link>
      {task && <StateBadge state={task.state} />}
    </>
  );
}

interface RowProps {
  one: Dependency;
  base: string;
  mayRemove: boolean;
  onChanged: () => unknown;
}

function Row({ one, base, mayRemove, onChanged }: RowProps) {
  const { dependencies: w } = usePart(words);
  const { taskId, dependsOnTaskId } = one;
  const remove = useCall(
    () => dependencies.removeDependency({ taskId, dependsOnTaskId, requestId: newRequestId() }, CALL),
    onChanged,
  );
  return (
    <li>
      <TaskName id={dependsOnTaskId} base={base} />
      {mayRemove && (
        <button
          type="button"
          className="icon-button"
          aria-label={w.remove}
          title={w.remove}
          aria-busy={remove.busy || undefined}
          onClick={() => remove.run(undefined)}
        >
          <Icon name="close" />
        </button>
      )}
      {remove.failure && <Notice tone="error">{remove.failure.text}</Notice>}
    </li>
  );
}

const OFFERED = 200;

function Add({ task, onDone }: { task: Task; onDone: () => unknown }) {
  const { dependencies: w } = usePart(words);
  const list = useId();
  const live = useTasks();
  const [text, setText] = useState('');
  const [unknown, setUnknown] = useState(false);
  const add = useCall(
    async () => {
      const id = await find(live, codeOf(text));
      if (id === null) return false;
      await dependencies.addDependency({ taskId: task.id, dependsOnTaskId: id, requestId: newRequestId() }, CALL);
      return true;
    },
    async (found) => {
      setUnknown(!found);
      if (!found) return;
      setText('');
      await onDone();
    },
  );
  const offered = [...live.values()].filter((other) => isOpen(other) && other.id !== task.id).slice(0, OFFERED);
  return (
    <Form failure={add.failure} onSubmit={() => text.trim() && add.run(undefined)} className="detail-add">
      <FieldFrame label={w.add} error={unknown ? w.unknown : add.fields.get('depends_on_task_id')}>
        {(ids) => (
          <input
            className="input"
            list={list}
            placeholder={w.hint}
            autoComplete="off"
            maxLength={300}
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setUnknown(false);
            }}
            {...ids}
          />
        )}
      </FieldFrame>
      <datalist id={list}>
        {offered.map((other) => (
          <option key={String(other.id)} value={`${other.code} · ${other.title}`} />
        ))}
      </datalist>
      <Button type="submit" busy={add.busy}>
        {w.submit}
      </Button>
    </Form>
  );
}

/** `T-12 · Title` → `T-12`. */
function codeOf(text: string): string {
  return (text.split(' · ')[0] ?? '').trim();
}

async function find(live: ReadonlyMap<bigint, Task>, code: string): Promise<bigint | null> {
  const isIt = (task: Task) => task.code.toLowerCase() === code.toLowerCase();
  const known = [...live.values()].find(isIt);
  if (known) return known.id;
  const { tasks } = await taskCalls.listTasks({ pageSize: 50, filter: { text: code } }, CALL);
  return tasks.find(isIt)?.id ?? null;
}
