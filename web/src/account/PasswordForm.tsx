import { useState } from 'react';
import { useCell } from '../cell';
import { useWords } from '../i18n';
import { auth, CALL } from '../rpc/clients';
import { session, takeAccessToken, takeUser } from '../rpc/session';
import { useCall } from '../rpc/useCall';
import { Button } from '../ui/Button';
import { Form } from '../ui/Form';
import { PasswordField } from '../ui/PasswordField';
import { toast } from '../ui/toast';

const EMPTY = { currentPassword: '', newPassword: '' };

export function PasswordForm() {
  const { t } = useWords();
  const mine = useCell(session);
  const [draft, setDraft] = useState(EMPTY);
  const change = useCall(
    (sent: typeof EMPTY) => auth.changePassword(sent, CALL),
    (answer) => {
      takeAccessToken(answer);
      if (mine.token !== null) takeUser({ ...mine.user, passwordExpired: false });
      setDraft(EMPTY);
      toast(t.password.done);
    },
    'current_password',
  );
  return (
    <Form failure={change.failure} onSubmit={() => change.run(draft)} label={t.password.title}>
      {/* So that a password manager knows whose password changes. */}
      <input type="text" hidden readOnly autoComplete="username" value={mine.token === null ? '' : mine.user.email} />
      <PasswordField
        label={t.password.current}
        autoComplete="current-password"
        value={draft.currentPassword}
        error={change.fields.get('current_password')}
        onChange={(event) => setDraft({ ...draft, currentPassword: event.target.value })}
      />
      <PasswordField
        label={t.password.next}
        hint={t.password.rule}
        autoComplete="new-password"
        value={draft.newPassword}
        error={change.fields.get('new_password')}
        onChange={(event) => setDraft({ ...draft, newPassword: event.target.value })}
      />
      <div className="form-end">
        <Button look="primary" type="submit" busy={change.busy}>
          {t.password.submit}
        </Button>
      </div>
    </Form>
  );
}
