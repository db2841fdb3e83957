import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { words as privacyWords } from '../privacy/words';
import { CALL, newRequestId } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { endSession } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { saveStream } from '../ui/file';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { Table } from '../ui/Table';
import { toast } from '../ui/toast';
import { Consents } from './Consents';
import { words } from './words';

export function PrivacyPart() {
  return (
    <>
      <Consents />
      <Export />
      <Retention />
      <Erase />
    </>
  );
}

function Export() {
  const { privacy: w } = usePart(words);
  const download = useCall(
    () => saveStream('gad-mis-datos.jsonl', privacy.exportPersonalData({ userId: 0n })),
    () => toast(w.exportDone),
  );
  return (
    <>
      <h3>{w.export}</h3>
      <Form failure={download.failure} onSubmit={() => download.run(undefined)}>
        <p>{w.exportText}</p>
        <div className="line">
          <Button type="submit" busy={download.busy}>
            {w.exportSubmit}
          </Button>
        </div>
      </Form>
    </>
  );
}

function Retention() {
  const { format } = useWords();
  const { privacy: w } = usePart(words);
  const p = usePart(privacyWords);
  const policies = useQuery({
    queryKey: ['retention'],
    queryFn: ({ signal }) => privacy.listRetentionPolicies({}, { ...CALL, signal }),
  });
  return (
    <>
      <h3>{w.retention}</h3>
      <Loaded query={policies}>
        {(answer) => (
          <div className="narrow-form">
            <Table
              caption={w.retention}
              head={[p.kind, p.keep]}
              rows={answer.policies.map(({ kind, keep }) => ({
                key: String(kind),
                cells: [p.kinds[kind], keep ? format.duration(keep) : ''],
              }))}
            />
          </div>
        )}
      </Loaded>
    </>
  );
}

function Erase() {
  const { privacy: w } = usePart(words);
  const [asked, setAsked] = useState(false);
  const erase = useCall(
    (reason: string) => privacy.erasePerson({ userId: 0n, reason, requestId: newRequestId() }, CALL),
    () => endSession('erased'),
  );
  return (
    <>
      <h3>{w.erase}</h3>
      <p className="prose">{w.eraseText}</p>
      <div className="line">
        <Button look="danger" onClick={() => setAsked(true)}>
          {w.erase}
        </Button>
      </div>
      {asked && (
        <Confirm title={w.erase} act={w.eraseSubmit} danger typed={w.eraseWord} call={erase} onClose={() => setAsked(false)}>
          <p>{w.eraseText}</p>
        </Confirm>
      )}
    </>
  );
}
