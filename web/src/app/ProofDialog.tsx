import { useState } from 'react';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { auth, CALL } from '../rpc/clients';
import { type ProofWanted, proofWanted } from '../rpc/proof';
import { session, takeAccessToken } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { PasswordField } from '../ui/PasswordField';

/** Shows when a call asks the person to prove that they are there. */
export function ProofDialog() {
  const wanted = useCell(proofWanted);
  return wanted && <Proof wanted={wanted} />;
}

function Proof({ wanted }: { wanted: ProofWanted }) {
  const { t } = useWords();
  const mine = useCell(session);
  const byCode = mine.token !== null && mine.user.secondFactor;
  const [secret, setSecret] = useState('');
  const stepUp = useCall(
    () => auth.stepUp(byCode ? { code: secret.trim() } : { password: secret }, CALL),
    (answer) => {
      takeAccessToken(answer);
      wanted.answer(true);
    },
    byCode ? 'code' : 'password',
  );
  const input = { autoFocus: true, value: secret, onChange: (event: { target: { value: string } }) => setSecret(event.target.value) };
  return (
    <Dialog title={t.proof.title} onClose={() => wanted.answer(false)}>
      <Form failure={stepUp.failure} onSubmit={() => stepUp.run(undefined)}>
        <p>{t.proof.text}</p>
        {byCode ? (
          <Field
            label={t.signIn.code}
            hint={t.signIn.codeHint}
            autoComplete="one-time-code"
            autoCapitalize="none"
            maxLength={40}
            error={stepUp.fields.get('code')}
            {...input}
          />
        ) : (
          <PasswordField label={t.signIn.password} autoComplete="current-password" error={stepUp.fields.get('password')} {...input} />
        )}
        <div className="form-end">
          <Button look="quiet" onClick={() => wanted.answer(false)}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" busy={stepUp.busy}>
            {t.proof.submit}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
