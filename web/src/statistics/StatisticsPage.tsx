import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { StatisticsGroup, type StatisticsRow } from '../gen/gad/v1/statistics_pb';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { statistics } from '../rpc/lateClients';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { type Choice, FIRST_CHOICE, filterOf } from './filter';
import { Filters } from './Filters';
import { Groups } from './Groups';
import { Kpis } from './Kpis';
import { Totals } from './Totals';
import { words } from './words';
import './statistics.css';

const REFRESH_MILLIS = 10_000;
/** Rows that somebody still reads. */
const MOST_ROWS = 400;

/** How much work there is and was, and how long it took. */
export default function StatisticsPage() {
  const t = usePart(words);
  const [choice, setChoice] = useState<Choice>(FIRST_CHOICE);
  return (
    <div className="page statistics">
      <h1>{t.title}</h1>
      <Kpis />
      <Filters choice={choice} onChange={setChoice} />
      <All choice={choice} />
      <ByGroup choice={choice} />
    </div>
  );
}

interface Counted {
  readonly groupBy: StatisticsGroup;
  readonly rows: readonly StatisticsRow[];
  readonly nextPageToken: string;
}

function useStatistics(choice: Choice, groupBy: StatisticsGroup) {
  const { group: _, ...limits } = choice;
  return useQuery<Counted>({
    queryKey: ['statistics', groupBy, limits],
    refetchInterval: REFRESH_MILLIS,
    // Rows of another group have other keys.
    placeholderData: (before) => (before?.groupBy === groupBy ? before : undefined),
    queryFn: async ({ signal }) => {
      const asked = { groupBy, filter: filterOf(choice, Date.now()), pageSize: MOST_ROWS };
      const { rows, nextPageToken } = await statistics.getStatistics(asked, { ...CALL, signal });
      return { groupBy, rows, nextPageToken };
    },
  });
}

function All({ choice }: { choice: Choice }) {
  const t = usePart(words);
  const query = useStatistics(choice, StatisticsGroup.UNSPECIFIED);
  return (
    <Loaded query={query}>
      {({ rows: [row] }) => (row ? <Totals row={row} /> : <p className="muted">{t.none}</p>)}
    </Loaded>
  );
}

function ByGroup({ choice }: { choice: Choice }) {
  const t = usePart(words);
  const query = useStatistics(choice, choice.group);
  return (
    <section className="statistics-part" aria-label={t.by(t.groups[choice.group])}>
      <h2>{t.by(t.groups[choice.group])}</h2>
      <Loaded query={query}>
        {({ rows, nextPageToken }) => (
          <>
            {rows.length === 0 ? <p className="muted">{t.none}</p> : <Groups group={choice.group} rows={rows} />}
            {nextPageToken && <Notice tone="info">{t.cut(MOST_ROWS)}</Notice>}
          </>
        )}
      </Loaded>
    </section>
  );
}
