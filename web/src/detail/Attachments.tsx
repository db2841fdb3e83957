import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useCell } from '../cell';
import { type Attachment, AttachmentKind } from '../gen/gad/v1/attachment_pb';
import { EventType } from '../gen/gad/v1/event_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useFeedStatus } from '../live/LiveProvider';
import { isOpen } from '../live/store';
import { CALL, newRequestId } from '../rpc/clients';
import { attachments } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { useNames } from '../task/names';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Dialog } from '../ui/Dialog';
import { blobOf, saveStream } from '../ui/file';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Notice } from '../ui/Notice';
import { directs } from './directs';
import { Part } from './Part';
import { Upload } from './Upload';
import { useTaskFact } from './useDetail';
import { words } from './words';

const PAGE = 50;
/** What is looked at is held in memory twice. */
const SHOWN_BYTES = 20_000_000n;

/** Files of a task, and what is missing of them to finish it. */
export function Attachments({ task }: { task: Task }) {
  const { attachments: w } = usePart(words);
  const { snapshots } = useFeedStatus();
  const list = usePages(['attachments', String(task.id), snapshots], async (page, signal) => {
    const answer = await attachments.listAttachments({ ...page, taskId: task.id, pageSize: PAGE }, { ...CALL, signal });
    return { rows: answer.attachments, nextPageToken: answer.nextPageToken };
  });
  useTaskFact(task.id, EventType.TASK_ATTACHMENTS_CHANGED, list.refetch);
  return (
    <Part title={w.title} count={list.data && list.data.length > 0 ? list.data.length : undefined}>
      <Loaded query={list}>
        {(rows) => (
          <>
            <Proof task={task} files={rows} />
            {rows.length === 0 && <p className="muted">{w.none}</p>}
            <ul className="detail-list">
              {rows.map((file) => (
                <Row key={String(file.id)} task={task} file={file} onChanged={list.refetch} />
              ))}
            </ul>
          </>
        )}
      </Loaded>
      <More list={list} />
      <Upload task={task} onDone={list.refetch} />
    </Part>
  );
}

/** What finishing takes of files and checklist, by the policy of the task's kind. */
function Proof({ task, files }: { task: Task; files: readonly Attachment[] }) {
  const { attachments: w } = usePart(words);
  const { data } = useQuery({
    queryKey: ['proofPolicies'],
    staleTime: 60_000,
    queryFn: ({ signal }) => attachments.listProofPolicies({}, { ...CALL, signal }),
  });
  const policy = data?.policies.find(({ kind }) => kind === task.kind);
  if (!policy || !isOpen(task)) return null;
  const count = (kind: AttachmentKind) => files.filter((file) => file.kind === kind).length;
  const wanted = [
    policy.photoCount > 0 && w.photos(Math.min(count(AttachmentKind.PHOTO), policy.photoCount), policy.photoCount),
    policy.signatureCount > 0 &&
      w.signatures(Math.min(count(AttachmentKind.SIGNATURE), policy.signatureCount), policy.signatureCount),
    policy.wholeChecklist && w.wholeChecklist,
  ].filter(Boolean);
  return wanted.length > 0 && <p className="detail-proof">{w.proof(wanted.join(' · '))}</p>;
}

interface RowProps {
  task: Task;
  file: Attachment;
  onChanged: () => unknown;
}

function Row({ task, file, onChanged }: RowProps) {
  const { t, format } = useWords();
  const { attachments: w } = usePart(words);
  const names = useNames();
  const [shown, setShown] = useState(false);
  const [removing, setRemoving] = useState(false);
  const mayRemove = useMayRemove(task, file);
  const download = useCall(() => saveStream(file.fileName, attachments.downloadAttachment({ id: file.id })));
  const remove = useCall(
    () => attachments.deleteAttachment({ id: file.id, requestId: newRequestId() }, CALL),
    async () => {
      setRemoving(false);
      await onChanged();
    },
  );
  const isPicture = file.contentType.startsWith('image/') && file.sizeBytes <= SHOWN_BYTES;
  const said = [w.kinds[file.kind], format.bytes(file.sizeBytes), names.user(file.userId), file.createTime && format.brief(file.createTime)];
  return (
    <li className="attachment">
      <span className="grow">
        <span className="detail-name">{file.fileName || w.unnamed}</span>
        <span className="field-hint">{said.filter(Boolean).join(' · ')}</span>
        {file.note && <span className="field-hint">{file.note}</span>}
      </span>
      <span className="attachment-acts">
        {isPicture && (
          <Button small look="quiet" aria-label={w.showName(file.fileName)} onClick={() => setShown(true)}>
            {w.show}
          </Button>
        )}
        <Button small busy={download.busy} aria-label={w.downloadName(file.fileName)} onClick={() => download.run(undefined)}>
          {t.app.download}
        </Button>
        {mayRemove && (
          <Button small look="quiet" aria-label={w.removeName(file.fileName)} onClick={() => setRemoving(true)}>
            {w.remove}
          </Button>
        )}
      </span>
      {download.failure && <Notice tone="error">{download.failure.text}</Notice>}
      {shown && <Picture file={file} onClose={() => setShown(false)} />}
      {removing && (
        <Confirm title={w.removeName(file.fileName)} act={w.remove} danger call={remove} onClose={() => setRemoving(false)}>
          <p>{w.removeText}</p>
        </Confirm>
      )}
    </li>
  );
}

/** While the task is open whoever added it and who directs the task; then administrators only. */
function useMayRemove(task: Task, file: Attachment): boolean {
  const mine = useCell(session);
  if (mine.token === null) return false;
  if (!isOpen(task)) return mine.user.level === UserLevel.ADMINISTRATOR;
  return mine.user.id === file.userId || directs(task);
}

function Picture({ file, onClose }: { file: Attachment; onClose: () => void }) {
  const { t } = useWords();
  const { attachments: w } = usePart(words);
  const [source, setSource] = useState('');
  const load = useCall(async () => {
    const reader = new FileReader();
    reader.readAsDataURL(await blobOf(attachments.downloadAttachment({ id: file.id })));
    await new Promise((resolve, reject) => {
      reader.onload = resolve;
      reader.onerror = reject;
    });
    setSource(String(reader.result));
  });
  const { run } = load;
  const [broken, setBroken] = useState(false);
  useEffect(() => run(undefined), [run]);
  return (
    <Dialog title={file.fileName || w.unnamed} onClose={onClose}>
      {load.failure && <Notice tone="error">{load.failure.text}</Notice>}
      {broken && <Notice tone="error">{w.broken}</Notice>}
      {source && !broken ? (
        <img className="attachment-picture" src={source} alt={file.note || file.fileName} onError={() => setBroken(true)} />
      ) : (
        !load.failure && !broken && <p className="muted loading">{t.app.loading}</p>
      )}
      <div className="form-end">
        <Button look="primary" onClick={onClose}>
          {t.app.close}
        </Button>
      </div>
    </Dialog>
  );
}
