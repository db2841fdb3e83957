import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { EventType } from '../gen/gad/v1/event_pb';
import { useFeedStatus } from '../live/LiveProvider';
import { useFact } from '../live/useFact';

/** What belongs to a task: asked for again whenever the feed says that it changed. */
export function useDetail<T>(name: string, taskId: bigint, changed: EventType, ask: (signal: AbortSignal) => Promise<T>) {
  const { snapshots } = useFeedStatus();
  const query = useQuery({
    queryKey: [name, String(taskId), snapshots],
    enabled: snapshots > 0,
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => ask(signal),
  });
  useTaskFact(taskId, changed, query.refetch);
  return query;
}

/** Does something again whenever the feed tells this of this task. */
export function useTaskFact(taskId: bigint, type: EventType, then: () => unknown): void {
  useFact((event) => event.type === type && event.resource.case === 'task' && event.resource.value.id === taskId, then);
}
