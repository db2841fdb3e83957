import { useEffect, useRef, useState } from 'react';
import { AttachmentKind, AttachmentSchema } from '../gen/gad/v1/attachment_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { newRequestId } from '../rpc/clients';
import { upload } from '../rpc/upload';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field, FieldFrame } from '../ui/Field';
import { Form } from '../ui/Form';
import { Select } from '../ui/Select';
import { toast } from '../ui/toast';
import { words } from './words';

const KINDS = [AttachmentKind.PHOTO, AttachmentKind.SIGNATURE, AttachmentKind.FILE] as const;

/** Adds a file: what it is for, what it shows, and how much of it is on its way. */
export function Upload({ task, onDone }: { task: Task; onDone: () => unknown }) {
  const { attachments: w } = usePart(words);
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button small aria-expanded={open} onClick={() => setOpen(!open)}>
        {w.add}
      </Button>
      {open && (
        <UploadForm
          task={task}
          onClose={() => setOpen(false)}
          onDone={async () => {
            setOpen(false);
            await onDone();
          }}
        />
      )}
    </>
  );
}

interface FormProps {
  task: Task;
  onDone: () => unknown;
  onClose: () => void;
}

function UploadForm({ task, onDone, onClose }: FormProps) {
  const { t } = useWords();
  const { attachments: w } = usePart(words);
  const [file, setFile] = useState<File | null>(null);
  const [kind, setKind] = useState<AttachmentKind>(AttachmentKind.PHOTO);
  const [note, setNote] = useState('');
  const [missing, setMissing] = useState(false);
  const sending = useSending(task, onDone);
  const submit = () => {
    setMissing(file === null);
    if (file) sending.call.run({ file, kind, note: note.trim() });
  };
  return (
    <Form failure={sending.call.failure} onSubmit={submit} label={w.add} className="assign">
      <FieldFrame label={w.file} hint={w.fileHint} error={missing && !file ? w.missing : undefined}>
        {(ids) => <input className="input" type="file" onChange={(event) => setFile(event.target.files?.[0] ?? null)} {...ids} />}
      </FieldFrame>
      <Select<AttachmentKind>
        label={w.kind}
        value={kind}
        options={KINDS.map((one) => [one, w.kinds[one]] as const)}
        error={sending.call.fields.get('kind')}
        onChange={setKind}
      />
      <Field
        label={w.note}
        maxLength={500}
        value={note}
        error={sending.call.fields.get('note')}
        onChange={(event) => setNote(event.target.value)}
      />
      {sending.share !== null && (
        <p className="upload-share">
          <progress max={1} value={sending.share} aria-label={w.sending} />
          <span className="muted">{`${Math.round(sending.share * 100)} %`}</span>
        </p>
      )}
      <div className="form-end">
        <Button look="quiet" onClick={sending.share === null ? onClose : sending.abort}>
          {t.app.cancel}
        </Button>
        <Button look="primary" type="submit" busy={sending.call.busy}>
          {w.send}
        </Button>
      </div>
    </Form>
  );
}

interface Chosen {
  readonly file: File;
  readonly kind: AttachmentKind;
  readonly note: string;
}

/** The way of a file to the server; it ends with the form. */
function useSending(task: Task, onDone: () => unknown) {
  const { attachments: w } = usePart(words);
  const [share, setShare] = useState<number | null>(null);
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const call = useCall(
    async ({ file, kind, note }: Chosen) => {
      stop.current = new AbortController();
      setShare(0);
      const asked = new URLSearchParams({
        kind: `ATTACHMENT_KIND_${AttachmentKind[kind]}`,
        file_name: file.name.slice(-200),
        note,
        request_id: newRequestId(),
      });
      const path = `/v1/tasks/${task.id}/attachments?${asked}`;
      const { signal } = stop.current;
      try {
        return await upload(AttachmentSchema, { path, file, onProgress: setShare, signal });
      } catch (error) {
        // Whoever gave it up knows.
        if (signal.aborted) return null;
        throw error;
      } finally {
        setShare(null);
      }
    },
    (added) => {
      if (!added) return;
      toast(w.done(added.fileName));
      return onDone();
    },
  );
  return { share, call, abort: () => stop.current.abort() };
}
