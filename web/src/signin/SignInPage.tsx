import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Brand } from '../app/Shell';
import { LanguageSwitch, ThemeSwitch } from '../app/switches';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { auth, CALL } from '../rpc/clients';
import { explain } from '../rpc/failure';
import { beginSession, session } from '../rpc/session';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { Notice } from '../ui/Notice';
import './signin.css';

export function SignInPage() {
  const { t } = useWords();
  const now = useCell(session);
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const login = useMutation({
    mutationFn: () => auth.login({ email: email.trim(), password }, CALL),
    onSuccess: beginSession,
  });
  const failure = login.error && explain(login.error, t);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate();
  };

  return (
    <main className="signin">
      <div className="signin-card">
        <div className="signin-head">
          <Brand />
          <ThemeSwitch />
          <LanguageSwitch />
        </div>
        <p className="signin-subtitle">{t.app.subtitle}</p>
        <h1>{t.signIn.title}</h1>
        {now.token === null && now.expired && !failure && <Notice tone="info">{t.signIn.expired}</Notice>}
        {failure && <Notice tone="error">{failure.text}</Notice>}
        <form onSubmit={submit} noValidate>
          <Field
            label={t.signIn.email}
            type="email"
            autoComplete="username"
            autoFocus
            value={email}
            error={failure?.fields.get('email')}
            onChange={(event) => setEmail(event.target.value)}
          />
          <Field
            label={t.signIn.password}
            type="password"
            autoComplete="current-password"
            value={password}
            error={failure?.fields.get('password')}
            onChange={(event) => setPassword(event.target.value)}
          />
          <Button look="primary" type="submit" busy={login.isPending}>
            {t.signIn.submit}
          </Button>
        </form>
      </div>
    </main>
  );
}
