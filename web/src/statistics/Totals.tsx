import type { DurationStatistics, StatisticsRow } from '../gen/gad/v1/statistics_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { stateTone, STATES } from '../task/looks';
import { durationMillis } from '../time';
import { countOf, StateBar, totalOf } from './Bars';
import { words } from './words';

/** All tasks in one row: how many, and how long they took. */
export function Totals({ row }: { row: StatisticsRow }) {
  const { t: common } = useWords();
  const t = usePart(words);
  return (
    <div className="totals">
      <section className="statistics-part" aria-label={t.states}>
        <h2>{t.created(totalOf(row))}</h2>
        <StateBar row={row} />
        <ul className="state-legend">
          {STATES.map((state) => (
            <li key={state}>
              <span className={`state-key tone-${stateTone[state]}`} data-state={stateTone[state]} aria-hidden="true" />
              <span className="grow">{common.states[state]}</span>
              <strong>{countOf(row, state)}</strong>
            </li>
          ))}
          <li>
            <span className="state-key tone-late" aria-hidden="true" />
            <span className="grow">{t.overdue}</span>
            <strong>{String(row.overdueCount)}</strong>
          </li>
          <li>
            <span className="state-key tone-urgent" aria-hidden="true" />
            <span className="grow">{t.finishedLate}</span>
            <strong>{String(row.lateCount)}</strong>
          </li>
        </ul>
      </section>
      <Durations row={row} />
    </div>
  );
}

const SPANS = ['assign', 'acknowledge', 'start', 'finish', 'worked', 'planned'] as const;

function Durations({ row }: { row: StatisticsRow }) {
  const t = usePart(words);
  const longest = Math.max(1, ...SPANS.map((span) => upper(row[span])));
  return (
    <section className="statistics-part" aria-label={t.durations}>
      <h2>{t.durations}</h2>
      <div className="scroll">
        <table className="table durations cards-when-narrow">
          <caption className="only-heard">{t.durations}</caption>
          <thead>
            <tr>
              <th scope="col">{t.what}</th>
              <th scope="col">{t.range}</th>
              <th scope="col">{t.median}</th>
              <th scope="col">{t.mean}</th>
              <th scope="col">{t.measured}</th>
            </tr>
          </thead>
          <tbody>
            {SPANS.map((span) => (
              <Span key={span} name={t.spans[span]} measured={row[span]} longest={longest} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function upper(measured: DurationStatistics | undefined): number {
  return Math.max(measured?.p75 ? durationMillis(measured.p75) : 0, measured?.mean ? durationMillis(measured.mean) : 0);
}

interface SpanProps {
  name: string;
  measured: DurationStatistics | undefined;
  longest: number;
}

/** The middle half as a bar, half as a line in it. */
function Span({ name, measured, longest }: SpanProps) {
  const { format } = useWords();
  const t = usePart(words);
  const { p25, p50, p75, mean, count = 0n } = measured ?? {};
  const at = (time: typeof p25) => (time ? (durationMillis(time) / longest) * 100 : 0);
  return (
    <tr>
      <td>{name}</td>
      <td data-head={t.range} className="span-cell">
        {p25 && p50 && p75 ? (
          <>
            <span className="span-bar" aria-hidden="true">
              <span className="span-half" style={{ left: `${at(p25)}%`, width: `${Math.max(at(p75) - at(p25), 0.8)}%` }} />
              <span className="span-middle" style={{ left: `${at(p50)}%` }} />
            </span>
            <span className="muted span-text">
              {format.duration(p25)} – {format.duration(p75)}
            </span>
          </>
        ) : (
          <span className="muted">–</span>
        )}
      </td>
      <td data-head={t.median}>{p50 ? format.duration(p50) : '–'}</td>
      <td data-head={t.mean}>{mean ? format.duration(mean) : '–'}</td>
      <td data-head={t.measured}>{String(count)}</td>
    </tr>
  );
}
