import { useState } from 'react';
import { usePart } from '../i18n/part';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Notice } from '../ui/Notice';
import { words } from './words';

interface Props {
  send: (email: string) => Promise<unknown>;
  submit: string;
  done: string;
}

/** Asks for a mail with a link. Whether anybody has the address, nobody is told. */
export function MailForm({ send, submit, done }: Props) {
  const w = usePart(words);
  const [email, setEmail] = useState('');
  const [isDone, setDone] = useState(false);
  const request = useCall(
    () => send(email.trim()),
    () => setDone(true),
  );
  if (isDone) return <Notice tone="info">{done}</Notice>;
  return (
    <Form failure={request.failure} onSubmit={() => request.run(undefined)}>
      <Field
        label={w.email}
        type="email"
        autoComplete="username"
        autoFocus
        value={email}
        error={request.fields.get('email')}
        onChange={(event) => setEmail(event.target.value)}
      />
      <Button look="primary" type="submit" busy={request.busy}>
        {submit}
      </Button>
    </Form>
  );
}
