import { createClient } from '@connectrpc/connect';
import { type FormEvent, useState } from 'react';
import { AuditDoor, AuditFormat, AuditService } from '../gen/gad/v1/audit_pb';
import { usePart } from '../i18n/part';
import { CALL } from '../rpc/clients';
import { transport } from '../rpc/transport';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { Button } from '../ui/Button';
import { Field, FieldFrame } from '../ui/Field';
import { saveStream } from '../ui/file';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Notice } from '../ui/Notice';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { AuditTable } from './AuditTable';
import { type AuditDraft, auditFilterOf, NO_AUDIT_FILTER, type Outcome, OUTCOMES, unsendable } from './auditFilter';
import { type PartProps, Sheet } from './Sheet';
import { words } from './words';

const audit = createClient(AuditService, transport);

const FILES = { jsonl: AuditFormat.JSONL, csv: AuditFormat.CSV } as const;

/** `openId`: entries about this person. */
export default function AuditPart({ nav, openId }: PartProps) {
  const { parts, audit: w } = usePart(words);
  const [draft, setDraft] = useState<AuditDraft>({ ...NO_AUDIT_FILTER, subject: openId ?? '' });
  const [applied, setApplied] = useState(draft);
  const filter = auditFilterOf(unsendable(applied).length > 0 ? NO_AUDIT_FILTER : applied);
  const list = usePages(['audit', applied], async (page, signal) => {
    const { entries, nextPageToken } = await audit.listAuditEntries({ ...page, filter }, { ...CALL, signal });
    return { rows: entries, nextPageToken };
  });
  const download = useCall(
    (form: keyof typeof FILES) => saveStream(`gad-audit.${form}`, audit.exportAuditEntries({ filter, format: FILES[form] })),
    () => toast(w.downloaded),
  );
  return (
    <Sheet nav={nav} title={parts.audit}>
      <Filters draft={draft} onChange={setDraft} onApply={setApplied} />
      <div className="line">
        <Button small busy={download.busy} onClick={() => download.run('jsonl')}>
          {w.jsonl}
        </Button>
        <Button small busy={download.busy} onClick={() => download.run('csv')}>
          {w.csv}
        </Button>
      </div>
      {download.failure && <Notice tone="error">{download.failure.text}</Notice>}
      <Loaded query={list}>
        {(entries) => (entries.length === 0 ? <p className="muted">{w.none}</p> : <AuditTable entries={entries} />)}
      </Loaded>
      <More list={list} />
    </Sheet>
  );
}

interface FiltersProps {
  draft: AuditDraft;
  onChange: (draft: AuditDraft) => void;
  onApply: (draft: AuditDraft) => void;
}

const DOORS = [AuditDoor.GRPC, AuditDoor.GRPC_WEB, AuditDoor.REST, AuditDoor.LEGACY, AuditDoor.BOT, AuditDoor.INSIDE] as const;

function Filters({ draft, onChange, onApply }: FiltersProps) {
  const { audit: w, doors } = usePart(words);
  const wrong = unsendable(draft);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (wrong.length === 0) onApply(draft);
  };
  const field = (name: 'from' | 'to' | 'user' | 'subject' | 'method' | 'resource' | 'address') => ({
    label: w[name],
    value: draft[name],
    onChange: (event: { target: { value: string } }) => onChange({ ...draft, [name]: event.target.value }),
  });
  return (
    <form className="filter-row" role="search" onSubmit={submit} noValidate>
      <Field type="datetime-local" {...field('from')} />
      <Field type="datetime-local" {...field('to')} />
      <Field inputMode="numeric" error={wrong.includes('user') ? w.invalid : undefined} {...field('user')} />
      <Field inputMode="numeric" error={wrong.includes('subject') ? w.invalid : undefined} {...field('subject')} />
      <Field placeholder={w.methodHint} maxLength={200} {...field('method')} />
      <Field placeholder={w.resourceHint} maxLength={200} {...field('resource')} />
      <Field maxLength={64} {...field('address')} />
      <Select<AuditDoor>
        label={w.door}
        value={draft.door}
        options={[[AuditDoor.UNSPECIFIED, w.anyDoor], ...DOORS.map((door) => [door, doors[door]] as const)]}
        onChange={(door) => onChange({ ...draft, door })}
      />
      <FieldFrame label={w.outcome}>
        {(ids) => (
          <select
            className="input"
            value={draft.outcome}
            onChange={(event) => onChange({ ...draft, outcome: event.target.value as Outcome })}
            {...ids}
          >
            {OUTCOMES.map((outcome) => (
              <option key={outcome} value={outcome}>
                {w.outcomes[outcome]}
              </option>
            ))}
          </select>
        )}
      </FieldFrame>
      <div className="line">
        <Button look="primary" type="submit">
          {w.apply}
        </Button>
        <Button
          look="quiet"
          onClick={() => {
            onChange(NO_AUDIT_FILTER);
            onApply(NO_AUDIT_FILTER);
          }}
        >
          {w.clear}
        </Button>
      </div>
    </form>
  );
}
