import { useState } from 'react';
import { Link } from 'wouter';
import { useCell } from '../cell';
import { useConfig } from '../config';
import { useWords } from '../i18n';
import { CALL, entry } from '../rpc/entry';
import { beginSession, session } from '../rpc/session';
import { type Call, useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Check } from '../ui/Check';
import { Field } from '../ui/Field';
import { Form } from '../ui/Form';
import { Notice } from '../ui/Notice';
import { PasswordField } from '../ui/PasswordField';
import { EntryFrame } from './EntryFrame';

const EMPTY = { email: '', password: '', code: '' };

export function SignInPage() {
  const { t } = useWords();
  const [draft, setDraft] = useState(EMPTY);
  const [lasting, setLasting] = useState(false);
  const [codeWanted, setCodeWanted] = useState(false);
  const login = useCall(
    ({ email, password, code }: typeof EMPTY) => entry.login({ email: email.trim(), password, code: code.trim() }, CALL),
    (answer) => beginSession(answer, lasting),
  );
  const reason = login.failure?.reason;
  if (reason === 'SECOND_FACTOR_REQUIRED' && !codeWanted) setCodeWanted(true);
  // To be asked for the second step is no fault of the person.
  const isNextStep = reason === 'SECOND_FACTOR_REQUIRED';
  const change = (part: Partial<typeof EMPTY>) => setDraft({ ...draft, ...part });

  return (
    <EntryFrame title={t.signIn.title}>
      {!login.failure && <Why />}
      {isNextStep && <Notice tone="info">{t.signIn.codeWanted}</Notice>}
      <Form failure={isNextStep ? null : login.failure} onSubmit={() => login.run(draft)}>
        {reason === 'EMAIL_NOT_VERIFIED' && <Resend email={draft.email.trim()} />}
        <Field
          label={t.signIn.name}
          inputMode="email"
          autoComplete="username"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          autoFocus
          value={draft.email}
          error={login.fields.get('email')}
          onChange={(event) => change({ email: event.target.value })}
        />
        <PasswordField
          label={t.signIn.password}
          autoComplete="current-password"
          value={draft.password}
          error={login.fields.get('password')}
          onChange={(event) => change({ password: event.target.value })}
        />
        {codeWanted && <CodeField draft={draft} change={change} login={login} />}
        <Check label={t.signIn.lasting} hint={t.signIn.lastingHint} checked={lasting} onChange={setLasting} />
        <Button look="primary" type="submit" busy={login.busy}>
          {t.signIn.submit}
        </Button>
      </Form>
      <Links />
    </EntryFrame>
  );
}

function CodeField({ draft, change, login }: { draft: typeof EMPTY; change: (part: { code: string }) => void; login: Call<never> }) {
  const { t } = useWords();
  return (
    <Field
      label={t.signIn.code}
      hint={t.signIn.codeHint}
      autoComplete="one-time-code"
      autoCapitalize="none"
      spellCheck={false}
      autoFocus
      maxLength={40}
      value={draft.code}
      error={login.fields.get('code')}
      onChange={(event) => change({ code: event.target.value })}
    />
  );
}

function Why() {
  const { t } = useWords();
  const now = useCell(session);
  if (now.token !== null || now.why === 'new') return null;
  return <Notice tone="info">{t.signIn.why[now.why]}</Notice>;
}

function Resend({ email }: { email: string }) {
  const { t } = useWords();
  const [done, setDone] = useState(false);
  const resend = useCall(
    () => entry.requestEmailVerification({ email }, CALL),
    () => setDone(true),
  );
  if (done) return <Notice tone="info">{t.signIn.resent}</Notice>;
  if (resend.failure) return <Notice tone="error">{resend.failure.text}</Notice>;
  return (
    <Button busy={resend.busy} onClick={() => resend.run(undefined)}>
      {t.signIn.resend}
    </Button>
  );
}

function Links() {
  const { t } = useWords();
  const { openRegistration } = useConfig();
  return (
    <p className="entry-links">
      <Link href="/forgot-password">{t.signIn.forgot}</Link>
      {openRegistration && <Link href="/register">{t.signIn.register}</Link>}
    </p>
  );
}
