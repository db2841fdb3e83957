import { useRef, useState } from 'react';
import { type ImportedRow, ImportedRowStatus, type ImportTasksResponse, ImportTasksResponseSchema } from '../gen/gad/v1/bulk_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { newRequestId } from '../rpc/clients';
import { upload } from '../rpc/upload';
import { useCall } from '../rpc/useCall';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Dialog } from '../ui/Dialog';
import { FieldFrame } from '../ui/Field';
import { Form } from '../ui/Form';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { words } from './words';

const tones: Readonly<Record<ImportedRowStatus, string>> = {
  [ImportedRowStatus.UNSPECIFIED]: 'plain',
  [ImportedRowStatus.CREATED]: 'available',
  [ImportedRowStatus.EXISTING]: 'plain',
  [ImportedRowStatus.REFUSED]: 'critical',
  [ImportedRowStatus.UNDONE]: 'plain',
};

/** Tasks from a file: first only checked, then created, row by row or all at once. */
export default function ImportDialog({ onClose }: { onClose: () => void }) {
  const { t: common } = useWords();
  const t = usePart(words);
  const [file, setFile] = useState<File | null>(null);
  const [allOrNothing, setAll] = useState(false);
  const [missing, setMissing] = useState(false);
  const [done, setDone] = useState<ImportTasksResponse | null>(null);
  const send = useSending(allOrNothing, setDone);
  const submit = (validateOnly: boolean) => {
    setMissing(file === null);
    if (file) send.run({ file, validateOnly });
  };
  return (
    <Dialog title={t.import} onClose={onClose}>
      <Form failure={send.failure} onSubmit={() => submit(false)}>
        <p>{t.importText}</p>
        <FieldFrame label={t.file} hint={t.fileHint} error={missing && !file ? t.fileMissing : undefined}>
          {(ids) => (
            <input
              className="input"
              type="file"
              accept=".csv,.jsonl,.ndjson,text/csv,application/x-ndjson"
              onChange={(event) => {
                setFile(event.target.files?.[0] ?? null);
                setDone(null);
              }}
              {...ids}
            />
          )}
        </FieldFrame>
        <Check label={t.importAll} checked={allOrNothing} onChange={setAll} />
        {done && <Outcome done={done} />}
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {common.app.close}
          </Button>
          <Button busy={send.busy} onClick={() => submit(true)}>
            {t.tryOnly}
          </Button>
          <Button look="primary" type="submit" busy={send.busy}>
            {t.import}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

interface Sent {
  readonly file: File;
  readonly validateOnly: boolean;
}

function useSending(allOrNothing: boolean, onDone: (done: ImportTasksResponse) => void) {
  // The same file goes on where it was broken off, and creates nothing twice.
  const requests = useRef(new WeakMap<File, string>());
  return useCall(async ({ file, validateOnly }: Sent) => {
    const known = requests.current.get(file) ?? newRequestId();
    requests.current.set(file, known);
    const asked = new URLSearchParams({
      format: file.name.toLowerCase().endsWith('.csv') ? 'IMPORT_FORMAT_CSV' : 'IMPORT_FORMAT_JSONL',
      all_or_nothing: String(allOrNothing),
      validate_only: String(validateOnly),
      ...(!validateOnly && { request_id: known }),
    });
    const path = `/v1/tasks:import?${asked}`;
    return upload(ImportTasksResponseSchema, { path, file, onProgress: () => {}, signal: new AbortController().signal });
  }, onDone);
}

const SHOWN = 100;

/** How many became tasks; the rows that did not, and why. */
function Outcome({ done: { rows, createdCount, existingCount, refusedCount, applied } }: { done: ImportTasksResponse }) {
  const t = usePart(words);
  const refused = rows.filter(({ status }) => status === ImportedRowStatus.REFUSED);
  const others = rows.filter(({ status }) => status !== ImportedRowStatus.REFUSED);
  const said = t.imported(createdCount, existingCount, refusedCount);
  return (
    <>
      <Notice tone={refusedCount > 0 ? 'warning' : 'info'}>{applied ? said : `${t.notApplied} ${said}`}</Notice>
      <div className="scroll import-rows">
        <Table
          caption={t.results}
          head={[t.row, t.result]}
          rows={[...refused, ...others].slice(0, SHOWN).map((row) => ({
            key: String(row.row),
            cells: [[row.row, row.code].filter(Boolean).join(' · '), <RowOutcome key="outcome" row={row} />],
          }))}
        />
      </div>
    </>
  );
}

function RowOutcome({ row: { status, refusal } }: { row: ImportedRow }) {
  const t = usePart(words);
  return (
    <>
      <Badge tone={tones[status]}>{t.rowStatuses[status]}</Badge>
      {refusal && <span className="field-hint">{[refusal.field, refusal.message].filter(Boolean).join(': ')}</span>}
    </>
  );
}
