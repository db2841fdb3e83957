import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { linkToken } from '../rpc/link';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Form } from '../ui/Form';
import { Notice } from '../ui/Notice';
import { PasswordField } from '../ui/PasswordField';
import { BackToSignIn, Done } from './Done';
import { EntryFrame } from './EntryFrame';
import { words } from './words';

interface Props {
  title: string;
  intro?: ReactNode;
  label: string;
  submit: string;
  done: string;
  /** Name of the password's field in the call. */
  field: 'password' | 'new_password';
  send: (token: string, password: string) => Promise<unknown>;
}

/** Sets a password by the secret of a mailed link. */
export function NewPassword({ title, intro, label, submit, done, field, send }: Props) {
  const { t } = useWords();
  const w = usePart(words);
  const [password, setPassword] = useState('');
  const [isDone, setDone] = useState(false);
  const set = useCall(
    () => send(linkToken, password),
    () => setDone(true),
  );
  const isUseless = linkToken === '' || set.failure?.reason === 'MAILED_TOKEN_INVALID';
  if (isDone) {
    return (
      <EntryFrame title={title}>
        <Done text={done} />
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={title}>
      {linkToken === '' && <Notice tone="warning">{w.noLink}</Notice>}
      {linkToken !== '' && (
        <Form failure={set.failure} onSubmit={() => set.run(undefined)}>
          {intro && <p>{intro}</p>}
          <PasswordField
            label={label}
            hint={t.password.rule}
            autoComplete="new-password"
            autoFocus
            value={password}
            error={set.fields.get(field)}
            onChange={(event) => setPassword(event.target.value)}
          />
          <Button look="primary" type="submit" busy={set.busy}>
            {submit}
          </Button>
        </Form>
      )}
      {isUseless && field === 'new_password' && <Link href="/forgot-password">{w.reset.again}</Link>}
      <BackToSignIn />
    </EntryFrame>
  );
}
