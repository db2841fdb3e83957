import { useQuery } from '@tanstack/react-query';
import type { Task } from '../gen/gad/v1/task_pb';
import { useFeedStatus, useLive, useTasks } from '../live/LiveProvider';
import { CALL, tasks } from '../rpc/clients';

export interface FoundTask {
  readonly task: Task | undefined;
  readonly error: Error | null;
}

/** A task by its id: the live row, or, for one that is not on the screen, as the server answers it. */
export function useTask(id: bigint): FoundTask {
  const { store } = useLive();
  const { snapshots } = useFeedStatus();
  const live = useTasks().get(id);
  const { data, error } = useQuery({
    queryKey: ['task', String(id), snapshots],
    enabled: snapshots > 0 && !live,
    queryFn: async ({ signal }) => {
      const task = await tasks.getTask({ id }, { ...CALL, signal });
      store.merge([task]);
      return task;
    },
  });
  return { task: live ?? data, error: live ? null : error };
}

/** The `id` of a path such as `/board/12`; anything else is none. */
export function pathId(text: string | undefined): bigint | null {
  return text && /^[1-9][0-9]{0,17}$/.test(text) ? BigInt(text) : null;
}
