import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { RetentionPolicy, RunRetentionResponse } from '../gen/gad/v1/privacy_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { useUserName } from '../people/names';
import { words as privacyWords } from '../privacy/words';
import { CALL, newRequestId } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { durationMillis } from '../time';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Dialog } from '../ui/Dialog';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { Notice } from '../ui/Notice';
import { Table } from '../ui/Table';
import { toast } from '../ui/toast';
import { Precisions } from './Precisions';
import { type PartProps, Sheet } from './Sheet';
import { words } from './words';

const DAY_MILLIS = 86_400_000;

export default function RetentionPart({ nav }: PartProps) {
  const { parts, retention: w } = usePart(words);
  const [changing, setChanging] = useState<RetentionPolicy | null>(null);
  const policies = useQuery({
    queryKey: ['retention'],
    queryFn: ({ signal }) => privacy.listRetentionPolicies({}, { ...CALL, signal }),
  });
  return (
    <Sheet nav={nav} title={parts.retention}>
      <p className="muted">{w.text}</p>
      <Loaded query={policies}>{(answer) => <PolicyTable policies={answer.policies} onChange={setChanging} />}</Loaded>
      <Run />
      <h3>{w.precision}</h3>
      <Precisions />
      {changing && <ChangeDialog policy={changing} onClose={() => setChanging(null)} />}
    </Sheet>
  );
}

function PolicyTable({ policies, onChange }: { policies: readonly RetentionPolicy[]; onChange: (policy: RetentionPolicy) => void }) {
  const { t, format } = useWords();
  const { parts, retention: w } = usePart(words);
  const p = usePart(privacyWords);
  const nameOf = useUserName();
  const by = ({ updateUserId }: RetentionPolicy) =>
    updateUserId === undefined ? '' : ` · ${nameOf(updateUserId) ?? t.task.user(String(updateUserId))}`;
  return (
    <div className="scroll">
      <Table
        cards
        caption={parts.retention}
        head={[p.kind, p.keep, w.updated, '']}
        rows={policies.map((policy) => ({
          key: String(policy.kind),
          cells: [
            p.kinds[policy.kind],
            policy.keep && format.duration(policy.keep),
            policy.updateTime && `${format.moment(policy.updateTime)}${by(policy)}`,
            <Button key="change" small aria-label={w.changeOf(p.kinds[policy.kind])} onClick={() => onChange(policy)}>
              {w.change}
            </Button>,
          ],
        }))}
      />
    </div>
  );
}

function ChangeDialog({ policy, onClose }: { policy: RetentionPolicy; onClose: () => void }) {
  const { t, format } = useWords();
  const { retention: w } = usePart(words);
  const p = usePart(privacyWords);
  const queries = useQueryClient();
  const [days, setDays] = useState(String(policy.keep ? durationMillis(policy.keep) / DAY_MILLIS : ''));
  const seconds = Math.round(Number(days.replace(',', '.')) * 86_400);
  const [wrong, setWrong] = useState(false);
  const change = useCall(
    () => privacy.updateRetentionPolicy({ kind: policy.kind, keep: { seconds: BigInt(seconds) }, requestId: newRequestId() }, CALL),
    async () => {
      toast(t.app.saved);
      onClose();
      await queries.invalidateQueries({ queryKey: ['retention'] });
    },
  );
  const submit = () => {
    const isWrong = !(seconds > 0) || !Number.isSafeInteger(seconds);
    setWrong(isWrong);
    if (!isWrong) change.run(undefined);
  };
  const bounds = policy.minKeep && policy.maxKeep && w.bounds(format.duration(policy.minKeep), format.duration(policy.maxKeep));
  return (
    <Dialog title={w.changeOf(p.kinds[policy.kind])} onClose={onClose}>
      <Form failure={change.failure} onSubmit={submit}>
        <p>{w.changeText}</p>
        <Field
          label={w.days}
          hint={bounds}
          inputMode="decimal"
          autoFocus
          value={days}
          error={wrong ? w.invalid : change.fields.get('keep')}
          onChange={(event) => setDays(event.target.value)}
        />
        <div className="form-end">
          <Button look="quiet" onClick={onClose}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={change.busy}>
            {t.app.save}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

function Run() {
  const { retention: w } = usePart(words);
  const [asked, setAsked] = useState(false);
  const [done, setDone] = useState<{ dry: boolean; answer: RunRetentionResponse } | null>(null);
  const count = useCall(
    () => privacy.runRetention({ dryRun: true }, CALL),
    (answer) => setDone({ dry: true, answer }),
  );
  const run = useCall(
    (_reason: string) => privacy.runRetention({}, CALL),
    (answer) => {
      setDone({ dry: false, answer });
      setAsked(false);
    },
  );
  return (
    <>
      <div className="line">
        <Button busy={count.busy} onClick={() => count.run(undefined)}>
          {w.dry}
        </Button>
        <Button look="danger" onClick={() => setAsked(true)}>
          {w.run}
        </Button>
      </div>
      {count.failure && <Notice tone="error">{count.failure.text}</Notice>}
      {done && <Counts {...done} />}
      {asked && (
        <Confirm title={w.runTitle} act={w.run} danger call={run} onClose={() => setAsked(false)}>
          <p>{w.runText}</p>
        </Confirm>
      )}
    </>
  );
}

function Counts({ dry, answer }: { dry: boolean; answer: RunRetentionResponse }) {
  const { format } = useWords();
  const { retention: w } = usePart(words);
  const p = usePart(privacyWords);
  const title = dry ? w.counted : w.forgotten;
  return (
    <div className="scroll" role="status">
      <Table
        cards
        caption={title}
        head={[p.kind, title, w.before]}
        rows={answer.counts.map(({ kind, count, beforeTime }) => ({
          key: String(kind),
          cells: [p.kinds[kind], String(count), beforeTime && format.moment(beforeTime)],
        }))}
      />
    </div>
  );
}
