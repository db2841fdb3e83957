import { useState } from 'react';
import { useCell } from '../cell';
import type { ChecklistItem } from '../gen/gad/v1/checklist_pb';
import { EventType } from '../gen/gad/v1/event_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents } from '../live/LiveProvider';
import { isOpen } from '../live/store';
import { CALL, newRequestId } from '../rpc/clients';
import { checklists } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { useNames } from '../task/names';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Icon } from '../ui/Icon';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { directs } from './directs';
import { Part } from './Part';
import { useDetail } from './useDetail';
import { words } from './words';

/** The single things that a task consists of: ticked off by whoever is on it, made by who directs it. */
export function Checklist({ task }: { task: Task }) {
  const { checklist: w } = usePart(words);
  const list = useDetail('checklist', task.id, EventType.TASK_CHECKLIST_CHANGED, (signal) =>
    checklists.listChecklistItems({ taskId: task.id }, { ...CALL, signal }),
  );
  const mayChange = directs(task);
  const mayTick = useMayTick(task);
  const items = list.data?.items ?? [];
  if (list.data && items.length === 0 && !mayChange) return null;
  const done = items.filter((item) => item.done).length;
  return (
    <Part title={w.title} count={items.length > 0 ? `${done} / ${items.length}` : undefined}>
      <Loaded query={list}>
        {() => (
          <>
            {items.length === 0 && <p className="muted">{w.none}</p>}
            <ul className="checklist">
              {items.map((item) => (
                <Item key={String(item.id)} item={item} mayTick={mayTick} mayRemove={mayChange} onChanged={list.refetch} />
              ))}
            </ul>
          </>
        )}
      </Loaded>
      {mayChange && <Add task={task} onDone={list.refetch} />}
    </Part>
  );
}

/** Who directs the task, and who is on it while it is open. */
function useMayTick(task: Task): boolean {
  const mine = useCell(session);
  const agents = useAgents();
  if (directs(task)) return true;
  const me = mine.token === null ? null : mine.user.id;
  return isOpen(task) && task.agentIds.some((id) => agents.get(id)?.userId === me);
}

interface ItemProps {
  item: ChecklistItem;
  mayTick: boolean;
  mayRemove: boolean;
  onChanged: () => unknown;
}

function Item({ item, mayTick, mayRemove, onChanged }: ItemProps) {
  const { format } = useWords();
  const { checklist: w } = usePart(words);
  const names = useNames();
  const { id, etag, title } = item;
  // What the person wants shows at once; what the server says is there a moment later.
  const [wanted, setWanted] = useState(item.done);
  const tick = useCall(
    (done: boolean) => checklists.updateChecklistItem({ id, done, etag, requestId: newRequestId() }, CALL),
    onChanged,
  );
  const remove = useCall(() => checklists.deleteChecklistItem({ id, etag, requestId: newRequestId() }, CALL), onChanged);
  const failure = tick.failure ?? remove.failure;
  const who = item.done && [names.user(item.doneUserId), item.doneTime && format.brief(item.doneTime)].filter(Boolean).join(' · ');
  return (
    <li>
      <div className="checklist-item" data-done={item.done || undefined}>
        <Check
          label={title}
          hint={who || undefined}
          checked={tick.busy ? wanted : item.done}
          disabled={!mayTick}
          onChange={(done) => {
            if (tick.busy) return;
            setWanted(done);
            tick.run(done);
          }}
        />
        {mayRemove && (
          <button
            type="button"
            className="icon-button"
            aria-label={w.remove(title)}
            title={w.remove(title)}
            aria-busy={remove.busy || undefined}
            onClick={() => remove.run(undefined)}
          >
            <Icon name="close" />
          </button>
        )}
      </div>
      {failure && <Notice tone="error">{failure.text}</Notice>}
    </li>
  );
}

function Add({ task, onDone }: { task: Task; onDone: () => unknown }) {
  const { checklist: w } = usePart(words);
  const [title, setTitle] = useState('');
  const add = useCall(
    () => checklists.createChecklistItem({ taskId: task.id, title: title.trim(), requestId: newRequestId() }, CALL),
    async () => {
      setTitle('');
      await onDone();
    },
  );
  return (
    <Form failure={add.failure} onSubmit={() => title.trim() && add.run(undefined)} className="detail-add">
      <Field
        label={w.add}
        maxLength={200}
        autoComplete="off"
        value={title}
        error={add.fields.get('title')}
        onChange={(event) => setTitle(event.target.value)}
      />
      <Button type="submit" busy={add.busy}>
        {w.submit}
      </Button>
    </Form>
  );
}
