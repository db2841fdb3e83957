import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useState } from 'react';
import type { EnrolTotpResponse } from '../gen/gad/v1/auth_pb';
import { usePart } from '../i18n/part';
import { auth, CALL } from '../rpc/clients';
import { useCall } from '../rpc/useCall';
import { Badge } from '../ui/Badge';
import { Button } from '../ui/Button';
import { Confirm } from '../ui/Confirm';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Loaded } from '../ui/Loaded';
import { toast } from '../ui/toast';
import { RecoveryCodes } from './RecoveryCodes';
import { useMe } from './useMe';
import { words } from './words';

const QrCode = lazy(() => import('./QrCode'));

export function FactorPart() {
  const { factor: w } = usePart(words);
  const me = useMe();
  const queries = useQueryClient();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  if (codes) return <RecoveryCodes codes={codes} onKept={() => setCodes(null)} />;
  const changed = () => queries.invalidateQueries({ queryKey: ['me'] });
  const take = async ({ codes: made }: { codes: readonly string[] }) => {
    setCodes(made);
    await changed();
  };
  return (
    <>
      <p className="prose">{w.text}</p>
      <Loaded query={me}>
        {({ secondFactor }) => (
          <>
            <p>
              <Badge tone={secondFactor ? 'available' : 'plain'}>{secondFactor ? w.on : w.off}</Badge>
            </p>
            {secondFactor ? <Manage onCodes={take} onDisabled={changed} /> : <Enrol onCodes={take} />}
          </>
        )}
      </Loaded>
    </>
  );
}

interface TakesCodes {
  onCodes: (answer: { codes: readonly string[] }) => Promise<void>;
}

function Enrol({ onCodes }: TakesCodes) {
  const { factor: w } = usePart(words);
  const [made, setMade] = useState<EnrolTotpResponse | null>(null);
  const enrol = useCall(() => auth.enrolTotp({}, CALL), setMade);
  if (made) return <Scan made={made} onCodes={onCodes} />;
  return (
    <Form failure={enrol.failure} onSubmit={() => enrol.run(undefined)}>
      <div className="line">
        <Button look="primary" type="submit" busy={enrol.busy}>
          {w.enrol}
        </Button>
      </div>
    </Form>
  );
}

function Scan({ made, onCodes }: TakesCodes & { made: EnrolTotpResponse }) {
  const { factor: w } = usePart(words);
  const [code, setCode] = useState('');
  const confirm = useCall(() => auth.confirmTotp({ code: code.replaceAll(' ', '') }, CALL), onCodes, 'code');
  return (
    <div className="enrol">
      <Suspense fallback={<div className="qr" />}>
        <QrCode text={made.uri} label={w.qr} />
      </Suspense>
      <Form failure={confirm.failure} onSubmit={() => confirm.run(undefined)}>
        <p>{w.scan}</p>
        <p>{w.type}</p>
        <p className="secret">{made.secret.replace(/(.{4})(?=.)/g, '$1 ')}</p>
        <Field
          label={w.code}
          inputMode="numeric"
          autoComplete="one-time-code"
          autoFocus
          maxLength={7}
          value={code}
          error={confirm.fields.get('code')}
          onChange={(event) => setCode(event.target.value)}
        />
        <div className="form-end">
          <Button look="primary" type="submit" busy={confirm.busy}>
            {w.confirm}
          </Button>
        </div>
      </Form>
    </div>
  );
}

function Manage({ onCodes, onDisabled }: TakesCodes & { onDisabled: () => Promise<void> }) {
  const { factor: w } = usePart(words);
  const [asked, setAsked] = useState<'codes' | 'disable' | null>(null);
  const regenerate = useCall((_reason: string) => auth.regenerateRecoveryCodes({}, CALL), onCodes);
  const disable = useCall(
    (_reason: string) => auth.disableTotp({}, CALL),
    async () => {
      setAsked(null);
      toast(w.disabled);
      await onDisabled();
    },
  );
  const close = () => setAsked(null);
  return (
    <div className="line">
      <Button onClick={() => setAsked('codes')}>{w.regenerate}</Button>
      <Button look="danger" onClick={() => setAsked('disable')}>
        {w.disable}
      </Button>
      {asked === 'codes' && (
        <Confirm title={w.regenerateTitle} act={w.regenerate} call={regenerate} onClose={close}>
          <p>{w.regenerateText}</p>
        </Confirm>
      )}
      {asked === 'disable' && (
        <Confirm title={w.disableTitle} act={w.disable} danger call={disable} onClose={close}>
          <p>{w.disableText}</p>
        </Confirm>
      )}
    </div>
  );
}
