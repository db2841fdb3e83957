import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { LocationPrecision } from '../gen/gad/v1/privacy_pb';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, newRequestId } from '../rpc/clients';
import { privacy } from '../rpc/lateClients';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { toast } from '../ui/toast';
import { words } from './words';

/** How exactly each level sees where others are. */
export function Precisions() {
  const { retention: w } = usePart(words);
  const precisions = useQuery({
    queryKey: ['precisions'],
    queryFn: ({ signal }) => privacy.listLocationPrecisions({}, { ...CALL, signal }),
  });
  return (
    <>
      <p className="muted">{w.precisionText}</p>
      <Loaded query={precisions}>
        {(answer) => answer.precisions.map((precision) => <One key={precision.level} precision={precision} />)}
      </Loaded>
    </>
  );
}

function One({ precision }: { precision: LocationPrecision }) {
  const { t } = useWords();
  const { retention: w } = usePart(words);
  const queries = useQueryClient();
  const [meters, setMeters] = useState(String(precision.meters));
  const [wrong, setWrong] = useState(false);
  const save = useCall(
    (sent: number) => privacy.updateLocationPrecision({ level: precision.level, meters: sent, requestId: newRequestId() }, CALL),
    async () => {
      toast(t.app.saved);
      await queries.invalidateQueries({ queryKey: ['precisions'] });
    },
  );
  const submit = () => {
    const isWrong = !/^[0-9]{1,6}$/.test(meters.trim());
    setWrong(isWrong);
    if (!isWrong) save.run(Number(meters.trim()));
  };
  return (
    <Form failure={save.failure} onSubmit={submit} label={t.levels[precision.level]}>
      <div className="line line-end">
        <Field
          label={`${t.levels[precision.level]} · ${w.meters}`}
          inputMode="numeric"
          value={meters}
          error={wrong ? w.invalid : save.fields.get('meters')}
          onChange={(event) => setMeters(event.target.value)}
        />
        <Button type="submit" busy={save.busy}>
          {t.app.save}
        </Button>
      </div>
    </Form>
  );
}
