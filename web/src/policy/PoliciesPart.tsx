import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type PartProps, Sheet } from '../admin/Sheet';
import type { ProofPolicy } from '../gen/gad/v1/attachment_pb';
import type { CheckInPolicy } from '../gen/gad/v1/check_in_pb';
import type { DispatchPolicy } from '../gen/gad/v1/dispatch_pb';
import type { TaskKind } from '../gen/gad/v1/task_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, dispatches } from '../rpc/clients';
import { attachments, checkIns } from '../rpc/lateClients';
import { durationMillis } from '../time';
import { Button } from '../ui/Button';
import { Loaded } from '../ui/Loaded';
import { Table } from '../ui/Table';
import { CheckInDialog } from './CheckInDialog';
import { DispatchDialog } from './DispatchDialog';
import { ProofDialog } from './ProofDialog';
import { words } from './words';

/** Of each kind of task: who is sent, how often they show that all is well, and what finishing takes. */
export default function PoliciesPart({ nav }: PartProps) {
  const w = usePart(words);
  return (
    <Sheet nav={nav} title={w.title}>
      <p className="muted">{w.text}</p>
      <h3>{w.dispatch}</h3>
      <DispatchTable />
      <h3>{w.checkIn}</h3>
      <CheckInTable />
      <h3>{w.proof}</h3>
      <ProofTable />
    </Sheet>
  );
}

interface TableProps<Policy> {
  caption: string;
  head: readonly string[];
  policies: readonly Policy[];
  cells: (policy: Policy) => readonly string[];
  onChange: (policy: Policy) => void;
}

function PolicyTable<Policy extends { kind: TaskKind }>({ caption, head, policies, cells, onChange }: TableProps<Policy>) {
  const { t } = useWords();
  const w = usePart(words);
  return (
    <div className="scroll">
      <Table
        cards
        caption={caption}
        head={[t.task.kind, ...head, '']}
        rows={policies.map((policy) => ({
          key: String(policy.kind),
          cells: [
            <strong key="kind">{t.kinds[policy.kind]}</strong>,
            ...cells(policy),
            <Button key="change" small aria-label={w.changeOf(caption, t.kinds[policy.kind])} onClick={() => onChange(policy)}>
              {w.change}
            </Button>,
          ],
        }))}
      />
    </div>
  );
}

function DispatchTable() {
  const { t, format } = useWords();
  const w = usePart(words);
  const [changing, setChanging] = useState<DispatchPolicy | null>(null);
  const query = useQuery({
    queryKey: ['dispatchPolicies'],
    queryFn: ({ signal }) => dispatches.listDispatchPolicies({}, { ...CALL, signal }),
  });
  const asked = ({ units, specialties, ranks }: DispatchPolicy) => [...units, ...specialties, ...ranks].join(', ');
  return (
    <>
      <Loaded query={query}>
        {({ policies }) => (
          <PolicyTable
            caption={w.dispatch}
            head={[w.agents, w.radius, w.fixAge, w.exclusive, w.asked]}
            policies={policies}
            cells={(policy) => [
              String(policy.agentCount),
              policy.radiusMeters > 0 ? format.distance(policy.radiusMeters) : w.unlimited,
              policy.maxFixAge ? format.duration(policy.maxFixAge) : '',
              policy.exclusive ? t.app.yes : t.app.no,
              asked(policy) && `${asked(policy)}${policy.strict ? ` (${w.strictShort})` : ''}`,
            ]}
            onChange={setChanging}
          />
        )}
      </Loaded>
      {changing && <DispatchDialog policy={changing} onClose={() => setChanging(null)} />}
    </>
  );
}

function CheckInTable() {
  const { t, format } = useWords();
  const w = usePart(words);
  const [changing, setChanging] = useState<CheckInPolicy | null>(null);
  const query = useQuery({
    queryKey: ['checkInPolicies'],
    queryFn: ({ signal }) => checkIns.listCheckInPolicies({}, { ...CALL, signal }),
  });
  return (
    <>
      <Loaded query={query}>
        {({ policies }) => (
          <PolicyTable
            caption={w.checkIn}
            head={[w.interval, w.grace, w.sos]}
            policies={policies}
            cells={({ interval, grace, sos }) => [
              interval && durationMillis(interval) > 0 ? format.duration(interval) : w.notAsked,
              grace ? format.duration(grace) : '',
              sos ? t.app.yes : t.app.no,
            ]}
            onChange={setChanging}
          />
        )}
      </Loaded>
      {changing && <CheckInDialog policy={changing} onClose={() => setChanging(null)} />}
    </>
  );
}

function ProofTable() {
  const { t } = useWords();
  const w = usePart(words);
  const [changing, setChanging] = useState<ProofPolicy | null>(null);
  const query = useQuery({
    queryKey: ['proofPolicies'],
    queryFn: ({ signal }) => attachments.listProofPolicies({}, { ...CALL, signal }),
  });
  return (
    <>
      <Loaded query={query}>
        {({ policies }) => (
          <PolicyTable
            caption={w.proof}
            head={[w.photos, w.signatures, w.wholeChecklist]}
            policies={policies}
            cells={({ photoCount, signatureCount, wholeChecklist }) => [
              String(photoCount),
              String(signatureCount),
              wholeChecklist ? t.app.yes : t.app.no,
            ]}
            onChange={setChanging}
          />
        )}
      </Loaded>
      {changing && <ProofDialog policy={changing} onClose={() => setChanging(null)} />}
    </>
  );
}
