import { useState } from 'react';
import type { DispatchPolicy } from '../gen/gad/v1/dispatch_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, dispatches, newRequestId } from '../rpc/clients';
import { Check } from '../ui/Check';
import { Field, TextArea } from '../ui/Field';
import { linesOf, numberOf } from '../ui/lines';
import { minutesOf, secondsOf } from './minutes';
import { PolicyForm, usePolicyCall } from './PolicyForm';
import { words } from './words';

const LISTS = ['units', 'specialties', 'ranks'] as const;

/** Who is sent to tasks of a kind. */
export function DispatchDialog({ policy, onClose }: { policy: DispatchPolicy; onClose: () => void }) {
  const { t } = useWords();
  const w = usePart(words);
  const [draft, setDraft] = useState(() => ({
    agentCount: String(policy.agentCount),
    radiusMeters: policy.radiusMeters > 0 ? String(policy.radiusMeters) : '',
    fixAge: minutesOf(policy.maxFixAge),
    rest: minutesOf(policy.minRest),
    mismatchMeters: String(policy.mismatchMeters),
    taskMeters: String(policy.taskMeters),
    exclusive: policy.exclusive,
    strict: policy.strict,
    units: policy.units.join('\n'),
    specialties: policy.specialties.join('\n'),
    ranks: policy.ranks.join('\n'),
  }));
  const save = usePolicyCall(
    'dispatchPolicies',
    () => {
      const wanted = { kind: policy.kind, etag: policy.etag, ...wantedOf(draft) };
      return dispatches.updateDispatchPolicy({ policy: wanted, requestId: newRequestId() }, CALL);
    },
    onClose,
  );
  const number = (name: 'agentCount' | 'radiusMeters' | 'fixAge' | 'rest' | 'mismatchMeters' | 'taskMeters', field: string) => ({
    label: w.fields[name],
    inputMode: 'decimal' as const,
    value: draft[name],
    error: save.fields.get(field),
    onChange: ({ target }: { target: { value: string } }) => setDraft({ ...draft, [name]: target.value }),
  });
  return (
    <PolicyForm title={`${w.dispatch}: ${t.kinds[policy.kind]}`} save={save} onClose={onClose}>
      <div className="pair">
        <Field {...number('agentCount', 'agent_count')} autoFocus />
        <Field {...number('radiusMeters', 'radius_meters')} hint={w.radiusHint} />
        <Field {...number('fixAge', 'max_fix_age')} />
        <Field {...number('rest', 'min_rest')} />
        <Field {...number('mismatchMeters', 'mismatch_meters')} />
        <Field {...number('taskMeters', 'task_meters')} />
      </div>
      <Check label={w.exclusiveLong} checked={draft.exclusive} onChange={(exclusive) => setDraft({ ...draft, exclusive })} />
      {LISTS.map((name) => (
        <TextArea
          key={name}
          label={w.lists[name]}
          hint={w.oneALine}
          rows={2}
          value={draft[name]}
          error={save.fields.get(name)}
          onChange={({ target }) => setDraft({ ...draft, [name]: target.value })}
        />
      ))}
      <Check label={w.strict} checked={draft.strict} onChange={(strict) => setDraft({ ...draft, strict })} />
    </PolicyForm>
  );
}

interface Draft {
  agentCount: string;
  radiusMeters: string;
  fixAge: string;
  rest: string;
  mismatchMeters: string;
  taskMeters: string;
  exclusive: boolean;
  strict: boolean;
  units: string;
  specialties: string;
  ranks: string;
}

function wantedOf({ agentCount, radiusMeters, fixAge, rest, mismatchMeters, taskMeters, exclusive, strict, ...lists }: Draft) {
  return {
    agentCount: Math.round(numberOf(agentCount) ?? 0),
    radiusMeters: numberOf(radiusMeters) ?? 0,
    maxFixAge: secondsOf(fixAge),
    minRest: secondsOf(rest),
    mismatchMeters: numberOf(mismatchMeters) ?? 0,
    taskMeters: numberOf(taskMeters) ?? 0,
    exclusive,
    strict,
    units: linesOf(lists.units),
    specialties: linesOf(lists.specialties),
    ranks: linesOf(lists.ranks),
  };
}
