import { PasswordForm } from '../account/PasswordForm';
import { useWords } from '../i18n';
import { signOut } from '../rpc/signOut';
import { Button } from '../ui/Button';
import { Notice } from '../ui/Notice';
import { EntryFrame } from './EntryFrame';

/** Before anything else, a password that has expired is changed. */
export function ExpiredPasswordPage() {
  const { t } = useWords();
  return (
    <EntryFrame title={t.password.title}>
      <Notice tone="warning">{t.password.expired}</Notice>
      <PasswordForm />
      <Button look="quiet" onClick={() => void signOut()}>
        {t.app.signOut}
      </Button>
    </EntryFrame>
  );
}
