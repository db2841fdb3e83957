import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { StatisticsGroup } from '../gen/gad/v1/statistics_pb';
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

function useStatistics(choice: Choice, groupBy: StatisticsGroup) {
  const { group: _, ...limits } = choice;
  return useQuery({
    queryKey: ['statistics', groupBy, limits],
    refetchInterval: REFRESH_MILLIS,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      statistics.getStatistics({ groupBy, filter: filterOf(choice, Date.now()), pageSize: MOST_ROWS }, { ...CALL, signal }),
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
