import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import type { Notification } from '../gen/gad/v1/event_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useFeedStatus, useLive } from '../live/LiveProvider';
import { CALL, newRequestId, notifications } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { bellWords } from './words';
import './bell.css';

/** More is not worth counting on a badge. */
const MOST = 99;
const SHOWN = 20;

/** What the person was told, and how much of it is unread; asked for again whenever the feed says that it rang. */
export function Bell() {
  const words = usePart(bellWords);
  const [open, setOpen] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const id = useId();
  const { data, refetch } = useBell();
  const unread = data?.unreadCount ?? 0;
  const rows = data?.notifications ?? [];
  const mark = useCall(
    (upToId: bigint) => notifications.markNotificationsRead({ upToId, requestId: newRequestId() }, CALL),
    () => refetch(),
  );
  useAway(whole, open, () => setOpen(false));
  const newest = rows[0]?.id;
  return (
    <div className="bell" ref={whole}>
      <button
        type="button"
        className="icon-button"
        aria-label={unread > 0 ? words.unread(unread) : words.title}
        title={words.title}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name="bell" />
        {unread > 0 && (
          <span className="bell-badge" aria-hidden="true">
            {unread > MOST ? `${MOST}+` : unread}
          </span>
        )}
      </button>
      {open && (
        <section className="bell-panel" id={id} aria-label={words.title}>
          <header className="bell-head">
            <h2 className="bell-title">{words.title}</h2>
            {unread > 0 && newest !== undefined && (
              <Button small busy={mark.busy} onClick={() => mark.run(newest)}>
                {words.readAll}
              </Button>
            )}
          </header>
          {rows.length === 0 && <p className="bell-none">{words.none}</p>}
          <ul className="bell-list">
            {rows.map((row) => (
              <Row key={String(row.id)} row={row} onOpen={() => setOpen(false)} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Row({ row, onOpen }: { row: Notification; onOpen: () => void }) {
  const { format } = useWords();
  const words = usePart(bellWords);
  const said = (
    <>
      <strong className="bell-event">{words.events[row.eventType] ?? words.other}</strong>
      <span className="bell-text">{row.text}</span>
      {row.eventTime && <time className="bell-time">{format.brief(row.eventTime)}</time>}
    </>
  );
  return (
    <li className={row.readTime ? 'bell-row' : 'bell-row bell-unread'}>
      {row.taskId === 0n ? (
        <span className="bell-said">{said}</span>
      ) : (
        <Link className="bell-said" href={`/board/${row.taskId}`} onClick={onOpen}>
          {said}
        </Link>
      )}
    </li>
  );
}

function useBell() {
  const { store } = useLive();
  const rung = useCell(store.rung);
  const { snapshots } = useFeedStatus();
  return useQuery({
    queryKey: ['notifications', snapshots, rung],
    enabled: snapshots > 0,
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => notifications.listNotifications({ pageSize: SHOWN }, { ...CALL, signal }),
  });
}

/** A click elsewhere or Escape ends it. */
function useAway(inside: React.RefObject<HTMLElement | null>, open: boolean, onAway: () => void): void {
  useEffect(() => {
    if (!open) return;
    const click = ({ target }: MouseEvent) => {
      if (target instanceof Node && !inside.current?.contains(target)) onAway();
    };
    const key = ({ key }: KeyboardEvent) => key === 'Escape' && onAway();
    document.addEventListener('mousedown', click);
    document.addEventListener('keydown', key);
    return () => {
      document.removeEventListener('mousedown', click);
      document.removeEventListener('keydown', key);
    };
  });
}
