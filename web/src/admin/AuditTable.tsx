import type { ReactNode } from 'react';
import { AuditActor, type AuditEntry } from '../gen/gad/v1/audit_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useUserName } from '../people/names';
import { Badge } from '../ui/Badge';
import { Table } from '../ui/Table';
import { readable } from './auditFilter';
import { words } from './words';

export function AuditTable({ entries }: { entries: readonly AuditEntry[] }) {
  const { format } = useWords();
  const { parts, audit: w, doors } = usePart(words);
  const who = useWho();
  return (
    <div className="scroll">
      <Table
        cards
        caption={parts.audit}
        head={[w.time, w.who, w.what, w.on, w.outcome, w.door, w.detail]}
        rows={entries.map((entry) => ({
          key: entry.place,
          cells: [
            entry.time && format.moment(entry.time),
            who(entry),
            <code key="method">{entry.method.replace('gad.v1.', '')}</code>,
            entry.resource,
            <Badge key="outcome" tone={entry.outcome === 'OK' ? 'available' : 'late'}>
              {entry.outcome}
            </Badge>,
            doors[entry.door],
            <details key="detail">
              <summary>{w.detail}</summary>
              <Detail entry={entry} />
            </details>,
          ],
        }))}
      />
    </div>
  );
}

function useWho(): (entry: AuditEntry) => string {
  const { t } = useWords();
  const { actors } = usePart(words);
  const nameOf = useUserName();
  return ({ actor, userId }) => {
    if (userId === undefined) return actors[actor];
    const name = nameOf(userId) ?? t.task.user(String(userId));
    return actor === AuditActor.API_TOKEN ? `${name} · ${actors[actor]}` : name;
  };
}

function Detail({ entry }: { entry: AuditEntry }) {
  const { t } = useWords();
  const { audit: w } = usePart(words);
  const nameOf = useUserName();
  const subject = entry.subjectUserId;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [t.app.reason, entry.reason],
    [w.subject, subject !== undefined && `${subject} · ${nameOf(subject) ?? t.task.user(String(subject))}`],
    [w.permission, entry.permission],
    [w.address, entry.address],
    [w.request, entry.requestId],
    [w.place, entry.place],
    [w.hash, <code key="hash">{entry.hash.slice(0, 16)}…</code>],
  ];
  return (
    <div className="prose">
      {entry.erased && <p className="muted">{w.isErased}</p>}
      {entry.changes.length > 0 && (
        <Table
          caption={w.changes}
          look="diff"
          head={[w.field, w.before, w.after]}
          rows={entry.changes.map(({ field, before, after }) => ({
            key: field,
            cells: [field, <del key="before">{readable(before)}</del>, <ins key="after">{readable(after)}</ins>],
          }))}
        />
      )}
      <dl className="facts">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
      {entry.detail && entry.detail !== '{}' && <pre className="pre">{readable(entry.detail)}</pre>}
    </div>
  );
}
