import { useEffect, useRef } from 'react';
import type { Event } from '../gen/gad/v1/event_pb';
import { useLive } from './LiveProvider';

/** Does something again whenever the feed tells of what is wanted: for lists that are asked for and not kept in the store. */
export function useFact(wanted: (event: Event) => boolean, then: () => unknown): void {
  const { store } = useLive();
  const latest = useRef({ wanted, then });
  latest.current = { wanted, then };
  useEffect(
    () =>
      store.fact.subscribe(() => {
        const event = store.fact.get();
        if (event && latest.current.wanted(event)) latest.current.then();
      }),
    [store],
  );
}
