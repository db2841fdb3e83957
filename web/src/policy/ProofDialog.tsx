import { useState } from 'react';
import type { ProofPolicy } from '../gen/gad/v1/attachment_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { attachments } from '../rpc/lateClients';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { numberOf } from '../ui/lines';
import { PolicyForm, usePolicyCall } from './PolicyForm';
import { words } from './words';

/** What finishing a task of a kind takes. */
export function ProofDialog({ policy, onClose }: { policy: ProofPolicy; onClose: () => void }) {
  const { t } = useWords();
  const w = usePart(words);
  const [photos, setPhotos] = useState(String(policy.photoCount));
  const [signatures, setSignatures] = useState(String(policy.signatureCount));
  const [wholeChecklist, setWhole] = useState(policy.wholeChecklist);
  const { kind, etag } = policy;
  const whole = (text: string) => Math.round(numberOf(text) ?? 0);
  const save = usePolicyCall(
    'proofPolicies',
    () => {
      const wanted = { kind, etag, wholeChecklist, photoCount: whole(photos), signatureCount: whole(signatures) };
      return attachments.updateProofPolicy({ policy: wanted, requestId: newRequestId() }, CALL);
    },
    onClose,
  );
  return (
    <PolicyForm title={`${w.proof}: ${t.kinds[kind]}`} save={save} onClose={onClose}>
      <Field
        label={w.photos}
        type="number"
        min={0}
        max={20}
        autoFocus
        value={photos}
        error={save.fields.get('photo_count')}
        onChange={({ target }) => setPhotos(target.value)}
      />
      <Field
        label={w.signatures}
        type="number"
        min={0}
        max={20}
        value={signatures}
        error={save.fields.get('signature_count')}
        onChange={({ target }) => setSignatures(target.value)}
      />
      <Check label={w.wholeChecklist} checked={wholeChecklist} onChange={setWhole} />
    </PolicyForm>
  );
}
