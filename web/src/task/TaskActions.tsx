import { type FormEvent, useState } from 'react';
import { type Task, TaskAction } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { Button } from '../ui/Button';
import { TextArea } from '../ui/Field';
import { STEPS, type useTaskChange } from './change';

export type ChangeTask = ReturnType<typeof useTaskChange>;

/** One button for each step that the server allows the caller now. */
export function TaskActions({ task, change }: { task: Task; change: ChangeTask }) {
  const { t } = useWords();
  const [cancelling, setCancelling] = useState(false);
  const allowed = STEPS.filter((action) => task.allowedActions.includes(action));
  if (allowed.length === 0) return null;
  if (cancelling && allowed.includes(TaskAction.CANCEL)) {
    return <CancelForm task={task} change={change} onBack={() => setCancelling(false)} />;
  }
  const lead = allowed.find((action) => action !== TaskAction.CANCEL && action !== TaskAction.PAUSE);
  return (
    <div className="task-actions" role="group" aria-label={t.task.actions}>
      {allowed.map((action) => (
        <Button
          key={action}
          look={action === TaskAction.CANCEL ? 'danger' : action === lead ? 'primary' : 'plain'}
          busy={change.pending}
          onClick={() => (action === TaskAction.CANCEL ? setCancelling(true) : change.send({ task, action }))}
        >
          {t.actions[action]}
        </Button>
      ))}
    </div>
  );
}

function CancelForm({ task, change, onBack }: { task: Task; change: ChangeTask; onBack: () => void }) {
  const { t } = useWords();
  const [reason, setReason] = useState('');
  const [missing, setMissing] = useState(false);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(reason.trim() === '');
    if (reason.trim() !== '') change.send({ task, action: TaskAction.CANCEL, reason: reason.trim() });
  };

  return (
    <form className="task-form" onSubmit={submit} aria-label={t.task.cancelTitle}>
      <TextArea
        label={t.task.cancelReason}
        hint={t.task.cancelReasonHint}
        error={missing ? t.task.cancelReasonMissing : change.fields?.get('reason')}
        rows={3}
        maxLength={500}
        autoFocus
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      <div className="task-actions">
        <Button look="danger" type="submit" busy={change.pending}>
          {t.task.cancelConfirm}
        </Button>
        <Button look="quiet" onClick={onBack}>
          {t.task.back}
        </Button>
      </div>
    </form>
  );
}
