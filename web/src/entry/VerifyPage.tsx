import { useState } from 'react';
import { usePart } from '../i18n/part';
import { CALL, entry } from '../rpc/entry';
import { linkToken } from '../rpc/link';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Form } from '../ui/Form';
import { Notice } from '../ui/Notice';
import { BackToSignIn, Done } from './Done';
import { EntryFrame } from './EntryFrame';
import { MailForm } from './MailForm';
import { words } from './words';

/** A person confirms by a button: what opens links by itself, such as a mail scanner, must not use them up. */
export default function VerifyPage() {
  const w = usePart(words);
  const [isDone, setDone] = useState(false);
  const verify = useCall(
    () => entry.verifyEmail({ token: linkToken }, CALL),
    () => setDone(true),
  );
  const isUseless = linkToken === '' || verify.failure?.reason === 'MAILED_TOKEN_INVALID';
  if (isDone) {
    return (
      <EntryFrame title={w.verify.title}>
        <Done text={w.verify.done} />
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={w.verify.title}>
      {linkToken === '' && <Notice tone="warning">{w.noLink}</Notice>}
      {!isUseless && (
        <Form failure={verify.failure} onSubmit={() => verify.run(undefined)}>
          <p>{w.verify.text}</p>
          <Button look="primary" type="submit" busy={verify.busy}>
            {w.verify.submit}
          </Button>
        </Form>
      )}
      {isUseless && verify.failure && <Notice tone="error">{verify.failure.text}</Notice>}
      {isUseless && (
        <MailForm
          send={(email) => entry.requestEmailVerification({ email }, CALL)}
          submit={w.verify.again}
          done={w.verify.sent}
        />
      )}
      <BackToSignIn />
    </EntryFrame>
  );
}
