import { useCell } from '../cell';
import { usePart } from '../i18n/part';
import { useLive } from '../live/LiveProvider';
import { words } from './words';

const COUNTS = [
  ['scheduledCount', 'scheduled'],
  ['inProgressCount', 'in-progress'],
  ['pausedCount', 'paused'],
  ['overdueCount', 'late'],
  ['urgentCount', 'urgent'],
  ['emergencyCount', 'critical'],
] as const;

/** How much is open this moment, as the feed says it: supervisors hear of it, agents do not. */
export function Kpis() {
  const t = usePart(words);
  const kpi = useCell(useLive().store.kpi);
  if (!kpi) return null;
  return (
    <section aria-label={t.now}>
      <dl className="kpis">
        {COUNTS.map(([name, tone]) => (
          <div key={name} className={`kpi tone-${tone}`} data-kpi={name}>
            <dt>{t.kpis[name]}</dt>
            <dd>{String(kpi[name])}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
