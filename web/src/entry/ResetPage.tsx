import { useWords } from '../i18n';
import { usePart } from '../i18n/part';
import { CALL, entry } from '../rpc/entry';
import { NewPassword } from './NewPassword';
import { words } from './words';

export default function ResetPage() {
  const { t } = useWords();
  const { reset } = usePart(words);
  return (
    <NewPassword
      title={reset.title}
      label={t.password.next}
      submit={reset.submit}
      done={reset.done}
      field="new_password"
      send={(token, newPassword) => entry.resetPassword({ token, newPassword }, CALL)}
    />
  );
}
