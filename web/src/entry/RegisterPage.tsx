import { useState } from 'react';
import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, entry } from '../rpc/entry';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { PasswordField } from '../ui/PasswordField';
import { BackToSignIn, Done } from './Done';
import { EntryFrame } from './EntryFrame';
import { words } from './words';

const EMPTY = { email: '', password: '', givenName: '', familyName: '', username: '', phone: '' };

export default function RegisterPage() {
  const { t, lang } = useWords();
  const w = usePart(words);
  const [draft, setDraft] = useState(EMPTY);
  const [isDone, setDone] = useState(false);
  const register = useCall(
    ({ password, ...rest }: typeof EMPTY) => {
      const trimmed = Object.fromEntries(Object.entries(rest).map(([name, text]) => [name, text.trim()]));
      const displayName = `${rest.givenName.trim()} ${rest.familyName.trim()}`.trim();
      return entry.register({ ...trimmed, displayName, password, language: lang }, CALL);
    },
    () => setDone(true),
  );
  const field = (name: keyof typeof EMPTY, wire: string) => ({
    value: draft[name],
    error: register.fields.get(wire),
    onChange: (event: { target: { value: string } }) => setDraft({ ...draft, [name]: event.target.value }),
  });
  if (isDone) {
    return (
      <EntryFrame title={w.register.title}>
        <Done text={w.register.done} />
      </EntryFrame>
    );
  }
  return (
    <EntryFrame title={w.register.title}>
      <Form failure={register.failure} onSubmit={() => register.run(draft)}>
        <div className="pair">
          <Field label={w.register.givenName} autoComplete="given-name" autoFocus maxLength={100} {...field('givenName', 'given_name')} />
          <Field label={w.register.familyName} autoComplete="family-name" maxLength={100} {...field('familyName', 'family_name')} />
        </div>
        <Field label={w.email} type="email" autoComplete="email" {...field('email', 'email')} />
        <Field
          label={w.register.username}
          hint={w.register.usernameHint}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={50}
          {...field('username', 'username')}
        />
        <Field label={w.register.phone} type="tel" autoComplete="tel" maxLength={40} {...field('phone', 'phone')} />
        <PasswordField
          label={w.register.password}
          hint={t.password.rule}
          autoComplete="new-password"
          {...field('password', 'password')}
        />
        <Button look="primary" type="submit" busy={register.busy}>
          {w.register.submit}
        </Button>
      </Form>
      <BackToSignIn />
    </EntryFrame>
  );
}
