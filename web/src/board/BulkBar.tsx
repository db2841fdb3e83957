import { useState } from 'react';
import { useCell } from '../cell';
import type { BatchChangeTasksResponse } from '../gen/gad/v1/bulk_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import { type Task, TaskAction, TaskPriority } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useAgents, useLive, useTasks } from '../live/LiveProvider';
import { CALL, newRequestId } from '../rpc/clients';
import { bulk } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { PRIORITIES } from '../task/looks';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Select } from '../ui/Select';
import { Results } from './Results';
import { MOST_CHOSEN, selection } from './selection';
import { words } from './words';

type Action = (typeof STEPS)[number] | (typeof AGENT_ACTIONS)[number] | TaskAction.UPDATE | TaskAction.DELETE;

const STEPS = [TaskAction.START, TaskAction.PAUSE, TaskAction.RESUME, TaskAction.FINISH, TaskAction.CANCEL] as const;
const AGENT_ACTIONS = [TaskAction.ASSIGN, TaskAction.UNASSIGN] as const;
/** What cannot be done without a reason. */
const REASONED: readonly TaskAction[] = [TaskAction.CANCEL];

interface Order {
  readonly action: Action;
  readonly reason: string;
  readonly agentId: bigint;
  readonly priority: TaskPriority;
  readonly allOrNothing: boolean;
}

const FIRST: Order = { action: TaskAction.START, reason: '', agentId: 0n, priority: TaskPriority.HIGH, allOrNothing: false };

/** One action on all chosen tasks, and what became of each. */
export default function BulkBar({ chosen }: { chosen: ReadonlySet<bigint> }) {
  const t = usePart(words);
  const { store } = useLive();
  const live = useTasks();
  const [order, setOrder] = useState<Order>(FIRST);
  const [missing, setMissing] = useState(false);
  const [done, setDone] = useState<{ tasks: readonly Task[]; answer: BatchChangeTasksResponse } | null>(null);
  const tasks = [...chosen].flatMap((id) => live.get(id) ?? []);
  const change = useCall(
    () => bulk.batchChangeTasks({ ...requestOf(order, tasks), requestId: newRequestId() }, CALL),
    (answer) => {
      store.merge(answer.results.flatMap(({ task }) => (answer.applied && task ? [task] : [])));
      setDone({ tasks, answer });
    },
  );
  const lacks = missingOf(order, tasks.length, t);
  const submit = () => {
    setMissing(lacks !== null);
    if (lacks === null) change.run(undefined);
  };
  return (
    <section className="bulk" aria-label={t.bulk}>
      <Form failure={change.failure} onSubmit={submit} className="bulk-form">
        <p className="bulk-count" role="status">
          <strong>{t.chosen(tasks.length)}</strong>
          {tasks.length >= MOST_CHOSEN && <span className="field-hint">{t.mostChosen(MOST_CHOSEN)}</span>}
        </p>
        <OrderFields order={order} onChange={setOrder} />
        <div className="bulk-end">
          <Button look="primary" type="submit" busy={change.busy}>
            {t.apply}
          </Button>
          <Button look="quiet" onClick={() => selection.set(null)}>
            {t.stopChoosing}
          </Button>
        </div>
        {missing && lacks !== null && (
          <p className="field-error bulk-error" role="alert">
            {lacks}
          </p>
        )}
      </Form>
      {done && <Results {...done} onClose={() => (setDone(null), selection.set(new Set()))} />}
    </section>
  );
}

function requestOf({ action, reason, agentId, priority, allOrNothing }: Order, tasks: readonly Task[]) {
  const isUpdate = action === TaskAction.UPDATE;
  return {
    tasks: tasks.map(({ id, etag }) => ({ id, etag })),
    action,
    allOrNothing,
    reason: isStep(action) ? reason.trim() : '',
    agentId: isOfAgent(action) ? agentId : 0n,
    ...(isUpdate && { task: { priority }, updateMask: { paths: ['priority'] } }),
  };
}

function missingOf({ action, reason, agentId }: Order, count: number, t: (typeof words)['es']): string | null {
  if (count === 0) return t.chooseFirst;
  if (isOfAgent(action) && agentId === 0n) return t.chooseAgent;
  return REASONED.includes(action) && reason.trim() === '' ? t.reasonMissing : null;
}

function isStep(action: Action): boolean {
  return STEPS.some((step) => step === action);
}

function isOfAgent(action: Action): boolean {
  return AGENT_ACTIONS.some((one) => one === action);
}

function OrderFields({ order, onChange }: { order: Order; onChange: (order: Order) => void }) {
  const { t: common } = useWords();
  const t = usePart(words);
  const mine = useCell(session);
  const agents = useAgents();
  const isAdministrator = mine.token !== null && mine.user.level === UserLevel.ADMINISTRATOR;
  const more: readonly Action[] = isAdministrator ? [TaskAction.UPDATE, TaskAction.DELETE] : [TaskAction.UPDATE];
  const actions: readonly Action[] = [...STEPS, ...AGENT_ACTIONS, ...more];
  const named = [...agents.values()].sort((a, b) => a.code.localeCompare(b.code));
  const nameOf = (action: Action) => (action === TaskAction.UPDATE ? t.setPriority : common.actions[action]);
  return (
    <>
      <Select<Action>
        label={t.action}
        value={order.action}
        options={actions.map((action) => [action, nameOf(action)] as const)}
        onChange={(action) => onChange({ ...order, action })}
      />
      {isOfAgent(order.action) && (
        <Select<number>
          label={common.assign.agent}
          value={Number(order.agentId)}
          options={[[0, t.whichAgent], ...named.map(({ id, code, displayName }) => [Number(id), `${code} · ${displayName}`] as const)]}
          onChange={(id) => onChange({ ...order, agentId: BigInt(id) })}
        />
      )}
      {order.action === TaskAction.UPDATE && (
        <Select<TaskPriority>
          label={common.task.priority}
          value={order.priority}
          options={PRIORITIES.map((priority) => [priority, common.priorities[priority]] as const)}
          onChange={(priority) => onChange({ ...order, priority })}
        />
      )}
      {isStep(order.action) && (
        <Field
          label={common.app.reason}
          maxLength={500}
          value={order.reason}
          onChange={(event) => onChange({ ...order, reason: event.target.value })}
        />
      )}
      <Check
        label={t.allOrNothing}
        checked={order.allOrNothing}
        onChange={(allOrNothing) => onChange({ ...order, allOrNothing })}
      />
    </>
  );
}
