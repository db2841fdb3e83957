import { useState } from 'react';
import { useCell } from '../cell';
import { type Comment, CommentKind } from '../gen/gad/v1/comment_pb';
import { EventType } from '../gen/gad/v1/event_pb';
import { UserLevel } from '../gen/gad/v1/rule_pb';
import type { Task } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useFeedStatus } from '../live/LiveProvider';
import { CALL, newRequestId } from '../rpc/clients';
import { comments } from '../rpc/lateClients';
import { session } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { useNames } from '../task/names';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Confirm } from '../ui/Confirm';
import { TextArea } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Part } from './Part';
import { useTaskFact } from './useDetail';
import { words } from './words';

const PAGE = 100;

/** What people say of a task; new words appear by themselves. */
export function Comments({ task }: { task: Task }) {
  const { comments: w } = usePart(words);
  const { snapshots } = useFeedStatus();
  const list = usePages(['comments', String(task.id), snapshots], async (page, signal) => {
    const answer = await comments.listComments({ ...page, taskId: task.id, pageSize: PAGE }, { ...CALL, signal });
    return { rows: answer.comments, nextPageToken: answer.nextPageToken };
  });
  useTaskFact(task.id, EventType.TASK_COMMENTED, list.refetch);
  return (
    <Part title={w.title} count={list.data && list.data.length > 0 ? list.data.length : undefined}>
      <Loaded query={list}>
        {(rows) => (
          <>
            {rows.length === 0 && <p className="muted">{w.none}</p>}
            <ol className="comments" aria-live="polite" aria-relevant="additions">
              {rows.map((comment) => (
                <Said key={String(comment.id)} comment={comment} onChanged={list.refetch} />
              ))}
            </ol>
          </>
        )}
      </Loaded>
      <More list={list} />
      <Write task={task} onDone={list.refetch} />
    </Part>
  );
}

function Said({ comment, onChanged }: { comment: Comment; onChanged: () => unknown }) {
  const { t, format } = useWords();
  const { comments: w } = usePart(words);
  const names = useNames();
  const mine = useCell(session);
  const [changing, setChanging] = useState(false);
  const [removing, setRemoving] = useState(false);
  const isOwn = mine.token !== null && mine.user.id === comment.userId;
  const mayRemove = isOwn || (mine.token !== null && mine.user.level === UserLevel.ADMINISTRATOR);
  const remove = useCall(
    () => comments.deleteComment({ id: comment.id, etag: comment.etag, requestId: newRequestId() }, CALL),
    async () => {
      setRemoving(false);
      await onChanged();
    },
  );
  return (
    <li className="comment" data-own={isOwn || undefined}>
      <p className="comment-head">
        <strong>{names.user(comment.userId)}</strong>
        {comment.kind === CommentKind.NOTE && <Badge tone="plain">{w.note}</Badge>}
        {comment.createTime && <time className="muted">{format.brief(comment.createTime)}</time>}
      </p>
      {changing ? (
        <Change comment={comment} onDone={() => (setChanging(false), onChanged())} onClose={() => setChanging(false)} />
      ) : (
        <p className="comment-text">{comment.text || w.erased}</p>
      )}
      {!changing && mayRemove && (
        <p className="comment-acts">
          {isOwn && (
            <Button small look="quiet" onClick={() => setChanging(true)}>
              {w.change}
            </Button>
          )}
          <Button small look="quiet" onClick={() => setRemoving(true)}>
            {w.remove}
          </Button>
        </p>
      )}
      {removing && (
        <Confirm title={w.removeTitle} act={w.remove} danger call={remove} onClose={() => setRemoving(false)}>
          <p className="comment-text">{comment.text || t.app.none}</p>
        </Confirm>
      )}
    </li>
  );
}

interface ChangeProps {
  comment: Comment;
  onDone: () => unknown;
  onClose: () => void;
}

function Change({ comment, onDone, onClose }: ChangeProps) {
  const { t } = useWords();
  const { comments: w } = usePart(words);
  const [text, setText] = useState(comment.text);
  const save = useCall(
    () => comments.updateComment({ id: comment.id, text: text.trim(), etag: comment.etag, requestId: newRequestId() }, CALL),
    onDone,
  );
  return (
    <Form failure={save.failure} onSubmit={() => save.run(undefined)} label={w.change}>
      <TextArea
        label={w.text}
        rows={2}
        maxLength={4000}
        autoFocus
        value={text}
        error={save.fields.get('text')}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="form-end">
        <Button small look="quiet" onClick={onClose}>
          {t.app.cancel}
        </Button>
        <Button small look="primary" type="submit" busy={save.busy}>
          {t.app.save}
        </Button>
      </div>
    </Form>
  );
}

function Write({ task, onDone }: { task: Task; onDone: () => unknown }) {
  const { comments: w } = usePart(words);
  const [text, setText] = useState('');
  const [isNote, setNote] = useState(false);
  const [missing, setMissing] = useState(false);
  const say = useCall(
    () => {
      const kind = isNote ? CommentKind.NOTE : CommentKind.COMMENT;
      return comments.createComment({ taskId: task.id, kind, text: text.trim(), requestId: newRequestId() }, CALL);
    },
    async () => {
      setText('');
      await onDone();
    },
  );
  const submit = () => {
    setMissing(text.trim() === '');
    if (text.trim() !== '') say.run(undefined);
  };
  return (
    <Form failure={say.failure} onSubmit={submit} className="detail-form">
      <TextArea
        label={w.write}
        rows={2}
        maxLength={4000}
        value={text}
        error={missing && text.trim() === '' ? w.missing : say.fields.get('text')}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="line detail-line">
        <Check label={w.isNote} checked={isNote} onChange={setNote} />
        <Button small look="primary" type="submit" busy={say.busy}>
          {w.send}
        </Button>
      </div>
    </Form>
  );
}
