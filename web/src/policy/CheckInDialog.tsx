import { useState } from 'react';
import type { CheckInPolicy } from '../gen/gad/v1/check_in_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { checkIns } from '../rpc/lateClients';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { minutesOf, secondsOf } from './minutes';
import { PolicyForm, usePolicyCall } from './PolicyForm';
import { words } from './words';

/** How often agents on tasks of a kind are to show that all is well. */
export function CheckInDialog({ policy, onClose }: { policy: CheckInPolicy; onClose: () => void }) {
  const { t } = useWords();
  const w = usePart(words);
  const [interval, setInterval] = useState(minutesOf(policy.interval));
  const [grace, setGrace] = useState(minutesOf(policy.grace));
  const [sos, setSos] = useState(policy.sos);
  const { kind, etag } = policy;
  const save = usePolicyCall(
    'checkInPolicies',
    () => {
      const wanted = { kind, etag, sos, interval: secondsOf(interval), grace: secondsOf(grace) };
      return checkIns.updateCheckInPolicy({ policy: wanted, requestId: newRequestId() }, CALL);
    },
    onClose,
  );
  return (
    <PolicyForm title={`${w.checkIn}: ${t.kinds[kind]}`} save={save} onClose={onClose}>
      <Field
        label={w.intervalMinutes}
        hint={w.intervalHint}
        inputMode="decimal"
        autoFocus
        value={interval}
        error={save.fields.get('interval')}
        onChange={({ target }) => setInterval(target.value)}
      />
      <Field
        label={w.graceMinutes}
        hint={w.graceHint}
        inputMode="decimal"
        value={grace}
        error={save.fields.get('grace')}
        onChange={({ target }) => setGrace(target.value)}
      />
      <Check label={w.sosLong} checked={sos} onChange={setSos} />
    </PolicyForm>
  );
}
