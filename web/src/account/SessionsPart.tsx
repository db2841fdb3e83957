import { useState } from 'react';
import { usePart } from '../i18n/part';
import { auth, CALL } from '../rpc/clients';
import { endSession } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { usePages } from '../rpc/usePages';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Loaded } from '../ui/Loaded';
import { More } from '../ui/More';
import { Notice } from '../ui/Notice';
import { toast } from '../ui/toast';
import { SessionTable } from './SessionTable';
import { words } from './words';

export function SessionsPart() {
  const { sessions: w } = usePart(words);
  const [closing, setClosing] = useState(false);
  const list = usePages(['sessions'], async (page, signal) => {
    const { sessions, nextPageToken } = await auth.listSessions(page, { ...CALL, signal });
    return { rows: sessions, nextPageToken };
  });
  const [busyId, setBusyId] = useState<string>();
  const revoke = useCall(
    (sessionId: string) => auth.revokeSession({ sessionId }, CALL),
    async () => {
      toast(w.revoked);
      await list.refetch();
    },
  );
  const all = useCall(
    (_reason: string) => auth.logoutEverywhere({}, CALL),
    () => endSession('signedOut'),
  );
  return (
    <>
      <p className="muted">{w.text}</p>
      {revoke.failure && <Notice tone="error">{revoke.failure.text}</Notice>}
      <Loaded query={list}>
        {(sessions) => (
          <SessionTable
            sessions={sessions}
            busyId={revoke.busy ? busyId : undefined}
            onRevoke={({ id }) => {
              setBusyId(id);
              revoke.run(id);
            }}
          />
        )}
      </Loaded>
      <More list={list} />
      <div className="form-end">
        <Button look="danger" onClick={() => setClosing(true)}>
          {w.all}
        </Button>
      </div>
      {closing && (
        <Confirm title={w.allTitle} act={w.all} danger call={all} onClose={() => setClosing(false)}>
          <p>{w.allText}</p>
        </Confirm>
      )}
    </>
  );
}
