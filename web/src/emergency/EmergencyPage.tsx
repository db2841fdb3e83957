import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { Link, useLocation } from 'wouter';
import type { Emergency } from '../gen/gad/v1/emergency_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useEmergencies, useFeedStatus, useLive } from '../live/LiveProvider';
import { CALL } from '../rpc/clients';
import { emergencies as service } from '../rpc/lateClients';
import { useNames } from '../task/names';
import { pathId } from '../task/useTask';
import { millis } from '../time';
import { Loaded } from '../ui/Loaded';
import { useNarrow } from '../ui/useMedia';
import { useNow } from '../ui/useNow';
import { EmergencyPanel } from './EmergencyPanel';
import { EmergencyBadge } from './looks';
import { RaisePanel } from './RaisePanel';
import { isOngoing, isUnanswered } from './state';
import { words } from './words';
import './emergency.css';

const LATELY = 50;

/** Calls for help: those that go on first, whatever has no answer at the top. */
export default function EmergencyPage({ openId }: { openId?: string | undefined }) {
  const t = usePart(words);
  const [, go] = useLocation();
  const all = useEmergencies();
  const lately = useLately();
  const covered = useNarrow();
  const open = pathId(openId);
  const raising = openId === 'new';
  const [ongoing, closed] = useMemo(() => {
    const newest = [...all.values()].sort((a, b) => (a.id > b.id ? -1 : 1));
    const pressing = (emergency: Emergency) => (isUnanswered(emergency) ? 0 : 1);
    return [
      newest.filter(isOngoing).sort((a, b) => pressing(a) - pressing(b)),
      newest.filter((emergency) => !isOngoing(emergency)).slice(0, LATELY),
    ];
  }, [all]);
  return (
    <div className="with-drawer">
      <div className="emergency-page" inert={covered && (open !== null || raising)}>
        <div className="emergency-head">
          <h1>{t.title}</h1>
          <Link className="button button-danger" href="/emergencies/new">
            {t.raise}
          </Link>
        </div>
        <Loaded query={lately}>
          {() => (
            <>
              <Rows title={t.open} none={t.none} rows={ongoing} openId={open} />
              <Rows title={t.closed} none={t.noneClosed} rows={closed} openId={open} />
            </>
          )}
        </Loaded>
      </div>
      {open !== null && <EmergencyPanel id={open} />}
      {raising && <RaisePanel onClose={() => go('/emergencies')} />}
    </div>
  );
}

/** The snapshot holds those that go on; the latest others are asked for after each. */
function useLately() {
  const { store } = useLive();
  const { snapshots } = useFeedStatus();
  return useQuery({
    queryKey: ['emergencies', snapshots],
    enabled: snapshots > 0,
    staleTime: Infinity,
    queryFn: async ({ signal }) => {
      const page = await service.listEmergencies({ pageSize: LATELY }, { ...CALL, signal });
      store.mergeEmergencies(page.emergencies);
      return page.emergencies.length;
    },
  });
}

interface RowsProps {
  title: string;
  none: string;
  rows: readonly Emergency[];
  openId: bigint | null;
}

function Rows({ title, none, rows, openId }: RowsProps) {
  return (
    <section className="emergency-part" aria-label={title}>
      <h2>{title}</h2>
      {rows.length === 0 && <p className="muted">{none}</p>}
      <ul className="emergency-list">
        {rows.map((emergency) => (
          <Row key={String(emergency.id)} emergency={emergency} isOpen={emergency.id === openId} />
        ))}
      </ul>
    </section>
  );
}

function Row({ emergency, isOpen }: { emergency: Emergency; isOpen: boolean }) {
  const { format } = useWords();
  const t = usePart(words);
  const names = useNames();
  const now = useNow();
  const { id, description, agentIds, createTime } = emergency;
  return (
    <li className="emergency-row" data-emergency={String(id)} data-unanswered={isUnanswered(emergency) || undefined}>
      <EmergencyBadge emergency={emergency} />
      <Link href={`/emergencies/${id}`} className="emergency-link" aria-current={isOpen || undefined}>
        {description || t.name(String(id))}
      </Link>
      <span className="muted">
        {isOngoing(emergency) && (agentIds.length === 0 ? t.unassigned : agentIds.map(names.agent).join(', '))}
      </span>
      <span className="muted emergency-age">{createTime && format.span(now - millis(createTime))}</span>
    </li>
  );
}
