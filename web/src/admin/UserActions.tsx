import { useState } from 'react';
import type { User } from '../gen/gad/v1/user_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId, users } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { saveStream } from '../ui/file';
import { toast } from '../ui/toast';
import { useNow } from '../ui/useNow';
import { isLocked } from './standing';
import { words } from './words';

const CALLS = {
  activate: users.activateUser,
  deactivate: users.deactivateUser,
  lock: users.lockUser,
  unlock: users.unlockUser,
  expirePassword: users.expirePassword,
  revokeSessions: users.revokeUserSessions,
  delete: users.deleteUser,
  undelete: users.undeleteUser,
} as const;

type Step = keyof typeof CALLS;

const DANGEROUS: readonly Step[] = ['deactivate', 'lock', 'delete'];

/** Steps that make sense for this person now. */
function stepsOf(user: User, now: number): readonly Step[] {
  if (user.eraseTime) return [];
  if (user.deleteTime) return ['undelete'];
  const locked = isLocked(user, now);
  const people: readonly Step[] = user.service ? [] : ['expirePassword', 'revokeSessions', locked ? 'unlock' : 'lock'];
  return [...people, user.active ? 'deactivate' : 'activate', 'delete'];
}

interface Props {
  user: User;
  onChanged: (user: User) => Promise<void>;
  /** The person was erased: what is known is old. */
  onGone: () => void;
}

export function UserActions({ user, onChanged, onGone }: Props) {
  const { user: w } = usePart(words);
  const [asked, setAsked] = useState<Step | 'export' | 'erase' | null>(null);
  const close = () => setAsked(null);
  const steps = stepsOf(user, useNow());
  return (
    <div className="line">
      {steps.map((step) => (
        <Button key={step} small look={DANGEROUS.includes(step) ? 'danger' : 'plain'} onClick={() => setAsked(step)}>
          {w.steps[step]}
        </Button>
      ))}
      {!user.eraseTime && (
        <>
          <Button small onClick={() => setAsked('export')}>
            {w.export}
          </Button>
          <Button small look="danger" onClick={() => setAsked('erase')}>
            {w.erase}
          </Button>
        </>
      )}
      {asked === 'export' && <ExportDialog user={user} onClose={close} />}
      {asked === 'erase' && (
        <EraseDialog
          user={user}
          onClose={close}
          onErased={() => {
            close();
            onGone();
          }}
        />
      )}
      {asked !== null && asked !== 'export' && asked !== 'erase' && (
        <StepDialog user={user} step={asked} onClose={close} onChanged={onChanged} />
      )}
    </div>
  );
}

interface DialogProps {
  user: User;
  onClose: () => void;
}

function StepDialog({ user, step, onClose, onChanged }: DialogProps & { step: Step; onChanged: Props['onChanged'] }) {
  const { user: w } = usePart(words);
  const name = user.displayName || user.email;
  const call = useCall(
    (reason: string) => CALLS[step]({ id: user.id, reason, etag: user.etag, requestId: newRequestId() }, CALL),
    async (changed) => {
      toast(w.done(name, w.steps[step]));
      onClose();
      await onChanged(changed);
    },
  );
  return (
    <Confirm
      title={`${w.steps[step]}: ${name}`}
      act={w.steps[step]}
      danger={DANGEROUS.includes(step)}
      reason={step === 'lock' ? 'needed' : 'welcome'}
      call={call}
      onClose={onClose}
    >
      <p>{w.effects[step]}</p>
    </Confirm>
  );
}

function ExportDialog({ user, onClose }: DialogProps) {
  const { t } = useWords();
  const { user: w } = usePart(words);
  const call = useCall(
    (reason: string) => saveStream(`gad-${user.id}.jsonl`, privacy.exportPersonalData({ userId: user.id, reason })),
    onClose,
  );
  return (
    <Confirm title={`${w.export}: ${user.displayName}`} act={t.app.download} reason="needed" call={call} onClose={onClose}>
      <p>{w.exportText}</p>
    </Confirm>
  );
}

function EraseDialog({ user, onClose, onErased }: DialogProps & { onErased: () => void }) {
  const { user: w } = usePart(words);
  const call = useCall(
    (reason: string) => privacy.erasePerson({ userId: user.id, reason, requestId: newRequestId() }, CALL),
    ({ displayName }) => {
      toast(w.erasedDone(displayName));
      onErased();
    },
  );
  return (
    <Confirm
      title={`${w.erase}: ${user.displayName}`}
      act={w.erase}
      danger
      reason="needed"
      typed={user.email}
      call={call}
      onClose={onClose}
    >
      <p>{w.eraseText}</p>
    </Confirm>
  );
}
