import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { useCell } from '../cell';
import type { Agent, Position } from '../gen/gad/v1/agent_pb';
import type { Emergency } from '../gen/gad/v1/emergency_pb';
import { Noun } from '../gen/gad/v1/event_pb';
import { type Task, TaskState } from '../gen/gad/v1/task_pb';
import { CALL, events, tasks } from '../rpc/clients';
import { renew } from '../rpc/renew';
import { session } from '../rpc/session';
import { type FeedStatus, LiveFeed } from './feed';
import { LiveStore, type View } from './store';

interface Live {
  readonly store: LiveStore;
  readonly feed: LiveFeed;
}

const LiveContext = createContext<Live | null>(null);

/** Who names none hears of no notifications and no counts. */
const NOUNS = [
  Noun.TASK,
  Noun.AGENT,
  Noun.POSITION,
  Noun.EMERGENCY,
  Noun.GEOFENCE,
  Noun.CHECK_IN,
  Noun.KPI,
  Noun.NOTIFICATION,
] as const;

/** Fast for the eye, slow enough to draw a burst of events once. */
const REDRAW_MILLIS = 60;

/** Watches as long as somebody is signed in; everything below sees the same rows. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const [store] = useState(() => new LiveStore((run) => setTimeout(run, REDRAW_MILLIS)));
  const [live, setLive] = useState<Live | null>(null);

  useEffect(() => {
    let token: string | null = null;
    const feed = new LiveFeed({
      watch: (request, options) => {
        token = session.get().token;
        return events.watch({ ...request, filter: { nouns: [...NOUNS] } }, options);
      },
      store,
      renew: () => (token === null ? Promise.resolve(false) : renew(token)),
    });
    feed.start();
    setLive({ store, feed });
    return () => feed.stop();
  }, [store]);

  return live && <LiveContext value={live}>{children}</LiveContext>;
}

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error('no LiveProvider above');
  return live;
}

export function useTasks(): ReadonlyMap<bigint, Task> {
  return useRows('tasks');
}

export function useAgents(): ReadonlyMap<bigint, Agent> {
  return useRows('agents');
}

export function usePositions(): ReadonlyMap<bigint, Position> {
  return useRows('positions');
}

export function useEmergencies(): ReadonlyMap<bigint, Emergency> {
  return useRows('emergencies');
}

export function useFeedStatus(): FeedStatus {
  return useCell(useLive().feed.status);
}

/** Draws again only when rows of this noun have changed. */
function useRows<Noun extends keyof View>(noun: Noun) {
  const { view } = useLive().store;
  const cell = useMemo(() => ({ get: () => view.get()[noun], subscribe: view.subscribe }), [view, noun]);
  return useCell(cell);
}

/** The snapshot holds open tasks only; the latest closed ones are asked for after each. */
export function useRecentlyClosed() {
  const { store } = useLive();
  const { snapshots } = useFeedStatus();
  return useQuery({
    queryKey: ['tasks', 'closed', snapshots],
    enabled: snapshots > 0,
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const page = await tasks.listTasks(
        {
          pageSize: 50,
          filter: { states: [TaskState.FINISHED, TaskState.CANCELLED] },
          orderBy: 'update_time desc',
        },
        { ...CALL, signal },
      );
      store.merge(page.tasks);
      return page.tasks.length;
    },
  });
}
