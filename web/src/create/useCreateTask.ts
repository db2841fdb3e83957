import { toJsonString } from '@bufbuild/protobuf';
import { useMutation } from '@tanstack/react-query';
import { useRef } from 'react';
import { type Task, TaskSchema } from '../gen/gad/v1/task_pb';
import { useLive } from '../live/LiveProvider';
import { CALL, newRequestId, tasks } from '../rpc/clients';
import { isUnreachable } from '../rpc/failure';

/** Creates a task once, however often the button is pressed while no answer comes: the same form has the same request id. */
export function useCreateTask(onCreated: (task: Task) => void) {
  const { store } = useLive();
  const sent = useRef({ form: '', requestId: '' });
  return useMutation({
    mutationFn: (task: Task) => {
      const form = toJsonString(TaskSchema, task);
      if (sent.current.form !== form) sent.current = { form, requestId: newRequestId() };
      return tasks.createTask({ task, requestId: sent.current.requestId }, CALL);
    },
    retry: (failures, error) => failures < 2 && isUnreachable(error),
    onSuccess: (task) => {
      store.merge([task]);
      onCreated(task);
    },
  });
}
