import { useMutation } from '@tanstack/react-query';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { useLive } from '../live/LiveProvider';
import { CALL, newRequestId, tasks } from '../rpc/clients';
import { explain, isUnreachable } from '../rpc/failure';
import { toast } from '../ui/toast';

/** What a person wants done to the task as it stood on the screen. */
export type Change = { readonly task: Task } & (
  | { readonly action: Step; readonly reason?: string }
  | { readonly action: TaskAction.ASSIGN; readonly agentId: bigint; readonly exclusive: boolean }
  | { readonly action: TaskAction.UNASSIGN; readonly agentId: bigint }
);

const steps = {
  [TaskAction.START]: tasks.startTask,
  [TaskAction.PAUSE]: tasks.pauseTask,
  [TaskAction.RESUME]: tasks.resumeTask,
  [TaskAction.FINISH]: tasks.finishTask,
  [TaskAction.CANCEL]: tasks.cancelTask,
  [TaskAction.REOPEN]: tasks.reopenTask,
} as const;

export type Step = keyof typeof steps;

/** Steps in the order of their buttons. */
export const STEPS: readonly Step[] = [
  TaskAction.START,
  TaskAction.RESUME,
  TaskAction.PAUSE,
  TaskAction.FINISH,
  TaskAction.REOPEN,
  TaskAction.CANCEL,
];

function send(change: Change, requestId: string): Promise<Task> {
  const { id, etag } = change.task;
  switch (change.action) {
    case TaskAction.ASSIGN:
      return tasks.assignTask({ id, etag, requestId, agentId: change.agentId, exclusive: change.exclusive }, CALL);
    case TaskAction.UNASSIGN:
      return tasks.unassignTask({ id, etag, requestId, agentId: change.agentId }, CALL);
    default:
      return steps[change.action]({ id, etag, requestId, reason: change.reason ?? '' }, CALL);
  }
}

/** Sends changes of tasks. One that got no answer is sent again under the same request id, which does no harm. */
export function useTaskChange(onDone?: (answer: Task, change: Change) => void) {
  const { store } = useLive();
  const { t } = useWords();
  const mutation = useMutation({
    mutationFn: ({ change, requestId }: { change: Change; requestId: string }) => send(change, requestId),
    retry: (failures, error) => failures < 2 && isUnreachable(error),
    onSuccess: (answer, { change }) => {
      store.merge([answer]);
      toast(t.task.done(change.task.code, t.steps[change.action]));
      onDone?.(answer, change);
    },
    onError: async (error, { change }) => {
      if (explain(error, t).reason !== 'STALE_ETAG') return;
      store.merge([await tasks.getTask({ id: change.task.id }, CALL)]);
    },
  });
  const failure = mutation.error && explain(mutation.error, t);
  return {
    send: (change: Change) => mutation.mutate({ change, requestId: newRequestId() }),
    pending: mutation.isPending,
    /** A stale etag comes with the present version, which is on the screen by then. */
    trouble: failure && (failure.reason === 'STALE_ETAG' ? t.task.changedElsewhere : failure.text),
    fields: failure?.fields,
  };
}
