import { useState } from 'react';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { toast } from '../ui/toast';
import { words } from './words';

/** Somebody's national id; 0: one's own. It is read only when asked for, since each look is written down. */
export function NationalId({ userId }: { userId: bigint }) {
  const { t } = useWords();
  const { nationalId: w } = usePart(words);
  const [number, setNumber] = useState<string | null>(null);
  const read = useCall(
    () => privacy.getNationalId({ userId }, CALL),
    (answer) => setNumber(answer.nationalId),
  );
  const save = useCall(
    (nationalId: string) => privacy.setNationalId({ userId, nationalId, requestId: newRequestId() }, CALL),
    () => toast(t.app.saved),
  );
  return (
    <>
      <h3>{w.title}</h3>
      <p className="muted">{w.text}</p>
      {number === null ? (
        <Form failure={read.failure} onSubmit={() => read.run(undefined)}>
          <div className="line">
            <Button type="submit" busy={read.busy}>
              {w.show}
            </Button>
          </div>
        </Form>
      ) : (
        <Form failure={save.failure} onSubmit={() => save.run(number.trim())} label={w.title}>
          {number === '' && <p className="muted">{w.none}</p>}
          <Field
            label={w.label}
            hint={w.hint}
            autoComplete="off"
            maxLength={32}
            value={number}
            error={save.fields.get('national_id')}
            onChange={(event) => setNumber(event.target.value)}
          />
          <div className="form-end">
            <Button type="submit" busy={save.busy}>
              {t.app.save}
            </Button>
          </div>
        </Form>
      )}
    </>
  );
}
