import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import type { Notification } from '../gen/gad/v1/event_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useFeedStatus, useLive } from '../live/LiveProvider';
import { CALL, newRequestId, notifications } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { Notice } from '../ui/Notice';
import { bellWords } from './words';
import './bell.css';

/** More is not worth counting on a badge. */
const MOST = 99;
const STEP = 20;
const MOST_SHOWN = 200;

/** What the person was told, and how much of it is unread; asked for again whenever the feed says that it rang. */
export function Bell() {
  const words = usePart(bellWords);
  const [open, setOpen] = useState(false);
  const whole = useRef<HTMLDivElement>(null);
  const id = useId();
  const [shown, setShown] = useState(STEP);
  const bell = useBell(shown);
  const unread = bell.data?.unreadCount ?? 0;
  const close = () => {
    setOpen(false);
    setShown(STEP);
  };
  useAway(whole, open, close);
  return (
    <div className="bell" ref={whole}>
      <button
        type="button"
        className="icon-button"
        aria-label={unread > 0 ? words.unread(unread) : words.title}
        title={words.title}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => (open ? close() : setOpen(true))}
      >
        <Icon name="bell" />
        {unread > 0 && (
          <span className="bell-badge" aria-hidden="true">
            {unread > MOST ? `${MOST}+` : unread}
          </span>
        )}
      </button>
      <span className="only-heard" role="status">
        {unread > 0 && words.unread(unread)}
      </span>
      {open && (
        <Panel id={id} shown={shown} bell={bell} onMore={() => setShown(shown + STEP)} onClose={close} />
      )}
    </div>
  );
}

interface PanelProps {
  id: string;
  shown: number;
  bell: ReturnType<typeof useBell>;
  onMore: () => void;
  onClose: () => void;
}

function Panel({ id, shown, bell: { data, error, refetch }, onMore, onClose }: PanelProps) {
  const { t } = useWords();
  const words = usePart(bellWords);
  const rows = data?.notifications ?? [];
  const newest = rows[0]?.id;
  const mark = useCall(
    (which: { readonly upToId: bigint } | { readonly ids: bigint[] }) =>
      notifications.markNotificationsRead({ ...which, requestId: newRequestId() }, CALL),
    () => refetch(),
  );
  const opened = (row: Notification) => {
    onClose();
    if (!row.readTime) mark.run({ ids: [row.id] });
  };
  return (
    <section className="bell-panel" id={id} aria-label={words.title}>
      <header className="bell-head">
        <h2 className="bell-title">{words.title}</h2>
        {(data?.unreadCount ?? 0) > 0 && newest !== undefined && (
          <Button small busy={mark.busy} onClick={() => mark.run({ upToId: newest })}>
            {words.readAll}
          </Button>
        )}
      </header>
      {error && <Notice tone="error">{explain(error, t).text}</Notice>}
      {mark.failure && <Notice tone="error">{mark.failure.text}</Notice>}
      {data && rows.length === 0 && <p className="bell-none">{words.none}</p>}
      <ul className="bell-list">
        {rows.map((row) => (
          <Row key={String(row.id)} row={row} onOpen={() => opened(row)} />
        ))}
        {data?.nextPageToken && shown < MOST_SHOWN && (
          <li className="bell-more">
            <Button small look="quiet" onClick={onMore}>
              {t.app.more}
            </Button>
          </li>
        )}
      </ul>
    </section>
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
      {!row.readTime && <span className="only-heard">{words.isUnread}</span>}
    </>
  );
  const href = pageOf(row);
  return (
    <li className={row.readTime ? 'bell-row' : 'bell-row bell-unread'}>
      {href === null ? (
        <button type="button" className="bell-said" onClick={onOpen}>
          {said}
        </button>
      ) : (
        <Link className="bell-said" href={href} onClick={onOpen}>
          {said}
        </Link>
      )}
    </li>
  );
}

/** Where the thing can be looked at. */
function pageOf({ emergencyId, taskId }: Notification): string | null {
  if (emergencyId !== 0n) return `/emergencies/${emergencyId}`;
  return taskId === 0n ? null : `/board/${taskId}`;
}

function useBell(pageSize: number) {
  const { store } = useLive();
  const rung = useCell(store.rung);
  const { snapshots } = useFeedStatus();
  return useQuery({
    queryKey: ['notifications', snapshots, rung, pageSize],
    enabled: snapshots > 0,
    staleTime: Infinity,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => notifications.listNotifications({ pageSize }, { ...CALL, signal }),
  });
}

/** A click elsewhere or Escape ends it. */
function useAway(inside: React.RefObject<HTMLElement | null>, open: boolean, onAway: () => void): void {
  useEffect(() => {
    if (!open) return;
    const click = ({ target }: MouseEvent) => {
      if (target instanceof Node && !inside.current?.contains(target)) onAway();
    };
    const key = ({ key }: KeyboardEvent) => {
      if (key !== 'Escape') return;
      onAway();
      inside.current?.querySelector('button')?.focus();
    };
    document.addEventListener('mousedown', click);
    document.addEventListener('keydown', key);
    return () => {
      document.removeEventListener('mousedown', click);
      document.removeEventListener('keydown', key);
    };
  });
}
